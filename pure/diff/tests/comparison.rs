//! What the comparison promises about single objects.

use landfall_diff::carry::carry_ignored;
use landfall_diff::compare::{Difference, DifferenceKind, Reason, compare, summary};
use landfall_diff::render;
use landfall_diff::rules::{Options, Rules};
use landfall_diff::schemas::BuiltIn;
use landfall_merge::builtin::schema_of;
use landfall_merge::fields::set::FieldSet;
use landfall_merge::structured::{self, Force, Kind, LAST_APPLIED, Storage, Writer};
use landfall_model::application::IgnoreDifference;
use serde_json::{Value, json};

fn kind_of(object: &Value) -> Kind<'_> {
    let api_version = object["apiVersion"].as_str().expect("text");
    Kind {
        api_version,
        schema: schema_of(api_version, object["kind"].as_str().expect("text")),
        reset: FieldSet::default(),
        served_versions: Vec::new(),
        storage: Storage::Struct,
    }
}

fn writer(manager: &str) -> Writer<'_> {
    Writer { manager, subresource: "", now: "2026-01-01T00:00:00Z" }
}

/// The live object after we applied a configuration.
fn applied(desired: &Value, live: Option<&Value>) -> Value {
    let mut object =
        structured::apply(live, desired, &kind_of(desired), writer("landfall"), Force::Yes).expect("applies");
    object["metadata"]["uid"] = json!("1");
    object["metadata"]["resourceVersion"] = json!("7");
    object
}

/// The live object after somebody edited it.
fn edited(live: &Value, manager: &str, change: impl Fn(&mut Value)) -> Value {
    let mut new = live.clone();
    change(&mut new);
    structured::update(Some(live), new, &kind_of(live), writer(manager))
}

fn rules(entries: &[IgnoreDifference]) -> Rules {
    let (rules, problems) = Rules::new(entries, Options::default());
    assert_eq!(problems, Vec::<String>::new());
    rules
}

fn compared(desired: &Value, live: &Value, entries: &[IgnoreDifference]) -> Difference {
    compare(Some(desired), Some(live), &rules(entries), &BuiltIn)
}

fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [
                    {"name": "web", "image": "web:1", "env": [{"name": "A", "value": "1"}], "ports": [{"containerPort": 80}]}
                ]}
            }
        }
    })
}

fn ignore(kind: &str) -> IgnoreDifference {
    IgnoreDifference { group: "*".to_owned(), kind: kind.to_owned(), ..IgnoreDifference::default() }
}

#[test]
fn an_object_that_exists_on_one_side_only_is_missing_or_extra() {
    let (rules, object) = (rules(&[]), deployment());
    assert_eq!(compare(Some(&object), None, &rules, &BuiltIn).kind, DifferenceKind::Missing);
    assert_eq!(compare(None, Some(&object), &rules, &BuiltIn).kind, DifferenceKind::Extra);
    assert_eq!(compare(None, None, &rules, &BuiltIn).kind, DifferenceKind::InSync);
    assert_eq!(summary(&compare(Some(&object), None, &rules, &BuiltIn)), "missing in the cluster");
}

#[test]
fn what_we_applied_is_in_sync_with_what_the_server_made_of_it() {
    let desired = deployment();
    let mut live = applied(&desired, None);
    live["metadata"]["generation"] = json!(1);
    live["metadata"]["annotations"] = json!({"deployment.kubernetes.io/revision": "1"});
    live["spec"]["strategy"] =
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}});
    live["spec"]["template"]["spec"]["restartPolicy"] = json!("Always");
    live["spec"]["template"]["spec"]["containers"][0]["resources"] = json!({});
    live["spec"]["template"]["spec"]["containers"][0]["ports"][0]["protocol"] = json!("TCP");
    live["status"] = json!({"replicas": 2});
    let difference = compared(&desired, &live, &[]);
    assert_eq!((difference.kind, difference.fields), (DifferenceKind::InSync, Vec::new()));
}

#[test]
fn an_edit_of_our_field_is_a_difference_and_says_by_whom() {
    let desired = deployment();
    let live = edited(&applied(&desired, None), "kubectl-edit", |live| {
        live["spec"]["template"]["spec"]["containers"][0]["image"] = json!("web:hacked");
    });
    let difference = compared(&desired, &live, &[]);
    assert_eq!(difference.kind, DifferenceKind::Modified);
    let [field] = difference.fields.as_slice() else {
        panic!("{:?}", difference.fields);
    };
    assert_eq!(field.path, ".spec.template.spec.containers[name=\"web\"].image");
    assert_eq!((&field.desired, &field.live), (&Some(json!("web:1")), &Some(json!("web:hacked"))));
    assert_eq!((field.reason, field.changed_by.as_deref()), (Reason::Changed, Some("kubectl-edit")));
    assert_eq!(
        summary(&difference),
        ".spec.template.spec.containers[name=\"web\"].image differs (changed by kubectl-edit)"
    );
}

