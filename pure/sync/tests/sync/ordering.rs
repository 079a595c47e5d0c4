//! What is applied, in which order, and how: phases, waves, kinds, hooks, options of objects.

use landfall_model::annotations::{HOOK_DELETE_POLICY, SYNC_OPTIONS, TRACKING_ID};
use landfall_model::status::{OperationPhase, ResultCode, SyncStatusCode};
use serde_json::{Value, json};

use crate::world::{World, annotated, applied, automated, config, deployment, hook, in_wave, job, object};

#[test]
fn a_plain_sync_needs_no_status_write_before_it_and_one_after() {
    let mut world = World::new(automated(), vec![config("a", "1"), config("b", "1")]);
    world.pass().expect("no crash");
    assert_eq!(world.phase(), OperationPhase::Succeeded, "a single wave without hooks succeeds when it is applied");
    assert_eq!(world.status_writes, 1);
    assert_eq!(world.journal.len(), 2, "one write per object");
    world.commit("r2", vec![config("a", "1"), config("b", "2")]);
    world.pass().expect("no crash");
    assert_eq!(world.journal.len(), 3, "what did not change is not sent");
    assert_eq!(world.application.status.history.len(), 2);
}

#[test]
fn phases_and_waves_come_in_order_and_wait_for_health() {
    let mut world = World::new(
        automated(),
        vec![
            in_wave(deployment("third", "i:1"), 5),
            in_wave(deployment("second", "i:1"), 1),
            in_wave(config("first", "1"), -3),
            hook(job("after"), "PostSync"),
            hook(job("before"), "PreSync"),
        ],
    );
    world.pass().expect("no crash");
    assert_eq!(applied(&world), ["before"]);
    assert_eq!(world.state().message, "waiting for completion of hook batch/Job/before (the job is running)");
    world.settle();
    world.pass().expect("no crash");
    assert_eq!(applied(&world), ["before", "first", "second"], "a wave without health does not hold the next");
    world.pass().expect("no crash");
    assert_eq!(applied(&world).len(), 3, "nothing moves before the wave is healthy");
    assert!(
        world.state().message.starts_with("waiting for healthy state of apps/Deployment/second"),
        "{}",
        world.state().message
    );
    world.run();
    assert_eq!(applied(&world), ["before", "first", "second", "third", "after"]);
    assert_eq!(world.phase(), OperationPhase::Succeeded);
    let results = &world.state().sync_result.as_ref().expect("a result").resources;
    assert!(results.iter().all(|result| result.status == Some(ResultCode::Synced)));
    let ended: Vec<_> = results
        .iter()
        .filter(|result| !result.hook_type.is_empty())
        .map(|result| (result.name.as_str(), result.hook_type.as_str(), result.hook_phase))
        .collect();
    assert_eq!(
        ended,
        [
            ("before", "PreSync", Some(OperationPhase::Succeeded)),
            ("after", "PostSync", Some(OperationPhase::Succeeded))
        ]
    );
}

#[test]
fn within_a_wave_kinds_come_in_order_and_what_is_needed_comes_first() {
    let definition = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "things.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": {"kind": "Thing"}}});
    let mut world = World::new(
        json!({"automated": {}}),
        vec![
            in_wave(object("example.com/v1", "Thing", "early"), -10),
            deployment("web", "i:1"),
            object("v1", "ServiceAccount", "account"),
            config("settings", "1"),
            in_wave(object("v1", "Namespace", "shop"), 7),
            in_wave(definition, 9),
        ],
    );
    world.run();
    assert_eq!(applied(&world), ["shop", "things.example.com", "early", "account", "settings", "web"]);
    assert_eq!(world.phase(), OperationPhase::Succeeded);
    let tracked = world
        .find("CustomResourceDefinition", "things.example.com")
        .map(|found| found["metadata"]["annotations"][TRACKING_ID].is_null());
    assert_eq!(tracked, Some(true), "definitions carry no mark");
}

