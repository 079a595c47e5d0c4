//! The patterns of `.Files.Glob`: `*` and `?` stop at `/`, `**` does not, `[a-z]`, `[!ab]`, `{x,y}`, backslash escapes.
//!
//! Source: gobwas/glob 0.2.3 with `/` as separator.

/// Bounds what braces multiply to.
const ALTERNATIVES_MAX: usize = 4096;

/// A pattern ready to be matched.
#[derive(Debug, Clone)]
pub(crate) struct Glob {
    alternatives: Vec<Vec<Token>>,
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Character(char),
    /// `?`
    One,
    /// `*`
    Many,
    /// `**`
    ManyWithSlashes,
    List {
        characters: Vec<char>,
        is_negated: bool,
    },
    Range {
        low: char,
        high: char,
        is_negated: bool,
    },
}

impl Glob {
    /// Reads a pattern; one that is malformed matches everything, as Helm has it.
    pub(crate) fn parse(pattern: &str) -> Self {
        let characters: Vec<char> = pattern.chars().collect();
        let mut position = 0;
        match alternatives(&characters, &mut position, false) {
            Some(alternatives) if position == characters.len() => Self { alternatives },
            _ => Self { alternatives: vec![vec![Token::ManyWithSlashes]] },
        }
    }

    /// Says whether a whole path matches.
    pub(crate) fn matches(&self, path: &str) -> bool {
        self.alternatives.iter().any(|tokens| sequence_matches(tokens, path))
    }
}

/// Follows every way through the tokens at once.
fn sequence_matches(tokens: &[Token], path: &str) -> bool {
    let mut current = vec![false; tokens.len() + 1];
    current[0] = true;
    close(tokens, &mut current);
    for character in path.chars() {
        let mut next = vec![false; tokens.len() + 1];
        for (index, token) in tokens.iter().enumerate().filter(|(index, _)| current[*index]) {
            let (accepts, stays) = match token {
                Token::Character(wanted) => (*wanted == character, false),
                Token::One => (character != '/', false),
                Token::Many => (character != '/', true),
                Token::ManyWithSlashes => (true, true),
                Token::List { characters, is_negated } => (characters.contains(&character) != *is_negated, false),
                Token::Range { low, high, is_negated } => ((*low..=*high).contains(&character) != *is_negated, false),
            };
            if accepts {
                next[if stays { index } else { index + 1 }] = true;
            }
        }
        close(tokens, &mut next);
        current = next;
    }
    current[tokens.len()]
}

/// Stars may also stand for nothing.
fn close(tokens: &[Token], states: &mut [bool]) {
    for (index, token) in tokens.iter().enumerate() {
        if states[index] && matches!(token, Token::Many | Token::ManyWithSlashes) {
            states[index + 1] = true;
        }
    }
}

/// Reads up to the end, or inside braces up to `,` or `}`. `None` if the pattern is malformed.
fn alternatives(pattern: &[char], position: &mut usize, in_braces: bool) -> Option<Vec<Vec<Token>>> {
    let mut sequences: Vec<Vec<Token>> = vec![Vec::new()];
    while let Some(character) = pattern.get(*position) {
        if in_braces && matches!(character, ',' | '}') {
            break;
        }
        *position += 1;
        let token = match character {
            '*' => {
                let mut stars = 1;
                while pattern.get(*position) == Some(&'*') {
                    *position += 1;
                    stars += 1;
                }
                if stars == 1 { Token::Many } else { Token::ManyWithSlashes }
            }
            '?' => Token::One,
            '\\' => {
                let escaped = pattern.get(*position)?;
                *position += 1;
                Token::Character(*escaped)
            }
            '[' => bracket(pattern, position)?,
            '{' => {
                let choices = braces(pattern, position)?;
                if sequences.len() * choices.len() > ALTERNATIVES_MAX {
                    return None;
                }
                let longer = sequences.iter().flat_map(|head| {
                    choices.iter().map(move |tail| head.iter().chain(tail).cloned().collect::<Vec<_>>())
                });
                sequences = longer.collect();
                continue;
            }
            plain => Token::Character(*plain),
        };
        sequences.iter_mut().for_each(|sequence| sequence.push(token.clone()));
    }
    Some(sequences)
}

fn braces(pattern: &[char], position: &mut usize) -> Option<Vec<Vec<Token>>> {
    let mut choices = Vec::new();
    loop {
        choices.extend(alternatives(pattern, position, true)?);
        let end = pattern.get(*position)?;
        *position += 1;
        if *end == '}' {
            return (choices.len() <= ALTERNATIVES_MAX).then_some(choices);
        }
    }
}

fn bracket(pattern: &[char], position: &mut usize) -> Option<Token> {
    let is_negated = pattern.get(*position) == Some(&'!');
    *position += usize::from(is_negated);
    if let [low, '-', high, ']', ..] = pattern.get(*position..)? {
        *position += 4;
        return (low <= high).then_some(Token::Range { low: *low, high: *high, is_negated });
    }
    let mut characters = Vec::new();
    loop {
        let character = pattern.get(*position)?;
        *position += 1;
        match character {
            ']' if characters.is_empty() => return None,
            ']' => return Some(Token::List { characters, is_negated }),
            '-' if characters.len() == 1 => return None,
            '\\' => {
                characters.push(*pattern.get(*position)?);
                *position += 1;
            }
            plain => characters.push(*plain),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_braces_match_as_in_gobwas() {
        let yes = [
            ("files/*.conf", "files/a.conf"),
            ("files/**", "files/a/b.conf"),
            ("**.yaml", "a/b.yaml"),
            ("{a,b/*}.txt", "b/c.txt"),
            ("d[a-c]?", "dbx"),
            ("[!x]y", "zy"),
            ("a\\*", "a*"),
            ("{a,{b,c}}", "c"),
            ("x{,.bak}", "x"),
        ];
        for (pattern, path) in yes {
            assert!(Glob::parse(pattern).matches(path), "{pattern} {path}");
        }
        let no = [("*.conf", "a/b.conf"), ("files/*", "files/a/b"), ("a?c", "a/c"), ("[xy]", "z"), ("", "a")];
        for (pattern, path) in no {
            assert!(!Glob::parse(pattern).matches(path), "{pattern} {path}");
        }
    }

    #[test]
    fn a_malformed_pattern_matches_everything() {
        for pattern in ["[", "{a", "[]", "a\\"] {
            assert!(Glob::parse(pattern).matches("any/thing"), "{pattern}");
        }
    }
}
