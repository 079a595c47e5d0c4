//! Deleting: at once, after a grace period, or after finalizers.
//!
//! Flow: preconditions -> finalizers for the wanted propagation -> if anything must still happen (finalizers, a pod to
//! stop, a namespace to empty) only `deletionTimestamp` is set, otherwise the object goes. Whoever removes the last
//! finalizer ends the deletion (see `update.rs`).

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Core, WriteOptions};
use crate::clock::{parse_time, rfc3339};
use crate::error::ApiError;
use crate::json;
use crate::kinds;
use crate::registry::Resource;
use crate::store::{Expect, Stored, WriteError};
use crate::{admission, crd};

/// The finalizer of objects that wait for their dependents.
pub(crate) const FOREGROUND: &str = "foregroundDeletion";
/// The finalizer of objects whose dependents are to be let go first.
pub(crate) const ORPHAN: &str = "orphan";

/// What happens to the objects that name the deleted one as owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Propagation {
    /// They are deleted afterwards.
    Background,
    /// They are deleted first.
    Foreground,
    /// They stay and forget their owner.
    Orphan,
}

/// The options of a deletion.
#[derive(Debug, Clone, Default)]
pub(crate) struct DeleteOptions {
    /// What happens to dependents, if the caller says.
    pub(crate) propagation: Option<Propagation>,
    /// Seconds to stop gracefully, if the caller says.
    pub(crate) grace_period_s: Option<i64>,
    /// The uid that the object must have.
    pub(crate) uid: Option<String>,
    /// The resourceVersion that the object must have.
    pub(crate) resource_version: Option<String>,
    /// `orphanDependents: false` was given (changes the answer's code).
    pub(crate) accepts_later: bool,
    /// `dryRun: All` was given in the body.
    pub(crate) dry_run: bool,
}

impl DeleteOptions {
    /// Reads a `DeleteOptions` object (null for none).
    pub(crate) fn parse(body: &Value) -> Result<Self, ApiError> {
        let policy = json::text(body, "/propagationPolicy");
        let orphan = body.get("orphanDependents").and_then(Value::as_bool);
        if !policy.is_empty() && orphan.is_some() {
            return Err(ApiError::invalid(
                "meta.k8s.io",
                "DeleteOptions",
                "",
                vec![crate::error::Cause::invalid(
                    "propagationPolicy",
                    &json!(policy),
                    "orphanDependents and deletionPropagation cannot be both set",
                )],
            ));
        }
        let propagation = match (policy, orphan) {
            ("", None) => None,
            ("", Some(true)) | ("Orphan", _) => Some(Propagation::Orphan),
            ("", Some(false)) | ("Background", _) => Some(Propagation::Background),
            ("Foreground", _) => Some(Propagation::Foreground),
            (other, _) => {
                return Err(ApiError::invalid(
                    "meta.k8s.io",
                    "DeleteOptions",
                    "",
                    vec![crate::error::Cause::not_supported(
                        "propagationPolicy",
                        &json!(other),
                        &["Foreground", "Background", "Orphan", "nil"],
                    )],
                ));
            }
        };
        let grace_period_s = json::integer(body, "/gracePeriodSeconds");
        // Less than nothing is the shortest time that is still graceful.
        let grace_period_s = grace_period_s.map(|seconds| if seconds < 0 { 1 } else { seconds });
        let given = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).map(str::to_string);
        Ok(Self {
            propagation,
            grace_period_s,
            uid: given("/preconditions/uid"),
            resource_version: given("/preconditions/resourceVersion"),
            accepts_later: orphan == Some(false),
            dry_run: json::list(body, "/dryRun").iter().any(|value| value == "All"),
        })
    }

    /// Deletion in the background with no grace: what the garbage collector and the simulated node do.
    pub(crate) fn now() -> Self {
        Self { propagation: Some(Propagation::Background), grace_period_s: Some(0), ..Self::default() }
    }

    /// Deletion in the background.
    pub(crate) fn background() -> Self {
        Self { propagation: Some(Propagation::Background), ..Self::default() }
    }
}

/// What a deletion came to.
#[derive(Debug, Clone)]
pub(crate) enum Deleted {
    /// The object is gone; this was its last state.
    Gone(Arc<Stored>),
    /// Deletion has begun; this is its state.
    Begun(Arc<Stored>),
}

impl Core {
    /// Deletes an object.
    pub(crate) fn delete(
        &self,
        resource: &Resource,
        namespace: &str,
        name: &str,
        delete: &DeleteOptions,
        options: &WriteOptions,
    ) -> Result<Deleted, ApiError> {
        loop {
            let current = self
                .store
                .get(&resource.key, namespace, name)
                .ok_or_else(|| ApiError::not_found(resource.qualified(), name))?;
            check_preconditions(resource, &current, delete)?;
            let dry_run = options.dry_run || delete.dry_run;
            admission::admit_delete(self, resource, &current.value, options, dry_run)?;
            if let Some(deleted) = self.try_delete(resource, &current, delete, dry_run) {
                return Ok(deleted);
            }
        }
    }

