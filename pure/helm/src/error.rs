//! What goes wrong while a chart is loaded and rendered: Helm's words, the place, and what to do about it.

use std::fmt;

/// Says what kind of failure it was, so that callers can sort without reading texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The chart's files cannot be read: a broken or hostile archive, a link that leads outside, a file too large.
    Load,
    /// `Chart.yaml` or one of its companions is wrong.
    Chart,
    /// Values cannot be read or merged.
    Values,
    /// A dependency that the chart declares is not vendored.
    Dependencies,
    /// Values do not satisfy a `values.schema.json`.
    Schema,
    /// The chart does not support the Kubernetes version.
    KubeVersion,
    /// A template cannot be parsed.
    Template,
    /// A template failed while running.
    Execution,
    /// A template refused on purpose: `fail` or `required`.
    Refused,
    /// A template's output is not YAML, or no Kubernetes object.
    Manifest,
    /// The request itself is wrong: release name, versions, a template asked for that does not exist.
    Request,
    /// A limit on steps, depth, size or time was exceeded.
    Limit,
}

/// A place in a chart's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file, from the root chart's name on (`app/charts/redis/templates/x.yaml`).
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in bytes from 0, as Go prints it, if known.
    pub column: Option<usize>,
}

/// A failure. `Display` prints Helm's message, then the chart, then the hint, each on its own line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What kind of failure it is.
    pub kind: ErrorKind,
    /// The message, in Helm's words where Helm has some.
    pub message: String,
    /// The chart it happened in, by path from the root chart, if known.
    pub chart: Option<String>,
    /// Where it happened, if it has a place.
    pub place: Option<Box<Place>>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Error {
    /// Makes an error of a kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), chart: None, place: None, hint: None }
    }

    /// The same error, naming the chart unless it names one already.
    pub fn in_chart(mut self, chart: &str) -> Self {
        self.chart.get_or_insert_with(|| chart.to_owned());
        self
    }

    /// The same error with a place.
    pub fn at(mut self, file: impl Into<String>, line: usize, column: Option<usize>) -> Self {
        self.place = Some(Box::new(Place { file: file.into(), line, column }));
        self
    }

    /// The same error with a hint, unless it has one already.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint.get_or_insert_with(|| hint.into());
        self
    }

    /// The same error with words in front of its message.
    pub fn wrapped(mut self, words: impl fmt::Display) -> Self {
        self.message = format!("{words}: {}", self.message);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.message.trim_end())?;
        if let Some(chart) = self.chart.as_deref().filter(|chart| !self.message.contains(*chart)) {
            write!(out, "\nchart: {chart}")?;
        }
        if let Some(hint) = &self.hint {
            write!(out, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}
