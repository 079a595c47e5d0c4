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
}

impl Error {
    /// Makes an error at a line and column, both counted from 1.
    pub fn new(line: usize, column: usize, message: impl Into<String>) -> Self {
        Self { line, column, message: message.into() }
    }
}

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
