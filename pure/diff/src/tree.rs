//! Walking two objects at once and collecting where they differ.

use landfall_merge::defaults::is_default;
use landfall_merge::fields::{Element, Path, path_text};
use landfall_merge::schema::{ListKind, Schema, ValueType};
use landfall_merge::value::equal;
use serde_json::{Map, Value};

use crate::compare::{FieldDifference, Reason};
use crate::places::element_at;
use crate::quantity::{equal_durations, equal_quantities};
use crate::rules::{Holds, KnownType};
use crate::schemas::is_built_in;

const DURATION: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Duration";
const QUANTITY: &str = "io.k8s.apimachinery.pkg.api.resource.Quantity";

/// The fields in which two normalised objects differ, in the order of their paths.
pub(crate) fn differences(
    predicted: &Value,
    live: &Value,
    schema: Schema<'_>,
    known_types: &[&KnownType],
) -> Vec<FieldDifference> {
    let mut walk = Walk {
        is_built_in: is_built_in(schema),
        known_types,
        path: Path::new(),
        fields: Vec::new(),
        found: Vec::new(),
    };
    walk.visit(Some(predicted), Some(live), schema);
    walk.found
}

struct Walk<'k> {
    is_built_in: bool,
    known_types: &'k [&'k KnownType],
    path: Path,
    /// The names of the fields on the path, without list elements: what known types are written by.
    fields: Vec<String>,
    found: Vec<FieldDifference>,
}

impl Walk<'_> {
    fn report(&mut self, predicted: Option<&Value>, live: Option<&Value>) {
        let reason = match (predicted, live) {
            (Some(_), None) => Reason::Missing,
            (None, Some(_)) => Reason::Extra,
            _ => Reason::Changed,
        };
        self.report_as(reason, predicted, live);
    }

    fn report_as(&mut self, reason: Reason, predicted: Option<&Value>, live: Option<&Value>) {
        self.found.push(FieldDifference {
            path: path_text(&self.path),
            desired: predicted.cloned(),
            live: live.cloned(),
            reason,
            changed_by: None,
            place: self.path.clone(),
        });
    }

    fn visit(&mut self, predicted: Option<&Value>, live: Option<&Value>, schema: Schema<'_>) {
        match (predicted, live) {
            (Some(a), Some(b)) if equal(a, b) => {}
            (Some(Value::Object(a)), Some(Value::Object(b))) => self.visit_maps(a, b, schema),
            (Some(Value::Array(a)), Some(Value::Array(b))) => self.visit_lists(a, b, schema),
            (Some(a), Some(b)) if same_scalar(a, b, schema) => {}
            _ => self.report(predicted, live),
        }
    }

    fn visit_maps(&mut self, predicted: &Map<String, Value>, live: &Map<String, Value>, schema: Schema<'_>) {
        let mut names: Vec<&String> = predicted.keys().chain(live.keys()).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let (a, b) = (predicted.get(name), live.get(name));
            self.path.push(Element::Field(name.clone()));
            self.fields.push(name.clone());
            let inside = schema.entry(name).unwrap_or_else(Schema::deduced);
            match self.known_here() {
                Some(Holds::Quantity) if all_quantities(a, b) => {}
                Some(Holds::Duration) if both(a, b).is_some_and(|(a, b)| equal_durations(a, b)) => {}
                Some(Holds::Type(name)) => {
                    let known = landfall_merge::builtin::kubernetes().named(name).unwrap_or(inside);
                    let was_built_in = std::mem::replace(&mut self.is_built_in, true);
                    self.visit_field(a, b, schema, known);
                    self.is_built_in = was_built_in;
                }
                _ => self.visit_field(a, b, schema, inside),
            }
            self.fields.pop();
            self.path.pop();
        }
    }

    fn known_here(&self) -> Option<&Holds> {
        let here = self.fields.join(".");
        self.known_types.iter().find(|known| known.field == here).map(|known| &known.holds)
    }

    /// One field of two maps, which one of them may lack.
    fn visit_field(&mut self, predicted: Option<&Value>, live: Option<&Value>, of: Schema<'_>, schema: Schema<'_>) {
        let name = self.fields.last().map(String::as_str).unwrap_or_default();
        match (predicted, live) {
            (None, Some(value)) if is_default(of, name, value) => {}
            (Some(value), None) if is_default(of, name, value) && self.is_built_in => {}
            (None, Some(only)) | (Some(only), None) if self.is_as_if_absent(only, of, schema) => {}
            (None, Some(Value::Object(map))) if self.is_built_in && self.fields.len() > 1 => {
                // A struct that is only there for what the server filled in.
                let rest = map.iter().any(|(name, value)| !is_default(schema, name, value));
                if rest {
                    self.report(None, live);
                }
            }
            _ => self.visit(predicted, live, schema),
        }
    }

    /// Whether a value means the same as its absence: the empty lists and maps that the server does not store.
    fn is_as_if_absent(&self, value: &Value, of: Schema<'_>, schema: Schema<'_>) -> bool {
        let is_metadata = self.fields.first().is_some_and(|field| field == "metadata");
        match value {
            Value::Array(list) => list.is_empty() && (self.is_built_in || is_metadata),
            Value::Object(map) if map.is_empty() => {
                let name = self.fields.last().map(String::as_str).unwrap_or_default();
                // A map of texts, or a struct that is not behind a pointer: not stored when empty. `podSelector: {}` is another
                // thing than no podSelector.
                let is_plain_map = schema.node().properties.is_empty();
                let is_struct =
                    of.default_of(name).is_some_and(|default| default.as_object().is_some_and(Map::is_empty));
                is_metadata || (self.is_built_in && ((is_plain_map && !is_pointer(schema)) || is_struct))
            }
            Value::Object(map) => {
                self.is_built_in
                    && of
                        .default_of(self.fields.last().map(String::as_str).unwrap_or_default())
                        .is_some_and(Value::is_object)
                    && map.iter().all(|(name, value)| {
                        is_default(schema, name, value) || matches!(value, Value::Object(inner) if inner.is_empty())
                    })
            }
            Value::String(text) => text.is_empty() && self.is_built_in && self.fields.len() > 1 && !self.is_in_data(),
            Value::Null => true,
            Value::Bool(_) | Value::Number(_) => false,
        }
    }

    /// The contents of ConfigMaps and Secrets and annotations: an empty text is a value there.
    fn is_in_data(&self) -> bool {
        self.fields.iter().any(|field| {
            matches!(field.as_str(), "data" | "binaryData" | "stringData" | "annotations" | "labels" | "matchLabels")
        })
    }

    fn visit_lists(&mut self, predicted: &[Value], live: &[Value], schema: Schema<'_>) {
        if *schema.list_kind() == ListKind::Atomic && predicted.len() != live.len() {
            let (a, b) = (Value::Array(predicted.to_vec()), Value::Array(live.to_vec()));
            self.report(Some(&a), Some(&b));
            return;
        }
        let identified = |list: &[Value]| -> Vec<Element> {
            list.iter().enumerate().map(|(index, element)| element_at(Some(element), index, schema)).collect()
        };
        let (ours, theirs) = (identified(predicted), identified(live));
        let before = self.found.len();
        for (index, element) in ours.iter().enumerate() {
            // Of elements that occur twice, the first pairs with the first.
            let nth = ours[..index].iter().filter(|other| *other == element).count();
            let place = theirs.iter().enumerate().filter(|(_, other)| *other == element).nth(nth);
            self.path.push(element.clone());
            self.visit(predicted.get(index), place.and_then(|(place, _)| live.get(place)), schema.items());
            self.path.pop();
        }
        for (index, element) in theirs.iter().enumerate() {
            let nth = theirs[..index].iter().filter(|other| *other == element).count();
            if ours.iter().filter(|other| *other == element).count() <= nth {
                self.path.push(element.clone());
                self.report(None, live.get(index));
                self.path.pop();
            }
        }
        let is_ordered = matches!(schema.list_kind(), ListKind::Keyed(_));
        if is_ordered && self.found.len() == before && ours != theirs {
            let (a, b) = (Value::Array(predicted.to_vec()), Value::Array(live.to_vec()));
            self.report_as(Reason::Order, Some(&a), Some(&b));
        }
    }
}

