//! Server-side apply: structured merge of an applied configuration over a live object, with ownership in managedFields.
//!
//! [`apply`] is what a PATCH with `application/apply-patch+yaml` does, [`update`] what every other write does to managedFields.
//! The caller admits, defaults and stores; times come from it, and nothing here depends on the order of maps.
//!
//! ```text
//! apply:  live + configuration -> merged -> fields that we owned, nobody owns now and are not applied any more are pruned
//!         -> others' fields that this changes: conflicts, or taken over by force
//! update: live -> new: what changed belongs to the writer, and to nobody else
//! ```
//!
//! Source: structured-merge-diff v6.3.3, merge/update.go; apimachinery v0.36, pkg/util/managedfields. Versions of a kind are taken to
//! have the same schema: paths are not converted between them.

use std::sync::OnceLock;

use serde_json::{Map, Value};

use crate::fields::set::FieldSet;
use crate::fields::{Element, Path, path, path_text};
use crate::managed::{self, ManagedFields, Manager, Operation, Owned};
use crate::schema::{Schema, ValueType};
use crate::typed::compare::{Comparison, compare};
use crate::typed::validate::{Duplicates, problems};
use crate::typed::{self, TypeProblem, problems_text};
use crate::value::{equal, type_of};

mod last_applied;
mod storage;

/// The annotation in which `kubectl apply` keeps its last configuration.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// More entries of writers than this are merged into `ancient-changes`.
const UPDATERS_MAX: usize = 10;

/// What must be known of the object's kind.
#[derive(Debug, Clone)]
pub struct Kind<'a> {
    /// The version that the request speaks, for example `apps/v1`.
    pub api_version: &'a str,
    /// The schema of that version.
    pub schema: Schema<'a>,
    /// Fields that this endpoint ignores, and which nobody comes to own through it: `status` of an object with a status subresource,
    /// everything but `status` of the status subresource.
    pub reset: FieldSet,
    /// The versions in which the kind exists; entries of others are dropped. Empty: all are kept.
    pub served_versions: Vec<String>,
    /// Whether the server holds the kind as a Go struct.
    pub storage: Storage,
}

/// How the server that owns the objects holds them, which shows in what writers come to own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// As a struct (built-in kinds): nested structs and required fields are always there, so nobody adds them.
    Struct,
    /// As the JSON that it is (custom resources).
    Json,
}

/// Who writes, and when.
#[derive(Debug, Clone, Copy)]
pub struct Writer<'a> {
    /// The field manager.
    pub manager: &'a str,
    /// The subresource that is written; empty for the object itself.
    pub subresource: &'a str,
    /// The time to record, in RFC 3339 with seconds, for example `2026-01-31T12:00:00Z`.
    pub now: &'a str,
}

/// What to do about fields that others own and the configuration changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Force {
    /// Take them over.
    Yes,
    /// Refuse the whole request.
    No,
}

/// A field that the configuration changes and somebody else owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Who owns it.
    pub manager: Manager,
    /// The field.
    pub path: Path,
}

impl Conflict {
    /// The message of the cause in the API server's answer: `conflict with "manager" using apps/v1`.
    #[must_use]
    pub fn message(&self) -> String {
        format!("conflict with {}", self.manager)
    }

    /// The field of the cause: `.spec.replicas`.
    #[must_use]
    pub fn field(&self) -> String {
        path_text(&self.path)
    }
}

/// Why a configuration cannot be applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// Others own fields that it changes: 409 Conflict, one cause of type `FieldManagerConflict` for each. Never empty; sorted.
    #[error("{}", conflicts_text(.0))]
    Conflicts(Vec<Conflict>),
    /// The request is malformed: 400 Bad Request.
    #[error("{0}")]
    BadRequest(String),
    /// An object does not fit its schema.
    #[error("failed to create typed {which} object ({object}): {}", problems_text(.problems))]
    Mistyped {
        /// `patch` or `live`.
        which: &'static str,
        /// `namespace/name; group/version, Kind=kind`.
        object: String,
        /// What does not fit.
        problems: Vec<TypeProblem>,
    },
    /// The live object's managedFields cannot be read.
    #[error("failed to decode managed fields: {0}")]
    BadManagedFields(#[from] managed::ReadError),
}

