//! Single answers of single functions, as tables: targets, comparison, what is wanted, conclusions.

use std::collections::{BTreeMap, BTreeSet};

use landfall_health::Rules;
use landfall_model::annotations::{COMPARE_OPTIONS, SYNC_OPTIONS, TRACKING_ID};
use landfall_model::application::Application;
use landfall_model::key::{GroupKind, ObjectKey};
use landfall_model::status::{Condition, ConditionType, SyncPhase, SyncStatusCode};
use landfall_model::time::Time;
use landfall_sync::compare::{CompareRequest, Compared, Difference, LiveByKey, compare};
use landfall_sync::conclude::{ConcludeRequest, HealthPlace, Verdict, conclude};
use landfall_sync::decide::{self, Decision};
use landfall_sync::live::Live;
use landfall_sync::targets::{Availability, Problem, Targets, TargetsRequest, prepare};
use serde_json::{Value, json};

use crate::world::{annotated, config, deployment, hook, job, object};

fn application(spec: Value) -> Application {
    let mut whole = json!({"metadata": {"name": "shop", "namespace": "landfall"},
        "spec": {"source": {"repoURL": "https://example.com/shop"}, "destination": {"namespace": "shop", "server": "https://a"}}});
    for (name, value) in spec.as_object().expect("a map") {
        whole["spec"][name] = value.clone();
    }
    Application::read(&whole).expect("a valid application")
}

fn targets_of(rendered: Vec<Vec<Value>>) -> Targets {
    prepare(TargetsRequest {
        application: &application(json!({})),
        instance: "shop",
        installation: "",
        rendered,
        is_namespaced: &|gvk| match gvk.kind.as_str() {
            "ClusterRole" | "Namespace" | "CustomResourceDefinition" => Some(false),
            "ConfigMap" | "Job" | "Deployment" => Some(true),
            _ => None,
        },
        permit: &|key| if key.name == "forbidden" { Err("not permitted".into()) } else { Ok(()) },
        is_excluded: &|kind| kind.kind == "Lease",
    })
}

fn placed(mut object: Value, namespace: &str) -> Value {
    object["metadata"]["namespace"] = json!(namespace);
    object
}

#[test]
fn namespaces_are_set_stripped_or_kept_and_tracking_is_stamped() {
    let targets = targets_of(vec![vec![
        config("plain", "1"),
        placed(config("elsewhere", "1"), "other"),
        placed(object("rbac.authorization.k8s.io/v1", "ClusterRole", "reader"), "shop"),
        object("v1", "Namespace", "made"),
    ]]);
    let found: Vec<_> = targets
        .objects
        .iter()
        .map(|target| {
            (target.key.to_string(), target.object["metadata"]["annotations"][TRACKING_ID].as_str().unwrap_or(""))
        })
        .collect();
    assert_eq!(
        found,
        [
            ("ConfigMap other/elsewhere".to_owned(), "shop:/ConfigMap:other/elsewhere"),
            ("ConfigMap shop/plain".to_owned(), "shop:/ConfigMap:shop/plain"),
            ("Namespace made".to_owned(), "shop:/Namespace:shop/made"),
            (
                "ClusterRole.rbac.authorization.k8s.io reader".to_owned(),
                "shop:rbac.authorization.k8s.io/ClusterRole:shop/reader"
            ),
        ]
    );
    assert!(
        targets
            .objects
            .iter()
            .all(|target| target.key.namespace.is_empty() == target.object["metadata"]["namespace"].is_null())
    );
}

#[test]
fn what_the_server_sets_is_not_sent_back() {
    let mut exported = config("a", "1");
    for field in ["creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid"] {
        exported["metadata"][field] = json!("x");
    }
    let targets = targets_of(vec![vec![exported]]);
    let names: Vec<&str> =
        targets.objects[0].object["metadata"].as_object().expect("metadata").keys().map(String::as_str).collect();
    assert_eq!(names.len(), 3, "annotations, name and namespace: {names:?}");
}

