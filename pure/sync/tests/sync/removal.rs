//! What is deleted and what never: pruning, and deleting an application.

use landfall_model::annotations::{
    DELETION_APPROVED, FINALIZER, FINALIZER_PRE_DELETE, FINALIZER_PRE_DELETE_CLEANUP, HOOK_DELETE_POLICY, SYNC_OPTIONS,
    TRACKING_ID,
};
use landfall_model::status::{OperationPhase, ResultCode, SyncStatusCode};
use serde_json::json;

use crate::world::{World, annotated, automated, config, hook, in_wave, job, manual_sync, object};

#[test]
fn what_git_no_longer_holds_is_pruned_only_when_asked() {
    let mut world = World::new(json!({"automated": {}}), vec![config("a", "1"), config("b", "1")]);
    world.run();
    world.commit("r2", vec![config("a", "1")]);
    world.run();
    assert!(world.has("ConfigMap", "b"));
    assert_eq!(world.sync_status(), SyncStatusCode::OutOfSync);
    let extra = world.application.status.resources.iter().find(|resource| resource.name == "b").expect("shown");
    assert!(extra.requires_pruning);
    world.ask(manual_sync(false));
    world.run();
    let results = &world.state().sync_result.as_ref().expect("a result").resources;
    assert!(results.iter().any(|result| result.name == "b" && result.status == Some(ResultCode::PruneSkipped)));
    world.ask(manual_sync(true));
    world.run();
    assert!(!world.has("ConfigMap", "b"));
    assert_eq!(world.sync_status(), SyncStatusCode::Synced);
    assert!(world.events.iter().any(|event| event.message == "Pruned ConfigMap shop/b"));
}

#[test]
fn an_object_that_does_not_describe_itself_is_never_pruned() {
    let mut world = World::new(automated(), vec![config("a", "1")]);
    world.run();
    let mut copied = annotated(config("copy", "1"), &[(TRACKING_ID, "shop:/ConfigMap:shop/a")]);
    copied["metadata"]["namespace"] = json!("shop");
    world.cluster.insert(landfall_model::object::key(&copied), copied);
    world.commit("r2", vec![config("a", "2")]);
    world.run();
    assert!(world.has("ConfigMap", "copy"));
    assert_eq!(world.sync_status(), SyncStatusCode::Synced);
}

#[test]
fn pruning_goes_in_the_reverse_order_and_last_when_asked() {
    let mut world = World::new(
        json!({"automated": {"prune": true}, "syncOptions": ["PruneLast=true"]}),
        vec![in_wave(config("base", "1"), 0), in_wave(config("top", "1"), 2), config("keeps", "1")],
    );
    world.run();
    world.journal.clear();
    world.commit("r2", vec![in_wave(config("new", "1"), 3), config("keeps", "1")]);
    world.run();
    assert_eq!(world.journal, ["apply ConfigMap shop/new", "prune ConfigMap shop/base", "prune ConfigMap shop/top"]);
    let mut plain = World::new(
        json!({"automated": {"prune": true}}),
        vec![in_wave(config("base", "1"), 0), in_wave(config("top", "1"), 2), config("keeps", "1")],
    );
    plain.run();
    plain.journal.clear();
    plain.commit("r2", vec![config("keeps", "1")]);
    plain.run();
    assert_eq!(plain.journal, ["prune ConfigMap shop/top", "prune ConfigMap shop/base"]);
}

#[test]
fn pruning_can_be_forbidden_or_need_a_word() {
    let protected = annotated(config("protected", "1"), &[(SYNC_OPTIONS, "Prune=false")]);
    let asks = annotated(config("asks", "1"), &[(SYNC_OPTIONS, "Prune=confirm")]);
    let mut world = World::new(automated(), vec![config("a", "1"), protected, asks]);
    world.run();
    world.commit("r2", vec![config("a", "2")]);
    world.run();
    assert!(world.has("ConfigMap", "protected") && world.has("ConfigMap", "asks"));
    assert_eq!(world.phase(), OperationPhase::Running);
    assert!(world.state().message.contains("pruning confirmation of /ConfigMap/asks"), "{}", world.state().message);
    let approval = world.time().to_string();
    world.application.metadata.annotations.insert(DELETION_APPROVED.into(), approval);
    world.run();
    assert!(world.has("ConfigMap", "protected") && !world.has("ConfigMap", "asks"));
    assert_eq!(world.phase(), OperationPhase::Succeeded);
    assert_eq!(world.sync_status(), SyncStatusCode::Synced, "what must not be pruned does not count");
}

#[test]
fn an_empty_source_does_not_wipe_an_application_out_unless_meant() {
    let mut world = World::new(automated(), vec![config("a", "1")]);
    world.run();
    world.commit("r2", vec![]);
    world.run();
    assert!(world.has("ConfigMap", "a"));
    assert!(
        world.conditions().iter().any(|text| text.starts_with("SyncError") && text.contains("allowEmpty")),
        "{:?}",
        world.conditions()
    );
    world
        .application
        .spec
        .sync_policy
        .as_mut()
        .and_then(|policy| policy.automated.as_mut())
        .expect("automated")
        .allow_empty = Some(true);
    world.run();
    assert!(!world.has("ConfigMap", "a"));
}

