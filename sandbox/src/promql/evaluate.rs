//! The evaluation of a tree at one time, and at every step of a range.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::parser::{At, Expr, Selector, Shift};
use super::{LOOK_BACK_MS, Labels, NAME, QueryError, Series, Source, Value, aggregate, binary, functions, is_stale};

/// The most points that a range query may have. Source: Prometheus' limit per series.
const POINTS_MAX: i64 = 11_000;
/// The step of a subquery that names none. Source: the default global evaluation interval.
const SUBQUERY_STEP_MS: i64 = 60_000;

/// Evaluates a query at a time (milliseconds since 1970).
pub(crate) fn instant(expr: &Expr, source: &dyn Source, at_ms: i64) -> Result<Value, QueryError> {
    let mut evaluation = Evaluation::new(source, at_ms, at_ms);
    let mut value = evaluation.value(expr)?;
    if let Value::Vector(vector) = &mut value
        && !is_sorted_on_purpose(expr)
    {
        vector.sort_by(|left, right| left.0.cmp(&right.0));
    }
    Ok(value)
}

fn is_sorted_on_purpose(expr: &Expr) -> bool {
    match expr {
        Expr::Call { name, .. } => name.starts_with("sort"),
        Expr::Aggregate { name, .. } => matches!(name.as_str(), "topk" | "bottomk"),
        _ => false,
    }
}

/// Evaluates a query at every step from `start_ms` to `end_ms`.
pub(crate) fn range(
    expr: &Expr,
    source: &dyn Source,
    start_ms: i64,
    end_ms: i64,
    step_ms: i64,
) -> Result<Vec<Series>, QueryError> {
    if step_ms <= 0 {
        return Err(QueryError::new(
            "zero or negative query resolution step widths are not accepted. Try a positive integer",
        ));
    }
    if end_ms < start_ms {
        return Err(QueryError::new("end timestamp must not be before start time"));
    }
    if (end_ms - start_ms) / step_ms > POINTS_MAX {
        return Err(QueryError::new(
            "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)",
        ));
    }
    let mut evaluation = Evaluation::new(source, start_ms, end_ms);
    let mut series: BTreeMap<Labels, Vec<(i64, f64)>> = BTreeMap::new();
    let mut at = start_ms;
    while at <= end_ms {
        evaluation.at = at;
        match evaluation.value(expr)? {
            Value::Scalar(number) => series.entry(Labels::new()).or_default().push((at, number)),
            Value::Vector(vector) => {
                for (labels, number) in vector {
                    series.entry(labels).or_default().push((at, number));
                }
            }
            Value::Text(_) | Value::Matrix(_) => {
                return Err(QueryError::new(
                    "invalid expression type for range query, must be Scalar or instant Vector",
                ));
            }
        }
        at += step_ms;
    }
    Ok(series.into_iter().map(|(labels, samples)| Series { labels, samples }).collect())
}

struct Held {
    from: i64,
    to: i64,
    series: Arc<Vec<Series>>,
}

/// One evaluation: the time it is at, and the series that were fetched for it.
pub(super) struct Evaluation<'a> {
    source: &'a dyn Source,
    start: i64,
    end: i64,
    /// The time of this step.
    pub(super) at: i64,
    held: HashMap<usize, Held>,
}

/// A range vector: what each series had within the window.
pub(super) struct Windows {
    /// The series with the samples in the window.
    pub(super) series: Vec<Series>,
    /// The beginning of the window, itself not part of it.
    pub(super) from: i64,
    /// The end of the window.
    pub(super) to: i64,
}

impl<'a> Evaluation<'a> {
    fn new(source: &'a dyn Source, start: i64, end: i64) -> Self {
        Self { source, start, end, at: start, held: HashMap::new() }
    }

    /// The value of a tree now.
    pub(super) fn value(&mut self, expr: &Expr) -> Result<Value, QueryError> {
        match expr {
            Expr::Number(number) => Ok(Value::Scalar(*number)),
            Expr::Text(text) => Ok(Value::Text(text.clone())),
            Expr::Select(selector) => Ok(Value::Vector(self.latest(selector))),
            Expr::Range { .. } | Expr::Subquery { .. } => Ok(Value::Matrix(self.windows(expr)?.series)),
            Expr::Negative(inner) => match self.value(inner)? {
                Value::Scalar(number) => Ok(Value::Scalar(-number)),
                Value::Vector(vector) => Ok(Value::Vector(
                    vector.into_iter().map(|(labels, number)| (without_name(labels), -number)).collect(),
                )),
                _ => Err(QueryError::new(
                    "unary expression only allowed on expressions of type scalar or instant vector",
                )),
            },
            Expr::Call { name, arguments } => functions::call(self, name, arguments),
            Expr::Aggregate { name, parameter, inner, grouping } => {
                let parameter = parameter.as_ref().map(|parameter| self.value(parameter)).transpose()?;
                let vector = self.vector(inner, name)?;
                aggregate::aggregate(name, parameter, vector, grouping).map(Value::Vector)
            }
            Expr::Binary { operator, as_bool, matching, left, right } => {
                let (left, right) = (self.value(left)?, self.value(right)?);
                binary::binary(*operator, *as_bool, matching, left, right)
            }
        }
    }

    /// The value of a tree that must be an instant vector.
    pub(super) fn vector(&mut self, expr: &Expr, user: &str) -> Result<Vec<(Labels, f64)>, QueryError> {
        match self.value(expr)? {
            Value::Vector(vector) => Ok(vector),
            other => Err(mistyped("instant vector", user, &other)),
        }
    }

