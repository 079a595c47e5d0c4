//! From what differs to the sync status: which objects are as wanted, missing, modified or extra, and what the
//! application's status says about each. Source: Argo CD 3.5 `controller/state.go`.

use std::collections::{BTreeMap, BTreeSet};

use landfall_health::application::{Part, aggregate};
use landfall_model::application::Application;
use landfall_model::health::{Health, HealthStatus};
use landfall_model::key::{GroupKind, GroupVersionKind, ObjectKey};
use landfall_model::status::{
    Condition, ConditionType, OperationState, ResourceHealth, ResourceStatus, SyncStatusCode,
};
use landfall_model::sync_options::{Removal, SyncOptions};

use crate::live::Live;
use crate::targets::{Availability, Problem, Target, Targets};

/// The live objects that matter for an application: what stands where a target goes, and everything whose tracking
/// annotation names the application.
pub type LiveByKey = BTreeMap<ObjectKey, Live>;

/// What is needed to compare.
pub struct CompareRequest<'a> {
    /// What the application wants; must be usable.
    pub targets: &'a Targets,
    /// What is there. Reads its own writes: an object just applied is in it.
    pub live: &'a LiveByKey,
    /// Targets that differ from their live object, by the caller's comparison.
    pub modified: &'a BTreeSet<ObjectKey>,
    /// Kinds whose live objects could not be read, with the reason. Their objects are Unknown and never pruned.
    pub unreadable: &'a BTreeMap<GroupKind, String>,
    /// The application's name for tracking.
    pub instance: &'a str,
    /// The application itself, so that it neither prunes itself nor counts in its own health.
    pub own_key: &'a ObjectKey,
    /// Whether the project lets the application have an object. Extra objects it may not have are left alone.
    pub permit: &'a dyn Fn(&ObjectKey) -> Result<(), String>,
    /// The application's options.
    pub options: &'a SyncOptions,
}

/// How one object compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    /// It is as wanted.
    InSync,
    /// It is wanted and not there.
    Missing,
    /// It is there and differs.
    Modified,
    /// It is there, ours, and not wanted.
    Extra,
    /// It could not be read.
    Unknown,
    /// It does not count: a hook, or an object that is never applied.
    NotCompared,
}

/// One object of the application.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its key.
    pub key: ObjectKey,
    /// Its kind in the version it is written in, or else read in.
    pub gvk: GroupVersionKind,
    /// How it compares.
    pub difference: Difference,
    /// Whether it makes the application OutOfSync.
    pub counts: bool,
    /// Whether its deletion was asked for, and something is waited for.
    pub is_going: bool,
}

/// The comparison of an application.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Compared {
    /// Every object, sorted by key.
    pub entries: Vec<Entry>,
    /// Whether the cluster holds what the source holds.
    pub status: SyncStatusCode,
    /// How the application does.
    pub health: Health,
    /// What `status.resources` is to say, sorted by key.
    pub resources: Vec<ResourceStatus>,
    /// Errors and warnings. Times are not set.
    pub conditions: Vec<Condition>,
    /// Targets that another application has, with its name for tracking.
    pub shared: Vec<(ObjectKey, String)>,
    /// Images that run, sorted.
    pub images: Vec<String>,
    /// Where the application can be reached, sorted.
    pub urls: Vec<String>,
    /// What was wanted ([`Targets::digest`]).
    pub wanted: String,
}

impl Compared {
    /// Lists what makes the application OutOfSync.
    pub fn out_of_sync(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.counts)
    }

    /// Finds an object's comparison.
    pub fn find(&self, key: &ObjectKey) -> Option<&Entry> {
        self.entries.binary_search_by(|entry| entry.key.cmp(key)).ok().map(|index| &self.entries[index])
    }
}