#[test]
fn deleting_an_application_takes_its_objects_wave_by_wave_and_leaves_what_it_must() {
    let keep = annotated(config("kept", "1"), &[("helm.sh/resource-policy", "keep")]);
    let own = annotated(config("own", "1"), &[(SYNC_OPTIONS, "Delete=false")]);
    let mut world = World::new(
        automated(),
        vec![
            in_wave(config("lingering-top", "1"), 2),
            config("base", "1"),
            keep,
            own,
            object("v1", "Namespace", "shop"),
        ],
    );
    world.run();
    world.journal.clear();
    world.application.metadata.finalizers = vec![FINALIZER.into()];
    let plan = world.delete_application();
    assert!(plan.is_finished(), "{plan:?}");
    assert_eq!(
        world.journal,
        ["prune ConfigMap shop/lingering-top", "prune ConfigMap shop/base", "prune Namespace shop"]
    );
    assert!(world.has("ConfigMap", "kept") && world.has("ConfigMap", "own"));
    assert!(world.application.metadata.finalizers.is_empty());
}

#[test]
fn pre_delete_hooks_run_before_anything_is_deleted_and_hold_it_up_when_they_fail() {
    let objects = |name: &str| {
        vec![config("a", "1"), annotated(hook(job(name), "PreDelete"), &[(HOOK_DELETE_POLICY, "HookSucceeded")])]
    };
    let mut world = World::new(automated(), objects("farewell"));
    world.run();
    assert!(!world.has("Job", "farewell"), "not part of a sync");
    let missing = landfall_sync::deletion::missing_finalizers(&world.application, &world.targets("r1"));
    assert_eq!(missing, [FINALIZER_PRE_DELETE, FINALIZER_PRE_DELETE_CLEANUP]);
    world.application.metadata.finalizers = missing;
    world.application.metadata.finalizers.push(FINALIZER.into());
    world.journal.clear();
    assert!(world.delete_application().is_finished());
    assert_eq!(
        world.journal,
        [
            "run hook Job.batch shop/farewell",
            "remove finalizer from Job.batch shop/farewell",
            "delete hook Job.batch shop/farewell",
            "prune ConfigMap shop/a"
        ]
    );
    assert!(world.cluster.is_empty());

    let mut failing = World::new(automated(), objects("bad-farewell"));
    failing.run();
    failing.application.metadata.finalizers = vec![FINALIZER_PRE_DELETE.into(), FINALIZER.into()];
    let plan = failing.delete_application();
    assert!(plan.conditions.iter().any(|condition| condition.message.contains("PreDelete hook failed")), "{plan:?}");
    assert!(failing.has("ConfigMap", "a"));
}

#[test]
fn a_deletion_lets_go_of_the_hooks_of_a_sync_that_it_cut_short() {
    let mut world = World::new(json!({}), vec![config("a", "1"), hook(job("slow-job"), "PreSync")]);
    world.ask(manual_sync(false));
    world.run();
    assert_eq!(world.phase(), OperationPhase::Running);
    assert!(world.has("Job", "slow-job"));
    world.application.metadata.finalizers = vec![FINALIZER.into()];
    assert!(world.delete_application().is_finished());
    assert!(world.cluster.is_empty(), "{:?}", world.cluster);
    assert!(world.application.metadata.finalizers.is_empty());
}

#[test]
fn an_application_without_a_finalizer_leaves_its_objects() {
    let mut world = World::new(automated(), vec![config("a", "1")]);
    world.run();
    assert!(world.delete_application().is_finished());
    assert!(world.has("ConfigMap", "a"));
}

#[test]
fn an_object_is_not_pruned_while_an_api_that_is_down_hides_where_it_goes() {
    let thing =
        annotated(object("example.com/v1", "Thing", "global"), &[(SYNC_OPTIONS, "SkipDryRunOnMissingResource=true")]);
    let definition = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "things.example.com"},
        "spec": {"group": "example.com", "scope": "Cluster", "names": {"kind": "Thing"}}, "status": {"conditions": [{"type": "Established", "status": "True"}]}});
    let mut world = World::new(
        json!({"automated": {"prune": true, "selfHeal": true}, "retry": {"limit": 0}}),
        vec![thing.clone(), config("a", "1")],
    );
    let key = landfall_model::object::key(&definition);
    world.cluster.insert(key.clone(), definition);
    world.run();
    assert!(world.has("Thing", "global"));
    assert_eq!(world.cluster.keys().find(|key| key.kind == "Thing").map(|key| key.namespace.as_str()), Some(""));
    world.cluster.remove(&key);
    world.commit("r2", vec![thing, config("a", "2")]);
    world.run();
    assert!(world.has("Thing", "global"));
}

#[test]
fn what_was_pruned_and_is_not_gone_yet_is_no_drift_to_heal() {
    let mut world = World::new(automated(), vec![config("a", "1"), config("held", "1")]);
    world.run();
    let held = world.cluster.values_mut().find(|found| found["metadata"]["name"] == "held").expect("applied");
    held["metadata"]["finalizers"] = json!(["example.test/hold"]);
    world.commit("r2", vec![config("a", "1")]);
    world.run();
    assert!(world.has("ConfigMap", "held"), "a finalizer holds it");
    world.run();
    let sync = world.state().operation.sync.as_ref().expect("a sync");
    assert_eq!((sync.resources.len(), sync.auto_heal_attempts_count), (0, None), "the sync of everything was the last");
    assert_eq!(world.sync_status(), SyncStatusCode::OutOfSync);
}
