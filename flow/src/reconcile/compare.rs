//! Comparing what an application wants with what is there, remembering each answer as long as both sides are the same.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use landfall_diff::schemas::WithCustom;
use landfall_model::health::HealthStatus;
use landfall_model::key::{GroupKind, ObjectKey};
use landfall_sync::compare::LiveByKey;
use landfall_sync::targets::Targets;
use serde_json::Value;

use crate::difference::Comparison;
use crate::live::LiveCluster;
use crate::live::record::Record;

/// How many levels of children are looked through for the reason of a parent's health.
const CHILD_LEVELS_MAX: usize = 3;

/// Answers by object: digest of the wanted object, digest of the live one, whether they differ.
#[derive(Debug, Default)]
pub(super) struct Answers {
    by_key: HashMap<ObjectKey, (u64, u64, bool)>,
    /// The digest of the rules and the version of the schemas that the answers are for.
    rules: (u64, u64),
}

/// What is there for an application.
pub(super) struct Present {
    /// What deciding needs.
    pub(super) live: LiveByKey,
    records: BTreeMap<ObjectKey, Arc<Record>>,
}

impl Present {
    /// The records alone.
    pub(super) fn into_records(self) -> BTreeMap<ObjectKey, Arc<Record>> {
        self.records
    }
}

/// Collects the live objects that matter: what stands where a target goes, hooks included, and everything that says it
/// is the application's.
pub(super) fn present(cluster: &LiveCluster, targets: &Targets, instance: &str) -> Present {
    let mut records = BTreeMap::new();
    let wanted = targets.objects.iter().map(|target| &target.key).chain(targets.hooks.iter().map(|hook| &hook.key));
    for key in wanted {
        if let Some(record) = cluster.get(key) {
            records.insert(key.clone(), record);
        }
    }
    for record in cluster.of_instance(instance) {
        records.insert(record.live.key.clone(), record);
    }
    let live = records.iter().map(|(key, record)| (key.clone(), explained(cluster, record))).collect();
    Present { live, records }
}

/// Names the kinds that have to be known before an application is compared.
pub(super) fn kinds(targets: &Targets, earlier: impl Iterator<Item = GroupKind>) -> BTreeSet<GroupKind> {
    let wanted = targets.objects.iter().map(|target| target.key.group_kind());
    let hooks = targets.hooks.iter().map(|hook| hook.key.group_kind());
    let namespace = targets.namespace.iter().map(|_| GroupKind::of("", "Namespace"));
    wanted.chain(hooks).chain(namespace).chain(earlier).collect()
}

/// Names the targets that differ from what is there.
pub(super) fn modified(
    answers: &mut Answers,
    targets: &Targets,
    present: &Present,
    comparison: &Comparison,
    (schemas, version): (&WithCustom, u64),
) -> BTreeSet<ObjectKey> {
    let rules = (comparison.digest, version);
    if answers.rules != rules {
        *answers = Answers { by_key: HashMap::new(), rules };
    }
    let mut modified = BTreeSet::new();
    let mut fresh = HashMap::with_capacity(targets.objects.len());
    for target in &targets.objects {
        let Some(record) = present.records.get(&target.key) else { continue };
        let wanted = digest(&target.object);
        let differs = match answers.by_key.get(&target.key) {
            Some((known, live, differs)) if *known == wanted && *live == record.digest => *differs,
            _ => match record.body() {
                // An object of nobody: it is taken over by applying.
                None => true,
                Some(live) => comparison.differs(&target.object, &live, schemas),
            },
        };
        fresh.insert(target.key.clone(), (wanted, record.digest, differs));
        if differs {
            modified.insert(target.key.clone());
        }
    }
    answers.by_key = fresh;
    modified
}

fn digest(value: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    serde_json::to_vec(value).expect("JSON values serialise").hash(&mut hasher);
    hasher.finish()
}

/// Adds to an unhealthy parent's reason what its children say: a Deployment that progresses because an image cannot be
/// pulled says so.
fn explained(cluster: &LiveCluster, record: &Record) -> landfall_sync::live::Live {
    let mut live = record.live.clone();
    let Some(health) = live.health.as_mut() else { return live };
    if !matches!(health.status, HealthStatus::Progressing | HealthStatus::Degraded) || live.deletion_time.is_some() {
        return live;
    }
    let mut parents = vec![live.uid.clone()];
    for _ in 0..CHILD_LEVELS_MAX {
        let mut next = Vec::new();
        for child in parents.iter().flat_map(|uid| cluster.children(uid)) {
            let worse = child.live.health.as_ref().filter(|of_child| of_child.status == HealthStatus::Degraded);
            if let Some(of_child) = worse.filter(|of_child| !of_child.message.is_empty()) {
                let reason = format!("{} {}: {}", child.live.key.kind, child.live.key.name, of_child.message);
                if !health.message.contains(&of_child.message) {
                    let separator = if health.message.is_empty() { "" } else { "; " };
                    health.message = format!("{}{separator}{reason}", health.message);
                }
                return live;
            }
            next.push(child.live.uid.clone());
        }
        if next.is_empty() {
            break;
        }
        parents = next;
    }
    live
}
