//! Random histories of commits, hand edits, refusals and crashes. Whatever happens, nothing is pruned that the source
//! holds or that is not ours (the world asserts both at every prune), a quiet world comes to hold exactly what the source
//! holds, and then is left alone. A failing seed is printed; put it into `SEEDS` to replay it.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use landfall_model::annotations::HOOK_DELETE_POLICY;
use landfall_model::key::ObjectKey;
use landfall_model::status::{OperationPhase, SyncStatusCode};
use landfall_model::window::WindowVerdict;
use landfall_sync::live::ATTEMPT;
use landfall_sync::rollback::{self, RollbackRequest};
use serde_json::{Value, json};

use crate::world::{Crash, World, annotated, config, deployment, hook, in_wave, job};

const SEEDS: std::ops::Range<u64> = 0..80;

/// A small generator of numbers, the same everywhere (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }

    fn is(&mut self, one_in: u64) -> bool {
        self.roll(one_in) == 0
    }
}

/// A commit with some of six objects, in some waves, and perhaps hooks.
fn commit(dice: &mut Dice) -> Vec<Value> {
    let mut objects = vec![in_wave(config("always", &dice.roll(3).to_string()), dice.roll(3) as i64 - 1)];
    for name in ["a", "b", "c"] {
        if dice.is(2) {
            objects.push(in_wave(config(name, &dice.roll(3).to_string()), dice.roll(3) as i64 - 1));
        }
    }
    for name in ["web", "api"] {
        if dice.is(2) {
            objects.push(in_wave(deployment(name, &format!("image:{}", dice.roll(3))), dice.roll(3) as i64 - 1));
        }
    }
    for phase in ["PreSync", "Sync", "PostSync"] {
        if dice.is(4) {
            let policy = ["BeforeHookCreation", "HookSucceeded", "HookFailed"][dice.roll(3) as usize];
            objects.push(annotated(
                hook(job(&format!("{}-job", phase.to_lowercase())), phase),
                &[(HOOK_DELETE_POLICY, policy)],
            ));
        }
    }
    objects
}

/// What is in the cluster, without what differs from run to run.
fn essence(world: &World) -> BTreeMap<ObjectKey, Value> {
    let strip = |object: &Value| {
        let mut object = object.clone();
        for field in ["uid", "generation"] {
            object["metadata"].as_object_mut().expect("metadata").remove(field);
        }
        if let Some(annotations) = object["metadata"]["annotations"].as_object_mut() {
            annotations.remove(ATTEMPT);
        }
        object.as_object_mut().expect("an object").remove("status");
        object
    };
    world.cluster.iter().map(|(key, object)| (key.clone(), strip(object))).collect()
}

fn assert_converged(world: &mut World) {
    assert_eq!(world.sync_status(), SyncStatusCode::Synced, "{:?}", world.application.status);
    assert_eq!(world.health(), "Healthy");
    let wanted = world.targets(&world.head.clone());
    for target in &wanted.objects {
        let found = world.cluster.get(&target.key);
        assert!(
            found.is_some_and(|found| crate::world::holds(found, &target.object)),
            "{} is as committed",
            target.key
        );
    }
    let is_beside = |key: &ObjectKey| matches!(key.kind.as_str(), "Job" | "Namespace");
    let extra: Vec<_> = world.cluster.keys().filter(|key| !is_beside(key) && wanted.find(key).is_none()).collect();
    assert!(extra.is_empty(), "nothing else is left: {extra:?}");
    let journal = world.journal.len();
    world.now += 1_000_000;
    let verdict = world.pass().expect("no crash");
    assert!(!verdict.is_changed && world.journal.len() == journal, "the second pass is empty: {}", verdict.note);
}

