//! Deleting an application with what it has. No sources are needed but for its hooks, so that a broken repository does
//! not hold a deletion up. Source: Argo CD 3.5 `controller/appcontroller.go` (finalizeApplicationDeletion), `controller/hook.go`.
//!
//! Flow, each part only if the application carries its finalizer: PreDelete hooks run; they are cleaned up; objects are
//! deleted in descending waves, each wave gone before the next; PostDelete hooks run; they are cleaned up. A finalizer is
//! dropped when its part is done; when the last is dropped, Kubernetes removes the application.
//!
//! Never deleted: definitions (they carry no tracking), the application itself, `Delete=false`, `helm.sh/resource-policy:
//! keep`, what the project does not permit, and what does not describe itself as the application's.

use landfall_model::annotations::{
    DELETION_APPROVED, FINALIZER, FINALIZER_BACKGROUND, FINALIZER_FOREGROUND, FINALIZER_POST_DELETE,
    FINALIZER_POST_DELETE_CLEANUP, FINALIZER_PRE_DELETE, FINALIZER_PRE_DELETE_CLEANUP, HOOK_FINALIZER, TRACKING_ID,
};
use landfall_model::application::Application;
use landfall_model::health::HealthStatus;
use landfall_model::key::ObjectKey;
use landfall_model::object;
use landfall_model::plan::{ApplyOptions, PlannedStep, Step, WaitUntil, Waiting};
use landfall_model::status::{Condition, SyncPhase};
use landfall_model::sync_options::{Propagation, Removal};
use landfall_model::time::Time;
use landfall_model::tracking::TrackingId;
use serde_json::{Value, json};

use crate::compare::LiveByKey;
use crate::conclude::deletion_error;
use crate::explain;
use crate::hooks;
use crate::live::{ATTEMPT, Live};
use crate::targets::{Hook, Targets};

/// What a deletion depends on.
pub struct DeletionRequest<'a> {
    /// The application; its `deletionTimestamp` is set.
    pub application: &'a Application,
    /// Its name for tracking.
    pub instance: &'a str,
    /// Its own key.
    pub own_key: &'a ObjectKey,
    /// What is there.
    pub live: &'a LiveByKey,
    /// What it wants, for its hooks; `None` if that is not known.
    pub targets: Option<&'a Targets>,
    /// Whether the project lets the application have an object.
    pub permit: &'a dyn Fn(&ObjectKey) -> Result<(), String>,
    /// Whether the destination cluster is gone for good: then there is nothing left to delete.
    pub is_destination_gone: bool,
}

/// What to do next in a deletion.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DeletionPlan {
    /// Groups of steps, as in [`crate::plan::Plan`].
    pub groups: Vec<Vec<PlannedStep>>,
    /// What has to happen before it goes on.
    pub waits: Vec<Waiting>,
    /// Finalizers of the application whose part is done; drop them, then plan again.
    pub drop_finalizers: Vec<String>,
    /// What holds the deletion up and needs a person.
    pub conditions: Vec<Condition>,
    /// Where it stands, for people.
    pub message: String,
}

impl DeletionPlan {
    /// Says whether the application has nothing left that is for us to do.
    pub fn is_finished(&self) -> bool {
        self.groups.is_empty() && self.waits.is_empty() && self.conditions.is_empty() && self.drop_finalizers.is_empty()
    }
}

/// The finalizers that an application has to get because its sources hold such hooks; empty if it has them.
pub fn missing_finalizers(application: &Application, targets: &Targets) -> Vec<String> {
    let needs = |phase| targets.hooks.iter().any(|hook| hook.phases.contains(&phase));
    let mut wanted: Vec<&str> = Vec::new();
    if needs(SyncPhase::PreDelete) {
        wanted.extend([FINALIZER_PRE_DELETE, FINALIZER_PRE_DELETE_CLEANUP]);
    }
    if needs(SyncPhase::PostDelete) {
        wanted.extend([FINALIZER_POST_DELETE, FINALIZER_POST_DELETE_CLEANUP]);
    }
    let has = |name: &str| application.metadata.finalizers.iter().any(|known| known == name);
    wanted.into_iter().filter(|name| !has(name)).map(str::to_owned).collect()
}