#[test]
fn the_later_source_wins_and_problems_stay_with_their_object() {
    let targets = targets_of(vec![
        vec![config("a", "first"), config("forbidden", "1")],
        vec![config("a", "second"), object("coordination.k8s.io/v1", "Lease", "mine"), object("x.io/v1", "Odd", "one")],
    ]);
    let find = |name: &str| targets.objects.iter().find(|target| target.key.name == name).expect("there");
    assert_eq!((find("a").object["data"]["value"].as_str(), find("a").source), (Some("second"), 1));
    assert_eq!(find("forbidden").problem, Some(Problem::Forbidden("not permitted".into())));
    assert_eq!(find("one").availability, Availability::Unknown);
    assert_eq!(targets.objects.len(), 3);
    let types: Vec<_> = targets.conditions.iter().map(|condition| condition.condition_type).collect();
    assert_eq!(types, [ConditionType::RepeatedResourceWarning, ConditionType::ExcludedResourceWarning]);
    assert!(targets.is_usable());
}

#[test]
fn every_malformed_object_is_named_by_place_and_reason() {
    let targets = targets_of(vec![
        vec![json!("text"), json!({"kind": "ConfigMap", "metadata": {"name": "a"}}), json!(null)],
        vec![
            json!({"apiVersion": "v1", "metadata": {"name": "a"}}),
            json!({"apiVersion": "v1", "kind": "Job", "metadata": {"generateName": "a-"}}),
        ],
    ]);
    let message = &targets.conditions[0].message;
    for words in [
        "object 1 of source 1: it is no mapping",
        "apiVersion is missing",
        "source 2: kind is missing",
        "generateName is for hooks only",
    ] {
        assert!(message.contains(words), "{message:?} lacks {words:?}");
    }
    assert!(!targets.is_usable());
}

#[test]
fn hooks_are_told_apart_and_definitions_make_their_kinds_available() {
    let definition = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "things.x.io"},
        "spec": {"group": "x.io", "scope": "Cluster", "names": {"kind": "Thing"}}});
    let targets = targets_of(vec![vec![
        hook(job("both"), "PostSync,PreSync"),
        hook(job("never"), "Someday"),
        definition,
        object("x.io/v1", "Thing", "one"),
    ]]);
    let phases: Vec<_> = targets.hooks.iter().map(|hook| hook.phases.clone()).collect();
    assert_eq!(phases, [vec![SyncPhase::PreSync, SyncPhase::PostSync], vec![]]);
    let thing = targets.objects.iter().find(|target| target.key.kind == "Thing").expect("there");
    assert_eq!((thing.availability, thing.key.namespace.as_str()), (Availability::DefinedHere, ""));
}

/// Compares config maps `a` (as wanted), `b` (missing) and `c` (modified) with what else is in the cluster.
fn compared(extra: &[Value], unreadable: &[&str], permit: fn(&ObjectKey) -> Result<(), String>) -> Compared {
    let targets = targets_of(vec![vec![config("a", "1"), config("b", "1"), config("c", "1")]]);
    let rules = Rules::built_in();
    let mut live = LiveByKey::new();
    let wanted = targets.objects.iter().filter(|target| target.key.name != "b").map(|target| &target.object);
    for object in wanted.chain(extra) {
        let read = Live::read(object, &rules);
        live.insert(read.key.clone(), read);
    }
    let modified: BTreeSet<ObjectKey> = [ObjectKey::of("", "ConfigMap", "shop", "c")].into();
    let unreadable = unreadable.iter().map(|kind| (GroupKind::of("", *kind), "conversion failed".to_owned())).collect();
    compare(&CompareRequest {
        targets: &targets,
        live: &live,
        modified: &modified,
        unreadable: &unreadable,
        instance: "shop",
        own_key: &ObjectKey::of("argoproj.io", "Application", "landfall", "shop"),
        permit: &permit,
        options: &application(json!({})).spec.sync_options(),
    })
}

fn owned(object: Value) -> Value {
    let placed = placed(object, "shop");
    let key = landfall_model::object::key(&placed);
    annotated(placed, &[(TRACKING_ID, &format!("shop:{}/{}:{}/{}", key.group, key.kind, key.namespace, key.name))])
}

fn differences(compared: &Compared) -> Vec<(&str, Difference, bool)> {
    compared.entries.iter().map(|entry| (entry.key.name.as_str(), entry.difference, entry.counts)).collect()
}

#[test]
fn objects_are_in_sync_missing_modified_or_extra() {
    let found = compared(&[owned(config("d", "1"))], &[], |_| Ok(()));
    assert_eq!(
        differences(&found),
        [
            ("a", Difference::InSync, false),
            ("b", Difference::Missing, true),
            ("c", Difference::Modified, true),
            ("d", Difference::Extra, true)
        ]
    );
    assert_eq!(found.status, SyncStatusCode::OutOfSync);
    let words: Vec<_> = found.resources.iter().map(|resource| (resource.status, resource.requires_pruning)).collect();
    let (synced, out) = (Some(SyncStatusCode::Synced), Some(SyncStatusCode::OutOfSync));
    assert_eq!(words, [(synced, false), (out, false), (out, false), (out, true)]);
    assert_eq!(found.resources[1].health.as_ref().map(|health| health.status.as_str()), Some("Missing"));
    assert_eq!(found.health.status.as_str(), "Healthy", "missing objects do not count while others are there");
}

