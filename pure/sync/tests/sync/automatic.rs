//! What the automatic policy does by itself: syncing, healing, retrying, holding, giving way to newer commits.

use landfall_model::annotations::TRACKING_ID;
use landfall_model::status::{OperationPhase, SyncStatusCode};
use serde_json::json;

use crate::world::{World, automated, config, deployment, hook, in_wave, job};

#[test]
fn a_new_application_is_synced_recorded_and_left_alone() {
    let mut world = World::new(automated(), vec![config("a", "1"), deployment("web", "image:1")]);
    world.run();
    assert_eq!(world.phase(), OperationPhase::Succeeded);
    assert_eq!((world.sync_status(), world.health()), (SyncStatusCode::Synced, "Healthy"));
    let status = world.application.status.clone();
    assert_eq!(status.sync.revision, "r1");
    assert_eq!(status.history.len(), 1);
    assert_eq!((status.history[0].id, status.history[0].revision.as_str()), (0, "r1"));
    assert!(status.history[0].initiated_by.automated);
    assert_eq!(status.summary.images, ["image:1"]);
    assert_eq!(world.application.operation, None);
    let tracked = world.find("ConfigMap", "a").and_then(|found| found["metadata"]["annotations"][TRACKING_ID].as_str());
    assert_eq!(tracked, Some("shop:/ConfigMap:shop/a"));
    let writes = world.status_writes;
    let journal = world.journal.len();
    for _ in 0..5 {
        world.now += 1_000;
        assert!(!world.pass().expect("no crash").is_changed);
    }
    assert_eq!((world.status_writes, world.journal.len()), (writes, journal), "a quiet world is left alone");
}

#[test]
fn events_tell_the_story_with_argo_cds_reasons() {
    let mut world = World::new(automated(), vec![deployment("web", "image:1")]);
    world.run();
    let told: Vec<String> =
        world.events.iter().map(|event| format!("{} {}", event.reason.as_str(), event.message)).collect();
    assert_eq!(
        told,
        [
            "OperationStarted Initiated automated sync to 'r1'",
            "OperationCompleted Sync operation to r1 succeeded",
            "ResourceUpdated Updated sync status:  -> Synced",
            "ResourceUpdated Updated health status:  -> Progressing because of Deployment.apps shop/web",
            "ResourceUpdated Updated health status: Progressing -> Healthy",
        ]
    );
}

#[test]
fn a_change_by_hand_is_undone_without_hooks_or_history_and_ever_slower() {
    let mut world = World::new(automated(), vec![config("a", "1"), hook(job("before"), "PreSync")]);
    world.run();
    let hooks_run = world.journal.iter().filter(|line| line.starts_with("run hook")).count();
    for (round, wait) in [0, 2, 6, 18].into_iter().enumerate() {
        world.cluster.iter_mut().find(|(key, _)| key.name == "a").expect("there").1["data"]["value"] = json!("by hand");
        let finished = world.state().finished_at.expect("ended").0.as_second();
        world.now = finished;
        if wait > 0 {
            let verdict = world.pass().expect("no crash");
            assert_eq!(verdict.wake_at.map(|at| at.0.as_second()), Some(finished + wait), "round {round}");
            world.now = finished + wait;
        }
        world.pass().expect("no crash");
        assert_eq!(world.find("ConfigMap", "a").expect("there")["data"]["value"], "1", "round {round}");
        let count = world.state().operation.sync.as_ref().and_then(|sync| sync.auto_heal_attempts_count);
        assert_eq!(count, Some(round as i64 + 1));
    }
    assert_eq!(world.journal.iter().filter(|line| line.starts_with("run hook")).count(), hooks_run);
    assert_eq!(world.application.status.history.len(), 1);
}

#[test]
fn without_self_heal_a_change_by_hand_stays_even_when_an_unrelated_commit_comes() {
    let mut world = World::new(json!({"automated": {"prune": true}}), vec![config("a", "1")]);
    world.run();
    world.cluster.values_mut().for_each(|found| found["data"]["value"] = json!("by hand"));
    world.run();
    assert_eq!(world.find("ConfigMap", "a").expect("there")["data"]["value"], "by hand");
    let same = world.commits["r1"].clone();
    world.commit("r2", same);
    world.inputs_unchanged = Some(true);
    world.run();
    assert_eq!(world.find("ConfigMap", "a").expect("there")["data"]["value"], "by hand");
    world.inputs_unchanged = Some(false);
    world.run();
    assert_eq!(world.find("ConfigMap", "a").expect("there")["data"]["value"], "1");
}

#[test]
fn a_failed_sync_is_tried_again_and_then_held_until_something_changes() {
    let mut world = World::new(
        json!({"automated": {}, "retry": {"limit": 2, "backoff": {"duration": "5s", "factor": 2, "maxDuration": "3m"}}}),
        vec![config("a", "1"), config("b", "1")],
    );
    world.refused.insert("b".into(), "admission webhook says no".into());
    let start = world.now;
    let verdict = world.pass().expect("no crash");
    assert_eq!(verdict.wake_at.map(|at| at.0.as_second()), Some(start + 5));
    assert_eq!((world.phase(), world.state().retry_count), (OperationPhase::Running, Some(1)));
    assert!(world.state().message.contains("admission webhook says no"), "{}", world.state().message);
    assert!(world.has("ConfigMap", "a"), "a failed object does not stop the others of its wave");
    world.now = start + 4;
    let attempts = world.journal.len();
    world.pass().expect("no crash");
    assert_eq!(world.journal.len(), attempts, "waits");
    world.now = start + 5;
    world.pass().expect("no crash");
    assert_eq!(world.state().retry_count, Some(2));
    world.now = start + 100;
    world.pass().expect("no crash");
    assert_eq!(world.phase(), OperationPhase::Failed);
    assert!(world.state().message.ends_with("(retried 2 times)."), "{}", world.state().message);
    let attempts = world.journal.len();
    world.now += 10_000;
    world.run();
    assert_eq!(world.journal.len(), attempts, "held");
    assert!(world.conditions().iter().any(|text| text.starts_with("SyncError")));
    world.refused.clear();
    world.commit("r2", vec![config("a", "1"), config("b", "2")]);
    world.run();
    assert_eq!((world.phase(), world.sync_status()), (OperationPhase::Succeeded, SyncStatusCode::Synced));
    assert_eq!(world.conditions(), Vec::<String>::new(), "the condition goes with its cause");
}

