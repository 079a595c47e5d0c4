//! Patterns that stand in kustomizations: nearly always a plain word, which needs no engine to be compared with.
//!
//! To the reference each is a regular expression. Compiling one takes longer than most builds, so words without
//! operators are compared character by character; a dot still stands for any one character.

use regex::Regex;

/// A pattern for a whole text.
pub(crate) enum Pattern {
    /// Only letters, digits and signs that mean themselves, and dots.
    Word(String),
    /// Anything else.
    Expression(Regex),
}

impl Pattern {
    /// Compiles a pattern. `expression` makes the whole regular expression of it.
    ///
    /// Errors: those of the engine.
    pub(crate) fn of(text: &str, expression: impl FnOnce(&str) -> String) -> Result<Self, regex::Error> {
        if is_word(text) {
            return Ok(Self::Word(text.to_owned()));
        }
        Regex::new(&expression(text)).map(Self::Expression)
    }

    pub(crate) fn fits(&self, text: &str) -> bool {
        match self {
            Self::Word(word) => fit_length(word, text) == Some(text.len()),
            Self::Expression(expression) => expression.is_match(text),
        }
    }
}

/// Whether no character is an operator, dots aside.
fn is_word(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'/' | b'.' | b':' | b'@'))
}

/// How many bytes at the start of `text` fit a word; `None` if it does not start so.
pub(crate) fn fit_length(word: &str, text: &str) -> Option<usize> {
    let mut rest = text.chars();
    for wanted in word.chars() {
        let found = rest.next()?;
        let fits = if wanted == '.' { found != '\n' } else { wanted == found };
        if !fits {
            return None;
        }
    }
    Some(text.len() - rest.as_str().len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_fit_as_their_expressions_do() {
        for (word, text) in [
            ("web", "web"),
            ("web", "webs"),
            ("web", "we"),
            ("a.b", "a.b"),
            ("a.b", "axb"),
            ("a.b", "aéb"),
            ("a.b", "a\nb"),
            ("", ""),
            ("", "x"),
            ("r.example:5000/a_b-c@d", "r.example:5000/a_b-c@d"),
        ] {
            assert!(matches!(Pattern::of(word, str::to_owned), Ok(Pattern::Word(_))), "{word}");
            let expression = Regex::new(&format!("^(?:{word})$")).unwrap();
            assert_eq!(Pattern::Word(word.to_owned()).fits(text), expression.is_match(text), "{word} {text:?}");
        }
        for text in ["a|b", "w.*", "x$", "^x", "a+", "(a)", "[a]", "a?", "a\\.b", "a{2}", "a b"] {
            assert!(matches!(Pattern::of(text, |text| format!("^(?:{text})$")), Ok(Pattern::Expression(_))), "{text}");
        }
    }
}