#[test]
fn what_is_not_ours_hidden_or_tolerated_does_not_count_as_extra() {
    let tolerated = annotated(owned(config("tolerated", "1")), &[(COMPARE_OPTIONS, "IgnoreExtraneous")]);
    let protected = annotated(owned(config("protected", "1")), &[(SYNC_OPTIONS, "Prune=false")]);
    let foreign = annotated(placed(config("foreign", "1"), "shop"), &[(TRACKING_ID, "other:/ConfigMap:shop/foreign")]);
    let own_hook = owned(hook(job("hook"), "PreSync"));
    let found = compared(&[tolerated, protected, foreign, own_hook, owned(config("forbidden", "1"))], &[], |key| {
        if key.name == "forbidden" { Err("no".into()) } else { Ok(()) }
    });
    let beside: Vec<_> = differences(&found).into_iter().filter(|(name, ..)| name.len() > 1).collect();
    assert_eq!(
        beside,
        [
            ("protected", Difference::Extra, false),
            ("tolerated", Difference::Extra, false),
            ("hook", Difference::NotCompared, false)
        ]
    );
    let hook = found.resources.iter().find(|resource| resource.name == "hook").expect("shown");
    assert_eq!((hook.hook, hook.status), (true, None));
}

#[test]
fn a_kind_that_cannot_be_read_is_unknown_and_nothing_of_it_is_extra() {
    let found = compared(&[owned(config("d", "1"))], &["ConfigMap"], |_| Ok(()));
    assert!(found.entries.iter().all(|entry| entry.difference == Difference::Unknown && !entry.counts));
    assert_eq!((found.entries.len(), found.status), (3, SyncStatusCode::Unknown));
    assert!(found.conditions[0].message.contains("conversion failed"), "{:?}", found.conditions);
}

#[test]
fn what_is_wanted_is_that_of_the_running_operation_or_the_newest() {
    let names = |application: &Application| decide::wanted(application).revisions;
    let mut idle = application(json!({}));
    assert_eq!((names(&idle), decide::wanted(&idle).is_newest), (vec![None], true));
    idle.operation = serde_json::from_value(json!({"sync": {"revision": "v1"}})).expect("valid");
    assert_eq!((names(&idle), decide::wanted(&idle).is_newest), (vec![Some("v1".to_owned())], false));
    let source = json!({"repoURL": "https://example.com/other"});
    idle.operation = serde_json::from_value(json!({"sync": {"revision": "v1", "source": source}})).expect("valid");
    assert_eq!(decide::wanted(&idle).sources[0].repo_url, "https://example.com/other");
    let running = |refresh: bool, waits: bool| {
        let mut application = application(json!({}));
        application.status.operation_state = serde_json::from_value(json!({"operation": {"sync": {"revision": "main"}, "retry": {"refresh": refresh}},
            "phase": "Running", "startedAt": "2026-01-01T00:00:00Z", "finishedAt": waits.then_some("2026-01-01T00:00:01Z"),
            "syncResult": {"revision": "abc"}}))
        .expect("valid");
        names(&application)
    };
    assert_eq!(running(false, false), [Some("abc".to_owned())], "once begun, the revision stays");
    assert_eq!(running(false, true), [Some("abc".to_owned())]);
    assert_eq!(running(true, true), [None], "with retry.refresh the next try takes the newest");
    let several = application(json!({"sources": [{"repoURL": "a"}, {"repoURL": "b"}]}));
    assert_eq!(names(&several), [None, None]);
}

fn concluded(application: &Application, compared: Option<&Compared>, errors: &[Condition], second: i64) -> Verdict {
    let now = Time::of(jiff::Timestamp::from_second(second).expect("in range"));
    conclude(&ConcludeRequest {
        application,
        now,
        decision: &Decision::Nothing { why: "it is a test".into() },
        compared,
        revisions: &["abc".to_owned()],
        source_types: &["Kustomize".to_owned()],
        errors,
        state: None,
        controller_namespace: "landfall",
        health_place: HealthPlace::AppTree,
    })
}

