//! Equality and order of JSON values as Kubernetes' merging code sees them: 1 and 1.0 are the same number.

use std::cmp::Ordering;

use serde_json::{Map, Number, Value};

/// Whether two values are the same: numbers by their amount, maps without regard to order, lists in order.
///
/// Source: structured-merge-diff v6, value/value.go (Equals).
#[must_use]
pub fn equal(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(a), Value::Number(b)) => compare_numbers(a, b) == Ordering::Equal,
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(x, y)| equal(x, y)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, x)| b.get(key).is_some_and(|y| equal(x, y)))
        }
        _ => left == right,
    }
}

/// A total order over values of any type: numbers, then strings, booleans, lists, maps, null.
///
/// Source: structured-merge-diff v6, value/value.go (Compare); it decides the order of elements in managedFields.
#[must_use]
pub fn compare(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::Number(a), Value::Number(b)) => compare_numbers(a, b),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Array(a), Value::Array(b)) => a
            .iter()
            .zip(b)
            .map(|(x, y)| compare(x, y))
            .find(|order| *order != Ordering::Equal)
            .unwrap_or_else(|| a.len().cmp(&b.len())),
        (Value::Object(a), Value::Object(b)) => compare_maps(a, b),
        _ => rank(left).cmp(&rank(right)),
    }
}

fn rank(value: &Value) -> u8 {
    match value {
        Value::Number(_) => 0,
        Value::String(_) => 1,
        Value::Bool(_) => 2,
        Value::Array(_) => 3,
        Value::Object(_) => 4,
        Value::Null => 5,
    }
}

fn compare_numbers(left: &Number, right: &Number) -> Ordering {
    match (left.as_i64(), right.as_i64()) {
        (Some(a), Some(b)) => a.cmp(&b),
        _ => {
            let (a, b) = (left.as_f64().unwrap_or(f64::NAN), right.as_f64().unwrap_or(f64::NAN));
            a.total_cmp(&b)
        }
    }
}

fn compare_maps(left: &Map<String, Value>, right: &Map<String, Value>) -> Ordering {
    let sorted = |map: &Map<String, Value>| {
        let mut keys: Vec<String> = map.keys().cloned().collect();
        keys.sort_unstable();
        keys
    };
    let (left_keys, right_keys) = (sorted(left), sorted(right));
    for (a, b) in left_keys.iter().zip(&right_keys) {
        // A key that only one side has makes that side the smaller one.
        let order = a.cmp(b).then_with(|| compare(&left[a], &right[b]));
        if order != Ordering::Equal {
            return order;
        }
    }
    left_keys.len().cmp(&right_keys.len())
}

/// Writes a number as Go's encoding/json and `%v` do for the amounts that occur in keys: integral amounts without a fraction.
#[must_use]
pub fn number_text(number: &Number) -> String {
    match number.as_f64() {
        Some(amount) if number.is_f64() && amount.fract() == 0.0 && amount.abs() < 1e21 => {
            format!("{amount:.0}")
        }
        _ => number.to_string(),
    }
}

/// The object's `apiVersion` and `kind`; empty where absent or not a string.
#[must_use]
pub fn type_of(object: &Value) -> (&str, &str) {
    let text = |key| object.get(key).and_then(Value::as_str).unwrap_or_default();
    (text("apiVersion"), text("kind"))
}

/// What kind of thing a value is, for messages: `a map`, `a list`, `a string`...
#[must_use]
pub fn describe(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_equal_by_amount() {
        assert!(equal(&json!({"a": [1]}), &json!({"a": [1.0]})));
        assert!(!equal(&json!(1), &json!("1")));
        assert!(!equal(&json!({}), &json!(null)));
    }

    #[test]
    fn the_order_of_types_is_number_string_boolean_list_map_null() {
        let sorted = [
            json!(1),
            json!(1.5),
            json!(2),
            json!("a"),
            json!("b"),
            json!(false),
            json!(true),
            json!([]),
            json!([1]),
            json!({}),
            json!({"a": 1}),
            json!({"b": 0}),
            json!(null),
        ];
        for pair in sorted.windows(2) {
            assert_eq!(compare(&pair[0], &pair[1]), Ordering::Less, "{} < {}", pair[0], pair[1]);
        }
    }

    #[test]
    fn integral_floats_print_without_a_fraction() {
        assert_eq!(number_text(json!(80.0).as_number().unwrap()), "80");
        assert_eq!(number_text(json!(80).as_number().unwrap()), "80");
        assert_eq!(number_text(json!(0.5).as_number().unwrap()), "0.5");
    }
}
