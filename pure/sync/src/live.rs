//! What is known about an object in the cluster, as far as deciding needs it: a few marks, not the body.

use landfall_health::Rules;
use landfall_model::annotations::{COMPARE_OPTIONS, HELM_RESOURCE_POLICY, HOOK_FINALIZER, IGNORE_HEALTHCHECK};
use landfall_model::health::Health;
use landfall_model::key::{GroupVersionKind, ObjectKey};
use landfall_model::object;
use landfall_model::sync_options::{Removal, SyncOptions};
use landfall_model::time::Time;
use landfall_model::tracking;
use serde_json::Value;

use crate::hooks::{self, Role};
use crate::summary;

/// The attempt of an operation that made a hook, so that after a crash a hook just made is told from an older one.
pub const ATTEMPT: &str = "landfall.dev/attempt";

/// One object in the cluster.
#[derive(Debug, Clone, PartialEq)]
pub struct Live {
    /// Its key.
    pub key: ObjectKey,
    /// Its kind in the version it was read in.
    pub gvk: GroupVersionKind,
    /// Its uid.
    pub uid: String,
    /// When its deletion was asked for.
    pub deletion_time: Option<Time>,
    /// The application it belongs to by its tracking annotation, if that describes this very object.
    pub owner: Option<String>,
    /// Whether it is a hook by its own annotations.
    pub is_hook: bool,
    /// Whether [`HOOK_FINALIZER`] holds it.
    pub has_hook_finalizer: bool,
    /// The attempt that made it ([`ATTEMPT`]), for hooks.
    pub attempt: Option<String>,
    /// Its wave.
    pub wave: i64,
    /// Its own options; deletion rules are read from here because the source may no longer hold it.
    pub options: SyncOptions,
    /// Whether Helm's `keep` protects it from deletion.
    pub is_kept: bool,
    /// Whether it does not count when it stands in the cluster only (`IgnoreExtraneous`).
    pub ignores_extraneous: bool,
    /// Whether it does not count for the application's health.
    pub ignores_health: bool,
    /// Its health; `None` if its kind has none.
    pub health: Option<Health>,
    /// Images it runs, sorted; empty if only its metadata was read.
    pub images: Vec<String>,
    /// Where it can be reached from outside.
    pub urls: Vec<String>,
}

impl Live {
    /// Reads a live object, whole or metadata only (then it has no health unless it is being deleted).
    pub fn read(live: &Value, rules: &Rules) -> Self {
        let options = SyncOptions::of_object(live);
        Self {
            key: object::key(live),
            gvk: object::gvk(live),
            uid: object::uid(live).to_owned(),
            deletion_time: object::deletion_time(live),
            owner: tracking::owner(live),
            is_hook: matches!(hooks::role(live), Role::Hook(_)),
            has_hook_finalizer: object::finalizers(live).contains(&HOOK_FINALIZER),
            attempt: object::annotation(live, ATTEMPT).map(str::to_owned),
            wave: hooks::wave(live),
            is_kept: object::annotation(live, HELM_RESOURCE_POLICY).is_some_and(|policy| policy.trim() == "keep"),
            ignores_extraneous: object::annotation(live, COMPARE_OPTIONS)
                .is_some_and(|options| options.split(',').any(|option| option.trim() == "IgnoreExtraneous")),
            ignores_health: object::annotation(live, IGNORE_HEALTHCHECK) == Some("true"),
            health: rules.assess(live),
            images: summary::images(live),
            urls: summary::urls(live),
            options,
        }
    }

    /// Says whether pruning it is allowed, forbidden or needs a person's word, by its own annotations.
    pub fn prune_rule(&self) -> Removal {
        self.options.prune.unwrap_or_default()
    }

    /// Says whether deleting it with its application is allowed, forbidden or needs a person's word.
    pub fn delete_rule(&self) -> Removal {
        if self.is_kept { Removal::Never } else { self.options.delete.unwrap_or_default() }
    }
}