#[test]
fn what_others_added_is_no_difference() {
    let desired = deployment();
    let live = edited(&applied(&desired, None), "injector", |live| {
        live["spec"]["template"]["spec"]["containers"]
            .as_array_mut()
            .expect("list")
            .push(json!({"name": "proxy", "image": "p"}));
        live["metadata"]["labels"]["injected"] = json!("yes");
        live["spec"]["template"]["spec"]["containers"][0]["env"]
            .as_array_mut()
            .expect("list")
            .push(json!({"name": "X"}));
    });
    assert_eq!(compared(&desired, &live, &[]).fields, Vec::new());
}

#[test]
fn what_was_taken_out_of_git_is_a_difference() {
    let live = applied(&deployment(), None);
    let mut desired = deployment();
    desired["spec"]["template"]["spec"]["containers"][0]["env"] = json!([]);
    desired["metadata"]["labels"] = json!({});
    let difference = compared(&desired, &live, &[]);
    let paths: Vec<(&str, Reason)> =
        difference.fields.iter().map(|field| (field.path.as_str(), field.reason)).collect();
    assert_eq!(
        paths,
        [(".metadata.labels", Reason::Extra), (".spec.template.spec.containers[name=\"web\"].env", Reason::Extra)],
    );
}

#[test]
fn after_a_hand_over_from_client_side_apply_the_last_applied_configuration_decides_what_was_ours() {
    let desired = deployment();
    let mut last = desired.clone();
    last["spec"]["paused"] = json!(true);
    let mut live = last.clone();
    live["metadata"]["annotations"] = json!({LAST_APPLIED: last.to_string()});
    live["spec"]["minReadySeconds"] = json!(5);
    live["spec"]["revisionHistoryLimit"] = json!(10);
    let difference = compared(&desired, &live, &[]);
    let paths: Vec<&str> = difference.fields.iter().map(|field| field.path.as_str()).collect();
    assert_eq!(paths, [".spec.paused"], "{:?}", difference.notes);
}

#[test]
fn a_stale_last_applied_configuration_does_not_count_once_we_own_the_object() {
    let desired = deployment();
    let mut live = applied(&desired, None);
    let mut stale = desired.clone();
    stale["spec"]["minReadySeconds"] = json!(5);
    live["metadata"]["annotations"] = json!({LAST_APPLIED: stale.to_string()});
    live["spec"]["minReadySeconds"] = json!(5);
    assert_eq!(compared(&desired, &live, &[]).fields, Vec::new());
}

#[test]
fn an_application_that_argo_cd_applied_on_the_server_side_is_taken_over_without_a_difference() {
    let mut first = deployment();
    first["spec"]["paused"] = json!(true);
    let live =
        structured::apply(None, &first, &kind_of(&first), writer("argocd-controller"), Force::Yes).expect("applies");
    assert_eq!(compared(&first, &live, &[]).fields, Vec::new());
    let difference = compared(&deployment(), &live, &[]);
    let paths: Vec<&str> = difference.fields.iter().map(|field| field.path.as_str()).collect();
    assert_eq!(paths, [".spec.paused"]);
}

#[test]
fn pointers_expressions_and_managers_hide_what_they_name_and_nothing_else() {
    let desired = deployment();
    let live = edited(&applied(&desired, None), "hpa", |live| live["spec"]["replicas"] = json!(9));
    let live = edited(&live, "setter", |live| {
        live["spec"]["template"]["spec"]["containers"][0]["image"] = json!("web:2");
    });
    let by_pointer = IgnoreDifference { json_pointers: vec!["/spec/replicas".to_owned()], ..ignore("Deployment") };
    let by_expression = IgnoreDifference {
        jq_path_expressions: vec![".spec.template.spec.containers[] | select(.name == \"web\") | .image".to_owned()],
        ..ignore("Deploy*")
    };
    let by_manager = IgnoreDifference { managed_fields_managers: vec!["hpa".to_owned()], ..ignore("*") };
    let count = |entries: &[IgnoreDifference]| compared(&desired, &live, entries).fields.len();
    assert_eq!(count(&[]), 2);
    assert_eq!(count(std::slice::from_ref(&by_pointer)), 1);
    assert_eq!(count(std::slice::from_ref(&by_expression)), 1);
    assert_eq!(count(std::slice::from_ref(&by_manager)), 1);
    assert_eq!(count(&[by_manager, by_expression.clone()]), 0);
    assert_eq!(count(&[by_pointer.clone(), by_expression]), 0);
    let elsewhere = IgnoreDifference { name: "other".to_owned(), ..by_pointer.clone() };
    assert_eq!(count(&[elsewhere]), 2);
    let in_namespace = IgnoreDifference { namespace: "shop".to_owned(), group: "apps".to_owned(), ..by_pointer };
    assert_eq!(count(&[in_namespace]), 1);
}