/// Plans what to do next in a deletion. Total; the same request gives the same plan.
pub fn plan(request: &DeletionRequest<'_>) -> DeletionPlan {
    const OURS: [&str; 7] = [
        FINALIZER_PRE_DELETE,
        FINALIZER_PRE_DELETE_CLEANUP,
        FINALIZER,
        FINALIZER_FOREGROUND,
        FINALIZER_BACKGROUND,
        FINALIZER_POST_DELETE,
        FINALIZER_POST_DELETE_CLEANUP,
    ];
    let has = |name: &&str| request.application.metadata.finalizers.iter().any(|known| known == *name);
    let ours: Vec<&str> = OURS.into_iter().filter(has).collect();
    if request.is_destination_gone {
        let message = "the destination is gone, and what the application had with it".to_owned();
        return DeletionPlan {
            drop_finalizers: ours.into_iter().map(str::to_owned).collect(),
            message,
            ..DeletionPlan::default()
        };
    }
    match ours.first() {
        None => DeletionPlan { message: "nothing is left to delete".to_owned(), ..DeletionPlan::default() },
        Some(&FINALIZER_PRE_DELETE) => run_hooks(request, SyncPhase::PreDelete, FINALIZER_PRE_DELETE),
        Some(&FINALIZER_PRE_DELETE_CLEANUP) => clean_up(request, SyncPhase::PreDelete, FINALIZER_PRE_DELETE_CLEANUP),
        Some(&FINALIZER_POST_DELETE) => run_hooks(request, SyncPhase::PostDelete, FINALIZER_POST_DELETE),
        Some(&FINALIZER_POST_DELETE_CLEANUP) => clean_up(request, SyncPhase::PostDelete, FINALIZER_POST_DELETE_CLEANUP),
        Some(_) => cascade(request),
    }
}

fn deletion_time(request: &DeletionRequest<'_>) -> Option<Time> {
    request.application.metadata.deletion_timestamp
}

fn cascade(request: &DeletionRequest<'_>) -> DeletionPlan {
    let finalizers = &request.application.metadata.finalizers;
    let is_background = finalizers.iter().any(|name| name == FINALIZER_BACKGROUND);
    let propagation = if is_background { Propagation::Background } else { Propagation::Foreground };
    let own: Vec<&Live> = request.live.values().filter(|live| goes(request, live)).collect();
    let Some(wave) = own.iter().map(|live| live.wave).max() else {
        let done = [FINALIZER, FINALIZER_FOREGROUND, FINALIZER_BACKGROUND];
        let drop_finalizers = finalizers.iter().filter(|name| done.contains(&name.as_str())).cloned().collect();
        return DeletionPlan {
            drop_finalizers,
            message: "all objects are deleted".to_owned(),
            ..DeletionPlan::default()
        };
    };
    let options = request.application.spec.sync_options();
    let approved = request.application.annotation(DELETION_APPROVED).and_then(Time::parse);
    let is_approved = approved.zip(deletion_time(request)).is_some_and(|(approved, asked)| approved >= asked);
    let mut plan = DeletionPlan::default();
    let (mut release, mut group) = (Vec::new(), Vec::new());
    for live in own.into_iter().filter(|live| live.wave == wave) {
        // A hook of a sync that the deletion cut short: nobody records its end any more, so nobody else lets go of it.
        if live.has_hook_finalizer {
            let action = Step::RemoveFinalizer { finalizer: HOOK_FINALIZER.to_owned() };
            release.push(step(live, SyncPhase::Sync, action, "its application is being deleted"));
        }
        let rule = if live.delete_rule() == Removal::Allowed {
            options.delete.unwrap_or_default()
        } else {
            live.delete_rule()
        };
        if live.deletion_time.is_some() {
            let detail = live.health.as_ref().map(|health| health.message.clone()).unwrap_or_default();
            plan.waits.push(Waiting { key: live.key.clone(), until: WaitUntil::Gone, detail });
        } else if rule == Removal::Confirm && !is_approved {
            let detail = format!("annotate the application with {DELETION_APPROVED}=<time now> to approve");
            plan.waits.push(Waiting { key: live.key.clone(), until: WaitUntil::Confirmed, detail });
        } else {
            let action =
                Step::Prune { uid: live.uid.clone(), owner: request.instance.to_owned(), propagation, dry_run: false };
            group.push(step(live, SyncPhase::Sync, action, "its application is being deleted"));
        }
    }
    plan.message = match (group.is_empty(), explain::waiting(&plan.waits)) {
        (true, waits) => waits,
        (false, _) => format!("deleting {} objects of wave {wave}", group.len()),
    };
    plan.groups.extend([release, group].into_iter().filter(|group| !group.is_empty()));
    plan
}

