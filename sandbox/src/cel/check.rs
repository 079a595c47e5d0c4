//! What can be said about an expression without evaluating it: names that do not exist, results that are no conditions.

use serde_json::Value as Json;

use super::syntax::{Expression, Literal};
use crate::json;

/// Says what is wrong with an expression that is to be a condition over variables of these names.
pub(crate) fn condition_problem(expression: &Expression, names: &[&str]) -> Option<String> {
    if let Some(kind) = surely_not_bool(expression) {
        return Some(format!("must evaluate to bool but got {kind}"));
    }
    undeclared(expression, &mut names.to_vec())
}

/// The type of an expression that can be no condition.
fn surely_not_bool(expression: &Expression) -> Option<&'static str> {
    match expression {
        Expression::Literal(literal) => match literal {
            Literal::Bool(_) => None,
            Literal::Null => Some("null_type"),
            Literal::Int(_) => Some("int"),
            Literal::Uint(_) => Some("uint"),
            Literal::Double(_) => Some("double"),
            Literal::Text(_) => Some("string"),
            Literal::Bytes(_) => Some("bytes"),
        },
        Expression::List(_) => Some("list"),
        Expression::Map(_) => Some("map"),
        Expression::Call(name, None, _) => match name.as_str() {
            "size" | "int" => Some("int"),
            "string" => Some("string"),
            _ => None,
        },
        _ => None,
    }
}

/// A name that no variable has.
fn undeclared<'a>(expression: &'a Expression, names: &mut Vec<&'a str>) -> Option<String> {
    match expression {
        Expression::Literal(_) => None,
        Expression::Name(name) => {
            let types = ["bool", "int", "uint", "double", "string", "bytes", "list", "map", "null_type", "type"];
            let known = names.contains(&name.as_str()) || types.contains(&name.as_str());
            (!known).then(|| format!("undeclared reference to '{name}' (in container '')"))
        }
        Expression::Field(inner, _, _) => undeclared(inner, names),
        Expression::Index(inner, index, _) => undeclared(inner, names).or_else(|| undeclared(index, names)),
        Expression::List(items) => items.iter().find_map(|(item, _)| undeclared(item, names)),
        Expression::Map(entries) => {
            entries.iter().find_map(|(key, value, _)| undeclared(key, names).or_else(|| undeclared(value, names)))
        }
        Expression::Message(_, fields) => fields.iter().find_map(|(_, value, _)| undeclared(value, names)),
        Expression::Call(name, receiver, arguments) => {
            let namespaces = ["optional", "sets", "math", "jsonpatch", "base64", "strings", "format", "cel", "ip"];
            if let Some(receiver) = receiver {
                let is_namespace =
                    matches!(receiver.as_ref(), Expression::Name(name) if namespaces.contains(&name.as_str()));
                if !is_namespace && let Some(problem) = undeclared(receiver, names) {
                    return Some(problem);
                }
            }
            let macros = [
                "all",
                "exists",
                "exists_one",
                "existsOne",
                "filter",
                "map",
                "transformList",
                "transformMap",
                "transformMapEntry",
                "optMap",
                "optFlatMap",
                "bind",
            ];
            let bound = if receiver.is_some() && macros.contains(&name.as_str()) {
                arguments.iter().take_while(|argument| matches!(argument, Expression::Name(_))).count().min(2)
            } else {
                0
            };
            // The last argument is always the body.
            let bound = bound.min(arguments.len().saturating_sub(1));
            let before = names.len();
            for argument in &arguments[..bound] {
                if let Expression::Name(name) = argument {
                    names.push(name);
                }
            }
            let problem = arguments[bound..].iter().find_map(|argument| undeclared(argument, names));
            names.truncate(before);
            problem
        }
    }
}

/// A field that a rule over `self` names although the schema does not have it: its name and where it stands.
pub(crate) fn undefined_field(expression: &Expression, schema: &Json, text: &str) -> Option<(String, usize)> {
    let mut found = None;
    walk(expression, &mut |part| {
        let Expression::Field(inner, name, _) = part else { return };
        if found.is_some() {
            return;
        }
        if let Some(at) = schema_of(inner, schema)
            && json::text(at, "/type") == "object"
            && at.get("additionalProperties").is_none()
            && !json::flag(at, "/x-kubernetes-preserve-unknown-fields")
            && !json::flag(at, "/x-kubernetes-embedded-resource")
            && at.get("properties").and_then(|fields| fields.get(super::value::unescaped(name))).is_none()
            && !(std::ptr::eq(at, schema) && matches!(name.as_str(), "apiVersion" | "kind" | "metadata"))
        {
            let place = text.find(&format!(".{name}")).unwrap_or(0);
            found = Some((name.clone(), place));
        }
    });
    found
}