    /// One attempt; `None` when another writer came in between.
    fn try_delete(
        &self,
        resource: &Resource,
        current: &Arc<Stored>,
        delete: &DeleteOptions,
        dry_run: bool,
    ) -> Option<Deleted> {
        let mut next = Value::clone(&current.value);
        set_propagation_finalizers(resource, delete.propagation, &mut next);
        if resource.key.as_str() == crd::CRD_RESOURCE && !json::is_terminating(&next) {
            // What a definition defines goes before it.
            let mut finalizers = json::list(&next, "/metadata/finalizers").to_vec();
            if !finalizers.iter().any(|finalizer| finalizer == crd::CLEANUP_FINALIZER) {
                finalizers.push(json!(crd::CLEANUP_FINALIZER));
                json::set(&mut next, &["metadata", "finalizers"], finalizers);
            }
        }
        let grace_s = grace_period(resource, &current.value, delete.grace_period_s);
        let must_wait = !json::list(&next, "/metadata/finalizers").is_empty()
            || (resource.key.as_str() == "namespaces" && !json::list(&next, "/spec/finalizers").is_empty())
            || grace_s > 0;
        if !must_wait {
            if dry_run {
                return Some(Deleted::Gone(Arc::clone(current)));
            }
            if resource.key.as_str() == "pods" && json::is_terminating(&next) {
                json::set(&mut next, &["metadata", "deletionGracePeriodSeconds"], 0);
            }
            let gone = self.store.remove(&resource.key, current.revision, next).ok()?;
            kinds::release(self, resource, &gone.value);
            self.after_delete(resource, &gone.value);
            return Some(Deleted::Gone(gone));
        }
        self.mark_deleting(resource, &mut next, grace_s);
        if dry_run {
            return Some(Deleted::Begun(Arc::new(Stored::unsaved(next))));
        }
        if next == *current.value {
            return Some(Deleted::Begun(Arc::clone(current)));
        }
        match self.store.put(&resource.key, Expect::Revision(current.revision), next) {
            Ok(stored) => {
                self.after_write(resource, Some(&current.value), &stored);
                Some(Deleted::Begun(stored))
            }
            Err(WriteError::Changed | WriteError::Exists | WriteError::Missing) => None,
        }
    }

    fn mark_deleting(&self, resource: &Resource, value: &mut Value, grace_s: i64) {
        let due = self.clock.now() + jiff::SignedDuration::from_secs(grace_s);
        let began = json::is_terminating(value);
        let earlier = parse_time(json::text(value, "/metadata/deletionTimestamp")).is_some_and(|set| due < set);
        if !began || (earlier && resource.key.as_str() == "pods") {
            json::set(value, &["metadata", "deletionTimestamp"], rfc3339(due));
            if resource.key.as_str() != "namespaces" {
                json::set(value, &["metadata", "deletionGracePeriodSeconds"], grace_s);
            }
        }
        if !began {
            if let Some(generation) = json::integer(value, "/metadata/generation")
                && generation > 0
            {
                json::set(value, &["metadata", "generation"], generation + 1);
            }
            if resource.key.as_str() == "namespaces" {
                json::set(value, &["status", "phase"], "Terminating");
            }
        }
    }

    /// What must happen at once when an object of a special kind is gone.
    pub(super) fn after_delete(&self, resource: &Resource, object: &Value) {
        if resource.key.as_str() == crd::CRD_RESOURCE {
            crd::forget(self, object);
        }
    }
}

fn check_preconditions(resource: &Resource, current: &Stored, delete: &DeleteOptions) -> Result<(), ApiError> {
    let name = json::name(&current.value);
    let uid = json::uid(&current.value);
    if let Some(wanted) = &delete.uid
        && wanted != uid
    {
        let why = format!(
            "the UID in the precondition ({wanted}) does not match the UID in record ({uid}). The object might have been \
             deleted and then recreated"
        );
        return Err(ApiError::conflict(&kind_name(resource), name, &why));
    }
    let revision = current.revision.to_string();
    if let Some(wanted) = &delete.resource_version
        && *wanted != revision
    {
        let why = format!(
            "the ResourceVersion in the precondition ({wanted}) does not match the ResourceVersion in record ({revision}). \
             The object might have been modified"
        );
        return Err(ApiError::conflict(&kind_name(resource), name, &why));
    }
    Ok(())
}

/// `Kind` or `Kind.group`, which some refusals name instead of the resource.
fn kind_name(resource: &Resource) -> String {
    if resource.group.is_empty() { resource.kind.clone() } else { format!("{}.{}", resource.kind, resource.group) }
}

fn set_propagation_finalizers(resource: &Resource, propagation: Option<Propagation>, value: &mut Value) {
    let Some(propagation) = propagation else { return };
    let mut finalizers: Vec<Value> = json::list(value, "/metadata/finalizers")
        .iter()
        .filter(|finalizer| *finalizer != FOREGROUND && *finalizer != ORPHAN)
        .cloned()
        .collect();
    // Namespaces and events have no dependents that the collector would handle.
    if !matches!(resource.key.as_str(), "events") {
        match propagation {
            Propagation::Background => {}
            Propagation::Foreground => finalizers.push(json!(FOREGROUND)),
            Propagation::Orphan => finalizers.push(json!(ORPHAN)),
        }
    }
    if finalizers.is_empty() {
        json::take(value, &["metadata", "finalizers"]);
    } else {
        json::set(value, &["metadata", "finalizers"], finalizers);
    }
}

/// Only pods on a node stop gracefully.
fn grace_period(resource: &Resource, pod: &Value, asked_s: Option<i64>) -> i64 {
    if resource.key.as_str() != "pods" {
        return 0;
    }
    if json::text(pod, "/spec/nodeName").is_empty()
        || matches!(json::text(pod, "/status/phase"), "Succeeded" | "Failed")
    {
        return 0;
    }
    let own_s = json::integer(pod, "/spec/terminationGracePeriodSeconds").unwrap_or(30);
    let wanted_s = asked_s.unwrap_or(own_s);
    // A second deletion can only shorten the first one's grace.
    match json::integer(pod, "/metadata/deletionGracePeriodSeconds") {
        Some(begun_s) => wanted_s.min(begun_s),
        None => wanted_s,
    }
}
