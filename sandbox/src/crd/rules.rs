//! Rules of definitions (`x-kubernetes-validations`): checked when a definition is written, evaluated when its objects are.
//! Source: `k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel` 1.36.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, OnceLock};

use serde_json::Value;

use crate::cel::check::{condition_problem, mismatch, undefined_field, uses};
use crate::cel::syntax::shown_at;
use crate::cel::value::Value as Cel;
use crate::cel::{Evaluation, Expression, parse};
use crate::error::Cause;
use crate::json;

/// Parsed rules of all definitions, by their text.
fn parsed(text: &str) -> Option<Arc<Expression>> {
    static PARSED: OnceLock<Mutex<HashMap<String, Option<Arc<Expression>>>>> = OnceLock::new();
    let held = PARSED.get_or_init(|| Mutex::new(HashMap::new()));
    let mut held = held.lock().expect("no holder of this lock panics");
    held.entry(text.to_string()).or_insert_with(|| parse(text).ok().map(Arc::new)).clone()
}

/// True when a schema has rules anywhere.
pub(super) fn has_rules(schema: &Value) -> bool {
    match schema {
        Value::Object(map) => map.contains_key("x-kubernetes-validations") || map.values().any(has_rules),
        Value::Array(items) => items.iter().any(has_rules),
        _ => false,
    }
}

/// Evaluates the rules of a schema over an object; `old` is what it replaces.
pub(super) fn evaluate(schema: &Value, value: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    node(schema, value, old, "", causes);
}

fn node(schema: &Value, value: &Value, old: Option<&Value>, path: &str, causes: &mut Vec<Cause>) {
    if value.is_null() {
        return;
    }
    let rules = json::list(schema, "/x-kubernetes-validations");
    if !rules.is_empty() {
        let this = Cel::from_schema(schema, value);
        let before = old.map(|old| Cel::from_schema(schema, old));
        for rule in rules {
            one(rule, schema, value, &this, before.as_ref(), path, causes);
        }
    }
    let joined = |key: &str| if path.is_empty() { key.to_string() } else { format!("{path}.{key}") };
    match value {
        Value::Object(map) => {
            let fields = schema.get("properties").and_then(Value::as_object);
            let additional = schema.get("additionalProperties").filter(|additional| additional.is_object());
            for (key, inner) in map {
                match (fields.and_then(|fields| fields.get(key)), additional) {
                    (Some(field), _) => node(field, inner, old.and_then(|old| old.get(key)), &joined(key), causes),
                    (None, Some(additional)) => {
                        node(additional, inner, old.and_then(|old| old.get(key)), &format!("{path}[{key}]"), causes);
                    }
                    (None, None) => {}
                }
            }
        }
        Value::Array(items) => {
            let Some(inner) = schema.get("items") else { return };
            let keys = json::list(schema, "/x-kubernetes-list-map-keys");
            let is_map = json::text(schema, "/x-kubernetes-list-type") == "map";
            for (index, item) in items.iter().enumerate() {
                // Only lists with keys say which old item a new one was.
                let before = old.and_then(Value::as_array).filter(|_| is_map).and_then(|old| {
                    old.iter()
                        .find(|old| keys.iter().filter_map(Value::as_str).all(|key| old.get(key) == item.get(key)))
                });
                node(inner, item, before, &format!("{path}[{index}]"), causes);
            }
        }
        _ => {}
    }
}