#[test]
fn times_move_only_when_what_they_stand_for_changes() {
    let mut application = application(json!({}));
    let error = |message: &str| Condition {
        condition_type: ConditionType::ComparisonError,
        message: message.into(),
        last_transition_time: None,
    };
    let found = compared(&[], &[], |_| Ok(()));
    let first = concluded(&application, Some(&found), &[error("a")], 100);
    application.status = first.status.clone();
    let second = concluded(&application, Some(&found), &[error("b"), error("a")], 200);
    assert!(second.is_changed);
    assert_eq!(second.status.health.last_transition_time, first.status.health.last_transition_time);
    let times: Vec<_> = second
        .status
        .conditions
        .iter()
        .map(|condition| (condition.message.as_str(), condition.last_transition_time.map(|time| time.0.as_second())))
        .collect();
    assert_eq!(times, [("a", Some(100)), ("b", Some(200))]);
    assert_eq!(second.events.len(), 1, "only the new condition is told: {:?}", second.events);
    application.status = second.status.clone();
    let third = concluded(&application, Some(&found), &[error("a"), error("b")], 300);
    assert!(!third.is_changed && third.events.is_empty(), "nothing changed but the time");
    assert_eq!(third.status.reconciled_at.map(|time| time.0.as_second()), Some(200));
}

#[test]
fn without_a_comparison_the_status_says_unknown_only_if_there_is_an_error() {
    let mut application = application(json!({}));
    application.status = concluded(&application, Some(&compared(&[], &[], |_| Ok(()))), &[], 100).status;
    assert_eq!(concluded(&application, None, &[], 200).status, application.status, "what was known stays");
    let error = Condition {
        condition_type: ConditionType::ComparisonError,
        message: "no such revision".into(),
        last_transition_time: None,
    };
    let broken = concluded(&application, None, &[error], 200).status;
    assert_eq!(broken.sync.status, SyncStatusCode::Unknown);
    assert_eq!(broken.health, application.status.health, "what runs still runs");
    assert_eq!(broken.resources, application.status.resources);
}

#[test]
fn the_status_has_the_shape_of_one_or_of_several_sources() {
    let one = concluded(&application(json!({})), None, &[], 100).status;
    assert_eq!((one.source_type.as_str(), one.source_types.len()), ("Kustomize", 0));
    let found = compared(&[], &[], |_| Ok(()));
    let several = application(json!({"sources": [{"repoURL": "a"}]}));
    let status = concluded(&several, Some(&found), &[], 100).status;
    assert_eq!((status.sync.revision.as_str(), status.sync.revisions.as_slice()), ("", ["abc".to_owned()].as_slice()));
    assert_eq!(status.sync.compared_to.sources.len(), 1);
    assert_eq!(status.source_types, ["Kustomize"]);
    assert!(status.resources.iter().all(|resource| resource.health.is_none()), "health is with the controller");
    assert_eq!(status.resource_health_source, "appTree");
}

#[test]
fn a_live_object_is_read_for_its_marks_alone() {
    let rules = Rules::built_in();
    let kept = Live::read(
        &annotated(config("a", "1"), &[("helm.sh/resource-policy", "keep"), (SYNC_OPTIONS, "Prune=confirm")]),
        &rules,
    );
    assert!(kept.is_kept && kept.owner.is_none() && kept.health.is_none());
    let web = Live::read(&placed(deployment("web", "image:1"), "shop"), &rules);
    assert_eq!(
        (web.images.as_slice(), web.health.map(|health| health.status.as_str())),
        (["image:1".to_owned()].as_slice(), Some("Progressing"))
    );
    let odd: BTreeMap<&str, Value> = [("text", json!("x")), ("null", json!(null)), ("list", json!([]))].into();
    for (name, value) in odd {
        assert_eq!(Live::read(&value, &rules).key.name, "", "{name}");
    }
}

#[test]
fn progress_is_never_lost_because_a_pass_could_not_look_at_it() {
    let mut application = application(json!({}));
    application.status.operation_state = serde_json::from_value(json!({"operation": {"sync": {}}, "phase": "Running",
        "startedAt": "2026-01-01T00:00:00Z", "syncResult": {"revision": "abc"}}))
    .expect("valid");
    application.operation = application.status.operation_state.as_ref().map(|state| state.operation.clone());
    let verdict = concluded(&application, None, &[], 100);
    assert_eq!(verdict.status.operation_state, application.status.operation_state);
    assert_eq!(verdict.operation, application.operation);
}
