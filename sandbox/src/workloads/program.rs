//! What a container's command plainly does, where it is trivial: `true`, `false`, `exit N`, `sleep N`, `echo …`,
//! alone or joined in `sh -c`. Anything else runs on.

use std::time::Duration;

use serde_json::Value;

use crate::faults::Fault;
use crate::json;

/// What a container does once it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Program {
    /// It runs on.
    Forever,
    /// It ends.
    Ends {
        /// After this time.
        after: Duration,
        /// With this code.
        code: i32,
        /// Because it was killed for memory.
        out_of_memory: bool,
    },
}

impl Program {
    /// The program of a container: faults first, then its command.
    pub(crate) fn of(container: &Value, faults: &[Fault]) -> Self {
        for fault in faults {
            match fault {
                Fault::CrashLoop { after } => return Self::Ends { after: *after, code: 1, out_of_memory: false },
                Fault::OutOfMemory { after } => return Self::Ends { after: *after, code: 137, out_of_memory: true },
                Fault::Exit { code, after } => return Self::Ends { after: *after, code: *code, out_of_memory: false },
                _ => {}
            }
        }
        match script(container).and_then(|script| run(&script)) {
            Some(run) => match run.ends {
                Some(code) => Self::Ends { after: run.takes, code, out_of_memory: false },
                None => Self::Forever,
            },
            None => Self::Forever,
        }
    }

    /// What the container's command writes, line by line; empty when nothing is known of it.
    pub(crate) fn output(container: &Value) -> Vec<String> {
        script(container).and_then(|script| run(&script)).map(|run| run.lines).unwrap_or_default()
    }
}

/// The words that are run, in the order of statements; `None` when there is no command.
fn script(container: &Value) -> Option<String> {
    let words: Vec<&str> = json::list(container, "/command")
        .iter()
        .chain(json::list(container, "/args"))
        .filter_map(Value::as_str)
        .collect();
    if json::list(container, "/command").is_empty() {
        // Arguments alone go to a program of the image that is not known here.
        return None;
    }
    let program = words.first()?.rsplit('/').next()?;
    match (program, words.get(1)) {
        ("sh" | "bash" | "ash" | "dash", Some(flag)) if flag.starts_with('-') && flag.contains('c') => {
            words.get(2).map(|script| (*script).to_string())
        }
        ("sh" | "bash" | "ash" | "dash", _) => None,
        _ => {
            let mut line = program.to_string();
            for word in &words[1..] {
                line.push(' ');
                line.push_str(&quoted(word));
            }
            Some(line)
        }
    }
}

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

struct Run {
    takes: Duration,
    /// The exit code; `None` for a script that never ends.
    ends: Option<i32>,
    lines: Vec<String>,
}

/// How two statements are joined.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Join {
    Always,
    IfGood,
    IfBad,
}

/// Runs a script of trivial statements; `None` when one of them is not trivial.
fn run(script: &str) -> Option<Run> {
    let mut run = Run { takes: Duration::ZERO, ends: Some(0), lines: Vec::new() };
    let mut code = 0;
    for (join, statement) in statements(script)? {
        let goes = match join {
            Join::Always => true,
            Join::IfGood => code == 0,
            Join::IfBad => code != 0,
        };
        let words = words(&statement)?;
        let Some(program) = words.first() else { continue };
        if !goes {
            continue;
        }
        match program.rsplit('/').next().unwrap_or_default() {
            "true" | ":" => code = 0,
            "false" => code = 1,
            "echo" => {
                run.lines.push(words[1..].join(" "));
                code = 0;
            }
            "exit" => {
                run.ends = Some(words.get(1).map_or(Some(code), |text| text.parse().ok())?);
                return Some(run);
            }
            "set" => code = 0,
            "sleep" => {
                let text = words.get(1)?;
                if matches!(text.as_str(), "infinity" | "inf") {
                    run.ends = None;
                    return Some(run);
                }
                run.takes += crate::faults::duration(text)?;
                code = 0;
            }
            _ => return None,
        }
    }
    run.ends = Some(code);
    Some(run)
}

/// Splits a script at `;`, `&&`, `||` and line ends, outside of quotes. Anything cleverer gives `None`.
fn statements(script: &str) -> Option<Vec<(Join, String)>> {
    let mut all = Vec::new();
    let (mut join, mut current, mut quote) = (Join::Always, String::new(), None);
    let mut characters = script.chars().peekable();
    while let Some(character) = characters.next() {
        if let Some(open) = quote {
            if character == open {
                quote = None;
            } else if open == '"' && matches!(character, '$' | '`') {
                return None;
            }
            current.push(character);
            continue;
        }
        let next = match character {
            '\'' | '"' => {
                quote = Some(character);
                current.push(character);
                continue;
            }
            ';' | '\n' => Join::Always,
            '&' if characters.next_if_eq(&'&').is_some() => Join::IfGood,
            '|' if characters.next_if_eq(&'|').is_some() => Join::IfBad,
            '&' | '|' | '$' | '`' | '<' | '>' | '(' | ')' | '{' | '}' | '*' | '?' | '[' => return None,
            '#' if current.trim().is_empty() => {
                while characters.next_if(|c| *c != '\n').is_some() {}
                continue;
            }
            other => {
                current.push(other);
                continue;
            }
        };
        all.push((join, std::mem::take(&mut current)));
        join = next;
    }
    if quote.is_some() {
        return None;
    }
    all.push((join, current));
    Some(all)
}

/// Splits a statement into words, taking quotes away.
fn words(statement: &str) -> Option<Vec<String>> {
    let mut all = Vec::new();
    let (mut word, mut open, mut quote) = (String::new(), false, None);
    let mut characters = statement.chars();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (Some(closing), _) if character == closing => quote = None,
            (Some('"') | None, '\\') => {
                word.push(characters.next()?);
                open = true;
            }
            (Some(_), _) => word.push(character),
            (None, '\'' | '"') => {
                quote = Some(character);
                open = true;
            }
            (None, _) if character.is_whitespace() => {
                if open {
                    all.push(std::mem::take(&mut word));
                    open = false;
                }
            }
            (None, _) => {
                word.push(character);
                open = true;
            }
        }
    }
    if open {
        all.push(word);
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ends(container: Value) -> Option<(u64, i32)> {
        match Program::of(&container, &[]) {
            Program::Forever => None,
            Program::Ends { after, code, .. } => Some((after.as_secs(), code)),
        }
    }

    #[test]
    fn trivial_commands_do_what_they_say_and_others_run_on() {
        assert_eq!(ends(json!({"command": ["true"]})), Some((0, 0)));
        assert_eq!(ends(json!({"command": ["/bin/false"]})), Some((0, 1)));
        assert_eq!(ends(json!({"command": ["sleep", "5"]})), Some((5, 0)));
        assert_eq!(ends(json!({"command": ["sh", "-c", "echo hi; sleep 2 && exit 3"]})), Some((2, 3)));
        assert_eq!(ends(json!({"command": ["sh", "-c"], "args": ["false || echo 'saved; yes'"]})), Some((0, 0)));
        assert_eq!(ends(json!({"command": ["sh", "-c", "false && echo never"]})), Some((0, 1)));
        assert_eq!(ends(json!({"command": ["sh", "-c", "curl example.com; exit 1"]})), None);
        assert_eq!(ends(json!({"command": ["sleep", "infinity"]})), None);
        assert_eq!(ends(json!({"args": ["true"]})), None);
        assert_eq!(ends(json!({})), None);
        assert_eq!(Program::output(&json!({"command": ["sh", "-c", "echo \"a b\" c; echo d"]})), ["a b c", "d"]);
    }
}