fn one(
    rule: &Value,
    schema: &Value,
    value: &Value,
    this: &Cel,
    before: Option<&Cel>,
    path: &str,
    causes: &mut Vec<Cause>,
) {
    let text = json::text(rule, "/rule");
    let Some(expression) = parsed(text) else { return };
    let optional_old = json::flag(rule, "/optionalOldSelf");
    if uses(&expression, "oldSelf") && before.is_none() && !optional_old {
        return;
    }
    let mut variables = BTreeMap::from([("self".to_string(), this.clone())]);
    match (optional_old, before) {
        (true, before) => {
            variables.insert("oldSelf".into(), Cel::Optional(before.cloned().map(Box::new)));
        }
        (false, Some(before)) => {
            variables.insert("oldSelf".into(), before.clone());
        }
        (false, None) => {}
    }
    let evaluation = Evaluation::new(variables.clone());
    let given = json::text(rule, "/message");
    let default = || if given.is_empty() { format!("failed rule: {text}") } else { given.to_string() };
    let field = match json::text(rule, "/fieldPath") {
        "" => path.to_string(),
        inner => format!(
            "{path}{}",
            inner.strip_prefix('.').map_or_else(
                || inner.to_string(),
                |rest| if path.is_empty() { rest.to_string() } else { format!(".{rest}") }
            )
        ),
    };
    match evaluation.holds(&expression) {
        Ok(true) => {}
        Ok(false) => {
            let computed = parsed(json::text(rule, "/messageExpression"))
                .and_then(|expression| Evaluation::new(variables).run(&expression).ok())
                .and_then(|value| match value {
                    Cel::Text(text) if !text.trim().is_empty() && !text.contains('\n') => Some(text.to_string()),
                    _ => None,
                });
            let message = computed.unwrap_or_else(default);
            causes.push(match json::text(rule, "/reason") {
                "FieldValueForbidden" => Cause::forbidden(field, &message),
                "FieldValueRequired" => Cause::required(field, &message),
                "FieldValueDuplicate" => Cause::duplicate(field, value),
                _ if value.is_object() || value.is_array() => {
                    Cause { reason: "FieldValueInvalid", message: format!("Invalid value: {message}"), field }
                }
                _ => Cause::invalid(field, value, &message),
            });
        }
        Err(why) => {
            let kind = json::text(schema, "/type");
            let rule_name = if given.is_empty() { text } else { given };
            let message = if why.contains("cost limit") {
                format!("{why}: call cost exceeds limit")
            } else {
                format!("{why} evaluating rule: {rule_name}")
            };
            causes.push(Cause {
                reason: "FieldValueInvalid",
                message: format!("Invalid value: {kind:?}: {message}"),
                field: path.to_string(),
            });
        }
    }
}

/// Checks the rules in a schema of a definition.
pub(super) fn check(schema: &Value, field: &str, causes: &mut Vec<Cause>) {
    for (index, rule) in json::list(schema, "/x-kubernetes-validations").iter().enumerate() {
        let place = format!("{field}.x-kubernetes-validations[{index}]");
        let text = json::text(rule, "/rule");
        if text.trim().is_empty() {
            causes.push(Cause::required(format!("{place}.rule"), "rule is not specified"));
            continue;
        }
        let problem = match parse(text) {
            Err(error) => Some(error.shown(text)),
            Ok(expression) => undefined_field(&expression, schema, text)
                .map(|(name, at)| shown_at("", &format!("undefined field '{name}'"), at, text))
                .or_else(|| mismatch(&expression, schema, text).map(|(why, at)| shown_at("", &why, at, text)))
                .or_else(|| {
                    condition_problem(&expression, &["self", "oldSelf"]).map(|why| {
                        if why.starts_with("must evaluate") {
                            "cel expression must evaluate to a bool".to_string()
                        } else {
                            shown_at("", &why, 0, text)
                        }
                    })
                }),
        };
        if let Some(problem) = problem {
            let text = |key: &str| Value::from(json::text(rule, &format!("/{key}")));
            let shown = [
                ("Rule", text("rule")),
                ("Message", text("message")),
                ("MessageExpression", text("messageExpression")),
                ("Reason", rule.get("reason").cloned().unwrap_or(Value::Null)),
                ("FieldPath", text("fieldPath")),
                ("OptionalOldSelf", rule.get("optionalOldSelf").cloned().unwrap_or(Value::Null)),
            ];
            let names: Vec<&str> = shown.iter().map(|(name, _)| *name).collect();
            let values = shown.iter().map(|(name, value)| ((*name).to_string(), value.clone())).collect();
            let why = format!("compilation failed: {problem}");
            causes.push(Cause::ordered(&format!("{place}.rule"), &names, &values, &why));
        }
    }
}