fn story(seed: u64) {
    let mut dice = Dice(seed);
    let policy = json!({"automated": {"prune": true, "selfHeal": true},
        "syncOptions": if dice.is(2) { vec!["PruneLast=true"] } else { vec!["ApplyOutOfSyncOnly=true", "CreateNamespace=true"] },
        "retry": {"limit": dice.roll(4)}});
    let first = commit(&mut dice);
    let mut world = World::new(policy, first);
    for step in 0..40 {
        match dice.roll(14) {
            0 => {
                let objects = commit(&mut dice);
                world.commit(&format!("r{seed}-{step}"), objects);
            }
            1 => {
                let count = world.cluster.len() as u64;
                if let Some(object) = world.cluster.values_mut().nth(dice.roll(count.max(1)) as usize) {
                    object["data"] = json!({"value": "by hand"});
                }
            }
            2 => {
                let keys: Vec<_> = world.cluster.keys().filter(|key| key.kind != "Job").cloned().collect();
                if let Some(key) = keys.get(dice.roll(keys.len().max(1) as u64) as usize) {
                    world.cluster.remove(key);
                }
            }
            3 => {
                world.refused.insert(["a", "web", "presync-job"][dice.roll(3) as usize].into(), "refused".into());
            }
            4 => world.refused.clear(),
            5 => world.now += dice.roll(400) as i64,
            6 => world.effects_left = Some(dice.roll(6) as usize),
            7 => world.settle(),
            8 if world.application.operation.is_none() => {
                world.ask(json!({"sync": {"prune": dice.is(2), "dryRun": dice.is(3),
                "resources": if dice.is(3) { json!([{"kind": "ConfigMap", "name": "a"}]) } else { json!([]) }},
                "retry": {"limit": dice.roll(2)}}))
            }
            9 => {
                let state = world.application.status.operation_state.as_mut();
                if let Some(state) = state.filter(|state| state.phase == OperationPhase::Running) {
                    state.phase = OperationPhase::Terminating;
                }
            }
            10 => {
                let request =
                    RollbackRequest { username: "ann".into(), prune: dice.is(2), ..RollbackRequest::default() };
                if let (None, Ok(operation)) =
                    (&world.application.operation, rollback::operation(&world.application, &request))
                {
                    world.application.operation = Some(operation);
                }
            }
            11 => {
                let is_open = dice.is(2);
                world.windows = WindowVerdict {
                    automatic_allowed: is_open,
                    manual_allowed: dice.is(2) || is_open,
                    why: "a window".into(),
                    ..WindowVerdict::open()
                };
            }
            _ => {
                let _: Result<_, Crash> = world.pass();
                world.effects_left = None;
            }
        }
    }
    // Then it is quiet: nobody refuses, nobody edits, and a last commit ends what is held.
    world.refused.clear();
    world.effects_left = None;
    world.windows = WindowVerdict::open();
    let last = commit(&mut dice);
    world.commit("last", last);
    for _ in 0..12 {
        world.now += 400;
        world.run();
    }
    assert_converged(&mut world);
}

#[test]
fn whatever_happens_a_quiet_world_comes_to_hold_what_the_source_holds() {
    for seed in SEEDS {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| story(seed))) {
            eprintln!("failing seed: {seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

/// A sync with everything in it: a namespace, hooks of all kinds, waves, pruning.
fn rich_world() -> World {
    let policy = json!({"automated": {"prune": true}, "syncOptions": ["CreateNamespace=true"], "retry": {"limit": 0}});
    let once = |object: Value| annotated(object, &[(HOOK_DELETE_POLICY, "HookSucceeded")]);
    let mut world =
        World::new(policy, vec![config("old", "1"), in_wave(config("older", "1"), 2), hook(job("before"), "PreSync")]);
    world.run();
    world.journal.clear();
    world.commit(
        "r2",
        vec![
            hook(job("before"), "PreSync"),
            once(hook(job("during"), "Sync")),
            once(hook(job("after"), "PostSync")),
            in_wave(config("first", "1"), -1),
            deployment("web", "image:1"),
            in_wave(deployment("api", "image:1"), 3),
        ],
    );
    world
}

#[test]
fn a_crash_at_any_effect_changes_neither_the_end_nor_how_often_hooks_run() {
    let mut whole = rich_world();
    whole.run();
    assert_eq!(whole.phase(), OperationPhase::Succeeded);
    let hooks_run = |world: &World| world.journal.iter().filter(|line| line.starts_with("run hook")).count();
    assert_eq!(hooks_run(&whole), 3);
    let mut crashes = 0;
    for effects in 0.. {
        let mut world = rich_world();
        world.effects_left = Some(effects);
        let mut has_crashed = false;
        for _ in 0..60 {
            match world.pass() {
                Ok(_) => world.settle(),
                Err(Crash) => {
                    has_crashed = true;
                    break;
                }
            }
        }
        if !has_crashed {
            break;
        }
        crashes += 1;
        world.effects_left = None;
        world.run();
        assert_eq!(world.phase(), OperationPhase::Succeeded, "crash at effect {effects}: {:?}", world.state());
        assert_eq!(essence(&world), essence(&whole), "crash at effect {effects}");
        assert_eq!(hooks_run(&world), 3, "crash at effect {effects}: every hook runs once: {:?}", world.journal);
        assert_eq!(
            world.application.status.history.len(),
            whole.application.status.history.len(),
            "crash at effect {effects}"
        );
    }
    assert!(crashes > 12, "every effect of the sync was tried: {crashes}");
}

#[test]
fn the_same_input_gives_the_same_plan_and_status() {
    let run = || {
        let mut world = rich_world();
        world.run();
        (world.journal.clone(), serde_json::to_string(&world.application.status).expect("written"))
    };
    assert_eq!(run(), run());
}
