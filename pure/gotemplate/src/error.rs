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
    /// The text in front of the source's, which follows it: a chain of thousands of errors is one text and not thousands.
    lead: String,
    /// Where in `lead` the reason starts, behind the place.
    reason_start: usize,
    position: Option<Position>,
    hint: Option<String>,
    source: Option<Error>,
}

impl Error {
    fn of(kind: ErrorKind, lead: String, source: Option<Error>) -> Error {
        Error(Box::new(Inner { kind, lead, reason_start: 0, position: None, hint: None, source }))
    }

    /// Makes a function's refusal: `text` becomes Go's `error calling NAME: TEXT`.
    pub fn function(text: impl Into<String>) -> Error {
        Error::of(ErrorKind::Function, text.into(), None)
    }

    /// Makes a function's refusal that wraps another error with words in front: `TEXT: SOURCE`.
    pub fn wrapping(text: impl fmt::Display, source: Error) -> Error {
        let kind = if source.kind() == ErrorKind::Limit { ErrorKind::Limit } else { ErrorKind::Function };
        Error::of(kind, format!("{text}: "), Some(source))
    }

    /// Makes a limit's refusal.
    pub fn limit(text: impl Into<String>) -> Error {
        Error::of(ErrorKind::Limit, text.into(), None)
    }

    pub(crate) fn parse(file: &str, line: usize, reason: &str) -> Error {
        let place = format!("template: {file}:{line}: ");
        let mut error = Error::of(ErrorKind::Parse, format!("{place}{reason}"), None);
        error.0.reason_start = place.len();
        error.0.position = Some(Position {
            file: file.to_string(),
            line,
            column: None,
            template: file.to_string(),
            expression: String::new(),
        });
        error
    }

    /// Makes an error with a place. The text of `source` follows `reason`.
    pub(crate) fn execution(position: Position, reason: &str, source: Option<Error>) -> Error {
        let kind = match &source {
            Some(inner) if inner.kind() == ErrorKind::Limit => ErrorKind::Limit,
            _ => ErrorKind::Execution,
        };
        let Position { file, line, column, template, expression } = &position;
        let column = column.unwrap_or(0);
        let quoted = crate::quote::quote(template.as_bytes());
        let place = format!("template: {file}:{line}:{column}: executing {quoted} at <{expression}>: ");
        // A limit is one reason, however deep it was met: what was running on the way there says nothing.
        let source = match source {
            Some(inner) if kind == ErrorKind::Limit => Some(inner.into_limit()),
            other => other,
        };
        let mut error = Error::of(kind, format!("{place}{reason}"), source);
        error.0.reason_start = place.len();
        error.0.position = Some(position);
        error
    }

    /// The innermost error of a chain, with the innermost place in front of it if that is another one.
    fn into_limit(self) -> Error {
        let mut error = self;
        while let Some(source) = error.0.source.take() {
            let is_last_place = error.0.position.is_some() && !source.chain().any(|inner| inner.0.position.is_some());
            if is_last_place {
                error.0.source = Some(source);
                return error;
            }
            error = source;
        }
        error
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
    pub fn reason(&self) -> String {
        let own = self.0.lead.get(self.0.reason_start..).unwrap_or_default().to_owned();
        self.chain().skip(1).fold(own, |text, error| text + &error.0.lead)
    }

    /// The text of this error and of the `count` next ones inside it.
    pub(crate) fn text_of_first(&self, count: usize) -> String {
        self.chain().take(count + 1).map(|error| error.0.lead.as_str()).collect()
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
        self.chain().try_for_each(|error| out.write_str(&error.0.lead))
    }
}

// Chains get as long as templates nest deep: dropping one inside the other would overflow the stack.
impl Drop for Error {
    fn drop(&mut self) {
        let mut next = self.0.source.take();
        while let Some(mut error) = next {
            next = error.0.source.take();
        }
    }
}

impl std::error::Error for Error {}
