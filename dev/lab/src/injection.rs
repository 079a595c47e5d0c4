//! One fault at every await point: a scenario is played once undisturbed, which numbers its calls through the ports, and
//! then once for each call and each thing that can go wrong at it. Whatever it is, a controller must finish or try again.
//!
//! What must hold after each: everything in `judge.rs`, and
//! - the world comes to rest as Git has it, and a second pass writes nothing
//! - a process that is killed costs no second run of a hook: the next one goes on with the same attempt
//! - nothing is made anew that could be changed in place, and objects that are nobody's stay as they are

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use landfall_model::annotations::{FIELD_MANAGER, LAST_APPLIED, TRACKING_ID};
use landfall_model::key::ObjectKey;
use landfall_model::object;
use landfall_ports::cluster::{Cause, Write};
use serde_json::json;

use crate::cluster::served;
use crate::expectation;
use crate::gate::{Call, Effect, Fate, Port, Script, Undisturbed, When};
use crate::git::{Files, History};
use crate::world::{World, application, application_key, simulate};

const URL: &str = "https://git.example.test/shop.git";
const NAME: &str = "shop";
/// How long a scenario may take to come to rest.
const REST_MAX: Duration = Duration::from_secs(900);

/// How long a call is held back while a person does something.
const HELD_BACK: Duration = Duration::from_secs(5);

/// What is disturbed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    /// The first sync of an application: namespace, waves, hooks.
    FirstSync,
    /// The sync of a second commit: changes, an addition, pruning at the end, hooks anew.
    SecondSync,
    /// The deletion of an application with what it has, its hooks before and after included.
    Deletion,
    /// Taking over what Argo CD applied from the client's side, then a commit that drops a field.
    TakeOver,
}

/// Scenarios, all of them.
pub const SCENARIOS: [Scenario; 4] =
    [Scenario::FirstSync, Scenario::SecondSync, Scenario::Deletion, Scenario::TakeOver];

/// Writes down every call, and lets one of them meet a fate.
struct AtOneCall {
    calls: Mutex<Vec<Call>>,
    fate: Option<(u64, Fate)>,
}

impl Script for AtOneCall {
    fn fate(&self, call: &Call) -> Fate {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(call.clone());
        match self.fate {
            Some((number, fate)) if number == call.number => fate,
            _ => Fate::Pass,
        }
    }
}

/// Holds one call back, not counting the events of watches.
#[derive(Default)]
struct HoldsOneBack {
    left: Mutex<Option<usize>>,
    is_held: AtomicBool,
}

impl HoldsOneBack {
    /// Lets so many calls through from now on, and holds back the next.
    fn hold(&self, number: usize) {
        *self.left.lock().unwrap_or_else(PoisonError::into_inner) = Some(number);
    }

    fn holds(&self) -> bool {
        self.is_held.load(Ordering::Relaxed)
    }
}

impl Script for HoldsOneBack {
    fn fate(&self, call: &Call) -> Fate {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(number) = left.filter(|_| call.port != Port::Watch) else { return Fate::Pass };
        *left = number.checked_sub(1);
        if number > 0 {
            return Fate::Pass;
        }
        self.is_held.store(true, Ordering::Relaxed);
        Fate::Late(HELD_BACK, When::Before)
    }
}

/// Plays a scenario with one fault, or none. Returns the calls of the first process until the world came to rest.
pub fn play(scenario: Scenario, fate: Option<(u64, Fate)>) -> anyhow::Result<Vec<Call>> {
    simulate(async |timeline| {
        let mut world = World::start(timeline, 7).await?;
        prepare(scenario, &mut world).await?;
        let hooks_before = world.around.judge.hooks_made();
        let before = survivors(&world).await?;
        let script = Arc::new(AtOneCall { calls: Mutex::default(), fate });
        world.revive(script.clone());
        act(scenario, &world).await?;
        await_end(scenario, &mut world).await?;
        let calls = script.calls.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let kills = matches!(fate, Some((_, Fate::Kill(_))));
        check(scenario, &mut world, &hooks_before, &before, if fate.is_none() || kills { 1 } else { 3 }).await?;
        Ok(calls)
    })
}

