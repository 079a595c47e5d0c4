//! The second half of an error message: which value was missing or of the wrong type, and what to do.

use crate::error::Error;
use crate::parse::ast::{self, NodeId, NodeKind};
use crate::template::File;
use crate::text::Str;
use crate::types::{Kind, TypeInfo};
use crate::value::Value;

/// Explains a failed step of a chain of fields: `names[index]` could not be read.
pub(super) fn field(file: &File, id: NodeId, names: &[Str], index: usize, reason: &str) -> Option<String> {
    let base = match &file.node(id).kind {
        NodeKind::Variable(all) => all[0].to_string(),
        NodeKind::Chain { node, .. } => format!("({})", String::from_utf8_lossy(&ast::print(file, *node))),
        _ => String::new(),
    };
    let mut parent = base.into_bytes();
    ast::print_fields(&mut parent, &names[..index]);
    if parent.is_empty() {
        parent.push(b'.');
    }
    let parent = String::from_utf8_lossy(&parent).into_owned();
    let mut whole = Vec::new();
    ast::print_fields(&mut whole, &names[..=index]);
    let name = &names[index];
    if reason.starts_with("nil pointer evaluating") {
        let place = parent.strip_prefix(".Values.").or_else(|| parent.strip_prefix("$.Values."));
        return Some(match place {
            Some(path) => format!(
                "the value `{path}` is not set, but its field `{name}` is needed here: set `{path}.{name}` in the values, or write `({parent}).{name}` or `{{{{ with {parent} }}}}` if it may be absent"
            ),
            None => format!(
                "{parent} is nil, but its field `{name}` is needed here: check that it exists, or guard it with `with` or `if`"
            ),
        });
    }
    if let Some(found) = reason.strip_prefix(&format!("can't evaluate field {name} in type ")) {
        let shown =
            parent.strip_prefix(".Values.").map_or_else(|| parent.clone(), |path| format!("the value `{path}`"));
        let what = if found == "interface {}" { "is a plain value".to_string() } else { format!("is a {found}") };
        return Some(format!(
            "{shown} {what}, not a map, so it has no field `{name}`: check the values' structure at that place"
        ));
    }
    None
}

/// Explains an argument of the wrong type.
pub(super) fn argument(error: Error, name: &str, index: usize, wanted: &TypeInfo) -> Error {
    if error.source().is_some() || error.hint().is_some() {
        return error;
    }
    let reason = error.reason();
    let expression = error.position().map(|position| position.expression.clone()).unwrap_or_default();
    let place = format!("argument {} of `{name}` must be {}", index + 1, in_words(wanted));
    let hint = if reason.starts_with("invalid value; expected") || reason.ends_with("; got interface {}") {
        format!("{place}, but `{expression}` is not set: set it, or give it a default with `default`")
    } else if let Some((_, got)) = reason.split_once("; got ") {
        let help = match (wanted.kind, got) {
            (Kind::String, _) => " (convert it with `toString`, or quote it in the values)",
            (Kind::Int, "float64") => " (numbers from values are floats: convert it with `int`)",
            (Kind::Int64, "float64") => " (numbers from values are floats: convert it with `int64`)",
            _ => "",
        };
        format!("{place}, but `{expression}` gives a {got}{help}")
    } else {
        return error;
    };
    error.with_hint(hint)
}

/// Explains a value that `range` cannot walk.
pub(super) fn not_iterable(value: &Value) -> String {
    let help = match value {
        Value::Str(_) => "; split it first, or write it as a list in the values",
        Value::Float(..) => "; numbers from values are floats: convert it with `int` to count",
        _ => "",
    };
    format!("`range` walks lists, maps and whole numbers, but this is a {}{help}", value.type_name())
}

fn in_words(wanted: &TypeInfo) -> &'static str {
    match wanted.kind {
        Kind::String => "a string",
        Kind::Bool => "a boolean",
        Kind::Map => "a map",
        Kind::Slice => "a list",
        Kind::Float32 | Kind::Float64 => "a number",
        Kind::Int | Kind::Int8 | Kind::Int16 | Kind::Int32 | Kind::Int64 => "a whole number",
        _ => "of another type",
    }
}
