//! The simulated controllers against the real ones: the same manifests, the same conditions, reasons, messages and events.
//!
//! What must differ is taken out first: times, identities, random suffixes, addresses. Pods themselves are not compared,
//! since neither side runs containers; what their controllers make of them is.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Context as _;
use landfall_e2e::plane::{Kind, Plane};
use serde_json::{Value, json};

/// What is applied, what is changed afterwards, and when it is done.
struct Case {
    name: &'static str,
    objects: Vec<Value>,
    changes: Vec<(&'static str, Value)>,
    /// Paths of objects to compare, below the namespace.
    compared: Vec<&'static str>,
    /// A path and a pointer that must be there before anything is compared, with the value.
    done: Vec<(&'static str, &'static str, Value)>,
}

fn pod_template(labels: &Value, image: &str) -> Value {
    json!({"metadata": {"labels": labels}, "spec": {"terminationGracePeriodSeconds": 0, "containers": [{"name": "main", "image": image}]}})
}

fn workload(kind: &str, name: &str, extra: Value) -> Value {
    let labels = json!({"app": name});
    let mut object = json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": labels}, "template": pod_template(&labels, "web:1")}});
    for (key, value) in extra.as_object().into_iter().flatten() {
        object["spec"][key] = value.clone();
    }
    object
}

fn cases() -> Vec<Case> {
    let deployments = "apis/apps/v1/namespaces/NS/deployments/web";
    let image = json!({"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "web:2"}]}}}});
    vec![
        Case {
            name: "a deployment that rolls out",
            objects: vec![workload("Deployment", "web", json!({"replicas": 3}))],
            changes: vec![],
            compared: vec![deployments, "apis/apps/v1/namespaces/NS/replicasets"],
            done: vec![
                (deployments, "/status/availableReplicas", json!(3)),
                (deployments, "/status/conditions/1/reason", json!("NewReplicaSetAvailable")),
            ],
        },
        Case {
            name: "a deployment that is updated",
            objects: vec![workload("Deployment", "web", json!({"replicas": 4, "revisionHistoryLimit": 2}))],
            changes: vec![(deployments, image.clone()), (deployments, json!({"spec": {"replicas": 2}}))],
            compared: vec![deployments, "apis/apps/v1/namespaces/NS/replicasets"],
            done: vec![
                (deployments, "/status/observedGeneration", json!(3)),
                (deployments, "/status/replicas", json!(2)),
                (deployments, "/status/updatedReplicas", json!(2)),
                (deployments, "/status/availableReplicas", json!(2)),
            ],
        },
        Case {
            name: "a deployment that is recreated",
            objects: vec![workload("Deployment", "web", json!({"replicas": 2, "strategy": {"type": "Recreate"}}))],
            changes: vec![(deployments, image.clone())],
            compared: vec![deployments, "apis/apps/v1/namespaces/NS/replicasets"],
            done: vec![
                (deployments, "/status/observedGeneration", json!(2)),
                (deployments, "/status/updatedReplicas", json!(2)),
                (deployments, "/status/availableReplicas", json!(2)),
                (deployments, "/status/replicas", json!(2)),
            ],
        },
        Case {
            name: "a deployment that is paused",
            objects: vec![workload("Deployment", "web", json!({"replicas": 2, "paused": true}))],
            changes: vec![],
            compared: vec![deployments],
            done: vec![
                (deployments, "/status/observedGeneration", json!(1)),
                (deployments, "/status/conditions/0/status", json!("Unknown")),
            ],
        },
        Case {
            name: "a stateful set that is updated",
            objects: vec![workload("StatefulSet", "web", json!({"replicas": 2, "serviceName": "web"}))],
            changes: vec![("apis/apps/v1/namespaces/NS/statefulsets/web", image.clone())],
            compared: vec!["apis/apps/v1/namespaces/NS/statefulsets/web"],
            done: vec![
                ("apis/apps/v1/namespaces/NS/statefulsets/web", "/status/observedGeneration", json!(2)),
                ("apis/apps/v1/namespaces/NS/statefulsets/web", "/status/updatedReplicas", json!(2)),
                ("apis/apps/v1/namespaces/NS/statefulsets/web", "/status/currentReplicas", json!(2)),
                ("apis/apps/v1/namespaces/NS/statefulsets/web", "/status/availableReplicas", json!(2)),
            ],
        },
        Case {
            name: "a daemon set",
            objects: vec![workload("DaemonSet", "web", json!({}))],
            changes: vec![],
            compared: vec!["apis/apps/v1/namespaces/NS/daemonsets/web"],
            done: vec![("apis/apps/v1/namespaces/NS/daemonsets/web", "/status/numberAvailable", json!(1))],
        },
        Case {
            name: "a job that succeeds",
            objects: vec![
                json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "web"}, "spec": {"completions": 2, "parallelism": 2,
                "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "busybox", "command": ["true"]}]}}}}),
            ],
            changes: vec![],
            compared: vec!["apis/batch/v1/namespaces/NS/jobs/web"],
            done: vec![("apis/batch/v1/namespaces/NS/jobs/web", "/status/conditions/1/type", json!("Complete"))],
        },
        Case {
            name: "a job that is suspended",
            objects: vec![
                json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "web"}, "spec": {"suspend": true,
                "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "busybox", "command": ["true"]}]}}}}),
            ],
            changes: vec![],
            compared: vec!["apis/batch/v1/namespaces/NS/jobs/web"],
            done: vec![("apis/batch/v1/namespaces/NS/jobs/web", "/status/conditions/0/type", json!("Suspended"))],
        },
        Case {
            name: "a disruption budget and a service over a deployment",
            objects: vec![
                workload("Deployment", "web", json!({"replicas": 3})),
                json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "web"}, "spec": {"minAvailable": 2, "selector": {"matchLabels": {"app": "web"}}}}),
                json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}}),
            ],
            changes: vec![],
            compared: vec![
                "apis/policy/v1/namespaces/NS/poddisruptionbudgets/web",
                "apis/discovery.k8s.io/v1/namespaces/NS/endpointslices",
                "api/v1/namespaces/NS/endpoints/web",
            ],
            done: vec![
                ("apis/policy/v1/namespaces/NS/poddisruptionbudgets/web", "/status/disruptionsAllowed", json!(1)),
                ("api/v1/namespaces/NS/endpoints/web", "/subsets/0/addresses/2/targetRef/kind", json!("Pod")),
            ],
        },
    ]
}