/// Holds back the call of this number after a second commit while somebody asks for a sync. It has to be carried out, at
/// whatever moment it was asked for. Returns whether it could be asked for; `None` if there are fewer calls.
pub fn ask_during(scenario: Scenario, number: usize) -> anyhow::Result<Option<bool>> {
    simulate(async |timeline| {
        let mut world = World::start(timeline, 7).await?;
        commit(scenario, &world, 1);
        world.apply(&application(NAME, URL, "app")).await?;
        let script = Arc::new(HoldsOneBack::default());
        world.revive(script.clone());
        settle(&mut world, &[NAME.to_owned()]).await?;
        world.run_for(Duration::from_secs(10)).await;
        script.hold(number);
        commit(scenario, &world, 2);
        let until = world.around.timeline.elapsed() + HELD_BACK * 20;
        while !script.holds() && world.around.timeline.elapsed() < until {
            world.run_for(HELD_BACK / 20).await;
        }
        let is_asked = world.sync_by_hand(NAME).await?;
        settle(&mut world, &[NAME.to_owned()]).await?;
        world.run_for(HELD_BACK * 2).await;
        let forgotten = world.forgotten_operations();
        anyhow::ensure!(forgotten.is_empty(), "never carried out: {forgotten:?}");
        let violations = world.around.judge.violations();
        anyhow::ensure!(violations.is_empty(), "{}", violations.join("\n"));
        Ok(script.holds().then_some(is_asked))
    })
}

/// Names what can go wrong at a call.
pub fn fates(call: &Call) -> Vec<Fate> {
    let mut fates = vec![Fate::Kill(When::Before)];
    match (call.port, call.effect) {
        (Port::Watch, _) => {
            fates.extend([Fate::Fail(Cause::Gone, When::Before), Fate::Fail(Cause::Internal, When::After)]);
        }
        (Port::Git | Port::Charts, _) => {
            let causes = [Cause::Unreachable, Cause::Unauthorized, Cause::Gone];
            fates.extend(causes.map(|cause| Fate::Fail(cause, When::Before)));
        }
        (Port::Cluster, Effect::Reads) => {
            let causes = [Cause::Unreachable, Cause::Internal, Cause::TooManyRequests, Cause::Forbidden, Cause::Gone];
            fates.extend(causes.map(|cause| Fate::Fail(cause, When::Before)));
        }
        (Port::Cluster, Effect::Writes) => {
            fates.push(Fate::Kill(When::After));
            let causes =
                [Cause::Unreachable, Cause::Internal, Cause::TooManyRequests, Cause::Forbidden, Cause::Conflict];
            fates.extend(causes.map(|cause| Fate::Fail(cause, When::Before)));
            fates.extend([Cause::Unreachable, Cause::Internal].map(|cause| Fate::Fail(cause, When::After)));
        }
    }
    fates
}

fn hook(name: &str, phase: &str, policy: &str, image: &str) -> String {
    format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: {name}\n  annotations: {{argocd.argoproj.io/hook: {phase}, argocd.argoproj.io/hook-delete-policy: {policy}}}\nspec:\n  template:\n    spec: {{restartPolicy: Never, containers: [{{name: main, image: '{image}', command: [sleep, '2']}}]}}\n"
    )
}

fn settings(name: &str, wave: i64, data: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  annotations: {{argocd.argoproj.io/sync-wave: '{wave}'}}\ndata: {data}\n"
    )
}

fn deployment(tag: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web}}\nspec:\n  replicas: 1\n  selector: {{matchLabels: {{app: web}}}}\n  template:\n    metadata: {{labels: {{app: web}}}}\n    spec: {{containers: [{{name: main, image: 'registry.example.test/web:{tag}'}}]}}\n"
    )
}

/// The files of one of the two commits.
fn files(scenario: Scenario, commit: u64) -> Files {
    let mut files = Files::new();
    let mut put = |name: &str, text: String| {
        files.insert(format!("app/{name}.yaml"), text);
    };
    let tag = format!("1.0.{commit}");
    if scenario == Scenario::TakeOver {
        put("web", deployment("1.0.1"));
        put("first", settings("first", 0, if commit == 1 { "{kept: a, dropped: b}" } else { "{kept: a}" }));
        return files;
    }
    put("first", settings("first", -1, &format!("{{value: '{commit}'}}")));
    put("same", settings("same", 0, "{value: same}"));
    put("web", deployment(&tag));
    put("last", settings("last", 1, &format!("{{value: '{commit}'}}")));
    put("migrate", hook("migrate", "PreSync", "BeforeHookCreation", &format!("busybox:{commit}")));
    put("notify", hook("notify", "PostSync", "HookSucceeded", &format!("busybox:{commit}")));
    if commit == 1 {
        put("old-1", settings("old-1", 0, "{value: old}"));
        put("old-2", settings("old-2", 1, "{value: old}"));
    } else {
        put("new", settings("new", 0, "{value: new}"));
    }
    if scenario == Scenario::Deletion {
        put("before", hook("before", "PreDelete", "HookSucceeded", "busybox:1"));
        put("after", hook("after", "PostDelete", "HookSucceeded", "busybox:1"));
    }
    files
}

