//! The functions.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::evaluate::{Evaluation, distinct, mistyped, without_name};
use super::over_time::{is_known, over_time, regression};
use super::parser::Expr;
use super::{Labels, NAME, QueryError, Test, Value, aggregate};

/// How many arguments a function takes, at least and at most; `None` when there is no such function.
pub(super) fn arity(name: &str) -> Option<(usize, usize)> {
    Some(match name {
        "time" | "pi" => (0, 0),
        "hour" | "minute" | "month" | "year" | "day_of_month" | "day_of_week" | "day_of_year" | "days_in_month" => {
            (0, 1)
        }
        "round" => (1, 2),
        "abs" | "absent" | "absent_over_time" | "ceil" | "floor" | "exp" | "ln" | "log2" | "log10" | "sqrt" | "sgn"
        | "sin" | "cos" | "tan" | "asin" | "acos" | "atan" | "sinh" | "cosh" | "tanh" | "deg" | "rad" | "scalar"
        | "vector" | "timestamp" | "sort" | "sort_desc" => (1, 1),
        "clamp_min" | "clamp_max" | "histogram_quantile" | "quantile_over_time" | "predict_linear" => (2, 2),
        "clamp" => (3, 3),
        "label_replace" => (5, 5),
        "label_join" => (3, usize::MAX),
        _ if is_known(name) => (1, 1),
        _ => return None,
    })
}

/// A number as Prometheus writes it in answers.
pub(crate) fn shown(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_string()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf".to_string() } else { "-Inf".to_string() }
    } else if value != 0.0 && (value.abs() >= 1e21 || value.abs() < 1e-6) {
        let text = format!("{value:e}");
        match text.split_once('e') {
            Some((digits, exponent)) => {
                let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |rest| ('-', rest));
                format!("{digits}e{sign}{exponent:0>2}")
            }
            None => text,
        }
    } else {
        format!("{value}")
    }
}

/// Calls a function.
#[expect(clippy::cast_precision_loss, reason = "PromQL's numbers are floats")]
pub(super) fn call(evaluation: &mut Evaluation<'_>, name: &str, arguments: &[Expr]) -> Result<Value, QueryError> {
    match name {
        "time" => Ok(Value::Scalar(evaluation.at as f64 / 1000.0)),
        "pi" => Ok(Value::Scalar(std::f64::consts::PI)),
        "scalar" => {
            let vector = evaluation.vector(&arguments[0], name)?;
            Ok(Value::Scalar(if vector.len() == 1 { vector[0].1 } else { f64::NAN }))
        }
        "vector" => Ok(Value::Vector(vec![(Labels::new(), evaluation.scalar(&arguments[0], name)?)])),
        "absent" => {
            let vector = evaluation.vector(&arguments[0], name)?;
            Ok(Value::Vector(if vector.is_empty() { vec![(told_labels(&arguments[0]), 1.0)] } else { Vec::new() }))
        }
        "absent_over_time" => {
            let windows = evaluation.windows(&arguments[0])?;
            let is_empty = windows.series.is_empty();
            Ok(Value::Vector(if is_empty { vec![(told_labels(&arguments[0]), 1.0)] } else { Vec::new() }))
        }
        "timestamp" => timestamps(evaluation, &arguments[0]),
        "histogram_quantile" => {
            let q = evaluation.scalar(&arguments[0], name)?;
            Ok(Value::Vector(histogram_quantile(q, evaluation.vector(&arguments[1], name)?)))
        }
        "quantile_over_time" => {
            let q = evaluation.scalar(&arguments[0], name)?;
            let windows = evaluation.windows(&arguments[1])?;
            let vector = windows.series.into_iter().map(|series| {
                let values = series.samples.iter().map(|(_, value)| *value).collect();
                (without_name(series.labels), aggregate::quantile(q, values))
            });
            distinct(vector.collect()).map(Value::Vector)
        }
        "predict_linear" => {
            let windows = evaluation.windows(&arguments[0])?;
            let ahead = evaluation.scalar(&arguments[1], name)?;
            let at = evaluation.at;
            let vector = windows.series.into_iter().filter_map(|series| {
                let (slope, intercept) = regression(&series.samples, at)?;
                Some((without_name(series.labels), intercept + slope * ahead))
            });
            distinct(vector.collect()).map(Value::Vector)
        }
        "label_replace" => label_replace(evaluation, arguments),
        "label_join" => label_join(evaluation, arguments),
        "sort" | "sort_desc" => {
            let mut vector = evaluation.vector(&arguments[0], name)?;
            vector.sort_by(|left, right| left.1.total_cmp(&right.1));
            if name == "sort_desc" {
                vector.reverse();
            }
            Ok(Value::Vector(vector))
        }
        "clamp" | "clamp_min" | "clamp_max" | "round" => bounded(evaluation, name, arguments),
        "hour" | "minute" | "month" | "year" | "day_of_month" | "day_of_week" | "day_of_year" | "days_in_month" => {
            let vector = match arguments.first() {
                Some(argument) => evaluation.vector(argument, name)?,
                None => vec![(Labels::new(), evaluation.at as f64 / 1000.0)],
            };
            distinct(vector.into_iter().map(|(labels, value)| (without_name(labels), date(name, value))).collect())
                .map(Value::Vector)
        }
        _ if is_known(name) => {
            let windows = evaluation.windows(&arguments[0])?;
            let keeps_name = matches!(name, "last_over_time" | "first_over_time");
            let vector = windows.series.into_iter().filter_map(|series| {
                let value = over_time(name, &series.samples, windows.from, windows.to)?;
                Some((if keeps_name { series.labels } else { without_name(series.labels) }, value))
            });
            distinct(vector.collect()).map(Value::Vector)
        }
        _ => match evaluation.value(&arguments[0])? {
            Value::Vector(vector) => distinct(
                vector.into_iter().map(|(labels, value)| (without_name(labels), simple(name, value))).collect(),
            )
            .map(Value::Vector),
            other => Err(mistyped("instant vector", name, &other)),
        },
    }
}

