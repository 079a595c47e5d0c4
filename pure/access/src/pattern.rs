//! Globs as Argo CD's users write them: `*`, `**`, `?`, `[a-z]`, `[!a]`, `{a,b}`, `\` to quote; with a separator, `*` and
//! `?` stop at it and `**` does not. Source: Argo CD `util/glob` (gobwas/glob).

use regex::Regex;

/// A glob, read once.
#[derive(Debug, Clone)]
pub struct Pattern(Form);

#[derive(Debug, Clone)]
enum Form {
    Anything,
    Exactly(String),
    Expression(Regex),
    /// A glob that cannot be read matches nothing.
    Nothing,
}

/// The size limit of a compiled glob: globs come from users.
const SIZE_BYTES_MAX: usize = 1 << 20;

impl Pattern {
    /// Reads a glob in which `*` stops at `separator`, if there is one. A lone `*` matches anything all the same.
    pub fn read(glob: &str, separator: Option<char>) -> Self {
        if glob == "*" {
            return Self(Form::Anything);
        }
        if !glob.contains(['*', '?', '[', '{', '\\']) {
            return Self(Form::Exactly(glob.to_owned()));
        }
        let expression = translate(glob, separator)
            .and_then(|text| regex::RegexBuilder::new(&text).size_limit(SIZE_BYTES_MAX).build().ok());
        Self(expression.map_or(Form::Nothing, Form::Expression))
    }

    /// Reads a glob, or a regular expression between slashes. The expression has to match somewhere, not everything.
    /// Source: Argo CD `util/glob/list.go` (MatchStringInList with REGEXP).
    pub fn read_or_expression(text: &str) -> Self {
        match text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')).filter(|inner| !inner.is_empty()) {
            Some(inner) => {
                let expression = regex::RegexBuilder::new(inner).size_limit(SIZE_BYTES_MAX).build().ok();
                Self(expression.map_or(Form::Nothing, Form::Expression))
            }
            None => Self::read(text, None),
        }
    }

    /// Says whether the glob matches all of `text`.
    pub fn matches(&self, text: &str) -> bool {
        match &self.0 {
            Form::Anything => true,
            Form::Exactly(exact) => exact == text,
            Form::Expression(expression) => expression.is_match(text),
            Form::Nothing => false,
        }
    }
}

/// Writes a glob as a regular expression; `None` if brackets do not close.
fn translate(glob: &str, separator: Option<char>) -> Option<String> {
    let one = separator.map_or(".".to_owned(), |separator| format!("[^{}]", regex::escape(&separator.to_string())));
    let mut text = String::from("(?s)^");
    let mut letters = glob.chars().peekable();
    let mut braces = 0usize;
    while let Some(letter) = letters.next() {
        match letter {
            '*' => {
                let mut is_double = false;
                while letters.next_if_eq(&'*').is_some() {
                    is_double = true;
                }
                text.push_str(if is_double { "." } else { &one });
                text.push('*');
            }
            '?' => text.push_str(&one),
            '[' => {
                text.push('[');
                if letters.next_if_eq(&'!').is_some() {
                    text.push('^');
                }
                loop {
                    match letters.next()? {
                        ']' => break,
                        '-' => text.push('-'),
                        '\\' => text.push_str(&regex::escape(&letters.next()?.to_string())),
                        inner => text.push_str(&regex::escape(&inner.to_string())),
                    }
                }
                text.push(']');
            }
            '{' => {
                braces += 1;
                text.push_str("(?:");
            }
            '}' if braces > 0 => {
                braces -= 1;
                text.push(')');
            }
            ',' if braces > 0 => text.push('|'),
            '\\' => text.push_str(&regex::escape(&letters.next()?.to_string())),
            other => text.push_str(&regex::escape(&other.to_string())),
        }
    }
    text.push('$');
    (braces == 0).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_as_users_of_argo_cd_expect() {
        for (glob, text, separator, is_match) in [
            ("*", "a/b/c", Some('/'), true),
            ("", "", None, true),
            ("", "a", None, false),
            ("shop", "shop", None, true),
            ("shop-*", "shop-eu/x", None, true),
            ("https://example.com/*", "https://example.com/a", Some('/'), true),
            ("https://example.com/*", "https://example.com/a/b", Some('/'), false),
            ("https://example.com/**", "https://example.com/a/b", Some('/'), true),
            ("sho?", "shop", None, true),
            ("sho?", "sho", None, false),
            ("[a-c]x", "bx", None, true),
            ("[!a-c]x", "bx", None, false),
            ("{dev,prod}-*", "prod-1", None, true),
            ("{dev,prod}-*", "test-1", None, false),
            (r"a\*", "a*", None, true),
            (r"a\*", "ab", None, false),
            ("a.b", "axb", None, false),
            ("a.b*", "axbc", None, false),
            ("[", "[", None, false),
            ("{a", "{a", None, false),
        ] {
            assert_eq!(Pattern::read(glob, separator).matches(text), is_match, "{glob:?} on {text:?}");
        }
    }

    #[test]
    fn between_slashes_stands_an_expression() {
        assert!(Pattern::read_or_expression("/^team-[0-9]+$/").matches("team-12"));
        assert!(!Pattern::read_or_expression("/^team-[0-9]+$/").matches("team-x"));
        assert!(Pattern::read_or_expression("team-*").matches("team-x"));
        assert!(!Pattern::read_or_expression("/(/").matches("("));
    }
}