fn commit(scenario: Scenario, world: &World, number: u64) {
    let around = &world.around;
    around.git.commit(URL, &files(scenario, number), History::Continued, around.timeline.now());
}

async fn prepare(scenario: Scenario, world: &mut World) -> anyhow::Result<()> {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAME}});
    commit(scenario, world, 1);
    let names = [NAME.to_owned()];
    match scenario {
        Scenario::FirstSync => return Ok(()),
        Scenario::SecondSync | Scenario::Deletion => {
            world.apply(&application(NAME, URL, "app")).await?;
            world.revive(Arc::new(Undisturbed));
            world.settle(&names, REST_MAX).await?;
            world.run_for(Duration::from_secs(10)).await;
            world.process.kill();
            if scenario == Scenario::SecondSync {
                commit(scenario, world, 2);
            }
        }
        Scenario::TakeOver => {
            world.apply(&namespace).await?;
            taken_over(world).await?;
        }
    }
    let foreign = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "foreign", "namespace": NAME}, "data": {"a": "b"}});
    world.apply_foreign(&foreign).await?;
    Ok(())
}

/// Makes the objects as Argo CD leaves them: applied from the client's side, under its manager's name.
async fn taken_over(world: &World) -> anyhow::Result<()> {
    let wanted = expectation::wanted(&files(Scenario::TakeOver, 1), "app", NAME).unwrap_or_default();
    let write = Write { manager: FIELD_MANAGER.to_owned(), force: false, dry_run: false, strict: false };
    for (key, mut value) in wanted {
        let last_applied = serde_json::to_string(&value)?;
        object::set_annotation(&mut value, LAST_APPLIED, &last_applied);
        let id = format!("{NAME}:{}/{}:{}/{}", key.group, key.kind, key.namespace, key.name);
        object::set_annotation(&mut value, TRACKING_ID, &id);
        let gvk = object::gvk(&value);
        world.around.cluster.create(&served(&gvk.api_version(), &gvk.kind), &value, &write).await?;
    }
    world.run_for(Duration::from_secs(30)).await;
    Ok(())
}

async fn act(scenario: Scenario, world: &World) -> anyhow::Result<()> {
    match scenario {
        Scenario::FirstSync | Scenario::TakeOver => world.apply(&application(NAME, URL, "app")).await.map(|_| ())?,
        Scenario::SecondSync => {}
        Scenario::Deletion => world.delete("argoproj.io/v1alpha1", &application_key(NAME)).await?,
    }
    Ok(())
}

async fn await_end(scenario: Scenario, world: &mut World) -> anyhow::Result<()> {
    let names = [NAME.to_owned()];
    match scenario {
        Scenario::Deletion => {
            let until = world.around.timeline.elapsed() + REST_MAX;
            while !world.application(NAME).await.is_null() {
                anyhow::ensure!(
                    world.around.timeline.elapsed() < until,
                    "the application is still there: {}",
                    world.application(NAME).await
                );
                step(world).await;
            }
        }
        Scenario::TakeOver => {
            settle(world, &names).await?;
            commit(scenario, world, 2);
            settle(world, &names).await?;
        }
        Scenario::FirstSync | Scenario::SecondSync => settle(world, &names).await?,
    }
    Ok(())
}

async fn settle(world: &mut World, names: &[String]) -> anyhow::Result<()> {
    let until = world.around.timeline.elapsed() + REST_MAX;
    loop {
        let Some(why) = world.unsettled(&names[0]).await? else { return Ok(()) };
        anyhow::ensure!(world.around.judge.violations().is_empty(), "{}", world.around.judge.violations().join("\n"));
        anyhow::ensure!(world.around.timeline.elapsed() < until, "after {} s: {why}", REST_MAX.as_secs());
        step(world).await;
    }
}

