//! Faults on demand: in workloads, nodes, namespaces, admission, the API server and the clock; snapshots.

use std::time::Duration;

use crate::common::{client, config_map, deployment, object, sandbox};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Event, Node, Pod};
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams};
use landfall_sandbox::{Rule, Sandbox, Snapshot};
use serde_json::{Value, json};

#[expect(clippy::unwrap_used, reason = "a helper of tests: what is missing fails them")]
fn rule(sandbox: &Sandbox, line: &str) {
    sandbox.fault(&line.parse::<Rule>().unwrap());
}

#[expect(clippy::unwrap_used, reason = "a helper of tests: what is missing fails them")]
async fn pods(sandbox: &Sandbox) -> Vec<Value> {
    let pods: Api<Pod> = Api::default_namespaced(client(sandbox));
    pods.list(&ListParams::default())
        .await
        .unwrap()
        .items
        .into_iter()
        .map(|pod| serde_json::to_value(pod).unwrap())
        .collect()
}

#[expect(clippy::unwrap_used, reason = "a helper of tests: what is missing fails them")]
async fn roll_out(sandbox: &Sandbox, replicas: i64) -> Api<Deployment> {
    let deployments: Api<Deployment> = Api::default_namespaced(client(sandbox));
    deployments.create(&PostParams::default(), &object(deployment("web", replicas, "web:1"))).await.unwrap();
    sandbox.settle().await;
    deployments
}

#[expect(clippy::unwrap_used, reason = "a helper of tests: what is missing fails them")]
async fn ready(deployments: &Api<Deployment>) -> i32 {
    deployments.get("web").await.unwrap().status.unwrap().ready_replicas.unwrap_or(0)
}

#[tokio::test]
async fn a_fault_on_the_workload_itself_comes_and_goes_without_a_new_rollout() {
    let sandbox = sandbox().await;
    let deployments = roll_out(&sandbox, 2).await;
    let annotate = async |fault: Value| {
        let patch = Patch::Merge(json!({"metadata": {"annotations": {"sandbox.landfall.io/fault": fault}}}));
        deployments.patch("web", &PatchParams::default(), &patch).await.unwrap();
        sandbox.settle().await;
    };
    annotate(json!("not-ready")).await;
    assert_eq!(ready(&deployments).await, 0);
    assert_eq!(
        deployments.get("web").await.unwrap().metadata.annotations.unwrap()["deployment.kubernetes.io/revision"],
        "1"
    );
    annotate(Value::Null).await;
    assert_eq!(ready(&deployments).await, 2);
}

#[tokio::test]
async fn readiness_is_lost_and_failing_liveness_restarts_the_container() {
    let sandbox = sandbox().await;
    let deployments: Api<Deployment> = Api::default_namespaced(client(&sandbox));
    let mut wanted = deployment("web", 1, "web:1");
    wanted["spec"]["template"]["spec"]["containers"][0]["livenessProbe"] =
        json!({"httpGet": {"path": "/", "port": 80}, "periodSeconds": 10});
    wanted["spec"]["template"]["metadata"]["annotations"] =
        json!({"sandbox.landfall.io/fault": "unready=30s,unhealthy=60s"});
    deployments.create(&PostParams::default(), &object(wanted)).await.unwrap();
    sandbox.advance(Duration::from_secs(29)).await;
    assert_eq!(ready(&deployments).await, 1);
    sandbox.advance(Duration::from_secs(2)).await;
    assert_eq!(ready(&deployments).await, 0);
    // Three failures ten seconds apart, from the sixtieth second on.
    sandbox.advance(Duration::from_secs(55)).await;
    let status = &pods(&sandbox).await[0]["status"]["containerStatuses"][0];
    assert_eq!(
        (&status["restartCount"], &status["lastState"]["terminated"]["exitCode"]),
        (&json!(1), &json!(137)),
        "{status}"
    );
    let events: Api<Event> = Api::default_namespaced(client(&sandbox));
    let told = events.list(&ListParams::default()).await.unwrap().items;
    assert!(
        told.iter()
            .any(|event| event.message.as_deref() == Some("Container main failed liveness probe, will be restarted"))
    );
}

#[tokio::test]
async fn the_pods_of_a_lost_node_move_after_their_toleration_and_the_node_comes_back() {
    let sandbox = sandbox().await;
    let deployments = roll_out(&sandbox, 4).await;
    let nodes: Api<Node> = Api::all(client(&sandbox));
    rule(&sandbox, "@node/node-1 lost");
    sandbox.advance(Duration::from_secs(60)).await;
    let node = serde_json::to_value(nodes.get("node-1").await.unwrap()).unwrap();
    let condition =
        node["status"]["conditions"].as_array().unwrap().iter().find(|held| held["type"] == "Ready").unwrap();
    assert_eq!((&condition["status"], &condition["reason"]), (&json!("Unknown"), &json!("NodeStatusUnknown")));
    assert_eq!(node["spec"]["taints"][1]["effect"], "NoExecute");
    assert_eq!(ready(&deployments).await, 2, "those on the other node");
    sandbox.advance(Duration::from_secs(320)).await;
    assert_eq!(ready(&deployments).await, 4);
    let on_lost: Vec<_> = pods(&sandbox).await.into_iter().filter(|pod| pod["spec"]["nodeName"] == "node-1").collect();
    assert_eq!(on_lost.len(), 2);
    assert!(
        on_lost.iter().all(|pod| pod["metadata"]["deletionTimestamp"].is_string()),
        "nobody confirms that they stopped"
    );
    sandbox.heal("@node/node-1");
    sandbox.advance(Duration::from_secs(5)).await;
    assert!(pods(&sandbox).await.iter().all(|pod| pod["spec"]["nodeName"] == "node-2"));
    assert!(nodes.get("node-1").await.unwrap().spec.unwrap().taints.is_none());
}

