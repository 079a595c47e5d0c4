//! The comparison of one desired object with the live one.

use landfall_merge::fields::{Path, path_text};
use landfall_merge::managed::{ManagedFields, Operation};
use landfall_merge::schema::Schema;
use serde_json::Value;

use crate::places::{ignored, remove_all};
use crate::render;
use crate::rules::{KnownType, Rules, glob, group_of};
use crate::schemas::Schemas;
use crate::{normalise, predict, tree};

/// How the desired and the live object of one key differ.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The answer in one word.
    pub kind: DifferenceKind,
    /// Where they differ; empty unless modified. Sorted by path. Values of Secrets are masked.
    pub fields: Vec<FieldDifference>,
    /// What the author of the objects or of the rules should know: fields that the server will not store, an apply that it would
    /// refuse, a rule that does not work on this object.
    pub notes: Vec<String>,
    /// The live object as it would be after our apply, normalised; `None` if there is no desired object. Values of Secrets are masked.
    pub predicted: Option<Value>,
    /// The live object, normalised; `None` if there is none. Values of Secrets are masked.
    pub live: Option<Value>,
}

impl Difference {
    /// Whether nothing has to be done.
    #[must_use]
    pub fn is_in_sync(&self) -> bool {
        self.kind == DifferenceKind::InSync
    }
}

/// How two objects differ, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DifferenceKind {
    /// Not at all, as far as it counts.
    InSync,
    /// There is no live object.
    Missing,
    /// There is no desired object.
    Extra,
    /// Some fields differ.
    Modified,
}

/// One field in which two objects differ.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldDifference {
    /// The field as messages show it, for example `.spec.template.spec.containers[name="app"].image`.
    pub path: String,
    /// The value that it would have after our apply; `None` if it would not be there.
    pub desired: Option<Value>,
    /// The value that it has; `None` if it is not there.
    pub live: Option<Value>,
    /// In what way they differ.
    pub reason: Reason,
    /// The manager that owns the live value, if managedFields say so: who changed it.
    pub changed_by: Option<String>,
    /// The field as a path.
    pub place: Path,
}

/// In what way a field differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Both have it, with different values.
    Changed,
    /// The live object lacks it.
    Missing,
    /// The live object has it, and we would take it away.
    Extra,
    /// The elements of the list are the same, in another order.
    Order,
}

/// Compares what should be with what is.
///
/// Pure and total: an object that cannot be merged is compared as well as it can be, and the notes say so.
#[must_use]
pub fn compare(desired: Option<&Value>, live: Option<&Value>, rules: &Rules, schemas: &dyn Schemas) -> Difference {
    let mut notes = Vec::new();
    let either = desired.or(live).unwrap_or(&Value::Null);
    let text = |object: &Value, field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let kind = text(either, "kind");
    let schema_of = |object: &Value| schemas.schema(&text(object, "apiVersion"), &kind);
    let schema = live.and_then(schema_of).or_else(|| schema_of(either)).unwrap_or_else(Schema::deduced);
    let options = &rules.options;
    let wanted = desired.map(|desired| normalise::desired(desired, schema, options, &mut notes));
    let predicted = match (&wanted, live) {
        (Some(wanted), Some(live)) => Some(predict::predict(wanted, live, schema, options, &mut notes)),
        (wanted, _) => wanted.clone(),
    };
    let mut normalised = |object: &Value| {
        let mut object = normalise::compared(object, schema, options);
        let found = ignored(&object, either, live, rules, schema);
        notes.extend(found.problems);
        remove_all(&mut object, &found.places, schema);
        object
    };
    let mut predicted = predicted.as_ref().map(&mut normalised);
    let mut now = live.map(&mut normalised);
    let (kind_of_difference, mut fields) = match (&predicted, &now) {
        (None, None) => (DifferenceKind::InSync, Vec::new()),
        (Some(_), None) => (DifferenceKind::Missing, Vec::new()),
        (None, Some(_)) => (DifferenceKind::Extra, Vec::new()),
        (Some(predicted), Some(now)) => {
            let known = known_types(either, &rules.options.known_types);
            let fields = tree::differences(predicted, now, schema, &known);
            if fields.is_empty() { (DifferenceKind::InSync, fields) } else { (DifferenceKind::Modified, fields) }
        }
    };
    if let Some(live) = live {
        name_owners(&mut fields, live, &options.manager);
    }
    if render::is_secret(either) {
        render::mask(predicted.as_mut(), now.as_mut(), &mut fields);
    }
    notes.sort_unstable();
    notes.dedup();
    Difference { kind: kind_of_difference, fields, notes, predicted, live: now }
}

fn known_types<'k>(object: &Value, known: &'k [KnownType]) -> Vec<&'k KnownType> {
    let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
    known.iter().filter(|known| glob(&known.group, group_of(object)) && glob(&known.kind, kind)).collect()
}

/// Says of each field who owns its live value, if that is somebody else.
fn name_owners(fields: &mut [FieldDifference], live: &Value, manager: &str) {
    let Ok(managed) = ManagedFields::of(live) else {
        return;
    };
    for field in fields {
        let owners = managed.owned.iter().filter(|(owner, _)| owner.name != manager);
        let mut owning = owners.filter(|(_, owned)| {
            // The field itself, or, where it is inside of an atom, the nearest field above that somebody owns.
            (1..=field.place.len()).rev().any(|length| owned.fields.has(&field.place[..length]))
                || field.place.iter().try_fold(&owned.fields, |set, element| set.children.get(element)).is_some()
        });
        field.changed_by = owning.next().map(|(owner, _)| match owner.operation {
            Operation::Apply | Operation::Update => owner.name.clone(),
        });
    }
}

/// One line that says how many fields differ and which is the first; for conditions and logs.
#[must_use]
pub fn summary(difference: &Difference) -> String {
    match (difference.kind, difference.fields.as_slice()) {
        (DifferenceKind::InSync, _) => "in sync".to_owned(),
        (DifferenceKind::Missing, _) => "missing in the cluster".to_owned(),
        (DifferenceKind::Extra, _) => "not in Git".to_owned(),
        (DifferenceKind::Modified, []) => "modified".to_owned(),
        (DifferenceKind::Modified, [first, rest @ ..]) => {
            let by = first.changed_by.as_ref().map(|manager| format!(" (changed by {manager})")).unwrap_or_default();
            let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
            format!("{} differs{by}{more}", path_text(&first.place))
        }
    }
}
