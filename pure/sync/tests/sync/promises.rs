//! What users rely on, told as small stories in a small world.

use crate::world::{World, annotated, config, deployment, hook, in_wave, job, object};
use landfall_model::annotations::{
    DELETION_APPROVED, FINALIZER, FINALIZER_PRE_DELETE, FINALIZER_PRE_DELETE_CLEANUP, HOOK_DELETE_POLICY, SYNC_OPTIONS,
    TRACKING_ID,
};
use landfall_model::status::{OperationPhase, ResultCode, SyncStatusCode};
use landfall_model::window::WindowVerdict;
use landfall_sync::rollback::{self, RollbackRequest};
use serde_json::{Value, json};

fn automated() -> Value {
    json!({"automated": {"prune": true, "selfHeal": true}})
}

fn manual_sync(prune: bool) -> Value {
    json!({"sync": {"prune": prune}, "initiatedBy": {"username": "ann"}})
}

/// The objects applied or run, in order, by name.
fn applied(world: &World) -> Vec<&str> {
    let is_change = |line: &&String| {
        line.starts_with("apply") || line.starts_with("run hook") || line.starts_with("create namespace")
    };
    world.journal.iter().filter(is_change).map(|line| line.rsplit(['/', ' ']).next().expect("a name")).collect()
}

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
    world.ask(manual_sync(false));
    world.run();
    assert_eq!(world.phase(), OperationPhase::Running);
    world.application.status.operation_state.as_mut().expect("runs").phase = OperationPhase::Terminating;
    world.run();
    assert_eq!((world.phase(), world.state().message.as_str()), (OperationPhase::Failed, "Operation terminated"));
    assert!(!world.has("Job", "slow-job"));
    assert!(world.application.operation.is_none());
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