#[test]
fn an_expression_that_fails_on_the_object_hides_nothing_and_is_noted() {
    let desired = deployment();
    let live = edited(&applied(&desired, None), "x", |live| live["spec"]["replicas"] = json!(9));
    let broken = IgnoreDifference { jq_path_expressions: vec![".spec.nothing[].x".to_owned()], ..ignore("*") };
    let difference = compared(&desired, &live, &[broken]);
    assert_eq!(difference.fields.len(), 1);
    assert!(difference.notes.iter().any(|note| note.contains(".spec.nothing[].x")), "{:?}", difference.notes);
}

#[test]
fn ignored_fields_are_carried_from_the_cluster_into_what_is_sent() {
    let desired = deployment();
    let live = edited(&applied(&desired, None), "hpa", |live| live["spec"]["replicas"] = json!(9));
    let live = edited(&live, "setter", |live| {
        live["spec"]["template"]["spec"]["containers"][0]["image"] = json!("web:2");
        live["spec"]["paused"] = json!(true);
        live["spec"].as_object_mut().expect("map").remove("selector");
    });
    let entry = IgnoreDifference {
        json_pointers: ["/spec/replicas", "/spec/paused", "/spec/selector", "/metadata/name"]
            .map(str::to_owned)
            .to_vec(),
        jq_path_expressions: vec![".spec.template.spec.containers[].image".to_owned()],
        ..ignore("*")
    };
    let carried = carry_ignored(&desired, &live, &rules(&[entry]), &BuiltIn);
    assert_eq!(carried["spec"]["replicas"], 9);
    assert_eq!(carried["spec"]["template"]["spec"]["containers"][0]["image"], "web:2");
    assert_eq!(carried["spec"].get("paused"), None, "it is the setter's, not ours");
    assert_eq!(carried["spec"].get("selector"), None, "the cluster has none");
    assert_eq!(carried["metadata"], desired["metadata"]);
}

#[test]
fn a_field_that_we_own_and_git_ignores_is_kept() {
    let mut first = deployment();
    first["spec"]["paused"] = json!(true);
    let live = applied(&first, None);
    let entry = IgnoreDifference { json_pointers: vec!["/spec/paused".to_owned()], ..ignore("*") };
    let carried = carry_ignored(&deployment(), &live, &rules(&[entry]), &BuiltIn);
    assert_eq!(carried["spec"]["paused"], true);
}

#[test]
fn an_object_that_the_server_would_refuse_is_compared_and_noted() {
    let live = applied(&deployment(), None);
    let mut desired = deployment();
    desired["spec"]["replicas"] = json!("two");
    let difference = compared(&desired, &live, &[]);
    assert_eq!(difference.kind, DifferenceKind::Modified);
    assert!(
        difference.notes.iter().any(|note| note.contains(".spec.replicas: expected numeric")),
        "{:?}",
        difference.notes
    );
}

#[test]
fn containers_in_another_order_are_a_difference_of_order() {
    let mut desired = deployment();
    desired["spec"]["template"]["spec"]["containers"] = json!([{"name": "a"}, {"name": "b"}]);
    let live = applied(&desired, None);
    desired["spec"]["template"]["spec"]["containers"] = json!([{"name": "b"}, {"name": "a"}]);
    let difference = compared(&desired, &live, &[]);
    assert_eq!(difference.fields.len(), 1);
    assert_eq!(difference.fields[0].reason, Reason::Order);
}

#[test]
fn the_values_of_secrets_are_never_shown() {
    let secret = |value: &str| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"password": value, "same": "c2FtZQ=="}});
    let live = applied(&secret("b2xk"), None);
    let difference = compared(&secret("bmV3"), &live, &[]);
    assert_eq!(difference.kind, DifferenceKind::Modified);
    let shown = format!("{difference:?}{}", render::unified(&difference, "Secret/s"));
    for secret in ["b2xk", "bmV3", "c2FtZQ=="] {
        assert!(!shown.contains(secret), "{shown}");
    }
    let text = render::unified(&difference, "Secret/s");
    assert!(text.contains("-  password: ++++++++++\n+  password: ++++++++\n"), "{text}");
}

#[test]
fn a_difference_reads_as_yaml() {
    let desired = deployment();
    let live = edited(&applied(&desired, None), "x", |live| live["spec"]["replicas"] = json!(9));
    let text = render::unified(&compared(&desired, &live, &[]), "Deployment/shop/web");
    assert!(text.starts_with("--- live/Deployment/shop/web\n+++ desired/Deployment/shop/web\n@@"), "{text}");
    assert!(text.contains("-  replicas: 9\n+  replicas: 2\n"), "{text}");
}
