//! Operators between two values, with vector matching.

use std::collections::BTreeMap;

use super::evaluate::{distinct, without_name};
use super::parser::{Many, Matching, Operator};
use super::{Labels, NAME, QueryError, Value};

/// Applies an operator.
pub(super) fn binary(
    operator: Operator,
    as_bool: bool,
    matching: &Matching,
    left: Value,
    right: Value,
) -> Result<Value, QueryError> {
    match (left, right) {
        (Value::Scalar(left), Value::Scalar(right)) => {
            if operator.is_set() {
                return Err(QueryError::new(
                    "set operator not allowed in binary scalar expression: use vector(...) around the number",
                ));
            }
            if operator.is_comparison() && !as_bool {
                return Err(QueryError::new("comparisons between scalars must use BOOL modifier"));
            }
            Ok(Value::Scalar(number(operator, left, right)))
        }
        (Value::Vector(vector), Value::Scalar(scalar)) => with_scalar(operator, as_bool, vector, scalar, false),
        (Value::Scalar(scalar), Value::Vector(vector)) => with_scalar(operator, as_bool, vector, scalar, true),
        (Value::Vector(left), Value::Vector(right)) => match operator {
            Operator::And | Operator::Or | Operator::Unless => Ok(Value::Vector(sets(operator, matching, left, right))),
            _ => vectors(operator, as_bool, matching, left, right).map(Value::Vector),
        },
        _ => Err(QueryError::new("binary expression must contain only scalar and instant vector types")),
    }
}

fn truth(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}

/// The operator on two numbers; comparisons give 1 or 0.
#[expect(clippy::float_cmp, reason = "PromQL's == compares exactly")]
fn number(operator: Operator, left: f64, right: f64) -> f64 {
    match operator {
        Operator::Add => left + right,
        Operator::Subtract => left - right,
        Operator::Multiply => left * right,
        Operator::Divide => left / right,
        Operator::Modulo => left % right,
        Operator::Power => left.powf(right),
        Operator::Atan2 => left.atan2(right),
        Operator::Equal => truth(left == right),
        Operator::NotEqual => truth(left != right),
        Operator::Less => truth(left < right),
        Operator::LessOrEqual => truth(left <= right),
        Operator::Greater => truth(left > right),
        Operator::GreaterOrEqual => truth(left >= right),
        Operator::And | Operator::Or | Operator::Unless => f64::NAN,
    }
}

fn with_scalar(
    operator: Operator,
    as_bool: bool,
    vector: Vec<(Labels, f64)>,
    scalar: f64,
    scalar_is_left: bool,
) -> Result<Value, QueryError> {
    if operator.is_set() {
        return Err(QueryError::new("set operator not allowed in binary scalar expression"));
    }
    let mut all = Vec::new();
    for (labels, value) in vector {
        let result = if scalar_is_left { number(operator, scalar, value) } else { number(operator, value, scalar) };
        if operator.is_comparison() && !as_bool {
            if result != 0.0 {
                all.push((labels, value));
            }
        } else {
            all.push((without_name(labels), result));
        }
    }
    distinct(all).map(Value::Vector)
}

/// The labels by which two sides are matched.
fn signature(labels: &Labels, matching: &Matching) -> Labels {
    labels
        .iter()
        .filter(|(label, _)| {
            let is_named = matching.labels.contains(label);
            if matching.on { is_named } else { label.as_str() != NAME && !is_named }
        })
        .map(|(label, value)| (label.clone(), value.clone()))
        .collect()
}

fn sets(
    operator: Operator,
    matching: &Matching,
    left: Vec<(Labels, f64)>,
    right: Vec<(Labels, f64)>,
) -> Vec<(Labels, f64)> {
    let of = |vector: &[(Labels, f64)]| -> std::collections::BTreeSet<Labels> {
        vector.iter().map(|(labels, _)| signature(labels, matching)).collect()
    };
    match operator {
        Operator::Or => {
            let held = of(&left);
            let more: Vec<_> =
                right.into_iter().filter(|(labels, _)| !held.contains(&signature(labels, matching))).collect();
            left.into_iter().chain(more).collect()
        }
        _ => {
            let others = of(&right);
            let wanted = operator == Operator::And;
            left.into_iter().filter(|(labels, _)| others.contains(&signature(labels, matching)) == wanted).collect()
        }
    }
}

fn vectors(
    operator: Operator,
    as_bool: bool,
    matching: &Matching,
    left: Vec<(Labels, f64)>,
    right: Vec<(Labels, f64)>,
) -> Result<Vec<(Labels, f64)>, QueryError> {
    // The side that has one for each signature.
    let swapped = matching.many == Many::Right;
    let (many, one) = if swapped { (right, left) } else { (left, right) };
    let mut ones: BTreeMap<Labels, (Labels, f64)> = BTreeMap::new();
    for (labels, value) in one {
        let key = signature(&labels, matching);
        let shown = format!("{key:?}");
        if ones.insert(key, (labels, value)).is_some() {
            let side = if swapped { "left" } else { "right" };
            return Err(QueryError::new(format!(
                "found duplicate series for the match group {shown} on the {side} hand-side of the operation; \
                 many-to-many matching not allowed: matching labels must be unique on one side"
            )));
        }
    }
    let mut all: Vec<(Labels, f64)> = Vec::new();
    let mut used: std::collections::BTreeSet<Labels> = std::collections::BTreeSet::new();
    for (labels, value) in many {
        let key = signature(&labels, matching);
        let Some((one_labels, one_value)) = ones.get(&key) else { continue };
        let (first, second) = if swapped { (*one_value, value) } else { (value, *one_value) };
        let mut result = number(operator, first, second);
        let keeps = operator.is_comparison() && !as_bool;
        if keeps {
            if result == 0.0 {
                continue;
            }
            result = first;
        }
        let mut kept = match matching.many {
            Many::Neither if keeps => {
                let mut kept = if matching.on { key.clone() } else { signature_with_name(&labels, matching) };
                if matching.on {
                    kept.remove(NAME);
                }
                kept
            }
            Many::Neither => key.clone(),
            Many::Left | Many::Right => {
                if keeps {
                    labels
                } else {
                    without_name(labels)
                }
            }
        };
        for label in &matching.include {
            match one_labels.get(label).filter(|value| !value.is_empty()) {
                Some(value) => {
                    kept.insert(label.clone(), value.clone());
                }
                None => {
                    kept.remove(label);
                }
            }
        }
        if matching.many == Many::Neither && !used.insert(key) {
            return Err(QueryError::new(
                "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)",
            ));
        }
        all.push((kept, result));
    }
    distinct(all)
}

/// The labels that a comparison without `on` keeps: all but the ignored ones.
fn signature_with_name(labels: &Labels, matching: &Matching) -> Labels {
    labels
        .iter()
        .filter(|(label, _)| !matching.labels.contains(label))
        .map(|(label, value)| (label.clone(), value.clone()))
        .collect()
}
