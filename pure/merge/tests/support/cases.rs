//! Random requests to the oracle.

use landfall_merge::builtin::schema_of;
use landfall_merge::crd::CustomSchema;
use landfall_merge::schema::Schema;
use serde_json::{Map, Value, json};

use super::answer;
use super::generate::{Random, TAME, WILD, Wildness, changed, custom_schema, value};

/// Built-in kinds with every sort of list and map.
const KINDS: [(&str, &str); 12] = [
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("v1", "Pod"),
    ("v1", "Service"),
    ("v1", "ConfigMap"),
    ("v1", "ServiceAccount"),
    ("networking.k8s.io/v1", "Ingress"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
    ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration"),
    ("rbac.authorization.k8s.io/v1", "ClusterRole"),
    ("batch/v1", "CronJob"),
];

/// One random request.
pub fn case(random: &mut Random) -> Value {
    match random.below(10) {
        0..=4 => custom_history(random),
        5 | 6 => built_in_history(random),
        7 => strategic_apply(random),
        8 => strategic_create(random),
        _ => json_patch(random),
    }
}

fn custom_history(random: &mut Random) -> Value {
    let schema = custom_schema(random);
    let custom = CustomSchema::new(Some(&schema));
    let wild = if random.percent(50) { TAME } else { WILD };
    let steps = history(random, custom.schema(), ("example.com/v1", "Thing"), wild);
    json!({"op": "history", "schema": schema, "apiVersion": "example.com/v1", "kind": "Thing", "steps": steps})
}

fn built_in_history(random: &mut Random) -> Value {
    let (api_version, kind) = *random.pick(&KINDS);
    let wild = if random.percent(70) { TAME } else { WILD };
    let steps = history(random, schema_of(api_version, kind), (api_version, kind), wild);
    json!({"op": "history", "schema": null, "apiVersion": api_version, "kind": kind, "steps": steps})
}

fn object(
    random: &mut Random,
    schema: Schema<'_>,
    kind: (&str, &str),
    wild: Wildness,
    before: Option<&Value>,
) -> Value {
    let mut object = json!({"apiVersion": kind.0, "kind": kind.1, "metadata": {"name": "thing"}});
    for label in ["l", "m"] {
        if random.percent(30) {
            object["metadata"]["labels"][label] = json!(random.pick(&["1", "2"]));
        }
    }
    if random.percent(20) {
        object["metadata"]["finalizers"] = json!([random.pick(&["f/1", "f/2"])]);
    }
    for name in schema.node().properties.keys() {
        if matches!(name.as_str(), "apiVersion" | "kind" | "metadata") {
            continue;
        }
        let inside = schema.field(name).expect("declared");
        let made = match before.and_then(|before| before.get(name)) {
            Some(old) => changed(random, old, inside, wild, 9),
            None => value(random, inside, wild, 9),
        };
        if random.percent(85) {
            object[name] = made;
        }
    }
    object
}

fn history(random: &mut Random, schema: Schema<'_>, kind: (&str, &str), wild: Wildness) -> Vec<Value> {
    let mut steps = Vec::new();
    let mut configurations: [Option<Value>; 3] = [None, None, None];
    let mut live: Option<Value> = None;
    for _ in 0..2 + random.below(5) {
        let who = random.below(3);
        let manager = ["one", "two", "kubectl"][who];
        let is_apply = random.percent(65);
        let before = if is_apply { configurations[who].clone().or_else(|| live.clone()) } else { live.clone() };
        let object = object(random, schema, kind, wild, before.as_ref());
        let step = json!({"op": if is_apply { "apply" } else { "update" }, "manager": manager, "force": random.percent(60), "object": object});
        if is_apply {
            configurations[who] = Some(object);
        }
        live = answer::step(live.as_ref(), &step, schema, kind.0).or(live);
        steps.push(step);
    }
    steps
}

fn strategic_apply(random: &mut Random) -> Value {
    let (api_version, kind) = *random.pick(&KINDS);
    let schema = schema_of(api_version, kind);
    let original = object(random, schema, (api_version, kind), TAME, None);
    let nulls = Wildness { nulls: 6, ..TAME };
    let mut patch = object(random, schema, (api_version, kind), nulls, Some(&original));
    direct(random, &mut patch, schema);
    json!({"op": "strategic", "apiVersion": api_version, "kind": kind, "original": original, "patch": patch})
}

/// Puts directives into a patch.
fn direct(random: &mut Random, patch: &mut Value, schema: Schema<'_>) {
    let Value::Object(map) = patch else {
        return;
    };
    let mut orders = Map::new();
    let names: Vec<String> = map.keys().cloned().collect();
    for name in names {
        let (Some(node), Some(inside)) = (schema.field_node(&name), schema.field(&name)) else {
            continue;
        };
        let merges = node.patch_strategies.iter().any(|strategy| strategy == "merge");
        match map.get_mut(&name) {
            Some(Value::Object(nested)) => {
                let has_fields = !inside.node().properties.is_empty();
                if has_fields && random.percent(4) {
                    nested.insert("$patch".to_owned(), json!(random.pick(&["replace", "delete", "merge"])));
                }
                if has_fields && random.percent(5) {
                    let keys: Vec<&String> = nested.keys().collect();
                    let keys = json!(keys);
                    nested.insert("$retainKeys".to_owned(), keys);
                }
                let mut value = Value::Object(std::mem::take(nested));
                direct(random, &mut value, inside);
                map.insert(name, value);
            }
            Some(Value::Array(list)) if merges => {
                if let Some(key) = &node.patch_merge_key {
                    if random.percent(15) {
                        let order: Vec<Value> = list.iter().map(|element| json!({key: element.get(key)})).collect();
                        orders.insert(format!("$setElementOrder/{name}"), Value::Array(order));
                    }
                    for element in list.iter_mut() {
                        if random.percent(10) && element.is_object() {
                            element["$patch"] = json!("delete");
                        } else {
                            direct(random, element, inside.items());
                        }
                    }
                    if random.percent(4) {
                        list.push(json!({"$patch": "replace"}));
                    }
                } else if !list.contains(&json!("f/1")) && random.percent(50) {
                    orders.insert(format!("$deleteFromPrimitiveList/{name}"), json!(["f/1"]));
                }
            }
            _ => {}
        }
    }
    map.extend(orders);
}

fn strategic_create(random: &mut Random) -> Value {
    let (api_version, kind) = *random.pick(&KINDS);
    let schema = schema_of(api_version, kind);
    let original = object(random, schema, (api_version, kind), TAME, None);
    let modified = object(random, schema, (api_version, kind), TAME, Some(&original));
    if random.percent(50) {
        return json!({"op": "strategicTwoWay", "apiVersion": api_version, "kind": kind, "original": original, "modified": modified});
    }
    let current = object(random, schema, (api_version, kind), TAME, Some(&original));
    json!({
        "op": "strategicThreeWay", "apiVersion": api_version, "kind": kind,
        "original": original, "modified": modified, "current": current
    })
}

fn json_patch(random: &mut Random) -> Value {
    let document = json!({"a": {"b": [1, {"c": null}, "x"], "d/e": {"f": 1}}, "g": [], "h": "text"});
    let paths = [
        "/a",
        "/a/b",
        "/a/b/0",
        "/a/b/1/c",
        "/a/b/-",
        "/a/b/-1",
        "/a/b/9",
        "/a/d~1e/f",
        "/g/0",
        "/h",
        "/h/i",
        "/x",
        "/x/y",
        "",
        "a",
    ];
    let values = [json!(1), json!("x"), json!(null), json!({"c": null}), json!([1]), json!({"z": {}})];
    let mut operations = Vec::new();
    for _ in 0..1 + random.below(4) {
        let mut operation = Map::new();
        let op = *random.pick(&["add", "remove", "replace", "move", "copy", "test", "test"]);
        operation.insert("op".to_owned(), json!(op));
        operation.insert("path".to_owned(), json!(random.pick(&paths)));
        if matches!(op, "move" | "copy") {
            operation.insert("from".to_owned(), json!(random.pick(&paths)));
        } else if random.percent(90) {
            operation.insert("value".to_owned(), random.pick(&values).clone());
        }
        operations.push(Value::Object(operation));
    }
    json!({"op": "jsonPatch", "original": document, "patch": operations})
}
