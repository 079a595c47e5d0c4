//! ARGOCD_OPTS: flags that a person always gives, put in front of those of the command line, which win.
//! Source: Argo CD 3.5 `util/config/env.go`.

use std::ffi::OsString;

/// The verbs that take the flags of servers.
const VERBS: [&str; 11] =
    ["app", "proj", "repo", "cluster", "account", "login", "logout", "relogin", "context", "ctx", "top"];

/// Puts the flags of ARGOCD_OPTS behind the verb, where the verb takes them.
pub(crate) fn with_environment(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let options = std::env::var("ARGOCD_OPTS").unwrap_or_default();
    with_options(arguments.collect(), &options)
}

fn with_options(mut arguments: Vec<OsString>, options: &str) -> Vec<OsString> {
    let at = arguments.iter().skip(1).position(|word| VERBS.iter().any(|verb| word == verb)).map(|at| at + 2);
    let Some(at) = at else { return arguments };
    let given = arguments.clone();
    let is_given = |flag: &str| {
        given.iter().filter_map(|word| word.to_str()).any(|word| word == flag || word.starts_with(&format!("{flag}=")))
    };
    let mut added = Vec::new();
    let words = words(options);
    let mut rest = words.iter().peekable();
    while let Some(word) = rest.next() {
        let flag = word.split('=').next().unwrap_or(word);
        let has_value = !word.contains('=') && rest.peek().is_some_and(|next| !next.starts_with('-'));
        let value = if has_value { rest.next() } else { None };
        if is_given(flag) {
            continue;
        }
        added.push(OsString::from(word));
        added.extend(value.map(OsString::from));
    }
    arguments.splice(at..at, added);
    arguments
}

/// Splits as a shell does: blanks, quotes, backslashes.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            ('\\', None | Some('"')) => word.get_or_insert_default().extend(letters.next()),
            (letter, Some(open)) if letter == open => quote = None,
            ('"' | '\'', None) => {
                word.get_or_insert_default();
                quote = Some(letter);
            }
            (letter, None) if letter.is_whitespace() => words.extend(word.take()),
            (letter, _) => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(arguments: &str, options: &str) -> String {
        let arguments = arguments.split(' ').map(OsString::from).collect();
        let words = with_options(arguments, options);
        words.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn options_of_the_environment_come_behind_the_verb_and_lose_against_those_given() {
        assert_eq!(with("landfall app list", "--grpc-web --server x:1"), "landfall app --grpc-web --server x:1 list");
        assert_eq!(
            with("landfall app list --server y", "--server x --insecure"),
            "landfall app --insecure list --server y"
        );
        assert_eq!(with("landfall render .", "--grpc-web"), "landfall render .");
        assert_eq!(with("landfall app list", ""), "landfall app list");
    }

    #[test]
    fn words_are_split_as_a_shell_splits_them() {
        assert_eq!(words(r#"--header "A: b c" --x=\"y 'z z' """#), ["--header", "A: b c", "--x=\"y", "z z", ""]);
    }
}