/// Says whether an object goes with the application. Hooks that are left go too, but those of the deletion itself.
fn goes(request: &DeletionRequest<'_>, live: &Live) -> bool {
    let app_rule = request.application.spec.sync_options().delete.unwrap_or_default();
    let is_kept = live.delete_rule() == Removal::Never || (live.options.delete.is_none() && app_rule == Removal::Never);
    let is_of_deletion = live.attempt.as_deref().is_some_and(|attempt| {
        [SyncPhase::PreDelete, SyncPhase::PostDelete].iter().any(|phase| attempt == mark(request, *phase))
    });
    live.owner.as_deref() == Some(request.instance)
        && live.key != *request.own_key
        && !is_kept
        && !is_of_deletion
        && (request.permit)(&live.key).is_ok()
}

fn step(live: &Live, phase: SyncPhase, action: Step, why: &str) -> PlannedStep {
    PlannedStep { key: live.key.clone(), gvk: live.gvk.clone(), phase, wave: live.wave, action, why: why.to_owned() }
}

/// The mark of this deletion's hooks.
fn mark(request: &DeletionRequest<'_>, phase: SyncPhase) -> String {
    let asked = deletion_time(request).map_or(0, |time| time.0.as_second());
    format!("{asked}-{}", hooks::phase_name(phase).to_lowercase())
}

/// A hook of the deletion with its final name.
fn final_hook(request: &DeletionRequest<'_>, hook: &Hook, phase: SyncPhase) -> (ObjectKey, Value) {
    let (mut key, mut object) = (hook.key.clone(), hook.object.clone());
    let mark = mark(request, phase);
    if key.name.is_empty() {
        key.name = format!("{}{mark}", object::text(&object, &["metadata", "generateName"]));
        let metadata = object::map_mut(&mut object, &["metadata"]);
        metadata.remove("generateName");
        metadata.insert("name".into(), Value::String(key.name.clone()));
        let id = TrackingId { instance: request.instance.to_owned(), key: key.clone() };
        object::set_annotation(&mut object, TRACKING_ID, &id.to_string());
    }
    object::set_annotation(&mut object, ATTEMPT, &mark);
    let mut finalizers: Vec<String> = object::finalizers(&object).into_iter().map(str::to_owned).collect();
    finalizers.push(HOOK_FINALIZER.to_owned());
    object::map_mut(&mut object, &["metadata"]).insert("finalizers".into(), json!(finalizers));
    (key, object)
}