/// The message of the API server's answer to conflicts, without what names the object.
fn conflicts_text(conflicts: &[Conflict]) -> String {
    if let [only] = conflicts {
        return format!("Apply failed with 1 conflict: {}: {}", only.message(), only.field());
    }
    let mut lines = Vec::new();
    let mut last = None;
    for conflict in conflicts {
        if last != Some(&conflict.manager) {
            lines.push(format!("conflicts with {}:", conflict.manager));
            last = Some(&conflict.manager);
        }
        lines.push(format!("- {}", conflict.field()));
    }
    format!("Apply failed with {} conflicts: {}", conflicts.len(), lines.join("\n"))
}

/// Applies a configuration to a live object (`None`: it does not exist yet) and returns the new object with its managedFields.
///
/// If nothing changes but ownership, no time is recorded. Defaulting is the caller's; what it adds belongs to nobody.
///
/// # Errors
/// See [`ApplyError`]; the live object is then as it was.
pub fn apply(
    live: Option<&Value>,
    configuration: &Value,
    kind: &Kind<'_>,
    writer: Writer<'_>,
    force: Force,
) -> Result<Value, ApplyError> {
    let (mut object, managed) = apply_apart(live, configuration, kind, writer, force)?;
    managed.store(&mut object);
    Ok(object)
}

/// As [`apply`], with the managedFields beside the object rather than in it: for asking what an apply would do.
///
/// # Errors
/// As [`apply`].
pub fn apply_apart(
    live: Option<&Value>,
    configuration: &Value,
    kind: &Kind<'_>,
    writer: Writer<'_>,
    force: Force,
) -> Result<(Value, ManagedFields), ApplyError> {
    let (api_version, _) = type_of(configuration);
    if api_version != kind.api_version {
        return Err(ApplyError::BadRequest(format!(
            "Incorrect version specified in apply patch. Specified patch version: {api_version}, expected: {}",
            kind.api_version
        )));
    }
    if configuration.pointer("/metadata/managedFields").is_some_and(|entries| !entries.is_null()) {
        return Err(ApplyError::BadRequest("metadata.managedFields must be nil".to_owned()));
    }
    let mut bare = live.cloned().unwrap_or_else(empty);
    let mut managed = ManagedFields::of(&bare)?;
    managed::clear(&mut bare);
    fits(configuration, kind, Duplicates::Refused, "patch")?;
    fits(&bare, kind, Duplicates::Allowed, "live")?;
    if managed.owned.is_empty() && live.is_some() {
        let first = Writer { manager: "before-first-apply", subresource: writer.subresource, now: writer.now };
        managed = record_update(&empty(), &bare, managed, kind, first)
            .map_err(|problems| mistyped("live", &bare, problems))?;
    }

    let attempt = |force| apply_core(&bare, configuration, managed.clone(), kind, writer, force);
    let (merged, managed) = match attempt(force) {
        Err(ApplyError::Conflicts(conflicts)) if writer.manager == "kubectl" => {
            let allowed = last_applied::owned(&bare, kind);
            let rest: Vec<Conflict> = conflicts.into_iter().filter(|conflict| !allowed.has(&conflict.path)).collect();
            if rest.is_empty() {
                attempt(Force::Yes)?
            } else {
                return Err(ApplyError::Conflicts(rest));
            }
        }
        other => other?,
    };
    let mut object = merged;
    if writer.manager == "kubectl" {
        last_applied::refresh(&bare, configuration, &mut object);
    }
    Ok((object, managed))
}

/// The new object of a write that is not an apply, with managedFields saying that the writer owns what it changed.
///
/// `live` is `None` on creation. managedFields that the new object brings along replace the live ones, unless a subresource is
/// written; an empty list of them ends tracking, and an object that is not tracked stays so.
#[must_use]
pub fn update(live: Option<&Value>, new: Value, kind: &Kind<'_>, writer: Writer<'_>) -> Value {
    let mut new = new;
    let mut before = live.cloned().unwrap_or_else(empty);
    let managed = entries_of_update(&before, &new, writer);
    managed::clear(&mut before);
    managed::clear(&mut new);
    let exists = live.and_then(|live| live.pointer("/metadata/uid")).is_some_and(|uid| !uid.is_null());
    if managed.owned.is_empty() && exists {
        return new;
    }
    // An object that its schema cannot describe is written without ownership rather than not at all.
    if let Ok(managed) = record_update(&before, &new, managed, kind, writer) {
        managed.store(&mut new);
    }
    new
}

