//! PromQL: reads a query and evaluates it over series that somebody else holds.
//!
//! ```text
//!  text -> lexer -> parser -> Expr -> evaluate (at one time, or at every step of a range) -> Value
//!                                        ^ series, by matchers, from a [`Source`]
//! ```
//!
//! Selectors, matchers, ranges, subqueries, `offset` and `@`, all operators with vector matching, the aggregations, and
//! the functions of Prometheus that work on float samples. Native histograms and string results of operators are not there.
//! Nothing here knows where series come from. Entry: [`parse`], [`instant`], [`range`].
//! Source: Prometheus' documentation of its query language.

mod aggregate;
mod binary;
mod evaluate;
mod functions;
mod lexer;
mod over_time;
mod parser;

use std::collections::BTreeMap;

pub(crate) use evaluate::{instant, range};
pub(crate) use functions::shown;
pub(crate) use lexer::duration_ms;
pub(crate) use parser::{Expr, parse};

/// Labels of a series, with its name under `__name__`.
pub(crate) type Labels = BTreeMap<String, String>;

/// The label that holds a series' name.
pub(crate) const NAME: &str = "__name__";

/// A query that cannot be read or evaluated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct QueryError {
    /// What is wrong, with the place in the query where that is known.
    pub(crate) message: String,
}

impl QueryError {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }
}

/// How a label must be.
#[derive(Debug, Clone)]
pub(crate) enum Test {
    /// Equal to this.
    Equal(String),
    /// Anything but this.
    NotEqual(String),
    /// Wholly matched by this.
    Matches(regex::Regex),
    /// Not wholly matched by this.
    MatchesNot(regex::Regex),
}

/// One condition of a selector.
#[derive(Debug, Clone)]
pub(crate) struct Matcher {
    /// The label.
    pub(crate) label: String,
    /// What it must be; an absent label counts as empty.
    pub(crate) test: Test,
}

impl Matcher {
    /// True when a label's value passes.
    pub(crate) fn admits(&self, value: &str) -> bool {
        match &self.test {
            Test::Equal(wanted) => wanted == value,
            Test::NotEqual(unwanted) => unwanted != value,
            Test::Matches(pattern) => pattern.is_match(value),
            Test::MatchesNot(pattern) => !pattern.is_match(value),
        }
    }

    /// True when a series passes.
    pub(crate) fn selects(&self, labels: &Labels) -> bool {
        self.admits(labels.get(&self.label).map_or("", String::as_str))
    }
}

/// A sample: milliseconds since 1970, and a value. A value that [`is_stale`] says that the series ended.
pub(crate) type Sample = (i64, f64);

/// A series' name and labels, and its samples in order of time.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Series {
    /// Its labels.
    pub(crate) labels: Labels,
    /// Its samples.
    pub(crate) samples: Vec<Sample>,
}

/// The bits of the value that marks the end of a series. Source: Prometheus' staleness marker.
const STALE_BITS: u64 = 0x7ff0_0000_0000_0002;

/// The value that marks the end of a series.
pub(crate) fn stale() -> f64 {
    f64::from_bits(STALE_BITS)
}

/// True for the value that marks the end of a series.
pub(crate) fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE_BITS
}

/// Where series come from.
pub(crate) trait Source {
    /// The series that all matchers select, with their samples after `from` up to and including `to` (milliseconds).
    fn select(&self, matchers: &[Matcher], from: i64, to: i64) -> Vec<Series>;
}

/// What a query comes to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// A number.
    Scalar(f64),
    /// A text.
    Text(String),
    /// One value for each of some label sets.
    Vector(Vec<(Labels, f64)>),
    /// Samples over time for each of some label sets.
    Matrix(Vec<Series>),
}

/// How far back an instant selector looks for the latest sample. Source: `--query.lookback-delta`.
pub(crate) const LOOK_BACK_MS: i64 = 300_000;

#[cfg(test)]
mod tests;