/// Runs the hooks of a phase wave by wave; drops the finalizer when all ended well.
fn run_hooks(request: &DeletionRequest<'_>, phase: SyncPhase, finalizer: &str) -> DeletionPlan {
    let name = hooks::phase_name(phase);
    let Some(targets) = request.targets else {
        let why = format!(
            "its {name} hooks cannot be run because its sources cannot be rendered; repair them, or remove the finalizer \
             {finalizer} to delete without the hooks"
        );
        let conditions = vec![deletion_error(request.own_key, &why)];
        return DeletionPlan { conditions, message: why, ..DeletionPlan::default() };
    };
    let mut all: Vec<&Hook> = targets.hooks.iter().filter(|hook| hook.phases.contains(&phase)).collect();
    all.sort_by(|a, b| (a.wave, &a.key).cmp(&(b.wave, &b.key)));
    let mut plan = DeletionPlan::default();
    let (mut create, mut replace, mut wave) = (Vec::new(), Vec::new(), None);
    for hook in all {
        if wave.is_some_and(|wave| wave != hook.wave) {
            break;
        }
        let (key, object) = final_hook(request, hook, phase);
        let live = request.live.get(&key);
        let is_own = live.is_some_and(|live| live.attempt.as_deref() == Some(mark(request, phase).as_str()));
        let wait = |until, detail: &str| Waiting { key: key.clone(), until, detail: detail.to_owned() };
        match live {
            Some(live) if !is_own => {
                wave = Some(hook.wave);
                plan.waits.push(wait(WaitUntil::Gone, ""));
                if live.has_hook_finalizer {
                    let action = Step::RemoveFinalizer { finalizer: HOOK_FINALIZER.to_owned() };
                    replace.push(step(live, phase, action, "it is made again"));
                } else if live.deletion_time.is_none() {
                    let action = Step::DeleteHook { uid: live.uid.clone(), propagation: Propagation::Background };
                    replace.push(step(live, phase, action, "it is made again"));
                }
            }
            None => {
                wave = Some(hook.wave);
                let options = ApplyOptions {
                    dry_run: false,
                    validate: true,
                    recreate_if_refused: false,
                    respect_ignore_differences: false,
                    migrate_from: None,
                };
                create.push(PlannedStep {
                    key: key.clone(),
                    gvk: hook.gvk.clone(),
                    phase,
                    wave: hook.wave,
                    action: Step::CreateHook { object, options },
                    why: "its application is being deleted".to_owned(),
                });
            }
            Some(live) => match live.health.as_ref().map(|health| (health.status, health.message.as_str())) {
                None | Some((HealthStatus::Healthy, _)) => {}
                Some((HealthStatus::Progressing | HealthStatus::Suspended, detail)) => {
                    wave = Some(hook.wave);
                    plan.waits.push(wait(WaitUntil::HookEnds, detail));
                }
                Some((HealthStatus::Degraded | HealthStatus::Unknown | HealthStatus::Missing, why)) => {
                    wave = Some(hook.wave);
                    let why = format!(
                        "this {name} hook failed, which holds the deletion up: {why}; delete it to run it again"
                    );
                    plan.conditions.push(deletion_error(&key, &why));
                }
            },
        }
    }
    plan.groups.extend([replace, create].into_iter().filter(|group| !group.is_empty()));
    if wave.is_none() {
        plan.drop_finalizers.push(finalizer.to_owned());
    }
    plan.message = match explain::waiting(&plan.waits) {
        waits if waits.is_empty() => format!("running {name} hooks"),
        waits => waits,
    };
    plan
}

/// Lets go of the hooks of a phase and deletes those whose policy says so; drops the finalizer when that is done.
fn clean_up(request: &DeletionRequest<'_>, phase: SyncPhase, finalizer: &str) -> DeletionPlan {
    let mark = mark(request, phase);
    let own: Vec<&Live> = request.live.values().filter(|live| live.attempt.as_deref() == Some(mark.as_str())).collect();
    let policy = |live: &Live| {
        let hooks = request.targets.iter().flat_map(|targets| &targets.hooks);
        let mut same = hooks.filter(|hook| hook.gvk == live.gvk && (hook.key.name.is_empty() || hook.key == live.key));
        same.next().is_some_and(|hook| hook.delete_policy.on_success)
    };
    let held = own.iter().filter(|live| live.has_hook_finalizer);
    let release: Vec<PlannedStep> = held
        .map(|live| {
            let action = Step::RemoveFinalizer { finalizer: HOOK_FINALIZER.to_owned() };
            step(live, phase, action, "it has ended")
        })
        .collect();
    let done = own.iter().filter(|live| policy(live) && live.deletion_time.is_none());
    let delete: Vec<PlannedStep> = done
        .map(|live| {
            let action = Step::DeleteHook { uid: live.uid.clone(), propagation: Propagation::Background };
            step(live, phase, action, "its delete policy says so")
        })
        .collect();
    let groups: Vec<Vec<PlannedStep>> = [release, delete].into_iter().filter(|group| !group.is_empty()).collect();
    let drop_finalizers = if groups.is_empty() { vec![finalizer.to_owned()] } else { Vec::new() };
    let message = format!("cleaning up {} hooks", hooks::phase_name(phase));
    DeletionPlan { groups, drop_finalizers, message, ..DeletionPlan::default() }
}
