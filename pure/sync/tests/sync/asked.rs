//! What a person asks for: parts, dry runs, rollbacks, terminating; and what windows and other applications say to it.

use landfall_model::annotations::TRACKING_ID;
use landfall_model::status::{OperationPhase, SyncStatusCode};
use landfall_model::window::WindowVerdict;
use landfall_sync::rollback::{self, RollbackRequest};
use serde_json::json;

use crate::world::{World, annotated, applied, automated, config, deployment, hook, job, manual_sync};

#[test]
fn only_what_is_selected_is_synced_and_excluded_things_are_not() {
    let mut world = World::new(json!({}), vec![config("a", "1"), config("b", "1"), hook(job("before"), "PreSync")]);
    world.ask(json!({"sync": {"resources": [{"kind": "ConfigMap", "name": "a"}]}}));
    world.run();
    assert_eq!(applied(&world), ["a"]);
    assert_eq!(world.application.status.history.len(), 0, "a part is no deployment");
    world.ask(json!({"sync": {"resources": [{"kind": "ConfigMap", "name": "b", "exclude": true}]}}));
    world.run();
    assert!(!world.has("ConfigMap", "b"));
}

#[test]
fn the_apply_strategy_runs_no_hooks_and_a_dry_run_changes_nothing() {
    let objects = || vec![config("a", "1"), hook(job("before"), "PreSync")];
    let mut world = World::new(json!({}), objects());
    world.ask(json!({"sync": {"dryRun": true, "prune": true}}));
    world.run();
    assert_eq!(world.phase(), OperationPhase::Succeeded);
    assert!(world.cluster.is_empty() && world.application.status.history.is_empty());
    assert!(
        world
            .state()
            .sync_result
            .as_ref()
            .expect("a result")
            .resources
            .iter()
            .all(|result| result.message.ends_with("(dry run)"))
    );
    world.ask(json!({"sync": {"syncStrategy": {"apply": {}}}}));
    world.run();
    assert_eq!((world.has("ConfigMap", "a"), world.has("Job", "before")), (true, false));
}

#[test]
fn a_dry_run_is_no_attempt_for_the_automatic_policy() {
    let mut world = World::new(automated(), vec![config("a", "1")]);
    world.ask(json!({"sync": {"dryRun": true}}));
    world.run();
    assert!(world.has("ConfigMap", "a"));
}

#[test]
fn a_terminated_sync_deletes_its_running_hook_and_ends() {
    let mut world = World::new(json!({}), vec![config("a", "1"), hook(job("slow-job"), "PreSync")]);
    let mut operation = manual_sync(false);
    operation["retry"] = json!({"limit": -1});
    world.ask(operation);
    world.run();
    assert_eq!(world.phase(), OperationPhase::Running);
    world.application.status.operation_state.as_mut().expect("runs").phase = OperationPhase::Terminating;
    world.run();
    assert_eq!((world.phase(), world.state().message.as_str()), (OperationPhase::Failed, "Operation terminated"));
    assert!(!world.has("Job", "slow-job"));
    assert!(world.application.operation.is_none());
}

#[test]
fn windows_hold_syncs_back_but_let_end_what_began() {
    let shut = WindowVerdict {
        automatic_allowed: false,
        manual_allowed: false,
        overrun_allowed: false,
        changes_at: None,
        why: "deny is active".into(),
    };
    let mut world = World::new(automated(), vec![config("a", "1")]);
    world.windows = shut.clone();
    let verdict = world.pass().expect("no crash");
    assert!(verdict.note.contains("blocked by sync window"), "{}", verdict.note);
    assert!(world.cluster.is_empty());
    world.ask(manual_sync(false));
    world.run();
    assert!(world.cluster.is_empty());
    assert!(world.state().message.contains("deny is active"), "{}", world.state().message);
    world.windows = WindowVerdict { manual_allowed: true, ..shut.clone() };
    world.run();
    assert!(world.has("ConfigMap", "a"));
    let mut begun = World::new(automated(), vec![config("a", "1"), hook(job("before"), "PreSync")]);
    begun.pass().expect("no crash");
    begun.windows = shut;
    begun.run();
    assert!(begun.has("ConfigMap", "a"));
}

#[test]
fn a_shared_object_is_told_and_can_stop_the_sync() {
    let mut world = World::new(
        json!({"automated": {}, "retry": {"limit": 0}, "syncOptions": ["FailOnSharedResource=true"]}),
        vec![config("a", "1"), config("b", "1")],
    );
    let mut other = annotated(config("a", "9"), &[(TRACKING_ID, "other:/ConfigMap:shop/a")]);
    other["metadata"]["namespace"] = json!("shop");
    world.cluster.insert(landfall_model::object::key(&other), other);
    world.run();
    assert_eq!(world.phase(), OperationPhase::Failed);
    assert!(!world.has("ConfigMap", "b"));
    assert!(
        world.conditions().iter().any(|text| text.starts_with("SharedResourceWarning") && text.contains("other")),
        "{:?}",
        world.conditions()
    );
}

#[test]
fn a_rollback_goes_back_and_the_revision_it_left_is_held() {
    let mut world = World::new(automated(), vec![deployment("web", "image:1")]);
    world.run();
    world.commit("r2", vec![deployment("web", "image:bad")]);
    world.run();
    assert_eq!((world.phase(), world.health()), (OperationPhase::Succeeded, "Degraded"));
    let request = RollbackRequest { username: "ann".into(), ..RollbackRequest::default() };
    world.application.operation =
        Some(rollback::operation(&world.application, &request).expect("there is an earlier sync"));
    world.run();
    assert_eq!((world.phase(), world.health()), (OperationPhase::Succeeded, "Healthy"));
    assert!(world.find("Deployment", "web").expect("there").to_string().contains("image:1"));
    assert_eq!(world.sync_status(), SyncStatusCode::OutOfSync, "the spec was not touched");
    let note = world.pass().expect("no crash").note;
    assert!(note.contains("ann rolled back from r2"), "{note}");
    world.commit("r3", vec![deployment("web", "image:3")]);
    world.run();
    assert!(
        world.find("Deployment", "web").expect("there").to_string().contains("image:3"),
        "a newer commit ends the hold"
    );
    let unknown = rollback::operation(&world.application, &RollbackRequest { id: Some(99), ..request });
    assert!(unknown.is_err_and(|message| message.contains("99")));
}

#[test]
fn history_is_bounded_and_its_ids_count_on() {
    let mut world = World::new(automated(), vec![config("a", "0")]);
    world.application.spec.revision_history_limit = Some(3);
    for round in 1..=6 {
        world.commit(&format!("r{round}"), vec![config("a", &round.to_string())]);
        world.run();
    }
    let ids: Vec<i64> = world.application.status.history.iter().map(|entry| entry.id).collect();
    assert_eq!(ids, [3, 4, 5]);
}