async fn send(client: &kube::Client, method: &str, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
    let content = if method == "PATCH" { "application/strategic-merge-patch+json" } else { "application/json" };
    let request = http::Request::builder()
        .method(method)
        .uri(format!("/{path}"))
        .header("content-type", content)
        .body(body.map(|body| body.to_string().into_bytes()).unwrap_or_default())?;
    client.request::<Value>(request).await.with_context(|| format!("{method} {path}"))
}

fn collection(object: &Value, namespace: &str) -> String {
    let version = object["apiVersion"].as_str().unwrap_or("v1");
    let root = if version == "v1" { "api/v1".to_owned() } else { format!("apis/{version}") };
    let kind = object["kind"].as_str().unwrap_or("").to_lowercase();
    format!("{root}/namespaces/{namespace}/{kind}s")
}

async fn wait_for(client: &kube::Client, namespace: &str, done: &[(&str, &str, Value)]) -> anyhow::Result<()> {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(40);
    for (path, pointer, wanted) in done {
        let path = path.replace("NS", namespace);
        loop {
            let held = send(client, "GET", &path, None).await.unwrap_or_default();
            if held.pointer(pointer) == Some(wanted) {
                break;
            }
            if tokio::time::Instant::now() > deadline {
                anyhow::bail!("{path} never had {wanted} at {pointer}: {}", held["status"]);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    Ok(())
}

/// Takes out what must differ.
fn normal(value: &mut Value, names: &[(String, &'static str)]) {
    match value {
        Value::Object(map) => {
            for key in [
                "uid",
                "resourceVersion",
                "creationTimestamp",
                "managedFields",
                "selfLink",
                "lastTransitionTime",
                "lastUpdateTime",
                "lastProbeTime",
                "startTime",
                "completionTime",
                "firstTimestamp",
                "lastTimestamp",
                "eventTime",
                "ip",
                "addresses",
                "nodeName",
                "zone",
                "clusterIP",
                "clusterIPs",
                "currentRevision",
                "updateRevision",
                "generateName",
                "count",
                "collisionCount",
                "controller-uid",
                "batch.kubernetes.io/controller-uid",
            ] {
                map.remove(key);
            }
            for key in ["endpoints.kubernetes.io/last-change-trigger-time", "deprecated.daemonset.template.generation"]
            {
                map.remove(key);
            }
            for (_, inner) in map.iter_mut() {
                normal(inner, names);
            }
        }
        Value::Array(items) => {
            for item in items.iter_mut() {
                normal(item, names);
            }
            items.sort_by_key(|item| item.to_string());
        }
        Value::String(text) => {
            for (name, told) in names {
                *text = text.replace(name.as_str(), told);
            }
            // What is told together depends on how fast it happened.
            *text = random_taken_out(text.trim_start_matches("(combined from similar events): "));
        }
        _ => {}
    }
}

/// `web-6d4b75cb6d-x2b9f` is `web-*`: hashes and generated suffixes are runs of the letters of generated names.
fn random_taken_out(text: &str) -> String {
    let is_letter = |c: char| "bcdfghjklmnpqrstvwxz2456789".contains(c);
    let mut out = String::new();
    for (index, part) in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric()).enumerate() {
        let word = part.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        let rest = &part[word.len()..];
        let is_random =
            (index > 0 || word.len() >= 8) && word.len() >= 5 && word.len() <= 10 && word.chars().all(is_letter);
        out.push_str(if is_random { "*" } else { word });
        out.push_str(rest);
    }
    out
}

async fn observe(
    client: &kube::Client,
    namespace: &str,
    case: &Case,
) -> anyhow::Result<(BTreeSet<String>, BTreeSet<String>)> {
    send(client, "POST", "api/v1/namespaces", Some(&json!({"metadata": {"name": namespace}}))).await?;
    // Its service account comes a moment later.
    wait_for(
        client,
        namespace,
        &[("api/v1/namespaces/NS/serviceaccounts/default", "/metadata/name", json!("default"))],
    )
    .await?;
    for object in &case.objects {
        send(client, "POST", &collection(object, namespace), Some(object)).await?;
    }
    for (path, change) in &case.changes {
        // What was wanted first has happened before something else is wanted.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        send(client, "PATCH", &path.replace("NS", namespace), Some(change)).await?;
    }
    wait_for(client, namespace, &case.done).await?;
    tokio::time::sleep(Duration::from_millis(700)).await;
    let names = vec![(namespace.to_owned(), "NS")];
    let mut seen = BTreeSet::new();
    for path in &case.compared {
        let mut held = send(client, "GET", &path.replace("NS", namespace), None).await?;
        normal(&mut held, &names);
        if path.ends_with("endpointslices") {
            // How often it was written depends on how fast pods became ready.
            for slice in held["items"].as_array_mut().into_iter().flatten() {
                slice["metadata"]["generation"] = Value::Null;
            }
        }
        let items = held["items"].as_array().cloned().unwrap_or_else(|| vec![held.clone()]);
        for item in items {
            flatten(&format!("{path} "), "", &item, &mut seen);
        }
    }
    let mut events = BTreeSet::new();
    let list = send(client, "GET", &format!("api/v1/namespaces/{namespace}/events"), None).await?;
    for event in list["items"].as_array().into_iter().flatten() {
        let by = event["source"]["component"].as_str().or(event["reportingComponent"].as_str()).unwrap_or("");
        if event["reason"] == "NoPods" {
            // A budget that is looked at before the pods are there says so.
            continue;
        }
        if matches!(by, "kubelet" | "default-scheduler" | "" | "kwok" | "kwok-controller")
            || event["involvedObject"]["kind"] == "Pod"
        {
            continue;
        }
        let mut message = event["message"].clone();
        normal(&mut message, &names);
        events.insert(format!(
            "{by}: {} {} {}",
            event["type"].as_str().unwrap_or(""),
            event["reason"].as_str().unwrap_or(""),
            message.as_str().unwrap_or("")
        ));
    }
    Ok((seen, events))
}

fn flatten(path: &str, at: &str, value: &Value, all: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, inner) in map {
                flatten(path, &format!("{at}.{key}"), inner, all);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                match item.get("type").and_then(Value::as_str) {
                    Some(kind) => flatten(path, &format!("{at}[{kind}]"), item, all),
                    None => flatten(path, &format!("{at}[]"), item, all),
                }
            }
        }
        other => {
            all.insert(format!("{path}{at} = {other}"));
        }
    }
}

/// True for what only says in how many steps a rolling update went: that depends on how many pods become ready between two looks of the
/// real controller.
fn counts_steps(difference: &str) -> bool {
    let is_about_sets = difference.contains("/replicasets .");
    difference.starts_with("a deployment that is updated: ")
        && (is_about_sets
            && (difference.contains(".metadata.generation") || difference.contains(".observedGeneration"))
            || difference.contains("ScalingReplicaSet Scaled"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn simulated_controllers_say_what_the_real_ones_say() {
    let _already_set = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let sandbox = landfall_sandbox::Sandbox::builder().quick_probes().nodes(1).start().await.unwrap();
    let ours = kube::Client::new(sandbox.client_service(), "default");
    let plane = Plane::start(Kind::Testbed, &folder.path().join("plane")).await.unwrap();
    let theirs = plane.client().await.unwrap();
    let mut differences = Vec::new();
    for (number, case) in cases().iter().enumerate() {
        let namespace = format!("case-{number}");
        let (ours, theirs) = tokio::join!(observe(&ours, &namespace, case), observe(&theirs, &namespace, case));
        let ((our_fields, our_events), (their_fields, their_events)) = match (ours, theirs) {
            (Ok(ours), Ok(theirs)) => (ours, theirs),
            (ours, theirs) => {
                for (who, error) in [("sandbox", ours.err()), ("real", theirs.err())] {
                    if let Some(error) = error {
                        differences.push(format!("{}: {who}: {error:#}", case.name));
                    }
                }
                continue;
            }
        };
        for (what, ours, theirs) in [("field", our_fields, their_fields), ("event", our_events, their_events)] {
            differences.extend(
                theirs.difference(&ours).map(|line| format!("{}: {what} only in the real one: {line}", case.name)),
            );
            differences.extend(
                ours.difference(&theirs).map(|line| format!("{}: {what} only in the sandbox: {line}", case.name)),
            );
        }
    }
    differences.retain(|difference| !counts_steps(difference));
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}