    /// The value of a tree that must be a number.
    pub(super) fn scalar(&mut self, expr: &Expr, user: &str) -> Result<f64, QueryError> {
        match self.value(expr)? {
            Value::Scalar(number) => Ok(number),
            other => Err(mistyped("scalar", user, &other)),
        }
    }

    fn time_of(&self, shift: Shift) -> i64 {
        let base = match shift.at {
            None => self.at,
            Some(At::Time(at)) => at,
            Some(At::Start) => self.start,
            Some(At::End) => self.end,
        };
        base - shift.offset_ms
    }

    fn fetch(&mut self, selector: &Selector, from: i64, to: i64) -> Arc<Vec<Series>> {
        let key = std::ptr::from_ref(selector).addr();
        if let Some(held) = self.held.get(&key).filter(|held| held.from <= from && to <= held.to) {
            return Arc::clone(&held.series);
        }
        // The other steps of a range query will want the same, a little later.
        let (mut wide_from, mut wide_to) = (from - (self.at - self.start).max(0), to + (self.end - self.at).max(0));
        if let Some(held) = self.held.get(&key) {
            wide_from = wide_from.min(held.from);
            wide_to = wide_to.max(held.to);
        }
        let series = Arc::new(self.source.select(&selector.matchers, wide_from, wide_to));
        self.held.insert(key, Held { from: wide_from, to: wide_to, series: Arc::clone(&series) });
        series
    }

    /// The latest sample of each series that is not too old.
    pub(super) fn latest_with_time(&mut self, selector: &Selector) -> Vec<(Labels, f64, i64)> {
        let to = self.time_of(selector.shift);
        let from = to - LOOK_BACK_MS;
        let series = self.fetch(selector, from, to);
        series
            .iter()
            .filter_map(|series| {
                let end = series.samples.partition_point(|(time, _)| *time <= to);
                let (time, value) = *series.samples[..end].last()?;
                (time > from && !is_stale(value)).then(|| (series.labels.clone(), value, time))
            })
            .collect()
    }

    fn latest(&mut self, selector: &Selector) -> Vec<(Labels, f64)> {
        self.latest_with_time(selector).into_iter().map(|(labels, value, _)| (labels, value)).collect()
    }

    /// The windows of a range selector or a subquery.
    pub(super) fn windows(&mut self, expr: &Expr) -> Result<Windows, QueryError> {
        match expr {
            Expr::Range { selector, over_ms } => {
                let to = self.time_of(selector.shift);
                let from = to - over_ms;
                let held = self.fetch(selector, from, to);
                let series = held
                    .iter()
                    .filter_map(|series| {
                        let first = series.samples.partition_point(|(time, _)| *time <= from);
                        let end = series.samples.partition_point(|(time, _)| *time <= to);
                        let samples: Vec<_> =
                            series.samples[first..end].iter().copied().filter(|(_, value)| !is_stale(*value)).collect();
                        (!samples.is_empty()).then(|| Series { labels: series.labels.clone(), samples })
                    })
                    .collect();
                Ok(Windows { series, from, to })
            }
            Expr::Subquery { inner, over_ms, step_ms, shift } => {
                let to = self.time_of(*shift);
                let from = to - over_ms;
                let step = step_ms.unwrap_or(SUBQUERY_STEP_MS);
                if over_ms / step > POINTS_MAX {
                    return Err(QueryError::new("the subquery has more than 11,000 points: choose a longer step"));
                }
                let here = self.at;
                let mut at = from - from.rem_euclid(step) + step;
                let mut all: BTreeMap<Labels, Vec<(i64, f64)>> = BTreeMap::new();
                while at <= to {
                    self.at = at;
                    let value = self.value(inner);
                    self.at = here;
                    match value? {
                        Value::Vector(vector) => {
                            for (labels, number) in vector {
                                all.entry(labels).or_default().push((at, number));
                            }
                        }
                        Value::Scalar(number) => all.entry(Labels::new()).or_default().push((at, number)),
                        other => return Err(mistyped("instant vector", "subquery", &other)),
                    }
                    at += step;
                }
                let series = all.into_iter().map(|(labels, samples)| Series { labels, samples }).collect();
                Ok(Windows { series, from, to })
            }
            _ => Err(QueryError::new("expected type range vector: write a range such as [1m] after the selector")),
        }
    }
}

/// A value of the wrong type, in Prometheus' words.
pub(super) fn mistyped(wanted: &str, user: &str, found: &Value) -> QueryError {
    let found = match found {
        Value::Scalar(_) => "scalar",
        Value::Text(_) => "string",
        Value::Vector(_) => "instant vector",
        Value::Matrix(_) => "range vector",
    };
    QueryError::new(format!("expected type {wanted} in call to function {user:?}, got {found}"))
}

/// Labels without the series' name.
pub(super) fn without_name(mut labels: Labels) -> Labels {
    labels.remove(NAME);
    labels
}

/// Refuses a vector in which two have the same labels.
pub(super) fn distinct(vector: Vec<(Labels, f64)>) -> Result<Vec<(Labels, f64)>, QueryError> {
    let mut seen = std::collections::BTreeSet::new();
    if vector.iter().any(|(labels, _)| !seen.insert(labels)) {
        return Err(QueryError::new("vector cannot contain metrics with the same labelset"));
    }
    Ok(vector)
}
