//! Places in objects by identity rather than by index: the container named `app` is the same place in both objects.

use landfall_merge::fields::{Element, Path};
use landfall_merge::managed::ManagedFields;
use landfall_merge::schema::{ListKind, Schema};
use landfall_merge::typed::identity;
use serde_json::Value;

use crate::jq::Step;
use crate::rules::Rules;

/// The places of an object that the rules say do not count, and what kept a rule from being evaluated.
#[derive(Debug, Default)]
pub struct Ignored {
    /// The places; some may not exist in the object.
    pub places: Vec<Path>,
    /// One sentence for each expression that failed on this object.
    pub problems: Vec<String>,
}

/// Evaluates on an object the rules that concern `subject`, the same object before anything was taken out of it. `live` is the
/// object whose managedFields say what managers own.
#[must_use]
pub fn ignored(object: &Value, subject: &Value, live: Option<&Value>, rules: &Rules, schema: Schema<'_>) -> Ignored {
    let mut found = Ignored::default();
    for rule in rules.of(subject) {
        for pointer in &rule.pointers {
            found.places.push(by_pointer(object, pointer, schema));
        }
        for expression in &rule.expressions {
            match expression.paths(object) {
                Ok(paths) => found.places.extend(paths.iter().map(|path| by_steps(object, path, schema))),
                Err(problem) => found.problems.push(problem.to_string()),
            }
        }
        if rule.managers.is_empty() {
            continue;
        }
        let managed = live.map(ManagedFields::of).and_then(Result::ok).unwrap_or_default();
        let of_managers = managed.owned.iter().filter(|(manager, _)| rule.managers.contains(&manager.name));
        let owned = of_managers.flat_map(|(_, owned)| owned.fields.leaves().paths());
        found.places.extend(owned.filter(|path| !is_key_field(path)));
    }
    found.places.retain(|path| !path.is_empty());
    found
}

/// Whether a path ends at a field that tells its element from the others: taking that out would lose the element.
fn is_key_field(path: &[Element]) -> bool {
    match path {
        [.., Element::Key(keys), Element::Field(name)] => keys.iter().any(|(key, _)| key == name),
        _ => false,
    }
}

fn by_pointer(object: &Value, pointer: &[String], schema: Schema<'_>) -> Path {
    let mut steps = Vec::new();
    let mut place = Some(object);
    for part in pointer {
        let step = match (place, part.parse::<usize>()) {
            (Some(Value::Array(_)), Ok(index)) => Step::Index(index),
            _ => Step::Field(part.clone()),
        };
        place = place.and_then(|value| crate::jq::value_at(value, std::slice::from_ref(&step)));
        steps.push(step);
    }
    by_steps(object, &steps, schema)
}

fn by_steps(object: &Value, steps: &[Step], schema: Schema<'_>) -> Path {
    let mut path = Path::new();
    let (mut value, mut schema) = (Some(object), schema);
    for step in steps {
        match step {
            Step::Field(name) => {
                path.push(Element::Field(name.clone()));
                value = value.and_then(|value| value.get(name));
                schema = schema.entry(name).unwrap_or_else(Schema::deduced);
            }
            Step::Index(index) => {
                let element = value.and_then(|value| value.get(index));
                path.push(element_at(element, *index, schema));
                value = element;
                schema = schema.items();
            }
        }
    }
    path
}

/// How an element of a list is told from the others: by its keys or value where the list has an identity, else by its place.
pub(crate) fn element_at(element: Option<&Value>, index: usize, schema: Schema<'_>) -> Element {
    let by_identity = match schema.list_kind() {
        ListKind::Atomic => None,
        _ => element.and_then(|element| identity(schema, element).ok()),
    };
    by_identity.unwrap_or_else(|| Element::Index(i64::try_from(index).unwrap_or(i64::MAX)))
}

/// Where in a list an element is.
fn position(list: &[Value], element: &Element, schema: Schema<'_>) -> Option<usize> {
    match element {
        Element::Index(index) => usize::try_from(*index).ok().filter(|index| *index < list.len()),
        Element::Field(_) => None,
        wanted => {
            let by_schema = list.iter().position(|candidate| identity(schema, candidate).is_ok_and(|e| e == *wanted));
            by_schema.or_else(|| {
                list.iter().position(|candidate| {
                    landfall_merge::ownership::find(Some(&Value::Array(vec![candidate.clone()])), wanted).is_some()
                })
            })
        }
    }
}

/// The value at a place.
#[must_use]
pub fn get<'v>(object: &'v Value, path: &[Element], schema: Schema<'_>) -> Option<&'v Value> {
    let Some((first, rest)) = path.split_first() else {
        return Some(object);
    };
    match (object, first) {
        (Value::Object(map), Element::Field(name)) => {
            get(map.get(name)?, rest, schema.entry(name).unwrap_or_else(Schema::deduced))
        }
        (Value::Array(list), element) => get(&list[position(list, element, schema)?], rest, schema.items()),
        _ => None,
    }
}

/// Takes the value out of a place, if it is there.
pub fn remove(object: &mut Value, path: &[Element], schema: Schema<'_>) {
    let Some((first, rest)) = path.split_first() else {
        return;
    };
    match (object, first) {
        (Value::Object(map), Element::Field(name)) => {
            if rest.is_empty() {
                map.remove(name);
            } else if let Some(inside) = map.get_mut(name) {
                remove(inside, rest, schema.entry(name).unwrap_or_else(Schema::deduced));
            }
        }
        (Value::Array(list), element) => {
            if let Some(index) = position(list, element, schema) {
                if rest.is_empty() {
                    list.remove(index);
                } else {
                    remove(&mut list[index], rest, schema.items());
                }
            }
        }
        _ => {}
    }
}

/// Takes out all of these; elements of lists from the end, so that indices stay true.
pub fn remove_all(object: &mut Value, paths: &[Path], schema: Schema<'_>) {
    let mut paths: Vec<&Path> = paths.iter().collect();
    paths.sort_unstable();
    for path in paths.into_iter().rev() {
        remove(object, path, schema);
    }
}

/// Puts a value into a place whose parent exists, or can be made of maps; returns whether it could.
pub fn set(object: &mut Value, path: &[Element], value: &Value, schema: Schema<'_>) -> bool {
    let Some((first, rest)) = path.split_first() else {
        *object = value.clone();
        return true;
    };
    match (object, first) {
        (Value::Object(map), Element::Field(name)) => {
            let inside = map.entry(name.clone()).or_insert_with(|| Value::Object(serde_json::Map::new()));
            set(inside, rest, value, schema.entry(name).unwrap_or_else(Schema::deduced))
        }
        (Value::Array(list), element) => match position(list, element, schema) {
            Some(index) => set(&mut list[index], rest, value, schema.items()),
            None if rest.is_empty() => {
                list.push(value.clone());
                true
            }
            None => false,
        },
        _ => false,
    }
}
