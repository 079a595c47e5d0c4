//! What the sources rendered, made ready to compare and apply: lists expanded, namespaces set, repeats settled, tracking
//! stamped, hooks told apart.
//! Source: Argo CD 3.5 `controller/state.go`, `reposerver/repository/repository.go`, `util/argo/resource_tracking.go`.
//!
//! An object that cannot be named (no kind, no name) makes the whole set unusable: its live counterpart would look as if
//! the source no longer held it. That, and nothing else, is an error here; an object that must not or cannot be applied
//! stays in the set with its [`Problem`], so that it is shown and never pruned.

use std::collections::{BTreeMap, BTreeSet};

use landfall_model::annotations::{INSTALLATION_ID, TRACKING_ID};
use landfall_model::application::{Application, ManagedNamespaceMetadata};
use landfall_model::key::{GroupKind, GroupVersionKind, ObjectKey};
use landfall_model::object;
use landfall_model::status::{Condition, ConditionType, SyncPhase};
use landfall_model::sync_options::SyncOptions;
use landfall_model::tracking::TrackingId;
use serde_json::{Value, json};

use crate::hooks::{self, DeletePolicy, Role};

/// What is needed to make targets ready.
pub struct TargetsRequest<'a> {
    /// The application.
    pub application: &'a Application,
    /// Its name for tracking ([`landfall_model::tracking::instance_name`]).
    pub instance: &'a str,
    /// The installation's name to stamp, where several share a cluster; `""` for none.
    pub installation: &'a str,
    /// What each source rendered, in the order of the sources.
    pub rendered: Vec<Vec<Value>>,
    /// Whether objects of a kind stand in namespaces; `None` if the cluster does not serve the kind.
    pub is_namespaced: &'a dyn Fn(&GroupVersionKind) -> Option<bool>,
    /// Whether the project lets the application have an object; the reason in words if not.
    pub permit: &'a dyn Fn(&ObjectKey) -> Result<(), String>,
    /// Whether settings exclude a kind altogether.
    pub is_excluded: &'a dyn Fn(&GroupKind) -> bool,
}

/// Everything the application wants.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Targets {
    /// Its objects, sorted by key.
    pub objects: Vec<Target>,
    /// Its hooks, in the order they were rendered; also those that never run.
    pub hooks: Vec<Hook>,
    /// The destination namespace, where the sync is to make it or to keep its metadata.
    pub namespace: Option<ManagedNamespace>,
    /// Warnings, and the error that makes the set unusable ([`Targets::is_usable`]). Times are not set.
    pub conditions: Vec<Condition>,
    /// Changes when objects or hooks do: hexadecimal, 16 digits. Two commits with the same digest want the same.
    pub digest: String,
}

/// One object the application wants.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// Its key; the namespace is `""` if it is cluster-scoped.
    pub key: ObjectKey,
    /// Its kind in the version it is written in.
    pub gvk: GroupVersionKind,
    /// The object as it is to be sent.
    pub object: Value,
    /// Which source it came from, counted from 0.
    pub source: usize,
    /// Its wave.
    pub wave: i64,
    /// Its own options; the application's come under them ([`SyncOptions::with_object`]).
    pub options: SyncOptions,
    /// Whether it is shown but never applied (`argocd.argoproj.io/hook: Skip`).
    pub is_skipped: bool,
    /// Whether the cluster serves the kind, or will.
    pub availability: Availability,
    /// Why it must not be applied.
    pub problem: Option<Problem>,
}

/// Whether a kind can be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Availability {
    /// The cluster serves it.
    Served,
    /// A definition of the same application will make it served.
    DefinedHere,
    /// Nobody knows it.
    Unknown,
}

/// Why an object must not be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// The project does not permit it; the reason in words.
    Forbidden(String),
}

/// One hook.
#[derive(Debug, Clone, PartialEq)]
pub struct Hook {
    /// Its key; the name is `""` if it is made up when it runs (`generateName`).
    pub key: ObjectKey,
    /// Its kind in the version it is written in.
    pub gvk: GroupVersionKind,
    /// The hook as it is to be sent, but for a made-up name and the marks of the attempt.
    pub object: Value,
    /// The phases it runs in, in order; empty if it never runs.
    pub phases: Vec<SyncPhase>,
    /// When it is deleted.
    pub delete_policy: DeletePolicy,
    /// Its wave.
    pub wave: i64,
    /// Its own options.
    pub options: SyncOptions,
    /// Whether the cluster serves the kind, or will.
    pub availability: Availability,
    /// Why it must not be run.
    pub problem: Option<Problem>,
}

/// The destination namespace that a sync makes (`CreateNamespace=true`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagedNamespace {
    /// Its name.
    pub name: String,
    /// Labels and annotations it is kept at; `None`: it is only made when missing.
    pub metadata: Option<ManagedNamespaceMetadata>,
}