fn empty() -> Value {
    Value::Object(Map::new())
}

fn entries_of_update(live: &Value, new: &Value, writer: Writer<'_>) -> ManagedFields {
    let of_live = || ManagedFields::of(live).unwrap_or_default();
    if !writer.subresource.is_empty() {
        return of_live();
    }
    match new.pointer("/metadata/managedFields") {
        Some(Value::Array(entries))
            if entries.is_empty() || (entries.len() == 1 && entries[0].as_object().is_some_and(Map::is_empty)) =>
        {
            ManagedFields::default()
        }
        Some(Value::Array(entries)) => match ManagedFields::read(entries) {
            Ok(managed) if !managed.owned.is_empty() => managed,
            _ => of_live(),
        },
        _ => of_live(),
    }
}

fn object_text(object: &Value) -> String {
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (api_version, kind) = type_of(object);
    format!("{}/{}; {api_version}, Kind={kind}", text("/metadata/namespace"), text("/metadata/name"))
}

fn mistyped(which: &'static str, object: &Value, problems: Vec<TypeProblem>) -> ApplyError {
    ApplyError::Mistyped { which, object: object_text(object), problems }
}

fn fits(object: &Value, kind: &Kind<'_>, duplicates: Duplicates, which: &'static str) -> Result<(), ApplyError> {
    let found = problems(object, kind.schema, duplicates);
    if found.is_empty() { Ok(()) } else { Err(mistyped(which, object, found)) }
}

/// Fields that never appear in managedFields: what identifies an object and what the server itself keeps.
fn stripped() -> &'static FieldSet {
    static STRIPPED: OnceLock<FieldSet> = OnceLock::new();
    STRIPPED.get_or_init(make_stripped)
}

fn make_stripped() -> FieldSet {
    let metadata = [
        "name",
        "namespace",
        "creationTimestamp",
        "selfLink",
        "uid",
        "clusterName",
        "generation",
        "managedFields",
        "resourceVersion",
    ];
    let mut set = FieldSet::of(metadata.iter().map(|field| path(&["metadata", field])));
    for field in ["apiVersion", "kind", "metadata"] {
        set.insert(&path(&[field]));
    }
    set
}

fn apply_core(
    live: &Value,
    configuration: &Value,
    managed: ManagedFields,
    kind: &Kind<'_>,
    writer: Writer<'_>,
    force: Force,
) -> Result<(Value, ManagedFields), ApplyError> {
    let me = Manager { subresource: writer.subresource.to_owned(), ..Manager::applier(writer.manager) };
    let mut managed = reconciled(managed, kind);
    let merged = typed::merge::merge(live, configuration, kind.schema)
        .map_err(|problems| mistyped("patch", configuration, problems))?;
    let fields = typed::fieldset::of(configuration, kind.schema).recursive_difference(&kind.reset);
    let mine = Owned {
        api_version: kind.api_version.to_owned(),
        time: managed.owned.get(&me).and_then(|owned| owned.time.clone()),
        fields,
    };
    // Nothing is pruned unless something that was ours is not applied any more: the usual apply changes nothing.
    let last = managed.owned.get(&me).map(|owned| owned.fields.clone()).unwrap_or_default();
    let may_prune = !last.difference(&mine.fields).is_empty() || owns_filled_maps(&last, &merged, kind.schema);
    managed.owned.insert(me.clone(), mine);
    let new = if may_prune { prune(&merged, &managed, &last, kind.schema) } else { merged };
    let is_same = equal(live, &new);
    if !is_same {
        let comparison = difference(live, &new, kind).map_err(|problems| mistyped("live", live, problems))?;
        take_over(&mut managed, &me, &comparison, force)?;
    }
    if let Some(owned) = managed.owned.get_mut(&me) {
        owned.fields = owned.fields.difference(stripped());
        if !is_same {
            owned.time = Some(writer.now.to_owned());
        }
    }
    managed.drop_empty();
    Ok((new, managed))
}