/// An operator between two values whose types, as far as a schema tells them, do not go together: what the compiler says of it, and where
/// the operator stands.
pub(crate) fn mismatch(expression: &Expression, schema: &Json, text: &str) -> Option<(String, usize)> {
    let mut found = None;
    walk(expression, &mut |part| {
        let Expression::Call(name, None, arguments) = part else { return };
        let [one, other] = arguments.as_slice() else { return };
        let is_order = matches!(name.as_str(), "<" | "<=" | ">" | ">=");
        if found.is_some() || !(is_order || matches!(name.as_str(), "+" | "-" | "*" | "/" | "%" | "==" | "!=")) {
            return;
        }
        let (Some(one), Some(other)) = (scalar_type(one, schema), scalar_type(other, schema)) else { return };
        let are_numbers = is_order && one != "string" && one != "bool" && other != "string" && other != "bool";
        if one != other && !are_numbers {
            let place = operator_place(text, name).unwrap_or(0);
            found = Some((format!("found no matching overload for '_{name}_' applied to '({one}, {other})'"), place));
        }
    });
    found
}

/// The type of a constant, or of a field that a schema knows.
fn scalar_type(expression: &Expression, schema: &Json) -> Option<&'static str> {
    match expression {
        Expression::Literal(Literal::Bool(_)) => Some("bool"),
        Expression::Literal(Literal::Int(_)) => Some("int"),
        Expression::Literal(Literal::Uint(_)) => Some("uint"),
        Expression::Literal(Literal::Double(_)) => Some("double"),
        Expression::Literal(Literal::Text(_)) => Some("string"),
        Expression::Call(name, None, arguments) if matches!(name.as_str(), "+" | "-" | "*" | "/" | "%") => {
            let [one, other] = arguments.as_slice() else { return None };
            scalar_type(one, schema).filter(|one| Some(*one) == scalar_type(other, schema))
        }
        _ => {
            let at = schema_of(expression, schema)?;
            let is_plain = json::text(at, "/format").is_empty() && !json::flag(at, "/x-kubernetes-int-or-string");
            match json::text(at, "/type") {
                "string" if is_plain => Some("string"),
                "integer" => Some("int"),
                "number" => Some("double"),
                "boolean" => Some("bool"),
                _ => None,
            }
        }
    }
}

/// Where an operator stands in a text, in characters; quoted parts do not count.
fn operator_place(text: &str, operator: &str) -> Option<usize> {
    let mut quote = None;
    for (place, (at, c)) in text.char_indices().enumerate() {
        match quote {
            Some(held) if held == c => quote = None,
            Some(_) => {}
            None if matches!(c, '"' | '\'') => quote = Some(c),
            None if text[at..].starts_with(operator) => return Some(place),
            None => {}
        }
    }
    None
}

/// The schema of a path that begins with `self` or `oldSelf`.
fn schema_of<'s>(expression: &Expression, schema: &'s Json) -> Option<&'s Json> {
    match expression {
        Expression::Name(name) if name == "self" || name == "oldSelf" => Some(schema),
        Expression::Field(inner, name, false) => {
            schema_of(inner, schema)?.get("properties")?.get(super::value::unescaped(name))
        }
        _ => None,
    }
}

/// True when an expression uses a name anywhere.
pub(crate) fn uses(expression: &Expression, name: &str) -> bool {
    let mut found = false;
    walk(expression, &mut |part| found |= matches!(part, Expression::Name(held) if held == name));
    found
}

fn walk(expression: &Expression, visit: &mut dyn FnMut(&Expression)) {
    visit(expression);
    match expression {
        Expression::Literal(_) | Expression::Name(_) => {}
        Expression::Field(inner, _, _) => walk(inner, visit),
        Expression::Index(inner, index, _) => {
            walk(inner, visit);
            walk(index, visit);
        }
        Expression::List(items) => items.iter().for_each(|(item, _)| walk(item, visit)),
        Expression::Map(entries) => entries.iter().for_each(|(key, value, _)| {
            walk(key, visit);
            walk(value, visit);
        }),
        Expression::Message(_, fields) => fields.iter().for_each(|(_, value, _)| walk(value, visit)),
        Expression::Call(_, receiver, arguments) => {
            if let Some(receiver) = receiver {
                walk(receiver, visit);
            }
            arguments.iter().for_each(|argument| walk(argument, visit));
        }
    }
}