/// Compares. Total.
pub fn compare(request: &CompareRequest<'_>) -> Compared {
    let mut entries = BTreeMap::new();
    let mut shared = Vec::new();
    for target in &request.targets.objects {
        let live = request.live.get(&target.key);
        if let Some(other) = live.and_then(|live| live.owner.as_deref()).filter(|owner| *owner != request.instance) {
            shared.push((target.key.clone(), other.to_owned()));
        }
        let difference = of_target(request, target, live);
        let counts = matches!(difference, Difference::Missing | Difference::Modified);
        let is_going = live.is_some_and(|live| live.deletion_time.is_some());
        let (key, gvk) = (target.key.clone(), target.gvk.clone());
        entries.insert(&target.key, Entry { key, gvk, difference, counts, is_going });
    }
    // Where a target goes is not sure while its kind is not served (an API that is down, say): whatever has its name
    // may be it, and is not extra.
    let unsure: BTreeSet<(&str, &str, &str)> = request
        .targets
        .objects
        .iter()
        .filter(|target| target.availability != Availability::Served)
        .map(|target| (target.key.group.as_str(), target.key.kind.as_str(), target.key.name.as_str()))
        .collect();
    let is_unsure = |key: &ObjectKey| unsure.contains(&(key.group.as_str(), key.kind.as_str(), key.name.as_str()));
    for live in request.live.values().filter(|live| is_extra(request, live) && !is_unsure(&live.key)) {
        let difference = if live.is_hook { Difference::NotCompared } else { Difference::Extra };
        let is_tolerated = live.ignores_extraneous || live.prune_rule() == Removal::Never;
        let counts = difference == Difference::Extra && !is_tolerated;
        let (key, gvk) = (live.key.clone(), live.gvk.clone());
        entries.insert(&live.key, Entry { key, gvk, difference, counts, is_going: live.deletion_time.is_some() });
    }
    let entries: Vec<Entry> = entries.into_values().collect();
    let resources = entries.iter().map(|entry| resource_status(request, entry)).collect();
    let has_unknown = entries.iter().any(|entry| entry.difference == Difference::Unknown);
    let status = match entries.iter().any(|entry| entry.counts) {
        true => SyncStatusCode::OutOfSync,
        false if has_unknown => SyncStatusCode::Unknown,
        false => SyncStatusCode::Synced,
    };
    let (images, urls) = summary(request.live, &entries);
    Compared {
        status,
        health: health(request, &entries),
        resources,
        conditions: conditions(request, &entries, &shared),
        shared,
        images,
        urls,
        entries,
        wanted: request.targets.digest.clone(),
    }
}

fn of_target(request: &CompareRequest<'_>, target: &Target, live: Option<&Live>) -> Difference {
    if target.is_skipped {
        Difference::NotCompared
    } else if request.unreadable.contains_key(&target.key.group_kind()) {
        Difference::Unknown
    } else if live.is_none() {
        Difference::Missing
    } else if request.modified.contains(&target.key) {
        Difference::Modified
    } else {
        Difference::InSync
    }
}

/// Says whether a live object is the application's and stands for no target. A namespace that syncs keep the metadata of
/// is wanted also when that metadata makes it the application's.
fn is_extra(request: &CompareRequest<'_>, live: &Live) -> bool {
    let namespace = request.targets.namespace.as_ref().filter(|namespace| namespace.metadata.is_some());
    let is_kept = namespace.is_some_and(|namespace| {
        live.key.group.is_empty() && live.key.kind == "Namespace" && live.key.name == namespace.name
    });
    !is_kept
        && live.owner.as_deref() == Some(request.instance)
        && live.key != *request.own_key
        && request.targets.find(&live.key).is_none()
        && !request.unreadable.contains_key(&live.key.group_kind())
        && (request.permit)(&live.key).is_ok()
}

