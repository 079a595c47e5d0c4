//! What goes wrong: Go's text for fidelity, the place, and a hint that says what to do.
//!
//! An error raised inside a named template that a function runs (`include`, `tpl`) is the source of the outer one, as Go
//! wraps it; [`Error::chain`] walks from the outermost to the cause.

use std::fmt;

/// Says what kind of failure it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The text is no template.
    Parse,
    /// Running a template failed.
    Execution,
    /// A function refused; has no position of its own.
    Function,
    /// A limit was exceeded: steps, depth, output, memory or time. Never caught by a template.
    Limit,
}

/// Where it happened. Lines count from 1, columns from 0 in bytes, as Go prints them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The name of the parsed file.
    pub file: String,
    /// The line.
    pub line: usize,
    /// The column; parse errors have none.
    pub column: Option<usize>,
    /// The template that was running (a file or a `define`).
    pub template: String,
    /// The expression, as Go prints it.
    pub expression: String,
}

/// A failure, boxed inside because results travel through every call.
#[derive(Debug, Clone)]
pub struct Error(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    kind: ErrorKind,
    text: String,
    reason: String,
    position: Option<Position>,
    hint: Option<String>,
    source: Option<Error>,
}

impl Error {
    /// Makes a function's refusal: `text` becomes Go's `error calling NAME: TEXT`.
    pub fn function(text: impl Into<String>) -> Error {
        let text = text.into();
        Error(Box::new(Inner {
            kind: ErrorKind::Function,
            reason: text.clone(),
            text,
            position: None,
            hint: None,
            source: None,
        }))
    }

    /// Makes a function's refusal that wraps another error with words in front: `TEXT: SOURCE`.
    pub fn wrapping(text: impl fmt::Display, source: Error) -> Error {
        let kind = if source.kind() == ErrorKind::Limit { ErrorKind::Limit } else { ErrorKind::Function };
        let text = format!("{text}: {source}");
        let hint = None;
        Error(Box::new(Inner { kind, reason: text.clone(), text, position: None, hint, source: Some(source) }))
    }

    /// Makes a limit's refusal.
    pub fn limit(text: impl Into<String>) -> Error {
        let mut error = Error::function(text);
        error.0.kind = ErrorKind::Limit;
        error
    }

    pub(crate) fn parse(file: &str, line: usize, reason: &str) -> Error {
        Error(Box::new(Inner {
            kind: ErrorKind::Parse,
            text: format!("template: {file}:{line}: {reason}"),
            reason: reason.to_string(),
            position: Some(Position {
                file: file.to_string(),
                line,
                column: None,
                template: file.to_string(),
                expression: String::new(),
            }),
            hint: None,
            source: None,
        }))
    }

    pub(crate) fn execution(position: Position, reason: String, source: Option<Error>) -> Error {
        let kind = match &source {
            Some(inner) if inner.kind() == ErrorKind::Limit => ErrorKind::Limit,
            _ => ErrorKind::Execution,
        };
        let Position { file, line, column, template, expression } = &position;
        let column = column.unwrap_or(0);
        let quoted = crate::quote::quote(template.as_bytes());
        let text = format!("template: {file}:{line}:{column}: executing {quoted} at <{expression}>: {reason}");
        Error(Box::new(Inner { kind, text, reason, position: Some(position), hint: None, source }))
    }

    /// The same error with a hint, unless it has one already.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Error {
        self.0.hint.get_or_insert(hint.into());
        self
    }

    /// The kind of failure.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The reason alone, without the place. Contains the texts of nested errors, as Go's does.
    pub fn reason(&self) -> &str {
        &self.0.reason
    }

    /// Where it happened, if it has a place: the outermost one.
    pub fn position(&self) -> Option<&Position> {
        self.0.position.as_ref()
    }

    /// The error inside, if this one wraps another.
    pub fn source(&self) -> Option<&Error> {
        self.0.source.as_ref()
    }

    /// The error and its sources, outermost first.
    pub fn chain(&self) -> impl Iterator<Item = &Error> {
        std::iter::successors(Some(self), |error| error.source())
    }

    /// The innermost error: what really failed.
    pub fn cause(&self) -> &Error {
        self.chain().last().unwrap_or(self)
    }

    /// What the reader can do about it, in words; the innermost hint of the chain. Comes on a line of its own after the text.
    pub fn hint(&self) -> Option<&str> {
        self.chain().filter_map(|error| error.0.hint.as_deref()).last()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0.text)
    }
}

impl std::error::Error for Error {}