#[tokio::test]
async fn a_full_namespace_and_a_webhook_refuse_and_the_workload_says_so() {
    let sandbox = sandbox().await;
    rule(&sandbox, "@namespace/default quota");
    let deployments = roll_out(&sandbox, 1).await;
    let status = serde_json::to_value(deployments.get("web").await.unwrap().status).unwrap();
    let failure =
        status["conditions"].as_array().unwrap().iter().find(|held| held["type"] == "ReplicaFailure").unwrap();
    assert!(failure["message"].as_str().unwrap().contains("exceeded quota"), "{failure}");
    sandbox.heal("@namespace/default");
    sandbox.advance(Duration::from_secs(30)).await;
    assert_eq!(ready(&deployments).await, 1);

    let maps: Api<ConfigMap> = Api::default_namespaced(client(&sandbox));
    rule(&sandbox, "@webhook/policy/configmaps reject=not on a Friday");
    let refused = maps.create(&PostParams::default(), &config_map("a", "k", "v")).await.unwrap_err();
    assert!(
        refused.to_string().contains("admission webhook \"policy\" denied the request: not on a Friday"),
        "{refused}"
    );
    rule(&sandbox, "@webhook/policy/configmaps down");
    let refused = maps.create(&PostParams::default(), &config_map("a", "k", "v")).await.unwrap_err();
    assert!(refused.to_string().contains("failed calling webhook \"policy\""), "{refused}");
    rule(&sandbox, "@webhook/policy/configmaps label=team:shop");
    let made = maps.create(&PostParams::default(), &config_map("a", "k", "v")).await.unwrap();
    assert_eq!(made.metadata.labels.unwrap()["team"], "shop");
}

#[tokio::test]
async fn the_api_server_refuses_and_waits_on_demand() {
    let sandbox = sandbox().await;
    let maps: Api<ConfigMap> = Api::default_namespaced(client(&sandbox));
    rule(&sandbox, "@api/list/configmaps 429=100%,retry-after=7s");
    match maps.list(&ListParams::default()).await.unwrap_err() {
        kube::Error::Api(status) => assert_eq!((status.code, status.reason.as_str()), (429, "TooManyRequests")),
        other => panic!("{other}"),
    }
    maps.get("kube-root-ca.crt").await.unwrap();
    rule(&sandbox, "@api/list/configmaps 500=100%");
    assert!(maps.list(&ListParams::default()).await.is_err_and(|error| error.to_string().contains("Internal error")));
    rule(&sandbox, "@api/get/configmaps latency=30ms");
    let begun = std::time::Instant::now();
    maps.get("kube-root-ca.crt").await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(15), "{:?}", begun.elapsed());
    sandbox.heal("@api/list/configmaps");
    maps.list(&ListParams::default()).await.unwrap();
}

#[tokio::test]
async fn a_scenario_plays_by_the_clock() {
    let sandbox = sandbox().await;
    let deployments = roll_out(&sandbox, 1).await;
    sandbox.play("# a bad half hour\n10m fault web:* not-ready\n40m heal web:*").unwrap();
    for (minutes, wanted) in [(9, 1), (2, 0), (28, 0), (2, 1)] {
        sandbox.advance(Duration::from_secs(minutes * 60)).await;
        assert_eq!(ready(&deployments).await, wanted, "after {minutes} more minutes");
    }
    assert!(sandbox.play("soon break everything").unwrap_err().contains("line 1"));
}

#[tokio::test]
async fn a_snapshot_brings_everything_back_with_its_identities() {
    let sandbox = sandbox().await;
    let deployments = roll_out(&sandbox, 2).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("before.snapshot");
    sandbox.snapshot().write(&file).unwrap();
    let uid = deployments.get("web").await.unwrap().metadata.uid;
    deployments.delete("web", &kube::api::DeleteParams::foreground()).await.unwrap();
    let maps: Api<ConfigMap> = Api::default_namespaced(client(&sandbox));
    maps.create(&PostParams::default(), &config_map("later", "k", "v")).await.unwrap();
    sandbox.settle().await;
    assert!(deployments.get_opt("web").await.unwrap().is_none());
    sandbox.restore(&Snapshot::read(&file).unwrap()).await;
    assert_eq!(deployments.get("web").await.unwrap().metadata.uid, uid);
    assert_eq!(ready(&deployments).await, 2);
    assert_eq!(pods(&sandbox).await.len(), 2);
    assert!(maps.get_opt("later").await.unwrap().is_none());
    std::fs::write(&file, "{\"kind\": \"something else\"}").unwrap();
    assert!(Snapshot::read(&file).unwrap_err().to_string().contains(":1 is not part of a snapshot"));
}

#[tokio::test]
async fn the_clock_jumps_back_and_nothing_breaks() {
    let sandbox = sandbox().await;
    let deployments = roll_out(&sandbox, 1).await;
    let before = sandbox.clock().now();
    sandbox.jump(jiff::SignedDuration::from_hours(-2)).await;
    assert!(sandbox.clock().now() < before);
    let patch = Patch::Merge(json!({"spec": {"replicas": 3}}));
    deployments.patch("web", &PatchParams::default(), &patch).await.unwrap();
    sandbox.advance(Duration::from_secs(60)).await;
    assert_eq!(ready(&deployments).await, 3);
    sandbox.jump(jiff::SignedDuration::from_hours(30)).await;
    assert_eq!(ready(&deployments).await, 3);
}