#[test]
fn a_newer_commit_takes_over_from_a_sync_that_is_retried_or_waits() {
    let mut world = World::new(json!({"automated": {}, "retry": {"limit": -1}}), vec![config("a", "1")]);
    world.refused.insert("a".into(), "no".into());
    world.pass().expect("no crash");
    assert!(world.state().finished_at.is_some() && world.phase() == OperationPhase::Running);
    world.refused.clear();
    world.commit("r2", vec![config("b", "1")]);
    let verdict = world.pass().expect("no crash");
    assert_eq!((world.phase(), verdict.wake_at), (OperationPhase::Failed, Some(world.time())), "given up at once");
    world.pass().expect("no crash");
    assert_eq!((world.phase(), world.application.status.history.len()), (OperationPhase::Succeeded, 1));
    assert_eq!(world.state().sync_result.as_ref().expect("a result").revision, "r2");
    assert!(!world.has("ConfigMap", "a"));

    let mut stuck = World::new(
        json!({"automated": {}}),
        vec![in_wave(deployment("slow", "image:1"), 0), in_wave(config("later", "1"), 1)],
    );
    stuck.run();
    assert_eq!(stuck.phase(), OperationPhase::Running);
    stuck.commit("r2", vec![config("later", "2")]);
    stuck.run();
    assert_eq!(
        stuck.phase(),
        OperationPhase::Running,
        "a sync that gets on is not disturbed by a commit about who knows what"
    );
    stuck.inputs_unchanged = Some(false);
    stuck.run();
    assert!(stuck.has("ConfigMap", "later"));
    assert!(
        stuck.events.iter().any(|event| event.message.contains("given up for a newer commit")),
        "{:?}",
        stuck.events
    );
}

#[test]
fn a_newer_commit_never_cuts_a_running_hook_off() {
    let mut world =
        World::new(json!({"automated": {}}), vec![config("a", "1"), hook(job("slow-migration"), "PreSync")]);
    world.run();
    world.commit("r2", vec![config("a", "2"), hook(job("slow-migration"), "PreSync")]);
    world.run();
    assert_eq!(world.state().sync_result.as_ref().expect("a result").revision, "r1");
    assert_eq!(world.journal.len(), 1);
}

#[test]
fn two_applications_with_one_object_do_not_take_it_from_each_other_for_ever() {
    let mut world = World::new(automated(), vec![config("a", "1"), config("b", "1")]);
    world.run();
    let other = |world: &mut World| {
        let taken = world.cluster.values_mut().find(|found| found["metadata"]["name"] == "a").expect("there");
        taken["data"]["value"] = json!("theirs");
        taken["metadata"]["annotations"][TRACKING_ID] = json!("other:/ConfigMap:shop/a");
    };
    other(&mut world);
    let journal = world.journal.len();
    for _ in 0..3 {
        world.now += 1_000;
        world.run();
    }
    assert_eq!(world.journal.len(), journal, "healing leaves it");
    assert_eq!(world.sync_status(), SyncStatusCode::OutOfSync);
    assert!(
        world.conditions().iter().any(|text| text.starts_with("SharedResourceWarning")),
        "{:?}",
        world.conditions()
    );
    world
        .cluster
        .values_mut()
        .filter(|found| found["metadata"]["name"] == "b")
        .for_each(|found| found["data"]["value"] = json!("by hand"));
    world.run();
    assert_eq!(
        world.find("ConfigMap", "b").expect("there")["data"]["value"],
        "1",
        "other objects are healed all the same"
    );
    world.commit("r2", vec![config("a", "2"), config("b", "1")]);
    world.run();
    assert_eq!(world.find("ConfigMap", "a").expect("there")["data"]["value"], "2", "a commit takes it");
}

#[test]
fn a_commit_that_wants_the_same_writes_nothing_and_is_no_reason_to_sync() {
    let mut world =
        World::new(json!({"automated": {"prune": true}}), vec![config("a", "1"), hook(job("before"), "PreSync")]);
    world.run();
    let (writes, journal) = (world.status_writes, world.journal.len());
    let same = world.commits["r1"].clone();
    world.commit("r2", same.clone());
    world.run();
    assert_eq!((world.status_writes, world.journal.len()), (writes, journal));
    assert_eq!(world.application.status.sync.revision, "r1", "what was synced is named");
    world
        .cluster
        .values_mut()
        .filter(|found| found["kind"] == "ConfigMap")
        .for_each(|found| found["data"]["value"] = json!("by hand"));
    world.run();
    assert_eq!(world.journal.len(), journal, "a change by hand is not undone by a commit that is not about it");
    assert_eq!(
        (world.sync_status(), world.application.status.sync.revision.as_str()),
        (SyncStatusCode::OutOfSync, "r2")
    );
    world.commit("r3", vec![config("a", "3"), same[1].clone()]);
    world.run();
    assert_eq!(world.find("ConfigMap", "a").expect("there")["data"]["value"], "3");
    assert_eq!(world.application.status.sync.revision, "r3");
}