impl Targets {
    /// Says whether the set may be compared and applied at all.
    pub fn is_usable(&self) -> bool {
        !self.conditions.iter().any(|condition| condition.condition_type.is_error())
    }

    /// Finds an object by its key.
    pub fn find(&self, key: &ObjectKey) -> Option<&Target> {
        self.objects.binary_search_by(|target| target.key.cmp(key)).ok().map(|index| &self.objects[index])
    }
}

impl ManagedNamespace {
    /// The Namespace as it is applied.
    pub fn object(&self) -> Value {
        let mut object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.name}});
        if let Some(metadata) = &self.metadata {
            if !metadata.labels.is_empty() {
                object["metadata"]["labels"] = json!(metadata.labels);
            }
            if !metadata.annotations.is_empty() {
                object["metadata"]["annotations"] = json!(metadata.annotations);
            }
        }
        object
    }
}

/// Makes targets ready. Total: what is wrong with single objects is part of the answer.
pub fn prepare(request: TargetsRequest<'_>) -> Targets {
    let TargetsRequest { application, instance, installation, rendered, is_namespaced, permit, is_excluded } = request;
    let mut flat = Vec::new();
    for (source, objects) in rendered.into_iter().enumerate() {
        for object in objects {
            expand(source, object, &mut flat);
        }
    }
    let defined = definitions(flat.iter().map(|(_, object)| object));
    let frame = Frame { destination: &application.spec.destination.namespace, instance, installation };
    let (mut objects, mut hooks) = (BTreeMap::<ObjectKey, Target>::new(), Vec::new());
    let (mut malformed, mut repeats, mut excluded) = (Vec::new(), BTreeMap::<ObjectKey, usize>::new(), BTreeSet::new());
    for (index, (source, mut object)) in flat.into_iter().enumerate() {
        if let Some(reason) = unnamed(&object) {
            malformed.push(format!("object {} of source {}: {reason}", index + 1, source + 1));
            continue;
        }
        let gvk = object::gvk(&object);
        if is_excluded(&gvk.group_kind()) {
            excluded.insert(object::key(&object).to_string());
            continue;
        }
        let (availability, in_namespace) = match (is_namespaced(&gvk), defined.get(&gvk.group_kind())) {
            (Some(in_namespace), _) => (Availability::Served, in_namespace),
            (None, Some(in_namespace)) => (Availability::DefinedHere, *in_namespace),
            (None, None) => (Availability::Unknown, true),
        };
        let key = frame.place(&mut object, &gvk, in_namespace);
        let problem = permit(&key).err().map(Problem::Forbidden);
        let (wave, options) = (hooks::wave(&object), SyncOptions::of_object(&object));
        let phases = match hooks::role(&object) {
            Role::Hook(phases) => phases,
            role => {
                let is_skipped = role == Role::Skipped;
                let target =
                    Target { key: key.clone(), gvk, object, source, wave, options, is_skipped, availability, problem };
                if objects.insert(key.clone(), target).is_some() {
                    *repeats.entry(key).or_insert(1) += 1;
                }
                continue;
            }
        };
        let delete_policy = hooks::delete_policy(&object);
        hooks.push(Hook { key, gvk, object, phases, delete_policy, wave, options, availability, problem });
    }
    let namespace = managed_namespace(application, &objects);
    let kept = namespace.as_ref().filter(|namespace| namespace.metadata.is_some()).map(ManagedNamespace::object);
    let wanted = objects.values().map(|target| &target.object).chain(hooks.iter().map(|hook| &hook.object));
    let digest = digest(wanted.chain(&kept));
    let conditions = conditions(&malformed, &repeats, &excluded);
    Targets { objects: objects.into_values().collect(), hooks, namespace, conditions, digest }
}

/// Digests objects with FNV-1a, which is the same in every build: the digest is kept in applications' status.
/// Source: RFC 9923.
fn digest<'a>(objects: impl Iterator<Item = &'a Value>) -> String {
    const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let mut sum = Fnv(OFFSET_BASIS, PRIME);
    for object in objects {
        serde_json::to_writer(&mut sum, object).expect("JSON values serialise, and adding up never fails");
    }
    format!("{:016x}", sum.0)
}

/// The sum so far, and what it is multiplied by.
struct Fnv(u64, u64);

impl std::io::Write for Fnv {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(self.1);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What the server sets. Manifests taken out of a cluster hold it, and sent back it makes the server refuse them.
const SERVER_FIELDS: &[&str] =
    &["creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid"];

struct Frame<'a> {
    destination: &'a str,
    instance: &'a str,
    installation: &'a str,
}