/// Entries of versions that still exist, fitted to the schema: where a list or map became atomic, its owner owns it as a whole.
fn reconciled(mut managed: ManagedFields, kind: &Kind<'_>) -> ManagedFields {
    let is_served = |version: &String| kind.served_versions.is_empty() || kind.served_versions.contains(version);
    managed.owned.retain(|_, owned| is_served(&owned.api_version));
    for owned in managed.owned.values_mut() {
        if has_inside_of_atoms(&owned.fields, kind.schema) {
            atomise(&mut owned.fields, kind.schema);
        }
    }
    managed
}

/// The schema below one step of a path.
fn step_into<'s>(schema: Schema<'s>, element: &Element) -> Option<Schema<'s>> {
    match element {
        Element::Field(name) => schema.entry(name),
        Element::Key(_) | Element::Value(_) | Element::Index(_) => Some(schema.items()),
    }
}

fn is_atom(schema: Schema<'_>) -> bool {
    match schema.node().value_type {
        ValueType::Array => typed::is_atomic_list(schema),
        ValueType::Object => !schema.is_untyped_map() && typed::is_atomic_map(schema),
        _ => false,
    }
}

fn has_inside_of_atoms(fields: &FieldSet, schema: Schema<'_>) -> bool {
    fields.children.iter().any(|(element, below)| {
        step_into(schema, element).is_some_and(|inside| is_atom(inside) || has_inside_of_atoms(below, inside))
    })
}

fn atomise(fields: &mut FieldSet, schema: Schema<'_>) {
    let children = std::mem::take(&mut fields.children);
    for (element, mut below) in children {
        match step_into(schema, &element) {
            Some(inside) if is_atom(inside) && below.size() > 0 => {
                fields.members.insert(element);
            }
            Some(inside) => {
                atomise(&mut below, inside);
                fields.children.insert(element, below);
            }
            None => {
                fields.children.insert(element, below);
            }
        }
    }
}

/// Whether a map that was ours while it was empty has something in it by now: pruning looks into those even if nothing was dropped.
fn owns_filled_maps(last: &FieldSet, value: &Value, schema: Schema<'_>) -> bool {
    let is_filled = |element: &Element| match element {
        Element::Field(name) if !last.children.contains_key(element) => {
            let inside = schema.field(name);
            let found = value.get(name).and_then(Value::as_object);
            found.is_some_and(|map| !map.is_empty()) && inside.is_some_and(|inside| !typed::is_atomic_map(inside))
        }
        _ => false,
    };
    last.members.iter().any(is_filled)
        || last.children.iter().any(|(element, below)| {
            match (element_of(value, element, schema), step_into(schema, element)) {
                (Some(value), Some(inside)) => owns_filled_maps(below, value, inside),
                _ => true,
            }
        })
}

/// The value at one step of a path; elements that leave a key to its default are found too.
fn element_of<'v>(value: &'v Value, element: &Element, schema: Schema<'_>) -> Option<&'v Value> {
    crate::ownership::find(Some(value), element).or_else(|| {
        let list = value.as_array()?;
        list.iter().find(|candidate| typed::identity(schema, candidate).is_ok_and(|found| found == *element))
    })
}

/// Removes what the last configuration had, the new one has not, and nobody else owns.
fn prune(merged: &Value, managed: &ManagedFields, last: &FieldSet, schema: Schema<'_>) -> Value {
    let named = |set: &FieldSet| set.with_named_fields(Some(schema));
    let fields_of = |value: &Value| named(&typed::fieldset::of(value, schema));
    let all = fields_of(merged);
    // Without everything that was ours...
    let pruned = typed::remove::remove(merged, &named(last), schema);
    // ...but with everything that somebody, we included, owns now...
    let owned = managed.owned.values().fold(FieldSet::default(), |all, owned| all.union(&owned.fields));
    let kept = fields_of(&pruned).union(&named(&owned));
    let pruned = typed::remove::remove(merged, &all.difference(&kept), schema);
    // ...and with everything that went only because it was inside of something that was ours.
    let gone = all.difference(&fields_of(&pruned)).intersection(&named(last));
    typed::remove::remove(merged, &gone, schema)
}

