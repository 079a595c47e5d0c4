//! `RespectIgnoreDifferences`: what is sent keeps what the cluster has where the rules say that differences do not count.

use landfall_merge::fields::{Element, Path};
use landfall_merge::managed::{ManagedFields, Manager};
use landfall_merge::schema::Schema;
use serde_json::Value;

use crate::places::{get, ignored, remove, set};
use crate::rules::Rules;
use crate::schemas::Schemas;

/// The desired object with the live values at the places that the rules name.
///
/// A place that the live object lacks is taken out of the desired one, so that we do not come to own it. A place that only the live
/// object has is sent along if we own it, for leaving it out would remove it; otherwise it is its owner's business.
#[must_use]
pub fn carry_ignored(desired: &Value, live: &Value, rules: &Rules, schemas: &dyn Schemas) -> Value {
    let text = |field: &str| desired.get(field).and_then(Value::as_str).unwrap_or_default();
    let schema = schemas.schema(text("apiVersion"), text("kind")).unwrap_or_else(Schema::deduced);
    let mut places: Vec<Path> = ignored(desired, desired, Some(live), rules, schema).places;
    places.extend(ignored(live, desired, Some(live), rules, schema).places);
    places.sort_unstable();
    places.dedup();
    let mut carried = desired.clone();
    for place in &places {
        if is_identity(place) {
            continue;
        }
        let wanted = get(desired, place, schema);
        match (wanted, get(live, place, schema)) {
            (None, None) => {}
            (Some(_), None) => remove(&mut carried, place, schema),
            (Some(wanted), Some(found)) => {
                if wanted != found {
                    set(&mut carried, place, found, schema);
                }
            }
            (None, Some(found)) => {
                if is_owned(live, &rules.options.manager, place) {
                    set(&mut carried, place, found, schema);
                }
            }
        }
    }
    carried
}

/// What makes the object this object is never carried.
fn is_identity(place: &Path) -> bool {
    let names: Vec<&str> = place
        .iter()
        .map(|element| match element {
            Element::Field(name) => name.as_str(),
            Element::Key(_) | Element::Value(_) | Element::Index(_) => "",
        })
        .collect();
    matches!(
        names.as_slice(),
        ["apiVersion" | "kind" | "metadata"]
            | ["metadata", "name" | "namespace" | "managedFields" | "resourceVersion" | "uid"]
    )
}

fn is_owned(live: &Value, manager: &str, place: &Path) -> bool {
    let managed = ManagedFields::of(live).unwrap_or_default();
    let Some(owned) = managed.owned.get(&Manager::applier(manager)) else {
        return false;
    };
    owned.fields.has(place) || place.iter().try_fold(&owned.fields, |set, element| set.children.get(element)).is_some()
}