#[test]
fn a_failed_pre_sync_hook_stops_the_sync_before_anything_is_applied() {
    let mut world = World::new(
        json!({"automated": {}, "retry": {"limit": 0}}),
        vec![config("a", "1"), hook(job("bad-migration"), "PreSync"), hook(job("alarm"), "SyncFail")],
    );
    world.run();
    assert_eq!(world.phase(), OperationPhase::Failed);
    assert_eq!(applied(&world), ["bad-migration", "alarm"]);
    assert!(!world.has("ConfigMap", "a"));
    assert!(world.state().message.contains("it ended"), "{}", world.state().message);
    assert!(world.conditions().iter().any(|text| text.contains("is not tried again")), "{:?}", world.conditions());
}

#[test]
fn hooks_go_by_their_delete_policies() {
    let policy = |object: Value, policy: &str| annotated(object, &[(HOOK_DELETE_POLICY, policy)]);
    let hooks = |value: &str| {
        vec![
            config("a", value),
            hook(job("keeps"), "PreSync"),
            policy(hook(job("goes"), "PreSync"), "HookSucceeded"),
            policy(hook(job("stays"), "PreSync"), "HookFailed"),
        ]
    };
    let mut world = World::new(json!({"automated": {}}), hooks("1"));
    world.run();
    assert_eq!(world.phase(), OperationPhase::Succeeded);
    assert_eq!((world.has("Job", "keeps"), world.has("Job", "goes"), world.has("Job", "stays")), (true, false, true));
    let first = world.find("Job", "keeps").map(|found| found["metadata"]["uid"].clone());
    assert_eq!(world.find("Job", "keeps").map(|found| found["metadata"]["finalizers"].clone()), Some(json!([])));
    world.commit("r2", hooks("2"));
    world.run();
    assert_ne!(
        world.find("Job", "keeps").map(|found| found["metadata"]["uid"].clone()),
        first,
        "by default a hook is made anew"
    );
    assert_eq!(world.phase(), OperationPhase::Succeeded);
}

#[test]
fn a_hook_without_a_name_is_named_after_revision_phase_and_time() {
    let nameless = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"generateName": "migrate-", "annotations": {"argocd.argoproj.io/hook": "PreSync"}}});
    let mut world = World::new(json!({"automated": {}}), vec![config("a", "1")]);
    world.commit("0123456789abcdef0123456789abcdef01234567", vec![nameless, config("a", "1")]);
    world.run();
    assert!(world.has("Job", "migrate-0123456-presync-1000000"), "{:?}", world.cluster.keys().collect::<Vec<_>>());
    assert_eq!(world.phase(), OperationPhase::Succeeded);
}

#[test]
fn nothing_is_applied_when_one_object_cannot_be() {
    let mut world = World::new(
        json!({"automated": {}, "retry": {"limit": 0}}),
        vec![config("a", "1"), object("example.com/v1", "Unheard", "of")],
    );
    world.run();
    assert_eq!(world.phase(), OperationPhase::Failed);
    assert!(world.cluster.is_empty());
    assert!(world.state().message.contains("does not serve example.com/v1, Kind=Unheard"), "{}", world.state().message);
    let mut forbidden =
        World::new(json!({"automated": {}, "retry": {"limit": 0}}), vec![config("a", "1"), deployment("web", "i:1")]);
    forbidden.forbidden_kinds.insert("Deployment".into());
    forbidden.run();
    assert!(forbidden.cluster.is_empty());
    assert!(forbidden.state().message.contains("is not permitted"), "{}", forbidden.state().message);
    let lenient =
        annotated(object("example.com/v1", "Unheard", "of"), &[(SYNC_OPTIONS, "SkipDryRunOnMissingResource=true")]);
    let mut skipping = World::new(json!({"automated": {}, "retry": {"limit": 0}}), vec![config("a", "1"), lenient]);
    skipping.run();
    assert!(skipping.has("ConfigMap", "a"));
}

#[test]
fn manifests_that_cannot_be_named_stop_everything_and_prune_nothing() {
    let mut world = World::new(automated(), vec![config("a", "1"), config("b", "1")]);
    world.run();
    world.commit("r2", vec![config("a", "2"), json!({"apiVersion": "v1", "kind": "ConfigMap"})]);
    world.run();
    assert!(world.has("ConfigMap", "b"));
    assert_eq!(world.find("ConfigMap", "a").expect("there")["data"]["value"], "1");
    assert_eq!(world.sync_status(), SyncStatusCode::Unknown);
    assert!(
        world
            .conditions()
            .iter()
            .any(|text| text.starts_with("ComparisonError") && text.contains("metadata.name is missing")),
        "{:?}",
        world.conditions()
    );
}