fn resource_status(request: &CompareRequest<'_>, entry: &Entry) -> ResourceStatus {
    let live = request.live.get(&entry.key);
    let target = request.targets.find(&entry.key);
    let status = match entry.difference {
        Difference::NotCompared => None,
        Difference::InSync => Some(SyncStatusCode::Synced),
        Difference::Missing | Difference::Modified | Difference::Extra => Some(SyncStatusCode::OutOfSync),
        Difference::Unknown => Some(SyncStatusCode::Unknown),
    };
    // A deletion's rules are read where Argo CD reads them: on the target if there is one, else on the live object.
    let own = target.map(|target| &target.options).or(live.map(|live| &live.options));
    let needs_word = own.is_some_and(|own| own.prune == Some(Removal::Confirm) || own.delete == Some(Removal::Confirm))
        || request.options.delete == Some(Removal::Confirm)
        || (request.options.prune == Some(Removal::Confirm));
    let wave = target.map(|target| target.wave).or(live.map(|live| live.wave)).filter(|wave| *wave != 0);
    let health = match live {
        None if entry.difference == Difference::Missing => Some(Health::of(HealthStatus::Missing, "")),
        None => None,
        Some(live) => live.health.clone(),
    };
    ResourceStatus {
        group: entry.gvk.group.clone(),
        version: entry.gvk.version.clone(),
        kind: entry.gvk.kind.clone(),
        namespace: entry.key.namespace.clone(),
        name: entry.key.name.clone(),
        status,
        health: health.map(|health| ResourceHealth { status: health.status, message: health.message }),
        hook: live.is_some_and(|live| live.is_hook) && target.is_none(),
        requires_pruning: entry.difference == Difference::Extra,
        requires_deletion_confirmation: needs_word,
        sync_wave: wave,
    }
}

fn health(request: &CompareRequest<'_>, entries: &[Entry]) -> Health {
    aggregate(entries.iter().map(|entry| {
        let live = request.live.get(&entry.key);
        Part {
            key: &entry.key,
            is_live: live.is_some(),
            is_ignored: entry.key == *request.own_key || live.is_some_and(|live| live.ignores_health),
            is_hook: entry.difference == Difference::NotCompared,
            health: live.and_then(|live| live.health.as_ref()),
        }
    }))
}

fn summary(live: &LiveByKey, entries: &[Entry]) -> (Vec<String>, Vec<String>) {
    let (mut images, mut urls) = (BTreeSet::new(), BTreeSet::new());
    for live in entries.iter().filter_map(|entry| live.get(&entry.key)) {
        images.extend(live.images.iter().cloned());
        urls.extend(live.urls.iter().cloned());
    }
    (images.into_iter().collect(), urls.into_iter().collect())
}

/// Says whether the metadata of the destination namespace was changed in the spec since the last sync: then the application
/// is OutOfSync whatever its objects say. Source: Argo CD `types.go` (HasChangedManagedNamespaceMetadata).
pub fn namespace_metadata_is_news(application: &Application, last: Option<&OperationState>) -> bool {
    let wanted = application.spec.sync_policy.as_ref().and_then(|policy| policy.managed_namespace_metadata.as_ref());
    let known = last.and_then(|state| state.sync_result.as_ref());
    known.is_some_and(|result| wanted.is_some() && wanted != result.managed_namespace_metadata.as_ref())
}

/// How many objects a condition names before it counts the rest.
const NAMED_MAX: usize = 10;

fn conditions(request: &CompareRequest<'_>, entries: &[Entry], shared: &[(ObjectKey, String)]) -> Vec<Condition> {
    let mut conditions = request.targets.conditions.clone();
    let mut add = |condition_type, message: String| {
        conditions.push(Condition { condition_type, message, last_transition_time: None });
    };
    for (key, other) in shared {
        add(
            ConditionType::SharedResourceWarning,
            format!("{key} is part of applications {} and {other}; remove it from one of them", request.instance),
        );
    }
    let kinds: BTreeSet<GroupKind> = entries
        .iter()
        .filter(|entry| entry.difference == Difference::Unknown)
        .map(|entry| entry.key.group_kind())
        .collect();
    for kind in kinds {
        let reason = request.unreadable.get(&kind).map_or("", String::as_str);
        add(
            ConditionType::ComparisonError,
            format!("objects of kind {kind} cannot be read: {reason}; all others were compared"),
        );
    }
    let forbidden: Vec<String> = request
        .targets
        .objects
        .iter()
        .filter_map(|target| match target.problem.as_ref()? {
            Problem::Forbidden(reason) => Some(format!("{}: {reason}", target.key)),
        })
        .collect();
    if !forbidden.is_empty() {
        let more = forbidden.len().saturating_sub(NAMED_MAX);
        let mut named = forbidden[..forbidden.len() - more].join("; ");
        if more > 0 {
            named.push_str(&format!("; and {more} more"));
        }
        add(ConditionType::ExcludedResourceWarning, format!("the project does not permit {named}"));
    }
    conditions
}
