//! Aggregations: many into one for each group.

use std::collections::BTreeMap;

use super::parser::Grouping;
use super::{Labels, NAME, QueryError, Value};

/// The labels that a group keeps.
fn group_of(labels: &Labels, grouping: &Grouping) -> Labels {
    let is_named = |label: &String| grouping.labels.contains(label);
    labels
        .iter()
        .filter(
            |(label, _)| if grouping.without { label.as_str() != NAME && !is_named(label) } else { is_named(label) },
        )
        .map(|(label, value)| (label.clone(), value.clone()))
        .collect()
}

/// Aggregates a vector.
pub(super) fn aggregate(
    name: &str,
    parameter: Option<Value>,
    vector: Vec<(Labels, f64)>,
    grouping: &Grouping,
) -> Result<Vec<(Labels, f64)>, QueryError> {
    let number = match (&parameter, name) {
        (Some(Value::Scalar(number)), "topk" | "bottomk" | "quantile") => *number,
        (_, "topk" | "bottomk" | "quantile") => {
            return Err(QueryError::new(format!("expected type scalar in aggregation parameter of {name}")));
        }
        _ => 0.0,
    };
    let mut groups: BTreeMap<Labels, Vec<(Labels, f64)>> = BTreeMap::new();
    for (labels, value) in vector {
        let mut group = group_of(&labels, grouping);
        if name == "count_values" {
            let Some(Value::Text(label)) = &parameter else {
                return Err(QueryError::new("expected type string in aggregation parameter of count_values"));
            };
            group.insert(label.clone(), super::functions::shown(value));
        }
        groups.entry(group).or_default().push((labels, value));
    }
    let mut all = Vec::new();
    for (group, members) in groups {
        if matches!(name, "topk" | "bottomk") {
            all.extend(best(name == "topk", number, members));
            continue;
        }
        let values: Vec<f64> = members.into_iter().map(|(_, value)| value).collect();
        all.push((group, reduce(name, number, &values)));
    }
    Ok(all)
}

fn best(largest: bool, count: f64, mut members: Vec<(Labels, f64)>) -> Vec<(Labels, f64)> {
    members.sort_by(|left, right| {
        // What is no number comes last.
        let order = left.1.partial_cmp(&right.1).unwrap_or_else(|| right.1.is_nan().cmp(&left.1.is_nan()).reverse());
        let order = if largest && !left.1.is_nan() && !right.1.is_nan() { order.reverse() } else { order };
        order.then_with(|| left.0.cmp(&right.0))
    });
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "negative counts become none")]
    members.truncate(count.max(0.0) as usize);
    members
}

#[expect(clippy::cast_precision_loss, reason = "counts of series are small")]
fn reduce(name: &str, parameter: f64, values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let sum: f64 = values.iter().sum();
    match name {
        "sum" => sum,
        "avg" => sum / count,
        "min" => values
            .iter()
            .copied()
            .fold(f64::NAN, |least, value| if value < least || least.is_nan() { value } else { least }),
        "max" => values
            .iter()
            .copied()
            .fold(f64::NAN, |most, value| if value > most || most.is_nan() { value } else { most }),
        "group" => 1.0,
        "stddev" => variance(values).sqrt(),
        "stdvar" => variance(values),
        "quantile" => quantile(parameter, values.to_vec()),
        // count and count_values
        _ => count,
    }
}

/// The population variance.
#[expect(clippy::cast_precision_loss, reason = "counts of samples are small")]
pub(super) fn variance(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count
}

/// The quantile of some values, interpolated between the nearest.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "ranks lie between 0 and the count"
)]
pub(super) fn quantile(q: f64, mut values: Vec<f64>) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    values.sort_by(f64::total_cmp);
    let rank = q * (values.len() - 1) as f64;
    let lower = rank.floor() as usize;
    let upper = (lower + 1).min(values.len() - 1);
    let weight = rank - rank.floor();
    values[lower] * (1.0 - weight) + values[upper] * weight
}