fn simple(name: &str, value: f64) -> f64 {
    match name {
        "abs" => value.abs(),
        "ceil" => value.ceil(),
        "floor" => value.floor(),
        "exp" => value.exp(),
        "ln" => value.ln(),
        "log2" => value.log2(),
        "log10" => value.log10(),
        "sqrt" => value.sqrt(),
        "sgn" => {
            if value > 0.0 {
                1.0
            } else if value < 0.0 {
                -1.0
            } else {
                value
            }
        }
        "sin" => value.sin(),
        "cos" => value.cos(),
        "tan" => value.tan(),
        "asin" => value.asin(),
        "acos" => value.acos(),
        "atan" => value.atan(),
        "sinh" => value.sinh(),
        "cosh" => value.cosh(),
        "tanh" => value.tanh(),
        "deg" => value.to_degrees(),
        "rad" => value.to_radians(),
        _ => f64::NAN,
    }
}

fn bounded(evaluation: &mut Evaluation<'_>, name: &str, arguments: &[Expr]) -> Result<Value, QueryError> {
    let vector = evaluation.vector(&arguments[0], name)?;
    let first = arguments.get(1).map(|argument| evaluation.scalar(argument, name)).transpose()?;
    let second = arguments.get(2).map(|argument| evaluation.scalar(argument, name)).transpose()?;
    let (low, high) = match name {
        "clamp" => (first.unwrap_or(f64::NAN), second.unwrap_or(f64::NAN)),
        "clamp_min" => (first.unwrap_or(f64::NAN), f64::INFINITY),
        _ => (f64::NEG_INFINITY, first.unwrap_or(f64::NAN)),
    };
    if name == "clamp" && low > high {
        return Ok(Value::Vector(Vec::new()));
    }
    let of = |value: f64| match name {
        "round" => {
            let to = first.unwrap_or(1.0);
            (value / to + 0.5).floor() * to
        }
        _ => value.max(low).min(high),
    };
    distinct(vector.into_iter().map(|(labels, value)| (without_name(labels), of(value))).collect()).map(Value::Vector)
}

/// The labels that a selector tells of what is absent: those it wants to be equal to something.
fn told_labels(expr: &Expr) -> Labels {
    let selector = match expr {
        Expr::Select(selector) | Expr::Range { selector, .. } => selector,
        _ => return Labels::new(),
    };
    let mut labels = Labels::new();
    let mut twice = Vec::new();
    for matcher in &selector.matchers {
        match &matcher.test {
            Test::Equal(value) if matcher.label != NAME => {
                if labels.insert(matcher.label.clone(), value.clone()).is_some() {
                    twice.push(matcher.label.clone());
                }
            }
            _ => {}
        }
    }
    for label in twice {
        labels.remove(&label);
    }
    labels
}

#[expect(clippy::cast_precision_loss, reason = "PromQL's numbers are floats")]
fn timestamps(evaluation: &mut Evaluation<'_>, argument: &Expr) -> Result<Value, QueryError> {
    let vector = match argument {
        Expr::Select(selector) => evaluation
            .latest_with_time(selector)
            .into_iter()
            .map(|(labels, _, time)| (without_name(labels), time as f64 / 1000.0))
            .collect(),
        other => {
            let at = evaluation.at as f64 / 1000.0;
            evaluation.vector(other, "timestamp")?.into_iter().map(|(labels, _)| (without_name(labels), at)).collect()
        }
    };
    distinct(vector).map(Value::Vector)
}

