//! Simulated workloads: rollouts, faults and time.

use std::time::Duration;

use crate::common::{client, deployment, object, sandbox};
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{ConfigMap, Event, Pod};
use k8s_openapi::api::scheduling::v1::PriorityClass;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use landfall_sandbox::{Clock, Sandbox};
use serde_json::{Value, json};

#[expect(clippy::unwrap_used, reason = "a helper of tests: what is missing fails them")]
fn condition<'a>(status: &'a Value, kind: &str) -> &'a Value {
    status["conditions"].as_array().unwrap().iter().find(|held| held["type"] == kind).unwrap_or(&Value::Null)
}

#[expect(clippy::unwrap_used, reason = "a helper of tests: what is missing fails them")]
async fn status_of(deployments: &Api<Deployment>, name: &str) -> Value {
    serde_json::to_value(deployments.get(name).await.unwrap().status.unwrap()).unwrap()
}

#[tokio::test]
async fn a_deployment_rolls_out_and_follows_a_new_image() {
    let sandbox = sandbox().await;
    let deployments: Api<Deployment> = Api::default_namespaced(client(&sandbox));
    let pods: Api<Pod> = Api::default_namespaced(client(&sandbox));
    let sets: Api<ReplicaSet> = Api::default_namespaced(client(&sandbox));
    deployments.create(&PostParams::default(), &object(deployment("web", 3, "web:1"))).await.unwrap();
    sandbox.settle().await;
    let status = status_of(&deployments, "web").await;
    assert_eq!(
        (&status["readyReplicas"], &status["updatedReplicas"], &status["replicas"]),
        (&json!(3), &json!(3), &json!(3)),
        "{status}"
    );
    assert_eq!(condition(&status, "Available")["status"], "True");
    assert_eq!(condition(&status, "Progressing")["reason"], "NewReplicaSetAvailable");
    let before: Vec<String> =
        pods.list(&ListParams::default()).await.unwrap().items.into_iter().map(|p| p.metadata.name.unwrap()).collect();
    assert_eq!(before.len(), 3);

    let patch =
        Patch::Strategic(json!({"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "web:2"}]}}}}));
    deployments.patch("web", &PatchParams::default(), &patch).await.unwrap();
    sandbox.settle().await;
    let after = pods.list(&ListParams::default()).await.unwrap().items;
    assert_eq!(after.len(), 3);
    for pod in after {
        assert!(!before.contains(pod.metadata.name.as_ref().unwrap()));
        assert_eq!(pod.spec.unwrap().containers[0].image.as_deref(), Some("web:2"));
        assert_eq!(pod.status.unwrap().phase.as_deref(), Some("Running"));
    }
    let held = deployments.get("web").await.unwrap();
    assert_eq!(held.metadata.annotations.unwrap()["deployment.kubernetes.io/revision"], "2");
    assert_eq!(held.status.unwrap().observed_generation, Some(2));
    assert_eq!(sets.list(&ListParams::default()).await.unwrap().items.len(), 2);

    deployments.delete("web", &DeleteParams::foreground()).await.unwrap();
    sandbox.settle().await;
    assert!(pods.list(&ListParams::default()).await.unwrap().items.is_empty());
    assert!(sets.list(&ListParams::default()).await.unwrap().items.is_empty());
    assert!(deployments.get_opt("web").await.unwrap().is_none());
}

#[tokio::test]
async fn an_image_that_cannot_be_pulled_stops_the_rollout_and_is_told_after_the_deadline() {
    let sandbox = sandbox().await;
    let deployments: Api<Deployment> = Api::default_namespaced(client(&sandbox));
    let pods: Api<Pod> = Api::default_namespaced(client(&sandbox));
    let rules: Api<ConfigMap> = Api::namespaced(client(&sandbox), "kube-system");
    let rule = object(json!({"metadata": {"name": "sandbox-faults"}, "data": {"rules": "*:bad image-pull"}}));
    rules.create(&PostParams::default(), &rule).await.unwrap();
    let mut wanted = deployment("web", 4, "web:1");
    wanted["spec"]["progressDeadlineSeconds"] = json!(60);
    deployments.create(&PostParams::default(), &object(wanted)).await.unwrap();
    sandbox.settle().await;
    let patch = Patch::Strategic(
        json!({"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "web:bad"}]}}}}),
    );
    deployments.patch("web", &PatchParams::default(), &patch).await.unwrap();
    sandbox.advance(Duration::from_secs(5)).await;
    let all = pods.list(&ListParams::default()).await.unwrap().items;
    let waiting = |pod: &Pod| -> Option<String> {
        let status = pod.status.as_ref()?.container_statuses.as_ref()?.first()?;
        status.state.as_ref()?.waiting.as_ref()?.reason.clone()
    };
    let stuck: Vec<&Pod> = all.iter().filter(|pod| waiting(pod).as_deref() == Some("ImagePullBackOff")).collect();
    assert_eq!((stuck.len(), all.len()), (2, 5), "one more by surge, one less by unavailability");
    let status = status_of(&deployments, "web").await;
    assert_eq!(status["availableReplicas"], 3);
    assert_eq!(condition(&status, "Progressing")["status"], "True");
    sandbox.advance(Duration::from_secs(60)).await;
    let status = status_of(&deployments, "web").await;
    assert_eq!(condition(&status, "Progressing")["reason"], "ProgressDeadlineExceeded", "{status}");
    let events: Api<Event> = Api::default_namespaced(client(&sandbox));
    let reasons: Vec<String> =
        events.list(&ListParams::default()).await.unwrap().items.into_iter().filter_map(|e| e.reason).collect();
    for wanted in ["ScalingReplicaSet", "SuccessfulCreate", "Scheduled", "Failed", "BackOff"] {
        assert!(reasons.iter().any(|held| held == wanted), "{wanted} in {reasons:?}");
    }
    // Once the registry has the image, the rollout goes on.
    rules.delete("sandbox-faults", &DeleteParams::default()).await.unwrap();
    sandbox.advance(Duration::from_secs(30)).await;
    let status = status_of(&deployments, "web").await;
    assert_eq!((&status["readyReplicas"], &status["updatedReplicas"]), (&json!(4), &json!(4)), "{status}");
}

fn pod(name: &str, fault: &str, container: Value) -> Pod {
    let mut container = container;
    container["name"] = json!("main");
    container["image"] = json!("program:1");
    object(json!({"metadata": {"name": name, "annotations": {"sandbox.landfall.io/fault": fault}},
        "spec": {"restartPolicy": "Always", "containers": [container]}}))
}

#[expect(clippy::unwrap_used, reason = "a helper of tests: what is missing fails them")]
async fn main_status(pods: &Api<Pod>, name: &str) -> Value {
    let pod = pods.get(name).await.unwrap();
    serde_json::to_value(&pod.status.unwrap().container_statuses.unwrap()[0]).unwrap()
}

#[tokio::test]
async fn a_crash_loop_backs_off_longer_each_time() {
    let sandbox = sandbox().await;
    let pods: Api<Pod> = Api::default_namespaced(client(&sandbox));
    pods.create(&PostParams::default(), &pod("crash", "crash-loop=1s", json!({}))).await.unwrap();
    sandbox.settle().await;
    assert!(main_status(&pods, "crash").await["state"]["running"].is_object());
    let mut waits = Vec::new();
    let mut last = (0, false);
    for second in 0..200 {
        sandbox.advance(Duration::from_secs(1)).await;
        let status = main_status(&pods, "crash").await;
        let now =
            (status["restartCount"].as_i64().unwrap(), status["state"]["waiting"]["reason"] == "CrashLoopBackOff");
        if now.1 && !last.1 {
            waits.push((second, now.0));
            assert_eq!(status["lastState"]["terminated"]["exitCode"], 1);
            assert_eq!(status["ready"], false);
        }
        last = now;
    }
    assert!(waits.len() >= 4, "{waits:?}");
    let gaps: Vec<i64> = waits.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    assert!(gaps.windows(2).all(|pair| pair[1] > pair[0]), "each wait is longer: {gaps:?}");
}

#[tokio::test]
async fn readiness_waits_for_probes_and_slow_starts() {
    let sandbox = sandbox().await;
    let pods: Api<Pod> = Api::default_namespaced(client(&sandbox));
    let probe = json!({"readinessProbe": {"httpGet": {"port": 80}, "initialDelaySeconds": 10}});
    pods.create(&PostParams::default(), &pod("slow", "slow-start=20s", probe.clone())).await.unwrap();
    pods.create(&PostParams::default(), &pod("never", "not-ready", probe)).await.unwrap();
    sandbox.advance(Duration::from_secs(29)).await;
    assert_eq!(main_status(&pods, "slow").await["ready"], false);
    sandbox.advance(Duration::from_secs(2)).await;
    assert_eq!(main_status(&pods, "slow").await["ready"], true);
    sandbox.advance(Duration::from_secs(3600)).await;
    let never = main_status(&pods, "never").await;
    assert_eq!((&never["ready"], never["state"]["running"].is_object()), (&json!(false), true));
}

#[tokio::test]
async fn a_pod_waits_for_the_objects_that_it_refers_to() {
    let sandbox = sandbox().await;
    let pods: Api<Pod> = Api::default_namespaced(client(&sandbox));
    let needs = json!({"envFrom": [{"configMapRef": {"name": "settings"}}]});
    pods.create(&PostParams::default(), &pod("needy", "", needs)).await.unwrap();
    sandbox.settle().await;
    assert_eq!(main_status(&pods, "needy").await["state"]["waiting"]["reason"], "CreateContainerConfigError");
    let maps: Api<ConfigMap> = Api::default_namespaced(client(&sandbox));
    maps.create(&PostParams::default(), &crate::common::config_map("settings", "a", "b")).await.unwrap();
    sandbox.advance(Duration::from_secs(6)).await;
    assert_eq!(main_status(&pods, "needy").await["ready"], true);
}

#[tokio::test]
async fn a_stateful_set_starts_and_updates_one_pod_after_the_other() {
    let sandbox = sandbox().await;
    let sets: Api<k8s_openapi::api::apps::v1::StatefulSet> = Api::default_namespaced(client(&sandbox));
    let pods: Api<Pod> = Api::default_namespaced(client(&sandbox));
    let mut wanted = deployment("db", 3, "db:1");
    wanted["kind"] = json!("StatefulSet");
    wanted["spec"]["serviceName"] = json!("db");
    wanted["spec"]["volumeClaimTemplates"] = json!([{"metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}]);
    wanted["spec"]["template"]["spec"]["containers"][0]["volumeMounts"] =
        json!([{"name": "data", "mountPath": "/data"}]);
    wanted["spec"]["template"]["metadata"]["annotations"] = json!({"sandbox.landfall.io/fault": "slow-start=10s"});
    sets.create(&PostParams::default(), &object(wanted)).await.unwrap();
    sandbox.advance(Duration::from_secs(5)).await;
    assert_eq!(pods.list(&ListParams::default()).await.unwrap().items.len(), 1, "the second waits for the first");
    sandbox.advance(Duration::from_secs(60)).await;
    let names: Vec<_> =
        pods.list(&ListParams::default()).await.unwrap().items.into_iter().map(|p| p.metadata.name.unwrap()).collect();
    assert_eq!(names, ["db-0", "db-1", "db-2"]);
    let claims: Api<k8s_openapi::api::core::v1::PersistentVolumeClaim> = Api::default_namespaced(client(&sandbox));
    let claim = claims.get("data-db-2").await.unwrap();
    assert_eq!(claim.status.unwrap().phase.as_deref(), Some("Bound"));
    let patch =
        Patch::Strategic(json!({"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "db:2"}]}}}}));
    sets.patch("db", &PatchParams::default(), &patch).await.unwrap();
    sandbox.advance(Duration::from_secs(5)).await;
    let images: Vec<_> = pods
        .list(&ListParams::default())
        .await
        .unwrap()
        .items
        .into_iter()
        .map(|p| p.spec.unwrap().containers[0].image.clone().unwrap())
        .collect();
    assert_eq!(images, ["db:1", "db:1", "db:2"], "the last one first");
    sandbox.advance(Duration::from_secs(60)).await;
    let status = sets.get("db").await.unwrap().status.unwrap();
    assert_eq!((status.updated_replicas, status.ready_replicas, status.replicas), (Some(3), Some(3), 3));
    assert_eq!(status.current_revision, status.update_revision);
}

#[tokio::test]
async fn a_daemon_set_has_one_pod_on_every_node() {
    let sandbox = sandbox().await;
    let sets: Api<k8s_openapi::api::apps::v1::DaemonSet> = Api::default_namespaced(client(&sandbox));
    let mut wanted = deployment("agent", 1, "agent:1");
    wanted["kind"] = json!("DaemonSet");
    wanted["spec"].as_object_mut().unwrap().remove("replicas");
    sets.create(&PostParams::default(), &object(wanted)).await.unwrap();
    sandbox.settle().await;
    let status = sets.get("agent").await.unwrap().status.unwrap();
    assert_eq!((status.desired_number_scheduled, status.number_ready), (2, 2));
    let patch = Patch::Strategic(
        json!({"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "agent:2"}]}}}}),
    );
    sets.patch("agent", &PatchParams::default(), &patch).await.unwrap();
    sandbox.settle().await;
    let status = sets.get("agent").await.unwrap().status.unwrap();
    assert_eq!((status.updated_number_scheduled, status.number_available), (Some(2), Some(2)));
}

fn job(name: &str, command: Value) -> Value {
    json!({"metadata": {"name": name}, "spec": {"backoffLimit": 1, "template": {"spec": {"restartPolicy": "Never",
        "containers": [{"name": "main", "image": "busybox:1", "command": command}]}}}})
}

#[tokio::test]
async fn jobs_end_as_their_commands_do() {
    let sandbox = sandbox().await;
    let jobs: Api<k8s_openapi::api::batch::v1::Job> = Api::default_namespaced(client(&sandbox));
    for (name, command) in [
        ("good", json!(["sh", "-c", "echo working; sleep 5"])),
        ("bad", json!(["false"])),
        ("hanging", json!(["./migrate"])),
    ] {
        jobs.create(&PostParams::default(), &object(job(name, command))).await.unwrap();
    }
    sandbox.settle().await;
    assert_eq!(jobs.get("good").await.unwrap().status.unwrap().active, Some(1));
    sandbox.advance(Duration::from_secs(120)).await;
    let conditions = async |name: &str| -> Vec<String> {
        let status = jobs.get(name).await.unwrap().status.unwrap();
        status.conditions.unwrap_or_default().into_iter().map(|held| held.type_).collect()
    };
    assert_eq!(conditions("good").await, ["SuccessCriteriaMet", "Complete"]);
    assert_eq!(conditions("bad").await, ["FailureTarget", "Failed"]);
    assert_eq!(conditions("hanging").await, Vec::<String>::new());
    assert_eq!(jobs.get("bad").await.unwrap().status.unwrap().failed, Some(2));
}

#[tokio::test]
async fn a_cron_job_runs_on_time_and_keeps_its_history_short() {
    let sandbox = sandbox().await;
    let cron_jobs: Api<k8s_openapi::api::batch::v1::CronJob> = Api::default_namespaced(client(&sandbox));
    let jobs: Api<k8s_openapi::api::batch::v1::Job> = Api::default_namespaced(client(&sandbox));
    let wanted = json!({"metadata": {"name": "tick"}, "spec": {"schedule": "*/10 * * * *",
        "jobTemplate": {"spec": job("x", json!(["true"]))["spec"]}}});
    cron_jobs.create(&PostParams::default(), &object(wanted)).await.unwrap();
    sandbox.advance(Duration::from_secs(3600)).await;
    let held = jobs.list(&ListParams::default()).await.unwrap().items;
    assert_eq!(held.len(), 3, "three of six are kept");
    let status = cron_jobs.get("tick").await.unwrap().status.unwrap();
    assert_eq!(status.last_schedule_time.unwrap().0.to_string(), "2026-01-02T04:00:00Z");
}

#[tokio::test]
async fn a_service_knows_its_ready_pods() {
    let sandbox = sandbox().await;
    let service = object(
        json!({"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}}),
    );
    let services: Api<k8s_openapi::api::core::v1::Service> = Api::default_namespaced(client(&sandbox));
    services.create(&PostParams::default(), &service).await.unwrap();
    let deployments: Api<Deployment> = Api::default_namespaced(client(&sandbox));
    deployments.create(&PostParams::default(), &object(deployment("web", 2, "web:1"))).await.unwrap();
    sandbox.settle().await;
    let endpoints: Api<k8s_openapi::api::core::v1::Endpoints> = Api::default_namespaced(client(&sandbox));
    let subsets = endpoints.get("web").await.unwrap().subsets.unwrap();
    assert_eq!(subsets[0].addresses.as_ref().unwrap().len(), 2);
    assert_eq!(subsets[0].ports.as_ref().unwrap()[0].port, 8080);
    let slices: Api<k8s_openapi::api::discovery::v1::EndpointSlice> = Api::default_namespaced(client(&sandbox));
    let list = slices.list(&ListParams::default().labels("kubernetes.io/service-name=web")).await.unwrap();
    assert_eq!(list.items[0].endpoints.as_ref().map(Vec::len), Some(2));
}

fn indexed_job(name: &str, spec: Value, command: &str) -> Value {
    let mut job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {
        "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "busybox", "command": ["sh", "-c", command]}]}}}});
    for (key, value) in spec.as_object().into_iter().flatten() {
        job["spec"][key] = value.clone();
    }
    job
}

#[tokio::test]
async fn failure_policies_failed_indexes_and_success_policies_decide_how_a_job_ends() {
    let sandbox = sandbox().await;
    let jobs: Api<k8s_openapi::api::batch::v1::Job> = Api::default_namespaced(client(&sandbox));
    let ended = async |job: Value| {
        let name = job["metadata"]["name"].as_str().unwrap().to_string();
        jobs.create(&PostParams::default(), &object(job)).await.unwrap();
        sandbox.advance(Duration::from_secs(3600)).await;
        serde_json::to_value(jobs.get(&name).await.unwrap().status.unwrap()).unwrap()
    };
    let policy = json!({"rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}]});
    let status = ended(indexed_job("fatal", json!({"podFailurePolicy": policy, "backoffLimit": 6}), "exit 42")).await;
    let failed = condition(&status, "Failed");
    assert_eq!((&failed["reason"], &status["failed"]), (&json!("PodFailurePolicy"), &json!(1)), "{status}");
    let told = failed["message"].as_str().unwrap();
    assert!(
        told.contains("Container main for pod default/fatal-")
            && told.ends_with("failed with exit code 42 matching FailJob rule at index 0"),
        "{told}"
    );

    let spec = json!({"completions": 3, "parallelism": 3, "completionMode": "Indexed", "backoffLimitPerIndex": 1});
    let status = ended(indexed_job("indexes", spec, "exit 1")).await;
    assert_eq!(condition(&status, "Failed")["reason"], "FailedIndexes", "{status}");
    assert_eq!((&status["failedIndexes"], &status["failed"]), (&json!("0-2"), &json!(6)), "{status}");

    let spec = json!({"completions": 4, "parallelism": 2, "completionMode": "Indexed", "successPolicy": {"rules": [{"succeededCount": 2}]}});
    let status = ended(indexed_job("enough", spec, "sleep 5")).await;
    assert_eq!(condition(&status, "Complete")["reason"], "SuccessPolicy", "{status}");
    assert_eq!(status["completedIndexes"], "0,1");
}

#[tokio::test]
async fn an_autoscaler_follows_simulated_metrics_as_fast_as_its_behavior_lets_it() {
    let sandbox = sandbox().await;
    let deployments: Api<Deployment> = Api::default_namespaced(client(&sandbox));
    let mut wanted = deployment("web", 2, "web:1");
    wanted["spec"]["template"]["metadata"]["annotations"] = json!({"sandbox.landfall.io/utilization": "200"});
    wanted["spec"]["template"]["spec"]["containers"][0]["resources"] = json!({"requests": {"cpu": "100m"}});
    deployments.create(&PostParams::default(), &object(wanted)).await.unwrap();
    sandbox.settle().await;
    let scalers: Api<k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler> =
        Api::default_namespaced(client(&sandbox));
    let scaler = json!({"metadata": {"name": "web"}, "spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "minReplicas": 2, "maxReplicas": 20,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}],
        "behavior": {"scaleUp": {"policies": [{"type": "Pods", "value": 3, "periodSeconds": 15}]},
            "scaleDown": {"stabilizationWindowSeconds": 60, "policies": [{"type": "Percent", "value": 50, "periodSeconds": 60}]}}}});
    scalers.create(&PostParams::default(), &object(scaler)).await.unwrap();
    let replicas = async || deployments.get("web").await.unwrap().spec.unwrap().replicas.unwrap();
    sandbox.settle().await;
    assert_eq!(replicas().await, 5, "eight are wanted, three may be added in fifteen seconds");
    let status = serde_json::to_value(scalers.get("web").await.unwrap().status.unwrap()).unwrap();
    assert_eq!(condition(&status, "ScalingLimited")["reason"], "ScaleUpLimit", "{status}");
    assert_eq!(
        condition(&status, "ScalingActive")["message"],
        "the HPA was able to successfully calculate a replica count from cpu resource utilization (percentage of request)"
    );
    assert_eq!(status["currentMetrics"][0]["resource"]["current"]["averageUtilization"], 200);
    sandbox.advance(Duration::from_secs(90)).await;
    assert_eq!(replicas().await, 20);
    let patch = Patch::Merge(
        json!({"spec": {"template": {"metadata": {"annotations": {"sandbox.landfall.io/utilization": "5"}}}}}),
    );
    deployments.patch("web", &PatchParams::default(), &patch).await.unwrap();
    sandbox.advance(Duration::from_secs(45)).await;
    assert_eq!(replicas().await, 20, "a minute of calm is waited for");
    sandbox.advance(Duration::from_secs(45)).await;
    assert_eq!(replicas().await, 10, "half of them may go in a minute");
    sandbox.advance(Duration::from_secs(600)).await;
    assert_eq!(replicas().await, 2);
}

#[tokio::test]
async fn claims_of_a_stateful_set_go_with_it_only_if_it_says_so() {
    use k8s_openapi::api::apps::v1::StatefulSet;
    use k8s_openapi::api::core::v1::PersistentVolumeClaim;
    let sandbox = sandbox().await;
    let sets: Api<StatefulSet> = Api::default_namespaced(client(&sandbox));
    let claims: Api<PersistentVolumeClaim> = Api::default_namespaced(client(&sandbox));
    let set = |name: &str, policy: Value| {
        json!({"metadata": {"name": name}, "spec": {
        "serviceName": name, "replicas": 3, "selector": {"matchLabels": {"app": name}}, "persistentVolumeClaimRetentionPolicy": policy,
        "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "main", "image": "db"}]}},
        "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}]}})
    };
    let count = async |name: &str| {
        claims
            .list(&ListParams::default())
            .await
            .unwrap()
            .items
            .iter()
            .filter(|claim| claim.metadata.name.as_ref().is_some_and(|held| held.starts_with(&format!("data-{name}-"))))
            .count()
    };
    sets.create(
        &PostParams::default(),
        &object(set("keeps", json!({"whenDeleted": "Retain", "whenScaled": "Retain"}))),
    )
    .await
    .unwrap();
    sets.create(
        &PostParams::default(),
        &object(set("gives", json!({"whenDeleted": "Delete", "whenScaled": "Delete"}))),
    )
    .await
    .unwrap();
    sandbox.advance(Duration::from_secs(60)).await;
    assert_eq!((count("keeps").await, count("gives").await), (3, 3));
    for name in ["keeps", "gives"] {
        sets.patch(name, &PatchParams::default(), &Patch::Merge(json!({"spec": {"replicas": 1}}))).await.unwrap();
    }
    sandbox.advance(Duration::from_secs(60)).await;
    assert_eq!((count("keeps").await, count("gives").await), (3, 1));
    for name in ["keeps", "gives"] {
        sets.delete(name, &DeleteParams::default()).await.unwrap();
    }
    sandbox.advance(Duration::from_secs(60)).await;
    assert_eq!((count("keeps").await, count("gives").await), (3, 0));
}

#[tokio::test]
async fn a_more_important_pod_makes_itself_room_and_no_less_important_one_takes_it() {
    let sandbox = Sandbox::builder()
        .clock(Clock::driven("2026-01-02T03:04:05Z".parse().unwrap()))
        .nodes(1)
        .start()
        .await
        .unwrap();
    let client = client(&sandbox);
    let classes: Api<PriorityClass> = Api::all(client.clone());
    for (name, value) in [("low", 1), ("high", 1000)] {
        classes
            .create(&PostParams::default(), &object(json!({"metadata": {"name": name}, "value": value})))
            .await
            .unwrap();
    }
    // A node has 32 cores: two pods of 15 fill it.
    let mut low = deployment("low", 2, "web:1");
    let set = |workload: &mut Value, class: &str| {
        let spec = &mut workload["spec"]["template"]["spec"];
        spec["priorityClassName"] = json!(class);
        spec["containers"][0]["resources"] = json!({"requests": {"cpu": "15"}});
    };
    set(&mut low, "low");
    let deployments: Api<Deployment> = Api::default_namespaced(client.clone());
    deployments.create(&PostParams::default(), &object(low)).await.unwrap();
    sandbox.settle().await;
    let mut high = deployment("high", 1, "web:1");
    set(&mut high, "high");
    deployments.create(&PostParams::default(), &object(high)).await.unwrap();
    sandbox.advance(Duration::from_secs(60)).await;
    let pods: Api<Pod> = Api::default_namespaced(client);
    let phases = async |app: &str| {
        let listed = pods.list(&ListParams::default().labels(&format!("app={app}"))).await.unwrap();
        let mut phases: Vec<String> = listed.items.into_iter().filter_map(|pod| pod.status?.phase).collect();
        phases.sort();
        phases
    };
    assert_eq!(phases("high").await, ["Running"]);
    assert_eq!(phases("low").await, ["Pending", "Running"]);
}