/// What differs, as the server sees both objects, without what this endpoint ignores.
fn difference(live: &Value, new: &Value, kind: &Kind<'_>) -> Result<Comparison, Vec<TypeProblem>> {
    let compared = match kind.storage {
        Storage::Json => compare(live, new, kind.schema)?,
        Storage::Struct => {
            compare(&storage::as_struct(live, kind.schema), &storage::as_struct(new, kind.schema), kind.schema)?
        }
    };
    Ok(compared.without(&kind.reset))
}

/// Takes what changed from everybody else.
fn take_over(
    managed: &mut ManagedFields,
    me: &Manager,
    comparison: &Comparison,
    force: Force,
) -> Result<(), ApplyError> {
    let changed = comparison.modified.union(&comparison.added);
    let mut conflicts = Vec::new();
    for (manager, owned) in &mut managed.owned {
        if manager == me {
            continue;
        }
        let contested = owned.fields.intersection(&changed);
        conflicts.extend(contested.paths().into_iter().map(|path| Conflict { manager: manager.clone(), path }));
        owned.fields = owned.fields.difference(&contested).difference(&comparison.removed);
    }
    if force == Force::No && !conflicts.is_empty() {
        return Err(ApplyError::Conflicts(conflicts));
    }
    managed.owned.retain(|manager, owned| manager == me || !owned.fields.is_empty());
    Ok(())
}

fn record_update(
    live: &Value,
    new: &Value,
    managed: ManagedFields,
    kind: &Kind<'_>,
    writer: Writer<'_>,
) -> Result<ManagedFields, Vec<TypeProblem>> {
    let me = Manager {
        name: if writer.manager.is_empty() { "unknown".to_owned() } else { writer.manager.to_owned() },
        operation: Operation::Update,
        api_version: kind.api_version.to_owned(),
        subresource: writer.subresource.to_owned(),
    };
    // The operation is nobody yet: whoever changes a value, even one of its own, takes it from all entries and gets it in its own.
    let nobody = Manager::applier("\u{0}");
    let mut managed = reconciled(managed, kind);
    let comparison = difference(live, new, kind)?;
    take_over(&mut managed, &nobody, &comparison, Force::Yes).expect("forced operations have no conflicts");
    let taken = comparison.modified.union(&comparison.added).recursive_difference(&kind.reset).difference(stripped());
    if !taken.is_empty() {
        let fields = match managed.owned.get(&me) {
            Some(before) => before.fields.union(&taken),
            None => taken,
        };
        managed
            .owned
            .insert(me, Owned { api_version: kind.api_version.to_owned(), time: Some(writer.now.to_owned()), fields });
    }
    managed.drop_empty();
    cap_updaters(&mut managed);
    Ok(managed)
}

/// Merges the oldest writers of each version into one entry until few enough are left.
fn cap_updaters(managed: &mut ManagedFields) {
    let mut updaters: Vec<Manager> =
        managed.owned.keys().filter(|manager| manager.operation == Operation::Update).cloned().collect();
    let mut count = updaters.len();
    updaters.sort_by_key(|manager| managed.owned[manager].time.clone());
    let mut first_by_version = std::collections::BTreeMap::<String, Manager>::new();
    for updater in updaters {
        if count <= UPDATERS_MAX {
            return;
        }
        let version = managed.owned[&updater].api_version.clone();
        let Some(first) = first_by_version.get(&version) else {
            first_by_version.insert(version, updater);
            continue;
        };
        let bucket = Manager {
            name: "ancient-changes".to_owned(),
            operation: Operation::Update,
            api_version: version,
            subresource: String::new(),
        };
        if !managed.owned.contains_key(&bucket)
            && let Some(oldest) = managed.owned.remove(first)
        {
            managed.owned.insert(bucket.clone(), oldest);
        }
        if let (Some(newer), Some(merged)) = (managed.owned.remove(&updater), managed.owned.get_mut(&bucket)) {
            merged.fields = merged.fields.union(&newer.fields);
            merged.time = newer.time;
        }
        count -= 1;
    }
}

#[cfg(test)]
mod tests;
