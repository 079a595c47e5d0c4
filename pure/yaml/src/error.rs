//! What can go wrong when YAML is read or written, with the place.

/// Says why a text is no YAML that Kubernetes' tools would accept, and where.
///
/// `Display` prints `line 3, column 5: did not find expected key`. The words are the reference tools' own, so that a
/// search for them finds the same explanations.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct Error {
    /// The line, counted from 1.
    pub line: usize,
    /// The column, counted from 1 in characters.
    pub column: usize,
    /// The reason in words.
    pub message: String,
    /// The line that the reference tools name for it: often the one before, none at all for the first line and for errors
    /// of reading and resolving.
    pub reference_line: Option<usize>,
}

impl Error {
    /// Makes an error at a line and column, both counted from 1.
    pub fn new(line: usize, column: usize, message: impl Into<String>) -> Self {
        Self { line, column, message: message.into(), reference_line: None }
    }

    /// The same error, for which the reference tools name a line; 0 stands for none.
    #[must_use]
    pub(crate) fn named_in_line(mut self, line: usize) -> Self {
        self.reference_line = Some(line).filter(|line| *line > 0);
        self
    }

    /// What go-yaml says: `yaml: line 2: did not find expected key`, with the line that it counts.
    pub fn reference_text(&self) -> String {
        match self.reference_line {
            Some(line) => format!("yaml: line {line}: {}", self.message),
            None => format!("yaml: {}", self.message),
        }
    }

    /// Explains the reference's terse words: what usually causes this error and what to do. `None` where the message says
    /// it all.
    pub fn hint(&self) -> Option<&'static str> {
        HINTS.iter().find(|(words, _)| self.message.contains(words)).map(|(_, hint)| *hint)
    }
}

/// What usually lies behind a message.
const HINTS: [(&str, &str); 16] = [
    (
        "did not find expected key",
        "this line, or the one before, is indented differently from its neighbours, or a quoted text goes on after its closing quote",
    ),
    ("could not find expected ':'", "a key has no `: ` behind it; a text over several lines needs `|`, `>` or quotes"),
    (
        "mapping values are not allowed in this context",
        "there is a second `: ` in the line, or the line is indented deeper than the key before it; put a text with `: ` in quotes",
    ),
    (
        "block sequence entries are not allowed in this context",
        "a list starts on the line below its key; put a text that starts with `- ` in quotes",
    ),
    (
        "found character that cannot start any token",
        "indent with spaces, not tabs; put a text that starts with @, `, % or a template's {{ in quotes",
    ),
    ("found a tab character", "indent with spaces, not tabs"),
    ("did not find expected '-' indicator", "the items of a list must all start in the same column"),
    (
        "did not find expected ',' or '}'",
        "close the brace, or separate the entries by commas; put a template's {{ in quotes",
    ),
    ("did not find expected ',' or ']'", "close the bracket, or separate the items by commas"),
    ("did not find expected node content", "a value is missing, for instance between two commas or behind `[`"),
    ("found unexpected end of stream", "the quote that starts in this line is never closed"),
    (
        "found unknown escape character",
        "in double quotes a backslash starts an escape such as \\n; write \\\\ for a backslash, or use single quotes",
    ),
    (
        "did not find expected alphabetic or numeric character",
        "* and & begin an alias or anchor; put a text that starts with them in quotes",
    ),
    (
        "map merge requires",
        "the key `<<` takes an alias of a map, a map, or a list of those; put it in quotes if it is meant as a key",
    ),
    ("invalid map key", "a key must be a text, number or boolean; put a template's {{ in quotes"),
    ("already defined at line", "remove one of the two; a later one would silently win in other tools"),
];

/// Says why a value cannot be written as the reference tools write it.
///
/// They pass the value through JSON and a YAML reader, which refuses some characters and very long keys; Helm's `toYaml`
/// then yields an empty text, kustomize stops. Source: sigs.k8s.io/yaml 1.6.0 `Marshal`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the value cannot be written as YAML: {message}")]
pub struct WriteError {
    /// The reason in words.
    pub message: String,
}

#[cfg(test)]
mod tests {
    use crate::{Resolver, read_one};

    #[test]
    fn frequent_mistakes_are_explained() {
        for (text, part) in [
            ("a:\n  b: 1\n c: 2\n", "indented"),
            ("a: b: c\n", "second `: `"),
            ("a:\n\tb: 1\n", "tabs"),
            ("a: {{ .x }}\n", "template"),
            ("a: [1, 2\n", "bracket"),
            ("a: \"b\n", "never closed"),
            ("a: \"\\d\"\n", "\\n"),
            ("a: - b\n", "line below"),
            ("a: *\n", "alias"),
            ("a: @b\n", "@"),
        ] {
            let error = read_one(text.as_bytes(), Resolver::Kubernetes).unwrap_err();
            assert!(error.hint().is_some_and(|hint| hint.contains(part)), "{error}: {:?}", error.hint());
        }
    }
}