fn date(name: &str, seconds: f64) -> f64 {
    #[expect(clippy::cast_possible_truncation, reason = "seconds since 1970 fit")]
    let Ok(time) = Timestamp::from_second(seconds as i64) else { return f64::NAN };
    let zoned = time.to_zoned(TimeZone::UTC);
    match name {
        "hour" => f64::from(zoned.hour()),
        "minute" => f64::from(zoned.minute()),
        "month" => f64::from(zoned.month()),
        "year" => f64::from(zoned.year()),
        "day_of_month" => f64::from(zoned.day()),
        "day_of_week" => f64::from(zoned.weekday().to_sunday_zero_offset()),
        "day_of_year" => f64::from(zoned.day_of_year()),
        _ => f64::from(zoned.days_in_month()),
    }
}

/// Estimates a quantile from the buckets of a classic histogram. Source: Prometheus' `bucketQuantile`.
fn histogram_quantile(q: f64, vector: Vec<(Labels, f64)>) -> Vec<(Labels, f64)> {
    let mut histograms: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
    for (mut labels, count) in vector {
        labels.remove(NAME);
        let Some(bound) = labels.remove("le").and_then(|text| match text.as_str() {
            "+Inf" => Some(f64::INFINITY),
            other => other.parse().ok(),
        }) else {
            continue;
        };
        histograms.entry(labels).or_default().push((bound, count));
    }
    histograms.into_iter().map(|(labels, buckets)| (labels, bucket_quantile(q, buckets))).collect()
}

fn bucket_quantile(q: f64, mut buckets: Vec<(f64, f64)>) -> f64 {
    if q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    buckets.sort_by(|left, right| left.0.total_cmp(&right.0));
    let mut merged: Vec<(f64, f64)> = Vec::with_capacity(buckets.len());
    for (bound, count) in buckets {
        match merged.last_mut() {
            #[expect(clippy::float_cmp, reason = "the same bound written twice")]
            Some(last) if last.0 == bound => last.1 += count,
            _ => merged.push((bound, count)),
        }
    }
    let mut most = f64::NEG_INFINITY;
    for bucket in &mut merged {
        most = most.max(bucket.1);
        bucket.1 = most;
    }
    let Some((bound, observations)) = merged.last().copied() else { return f64::NAN };
    if bound != f64::INFINITY || merged.len() < 2 || observations == 0.0 || observations.is_nan() {
        return f64::NAN;
    }
    let mut rank = q * observations;
    let last = merged.len() - 1;
    let index = merged[..last].iter().position(|(_, count)| *count >= rank).unwrap_or(last);
    if index == last {
        return merged[last - 1].0;
    }
    let (end, mut count) = merged[index];
    if index == 0 && end <= 0.0 {
        return end;
    }
    let mut start = 0.0;
    if index > 0 {
        start = merged[index - 1].0;
        count -= merged[index - 1].1;
        rank -= merged[index - 1].1;
    }
    start + (end - start) * (rank / count)
}

fn text(evaluation: &mut Evaluation<'_>, expr: &Expr, user: &str) -> Result<String, QueryError> {
    match evaluation.value(expr)? {
        Value::Text(text) => Ok(text),
        other => Err(mistyped("string", user, &other)),
    }
}

fn set_label(labels: &mut Labels, label: &str, value: String) {
    if value.is_empty() {
        labels.remove(label);
    } else {
        labels.insert(label.to_string(), value);
    }
}

fn label_replace(evaluation: &mut Evaluation<'_>, arguments: &[Expr]) -> Result<Value, QueryError> {
    let name = "label_replace";
    let vector = evaluation.vector(&arguments[0], name)?;
    let target = text(evaluation, &arguments[1], name)?;
    let replacement = text(evaluation, &arguments[2], name)?;
    let from = text(evaluation, &arguments[3], name)?;
    let pattern = text(evaluation, &arguments[4], name)?;
    let pattern = regex::Regex::new(&format!("^(?s:{pattern})$"))
        .map_err(|why| QueryError::new(format!("invalid regular expression in label_replace(): {why}")))?;
    let all = vector.into_iter().map(|(mut labels, value)| {
        let held = labels.get(&from).cloned().unwrap_or_default();
        if let Some(found) = pattern.captures(&held) {
            let mut made = String::new();
            found.expand(&replacement, &mut made);
            set_label(&mut labels, &target, made);
        }
        (labels, value)
    });
    distinct(all.collect()).map(Value::Vector)
}

fn label_join(evaluation: &mut Evaluation<'_>, arguments: &[Expr]) -> Result<Value, QueryError> {
    let name = "label_join";
    let vector = evaluation.vector(&arguments[0], name)?;
    let target = text(evaluation, &arguments[1], name)?;
    let separator = text(evaluation, &arguments[2], name)?;
    let mut sources = Vec::new();
    for argument in &arguments[3..] {
        sources.push(text(evaluation, argument, name)?);
    }
    let all = vector.into_iter().map(|(mut labels, value)| {
        let parts: Vec<String> = sources.iter().map(|label| labels.get(label).cloned().unwrap_or_default()).collect();
        set_label(&mut labels, &target, parts.join(&separator));
        (labels, value)
    });
    distinct(all.collect()).map(Value::Vector)
}