#[test]
fn the_namespace_is_made_and_kept_at_its_metadata() {
    let mut world = World::new(
        json!({"automated": {"selfHeal": true}, "syncOptions": ["CreateNamespace=true"], "managedNamespaceMetadata": {"labels": {"team": "a"}}}),
        vec![config("a", "1")],
    );
    world.run();
    assert_eq!(applied(&world), ["shop", "a"]);
    assert_eq!(world.find("Namespace", "shop").expect("there")["metadata"]["labels"]["team"], "a");
    assert_eq!((world.phase(), world.sync_status()), (OperationPhase::Succeeded, SyncStatusCode::Synced));
    world.commit("r2", vec![config("a", "2")]);
    world.run();
    assert_eq!(applied(&world), ["shop", "a", "a"], "a namespace as wanted is left alone");
}

#[test]
fn replace_and_force_are_resolved_per_object() {
    let option = |object: Value, options: &str| annotated(object, &[(SYNC_OPTIONS, options)]);
    let mut world = World::new(
        json!({"automated": {}}),
        vec![
            config("plain", "1"),
            option(config("replaced", "1"), "Replace=true"),
            option(job("again"), "Replace=true,Force=true"),
        ],
    );
    world.run();
    world.journal.clear();
    world.commit(
        "r2",
        vec![
            config("plain", "2"),
            option(config("replaced", "2"), "Replace=true"),
            option(job("again"), "Replace=true,Force=true"),
        ],
    );
    world.run();
    assert_eq!(
        world.journal,
        ["apply ConfigMap shop/plain", "replace ConfigMap shop/replaced", "delete and create Job.batch shop/again"]
    );
}

#[test]
fn only_what_differs_is_applied_when_asked_and_hooks_run_all_the_same() {
    let mut world = World::new(
        json!({"automated": {}, "syncOptions": ["ApplyOutOfSyncOnly=true"]}),
        vec![config("a", "1"), config("b", "1"), hook(job("before"), "PreSync")],
    );
    world.run();
    world.commit("r2", vec![config("a", "1"), config("b", "2"), hook(job("before"), "PreSync")]);
    world.run();
    let names: Vec<&str> = world
        .state()
        .sync_result
        .as_ref()
        .expect("a result")
        .resources
        .iter()
        .map(|result| result.name.as_str())
        .collect();
    assert_eq!(names, ["before", "b"]);
    assert_eq!(world.phase(), OperationPhase::Succeeded);
}

#[test]
fn repeated_objects_are_told_and_the_last_one_counts() {
    let mut world = World::new(
        json!({"automated": {}}),
        vec![
            config("a", "1"),
            json!({"apiVersion": "v1", "kind": "List", "items": [config("a", "2"), config("b", "1")]}),
        ],
    );
    world.run();
    assert_eq!(world.find("ConfigMap", "a").expect("there")["data"]["value"], "2");
    assert!(world.has("ConfigMap", "b"));
    assert!(
        world.conditions().iter().any(|text| text.starts_with("RepeatedResourceWarning")),
        "{:?}",
        world.conditions()
    );
}

#[test]
fn waves_in_which_nothing_changed_cost_no_pass_of_their_own() {
    let objects = |last: &str| {
        (0..5)
            .map(|wave| in_wave(config(&format!("c{wave}"), if wave == 4 { last } else { "1" }), wave))
            .collect::<Vec<_>>()
    };
    let mut world = World::new(json!({"automated": {}}), objects("1"));
    world.pass().expect("no crash");
    assert_eq!(world.phase(), OperationPhase::Succeeded);
    let writes = world.status_writes;
    world.commit("r2", objects("2"));
    world.pass().expect("no crash");
    assert_eq!((world.phase(), world.status_writes - writes), (OperationPhase::Succeeded, 1));
    assert_eq!(applied(&world).len(), 6);
}