/// Lets a little time pass; a process that died is followed by one that nothing happens to.
async fn step(world: &mut World) {
    world.run_for(Duration::from_secs(1)).await;
    world.revive(Arc::new(Undisturbed));
}

/// The uid and generation of the Deployment.
async fn survivors(world: &World) -> anyhow::Result<Option<(String, i64)>> {
    let key = ObjectKey::of("apps", "Deployment", NAME, "web");
    let found = world.get("apps/v1", &key).await?;
    Ok(found.map(|web| (object::uid(&web).to_owned(), object::integer(&web, &["metadata", "generation"]).unwrap_or(0))))
}

type HooksMade = BTreeMap<(ObjectKey, String), usize>;

async fn check(
    scenario: Scenario,
    world: &mut World,
    hooks_before: &HooksMade,
    before: &Option<(String, i64)>,
    attempts_max: usize,
) -> anyhow::Result<()> {
    let mut attempts: BTreeMap<String, usize> = BTreeMap::new();
    for ((key, attempt), count) in world.around.judge.hooks_made() {
        if hooks_before.contains_key(&(key.clone(), attempt.clone())) {
            continue;
        }
        anyhow::ensure!(count == 1, "{key} was made {count} times in the attempt {attempt}");
        *attempts.entry(key.name).or_default() += 1;
    }
    let expected: &[&str] = match scenario {
        Scenario::FirstSync | Scenario::SecondSync => &["migrate", "notify"],
        Scenario::Deletion => &["after", "before"],
        Scenario::TakeOver => &[],
    };
    for name in expected {
        let count = attempts.get(*name).copied().unwrap_or(0);
        anyhow::ensure!(
            (1..=attempts_max).contains(&count),
            "hook {name} ran {count} times, at most {attempts_max} expected"
        );
    }
    let after = survivors(world).await?;
    let expected = match (scenario, before) {
        (Scenario::SecondSync, Some((uid, generation))) => Some((uid.clone(), generation + 1)),
        (Scenario::TakeOver, Some(same)) => Some(same.clone()),
        (Scenario::FirstSync, _) => after.clone(),
        (Scenario::Deletion, _) | (_, None) => None,
    };
    anyhow::ensure!(after == expected, "the Deployment is {after:?}, expected {expected:?}");
    if scenario == Scenario::Deletion {
        let left = world.objects_of(NAME).await?;
        anyhow::ensure!(left.is_empty(), "the application is gone, and left {:?}", left.keys());
    } else {
        world.check_that_nothing_is_left_to_do(&[NAME.to_owned()]).await?;
    }
    if scenario == Scenario::TakeOver {
        let first = world.get("v1", &ObjectKey::of("", "ConfigMap", NAME, "first")).await?.unwrap_or_default();
        anyhow::ensure!(
            first["data"] == json!({"kept": "a"}),
            "a field that Git dropped is still there: {}",
            first["data"]
        );
    }
    let disturbed = world.disturbed_foreign_objects().await?;
    anyhow::ensure!(disturbed.is_empty(), "{}", disturbed.join("\n"));
    let violations = world.around.judge.violations();
    anyhow::ensure!(violations.is_empty(), "{}", violations.join("\n"));
    Ok(())
}

/// How many of the fates of each call are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thoroughness {
    /// Every one: some minutes per scenario in a build that is not optimised.
    All,
    /// So many, spread evenly over the calls and over what can go wrong at them.
    Sample(usize),
}

/// Lists every fault to try in a scenario, from the calls of an undisturbed play.
pub fn faults(calls: &[Call], how: Thoroughness) -> Vec<(Call, Fate)> {
    let all: Vec<(Call, Fate)> =
        calls.iter().flat_map(|call| fates(call).into_iter().map(|fate| (call.clone(), fate))).collect();
    match how {
        Thoroughness::Sample(count) if count < all.len() => {
            (0..count).map(|index| all[index * all.len() / count].clone()).collect()
        }
        Thoroughness::All | Thoroughness::Sample(_) => all,
    }
}

/// Says what a fault was, for a message.
pub fn describe(scenario: Scenario, call: &Call, fate: Fate) -> String {
    format!("{scenario:?}, call {} ({:?}: {} {}), {fate:?}", call.number, call.port, call.verb, call.subject)
}