fn both<'v>(a: Option<&'v Value>, b: Option<&'v Value>) -> Option<(&'v Value, &'v Value)> {
    Some((a?, b?))
}

/// Whether two values are the same but for the spelling of quantities anywhere in them.
fn all_quantities(a: Option<&Value>, b: Option<&Value>) -> bool {
    match (a, b) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            a.len() == b.len() && a.iter().all(|(key, value)| all_quantities(Some(value), b.get(key)))
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| all_quantities(Some(a), Some(b)))
        }
        (Some(a), Some(b)) => equal(a, b) || equal_quantities(a, b),
        _ => false,
    }
}

/// Structs behind pointers that hold nothing by themselves are types of their own, `emptyDir: {}` say.
fn is_pointer(schema: Schema<'_>) -> bool {
    schema.type_name().is_some()
}

/// Whether two scalars mean the same where they stand.
fn same_scalar(a: &Value, b: &Value, schema: Schema<'_>) -> bool {
    let node = schema.node();
    match schema.type_name() {
        Some(QUANTITY) => return equal_quantities(a, b),
        Some(DURATION) => return equal_durations(a, b),
        _ => {}
    }
    // What controller-gen writes for a resource.Quantity in a custom resource.
    let is_quantity = node.int_or_string
        && node.keywords.get("pattern").and_then(Value::as_str).is_some_and(|pattern| pattern.contains("KMGTPE"));
    if is_quantity && equal_quantities(a, b) {
        return true;
    }
    if node.format == "duration" && equal_durations(a, b) {
        return true;
    }
    match (a, b) {
        // A number where only text may be, and the other way round.
        (Value::String(text), Value::Number(number)) | (Value::Number(number), Value::String(text)) => {
            match node.value_type {
                ValueType::String | ValueType::Integer | ValueType::Number => *text == number.to_string(),
                _ => false,
            }
        }
        (Value::String(text), Value::Bool(flag)) | (Value::Bool(flag), Value::String(text)) => {
            matches!(node.value_type, ValueType::String | ValueType::Boolean) && *text == flag.to_string()
        }
        _ => false,
    }
}
