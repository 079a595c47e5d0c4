//! Columns of custom resources: their `additionalPrinterColumns`, read by simple JSON paths.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Heading;
use super::text;
use crate::clock::parse_time;
use crate::crd::CustomResource;
use crate::json;

const NAME_TEXT: &str = "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a client to request the generation of an appropriate name automatically. Name is primarily intended for creation idempotence and configuration definition. Cannot be updated. More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names";
const AGE_TEXT: &str = "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 form and is in UTC.";

/// The headings of a custom resource.
pub(super) fn headings(custom: &CustomResource) -> Vec<Heading> {
    let mut all = vec![Heading {
        name: "Name".to_string(),
        kind: "string".to_string(),
        format: "name".to_string(),
        priority: 0,
        description: NAME_TEXT.to_string(),
    }];
    if custom.columns.is_empty() {
        all.push(Heading {
            name: "Age".to_string(),
            kind: "date".to_string(),
            format: String::new(),
            priority: 0,
            description: AGE_TEXT.to_string(),
        });
    }
    all.extend(custom.columns.iter().map(|column| Heading {
        name: column.name.clone(),
        kind: column.kind.clone(),
        format: column.format.clone(),
        priority: column.priority,
        description: if column.description.is_empty() {
            "Custom resource definition column (in JSONPath format): ".to_string() + &column.json_path
        } else {
            column.description.clone()
        },
    }));
    all
}

/// The cells of a custom resource.
pub(super) fn cells(custom: &CustomResource, object: &Value, now: Timestamp) -> Vec<Value> {
    let mut all = vec![json!(json::name(object))];
    if custom.columns.is_empty() {
        all.push(json!(text::age(object, now)));
    }
    all.extend(custom.columns.iter().map(|column| {
        let found = find(object, &column.json_path);
        cell(found, &column.kind, now)
    }));
    all
}

fn cell(found: Vec<&Value>, kind: &str, now: Timestamp) -> Value {
    let Some(first) = found.first() else { return Value::Null };
    match kind {
        "integer" => first.as_i64().map_or(Value::Null, Value::from),
        "number" => first.as_f64().map_or(Value::Null, Value::from),
        "boolean" => first.as_bool().map_or(Value::Null, Value::from),
        "date" => match first.as_str().and_then(parse_time) {
            Some(then) => json!(text::human_duration(now.duration_since(then).as_secs())),
            None => json!("<invalid>"),
        },
        _ => {
            let shown: Vec<String> = found
                .iter()
                .map(|value| match value {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                })
                .collect();
            json!(shown.join(" "))
        }
    }
}

/// Finds the values at a JSON path: `.a.b`, `['a.b']`, `[0]`, `[*]`, `[?(@.type=="Ready")]`.
pub(super) fn find<'a>(object: &'a Value, path: &str) -> Vec<&'a Value> {
    let mut found = vec![object];
    let mut rest = path.trim().trim_start_matches('$');
    while !rest.is_empty() && !found.is_empty() {
        if let Some(after) = rest.strip_prefix('.') {
            let end = name_end(after);
            let name = after[..end].replace("\\.", ".");
            rest = &after[end..];
            if name == "*" {
                found = found.into_iter().flat_map(children).collect();
            } else if !name.is_empty() {
                found = found.into_iter().filter_map(|value| value.get(&name)).collect();
            }
        } else if let Some(after) = rest.strip_prefix('[') {
            let Some(end) = bracket_end(after) else { return Vec::new() };
            let inside = after[..end].trim();
            rest = &after[end + 1..];
            found = select(found, inside);
        } else {
            // A path may begin with a name without a dot.
            let end = name_end(rest);
            if end == 0 {
                return Vec::new();
            }
            let name = &rest[..end];
            found = found.into_iter().filter_map(|value| value.get(name)).collect();
            rest = &rest[end..];
        }
    }
    found
}

fn name_end(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut index = 0;
    while index < bytes.len() {
        match bytes[index] {
            b'\\' => index += 2,
            b'.' | b'[' => break,
            _ => index += 1,
        }
    }
    index.min(text.len())
}

/// The index of the bracket that closes, quotes and inner brackets passed over.
fn bracket_end(text: &str) -> Option<usize> {
    let (mut depth, mut quote) = (0_usize, None);
    for (index, character) in text.char_indices() {
        match (quote, character) {
            (Some(open), _) if character == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(character),
            (None, '[') => depth += 1,
            (None, ']') if depth == 0 => return Some(index),
            (None, ']') => depth -= 1,
            (None, _) => {}
        }
    }
    None
}

fn children(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(map) => map.values().collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

fn select<'a>(found: Vec<&'a Value>, inside: &str) -> Vec<&'a Value> {
    if inside == "*" {
        return found.into_iter().flat_map(children).collect();
    }
    if let Some(quoted) = unquoted(inside) {
        return found.into_iter().filter_map(|value| value.get(quoted)).collect();
    }
    if let Some(filter) = inside.strip_prefix("?(").and_then(|filter| filter.strip_suffix(')')) {
        return found.into_iter().flat_map(children).filter(|item| passes(item, filter)).collect();
    }
    if let Ok(index) = inside.parse::<i64>() {
        return found
            .into_iter()
            .filter_map(|value| {
                let items = value.as_array()?;
                let length = i64::try_from(items.len()).ok()?;
                let index = if index < 0 { length + index } else { index };
                items.get(usize::try_from(index).ok()?)
            })
            .collect();
    }
    Vec::new()
}

fn unquoted(text: &str) -> Option<&str> {
    ['\'', '"'].into_iter().find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote))
}

/// `@.type=="Ready"`, `@.count>1`, `@.name`.
fn passes(item: &Value, filter: &str) -> bool {
    for (operator, test) in [
        ("==", (|order: std::cmp::Ordering| order.is_eq()) as fn(std::cmp::Ordering) -> bool),
        ("!=", |order| order.is_ne()),
        (">=", |order| order.is_ge()),
        ("<=", |order| order.is_le()),
        (">", |order| order.is_gt()),
        ("<", |order| order.is_lt()),
    ] {
        let Some((left, right)) = filter.split_once(operator) else { continue };
        let found = find(item, left.trim().trim_start_matches('@'));
        let Some(value) = found.first() else { return operator == "!=" };
        let right = right.trim();
        let order = match unquoted(right) {
            Some(text) => value.as_str().unwrap_or_default().cmp(text),
            None => match (value.as_f64(), right.parse::<f64>()) {
                (Some(one), Ok(other)) => one.total_cmp(&other),
                _ => value.to_string().as_str().cmp(right),
            },
        };
        return test(order);
    }
    !find(item, filter.trim().trim_start_matches('@')).is_empty()
}
