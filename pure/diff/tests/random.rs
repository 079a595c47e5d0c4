//! What holds for every object: it is in sync with itself applied, a changed field of ours shows, and nothing makes the comparison panic.

#[expect(unreachable_pub, dead_code, reason = "shared with the tests of landfall-merge")]
#[path = "../../merge/tests/support/generate.rs"]
mod generate;

use generate::{Random, TAME, WILD, changed, value};
use landfall_diff::compare::{DifferenceKind, compare};
use landfall_diff::render;
use landfall_diff::rules::{Options, Rules};
use landfall_diff::schemas::BuiltIn;
use landfall_merge::builtin::{kubernetes, schema_of};
use landfall_merge::fields::set::FieldSet;
use landfall_merge::structured::{self, Force, Kind, Storage, Writer};
use landfall_model::application::IgnoreDifference;
use serde_json::{Value, json};

const KINDS: [(&str, &str); 10] = [
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "DaemonSet"),
    ("v1", "Pod"),
    ("v1", "Service"),
    ("v1", "ConfigMap"),
    ("networking.k8s.io/v1", "Ingress"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("rbac.authorization.k8s.io/v1", "ClusterRole"),
    ("batch/v1", "CronJob"),
];

fn object(random: &mut Random, api_version: &str, kind: &str) -> Value {
    let mut object =
        json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "thing", "namespace": "shop"}});
    let schema = schema_of(api_version, kind);
    for name in schema
        .node()
        .properties
        .keys()
        .filter(|name| !matches!(name.as_str(), "apiVersion" | "kind" | "metadata" | "status"))
    {
        object[name] = value(random, schema.field(name).expect("declared"), TAME, 9);
    }
    object
}

fn applied(desired: &Value) -> Value {
    let api_version = desired["apiVersion"].as_str().expect("text");
    let schema = schema_of(api_version, desired["kind"].as_str().expect("text"));
    let kind =
        Kind { api_version, schema, reset: FieldSet::default(), served_versions: Vec::new(), storage: Storage::Struct };
    let writer = Writer { manager: "landfall", subresource: "", now: "2026-01-01T00:00:00Z" };
    structured::apply(None, desired, &kind, writer, Force::Yes).expect("applies")
}

/// Pointers to all booleans: fields that stand for themselves, whatever their values.
fn booleans(value: &Value, pointer: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, inside) in map {
                booleans(inside, &format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1")), found);
            }
        }
        Value::Array(list) => {
            for (index, inside) in list.iter().enumerate() {
                booleans(inside, &format!("{pointer}/{index}"), found);
            }
        }
        Value::Bool(_) => found.push(pointer.to_owned()),
        _ => {}
    }
}

#[test]
fn an_object_is_in_sync_with_itself_applied_and_a_changed_field_shows() {
    let rules = Rules::default();
    let mut changed_fields = 0;
    for seed in 0..300 {
        let mut random = Random(seed);
        let (api_version, kind) = *random.pick(&KINDS);
        let desired = object(&mut random, api_version, kind);
        let live = applied(&desired);
        let difference = compare(Some(&desired), Some(&live), &rules, &BuiltIn);
        assert_eq!(difference.fields, Vec::new(), "seed {seed}: {desired}");
        assert_eq!(render::unified(&difference, "thing"), "", "seed {seed}");
        let mut edited = live.clone();
        let mut pointers = Vec::new();
        booleans(&live["spec"], "/spec", &mut pointers);
        if pointers.is_empty() {
            continue;
        }
        let pointer = random.pick(&pointers).clone();
        let place = edited.pointer_mut(&pointer).expect("found there");
        *place = json!(*place != json!(true));
        let difference = compare(Some(&desired), Some(&edited), &rules, &BuiltIn);
        assert_eq!(difference.kind, DifferenceKind::Modified, "seed {seed}: {pointer} of {desired}");
        changed_fields += 1;
    }
    assert!(changed_fields > 30, "{changed_fields}");
}

#[test]
fn wild_objects_and_rules_are_compared_without_a_panic() {
    let entry = IgnoreDifference {
        group: "*".to_owned(),
        kind: "*".to_owned(),
        json_pointers: vec![
            "/spec/template/spec/containers/0".to_owned(),
            "/".to_owned(),
            "/metadata/labels/l".to_owned(),
        ],
        jq_path_expressions: vec![
            "..".to_owned(),
            ".spec[]?".to_owned(),
            ".spec.template.spec.containers[1:]".to_owned(),
        ],
        managed_fields_managers: vec!["landfall".to_owned()],
        ..IgnoreDifference::default()
    };
    let (some, problems) = Rules::new(&[entry], Options::default());
    assert_eq!(problems, Vec::<String>::new());
    let kinds: Vec<(String, String)> = kubernetes()
        .kinds()
        .map(|(group, version, kind)| {
            (if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }, kind.to_owned())
        })
        .collect();
    for seed in 0..400 {
        let mut random = Random(seed);
        let (api_version, kind) = random.pick(&kinds).clone();
        let schema = schema_of(&api_version, &kind);
        let mut one = value(&mut random, schema, WILD, 8);
        if one.is_object() {
            one["apiVersion"] = json!(api_version);
            one["kind"] = json!(kind);
        }
        let other = changed(&mut random, &one, schema, WILD, 8);
        for rules in [&Rules::default(), &some] {
            for (desired, live) in
                [(Some(&one), Some(&other)), (Some(&other), Some(&one)), (None, Some(&one)), (Some(&one), None)]
            {
                let difference = compare(desired, live, rules, &BuiltIn);
                drop(render::unified(&difference, "thing"));
            }
            drop(landfall_diff::carry::carry_ignored(&one, &other, rules, &BuiltIn));
        }
    }
}