impl Frame<'_> {
    /// Sets or strips the namespace, stamps the tracking annotation and returns the key.
    fn place(&self, object: &mut Value, gvk: &GroupVersionKind, in_namespace: bool) -> ObjectKey {
        let written = object::namespace(object).to_owned();
        // Also for cluster-scoped objects the annotation holds a namespace: theirs as written, or the destination's.
        let tracked = if written.is_empty() { self.destination.to_owned() } else { written };
        let namespace = if in_namespace { tracked.as_str() } else { "" };
        let metadata = object::map_mut(object, &["metadata"]);
        if namespace.is_empty() {
            metadata.remove("namespace");
        } else {
            metadata.insert("namespace".into(), namespace.into());
        }
        for field in SERVER_FIELDS {
            metadata.remove(*field);
        }
        let key = ObjectKey::of(&gvk.group, &gvk.kind, namespace, object::name(object));
        // Definitions outlive applications, so they carry no mark and are never pruned.
        if !is_definition(&gvk.group_kind()) && !key.name.is_empty() {
            let described = ObjectKey { namespace: tracked, ..key.clone() };
            let id = TrackingId { instance: self.instance.to_owned(), key: described };
            object::set_annotation(object, TRACKING_ID, &id.to_string());
            if !self.installation.is_empty() {
                object::set_annotation(object, INSTALLATION_ID, self.installation);
            }
        }
        key
    }
}

/// Takes apart `kind: List`, `ConfigMapList` and the like, however deep.
fn expand(source: usize, mut object: Value, flat: &mut Vec<(usize, Value)>) {
    let is_list = object::text(&object, &["kind"]).ends_with("List");
    match object.get_mut("items").and_then(Value::as_array_mut).map(std::mem::take) {
        Some(items) if is_list => {
            for item in items {
                expand(source, item, flat);
            }
        }
        Some(items) => {
            object["items"] = Value::Array(items);
            flat.push((source, object));
        }
        None if object.is_null() => {}
        None => flat.push((source, object)),
    }
}

/// Says why an object cannot be told from others.
fn unnamed(object: &Value) -> Option<&'static str> {
    if !object.is_object() {
        return Some("it is no mapping; every document has to be one Kubernetes object");
    }
    if object::text(object, &["apiVersion"]).is_empty() {
        return Some("apiVersion is missing");
    }
    if object::text(object, &["kind"]).is_empty() {
        return Some("kind is missing");
    }
    let generates = !object::text(object, &["metadata", "generateName"]).is_empty();
    let is_hook = matches!(hooks::role(object), Role::Hook(_));
    match (object::name(object).is_empty(), generates, is_hook) {
        (true, true, false) => Some("metadata.generateName is for hooks only; give it a metadata.name"),
        (true, false, _) => Some("metadata.name is missing"),
        _ => None,
    }
}

/// Says whether a kind is the definition of kinds.
pub(crate) fn is_definition(kind: &GroupKind) -> bool {
    kind.group == "apiextensions.k8s.io" && kind.kind == "CustomResourceDefinition"
}

/// Reads the kind that a definition defines.
pub(crate) fn defined_kind(definition: &Value) -> Option<GroupKind> {
    if !is_definition(&object::gvk(definition).group_kind()) {
        return None;
    }
    let kind = object::text(definition, &["spec", "names", "kind"]);
    (!kind.is_empty()).then(|| GroupKind::of(object::text(definition, &["spec", "group"]), kind))
}

fn definitions<'a>(objects: impl Iterator<Item = &'a Value>) -> BTreeMap<GroupKind, bool> {
    let scope = |object: &Value| object::text(object, &["spec", "scope"]) != "Cluster";
    objects.filter_map(|object| Some((defined_kind(object)?, scope(object)))).collect()
}

/// The namespace is left to the source when it holds one of that name.
fn managed_namespace(application: &Application, objects: &BTreeMap<ObjectKey, Target>) -> Option<ManagedNamespace> {
    let name = &application.spec.destination.namespace;
    let is_own = objects.contains_key(&ObjectKey::of("", "Namespace", "", name));
    if name.is_empty() || is_own {
        return None;
    }
    let metadata = application.spec.sync_policy.as_ref().and_then(|policy| policy.managed_namespace_metadata.clone());
    Some(ManagedNamespace { name: name.clone(), metadata })
}

fn conditions(
    malformed: &[String],
    repeats: &BTreeMap<ObjectKey, usize>,
    excluded: &BTreeSet<String>,
) -> Vec<Condition> {
    let mut conditions = Vec::new();
    let mut add = |condition_type, message: String| {
        conditions.push(Condition { condition_type, message, last_transition_time: None });
    };
    if !malformed.is_empty() {
        add(ConditionType::ComparisonError, format!("the manifests cannot be used: {}", malformed.join("; ")));
    }
    for (key, count) in repeats {
        add(
            ConditionType::RepeatedResourceWarning,
            format!("{key} is written {count} times; the one from the last source, or the last one in it, is used"),
        );
    }
    if !excluded.is_empty() {
        let names: Vec<&str> = excluded.iter().map(String::as_str).collect();
        add(
            ConditionType::ExcludedResourceWarning,
            format!(
                "settings exclude {} (resource.exclusions); they are neither applied nor watched",
                names.join(", ")
            ),
        );
    }
    conditions
}
