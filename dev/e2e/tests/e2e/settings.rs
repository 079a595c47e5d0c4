//! What an installation and its projects say: kinds that are left alone, global projects, orphans, other clusters; and what
//! programs around the controller ask of it: metrics, webhooks.

use landfall_e2e::plane::Kind;
use landfall_e2e::world::{World, automated, base64};
use landfall_model::status::{ConditionType, OperationPhase, SyncStatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::main_job::{SETTINGS, color};

on_both_planes!(
    kinds_that_settings_exclude_are_neither_applied_nor_pruned,
    projects_inherit_from_global_ones_and_tell_of_orphans,
    an_application_goes_to_a_cluster_that_a_secret_describes,
    structured_fields_of_custom_resources_are_compared_by_their_schema,
    a_webhook_wakes_and_metrics_tell_how_long_a_commit_took,
);

fn settings(data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm", "namespace": "argocd"}, "data": data})
}

async fn kinds_that_settings_exclude_are_neither_applied_nor_pruned(kind: Kind) -> anyhow::Result<()> {
    let world = World::start(kind).await?;
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: hush}\nstringData: {a: b}\n";
    let repository = world.repository("excluded")?;
    let first = repository.commit(&[("app/settings.yaml", Some(SETTINGS)), ("app/secret.yaml", Some(secret))])?;
    world.apply(automated("excluded", &repository, "app")).await?;
    world.settled("excluded", &first).await?;
    let hush = ("v1", "Secret", "excluded", "hush");
    world.until_object(hush, "there", |found| found.is_some()).await?;
    world
        .apply(settings(json!({"resource.exclusions": "- apiGroups: ['']\n  kinds: [Secret]\n  clusters: ['*']\n"})))
        .await?;
    world.until_told("excluded", ConditionType::ExcludedResourceWarning, "hush").await?;
    let second = repository.commit(&[("app/secret.yaml", None)])?;
    let application = world.settled("excluded", &second).await?;
    assert!(application.status.conditions.is_empty(), "{:?}", application.status.conditions);
    assert!(application.status.resources.iter().all(|resource| resource.kind != "Secret"));
    assert!(world.get("v1", "Secret", "excluded", "hush").await?.is_some(), "what is excluded is not pruned");
    Ok(())
}

async fn projects_inherit_from_global_ones_and_tell_of_orphans(kind: Kind) -> anyhow::Result<()> {
    let world = World::start(kind).await?;
    let project = |name: &str, labels: Value, spec: Value| {
        json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject",
               "metadata": {"name": name, "namespace": "argocd", "labels": labels}, "spec": spec})
    };
    let base = json!({"namespaceResourceBlacklist": [{"group": "", "kind": "Secret"}]});
    world.apply(project("base", json!({}), base)).await?;
    let team = json!({"sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "*"}],
                      "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
                      "orphanedResources": {"warn": true, "ignore": [{"kind": "ConfigMap", "name": "known-*"}]}});
    world.apply(project("team", json!({"team": "yes"}), team)).await?;
    world
        .apply(settings(
            json!({"globalProjects": "- labelSelector: {matchLabels: {team: 'yes'}}\n  projectName: base\n"}),
        ))
        .await?;
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: hush}\n";
    let repository = world.repository("team")?;
    repository.commit(&[("app/settings.yaml", Some(SETTINGS)), ("bad/secret.yaml", Some(secret))])?;
    let of = |name: &str, path: &str| {
        let mut application = automated(name, &repository, path);
        application["spec"]["project"] = json!("team");
        application
    };
    world.apply(of("bad", "bad")).await?;
    world.until_operation_says("bad", "is not permitted in project team").await?;
    world.apply(of("good", "app")).await?;
    world.until("good", "Synced", |application| application.status.sync.status == SyncStatusCode::Synced).await?;
    for name in ["stray", "known-stray"] {
        world
            .apply(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "good"}}))
            .await?;
    }
    let application = world.until_told("good", ConditionType::OrphanedResourceWarning, "stray").await?;
    let told = application.status.conditions.iter().find(|condition| condition.message.contains("stray")).unwrap();
    assert!(told.message.starts_with("Application has 1 orphaned resources"), "{}", told.message);
    assert_eq!(application.status.sync.status, SyncStatusCode::Synced, "an orphan is no difference");
    Ok(())
}

async fn an_application_goes_to_a_cluster_that_a_secret_describes(kind: Kind) -> anyhow::Result<()> {
    let world = World::start(kind).await?;
    let other = landfall_sandbox::Sandbox::builder().quick_probes().start().await?;
    let serving = other.serve_tls(([127, 0, 0, 1], 0).into()).await?;
    let kubeconfig = landfall_yaml::read_one(serving.kubeconfig_yaml.as_bytes(), landfall_yaml::Resolver::Kubernetes)?;
    let cluster = &kubeconfig["clusters"][0]["cluster"];
    let user = &kubeconfig["users"][0]["user"];
    let config = json!({"tlsClientConfig": {"caData": cluster["certificate-authority-data"],
        "certData": user["client-certificate-data"], "keyData": user["client-key-data"]}});
    let server = cluster["server"].as_str().unwrap();
    let secret = |namespaces: &str| {
        json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "other", "namespace": "argocd", "labels": {"argocd.argoproj.io/secret-type": "cluster"}},
            "data": {"name": base64("other"), "server": base64(server), "config": base64(&config.to_string()),
                     "namespaces": base64(namespaces)},
        })
    };
    let repository = world.repository("far")?;
    let revision = repository.commit(&[("app/settings.yaml", Some(SETTINGS))])?;
    let mut by_name = automated("far", &repository, "app");
    by_name["spec"]["destination"] = json!({"name": "other", "namespace": "far"});
    world.apply(by_name).await?;
    world.until_told("far", ConditionType::InvalidSpecError, "there are no clusters with this name: other").await?;
    world.apply(secret("")).await?;
    let application = world.settled("far", &revision).await?;
    assert!(application.status.conditions.is_empty(), "{:?}", application.status.conditions);
    assert!(world.get("v1", "ConfigMap", "far", "settings").await?.is_none(), "it is in the other cluster");
    let client = landfall_kube::KubeCluster::of(kube::Client::new(other.client_service(), "default"));
    let served = world.kind("v1", "ConfigMap").await?;
    let there = landfall_ports::cluster::Cluster::get(&client, &served, "far", "settings").await?;
    assert_eq!(color(there.as_ref()), Some("blue"));

    // Restricted to other namespaces, nothing of it may be touched any more.
    world.apply(secret("near")).await?;
    let green = SETTINGS.replace("blue", "green");
    repository.commit(&[("app/settings.yaml", Some(&green))])?;
    world.until_operation_says("far", "is not managed").await?;
    world.delete("v1", "Secret", "argocd", "other").await?;
    world.until_told("far", ConditionType::InvalidSpecError, "there are no clusters with this name: other").await?;
    Ok(())
}

async fn structured_fields_of_custom_resources_are_compared_by_their_schema(kind: Kind) -> anyhow::Result<()> {
    let world = World::start(kind).await?;
    let ports = json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
        "items": {"type": "object", "required": ["name"], "properties": {
            "name": {"type": "string"}, "port": {"type": "integer"}, "protocol": {"type": "string", "default": "TCP"}}}});
    world
        .apply(json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "gates.e2e.test"},
            "spec": {"group": "e2e.test", "scope": "Namespaced", "names": {"plural": "gates", "singular": "gate", "kind": "Gate"},
                "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object",
                    "properties": {"spec": {"type": "object", "properties": {"ports": ports, "mode": {"type": "string", "default": "open"}}}}}}}]},
        }))
        .await?;
    world.kind("e2e.test/v1", "Gate").await?;
    let gate = "apiVersion: e2e.test/v1\nkind: Gate\nmetadata: {name: north}\nspec:\n  ports: [{name: b, port: 2}, {name: a, port: 1}]\n";
    let repository = world.repository("gates")?;
    let revision = repository.commit(&[("app/gate.yaml", Some(gate))])?;
    world.apply(automated("gates", &repository, "app")).await?;
    world.settled("gates", &revision).await?;
    // An entry that somebody else adds is theirs, as with a list of a kind of Kubernetes' own.
    let kind_of = world.kind("e2e.test/v1", "Gate").await?;
    let theirs = json!({"apiVersion": "e2e.test/v1", "kind": "Gate", "metadata": {"name": "north", "namespace": "gates"},
        "spec": {"ports": [{"name": "c", "port": 3}]}});
    let write = landfall_ports::cluster::Write {
        manager: "another-controller".to_owned(),
        force: false,
        dry_run: false,
        strict: false,
    };
    world.cluster.apply(&kind_of, &theirs, &write).await?;
    let settings = SETTINGS.to_owned();
    let second = repository.commit(&[("app/settings.yaml", Some(&settings))])?;
    let application = world.settled("gates", &second).await?;
    assert_eq!(application.status.history.len(), 2, "healing would fight the other controller");
    let found = world.get("e2e.test/v1", "Gate", "gates", "north").await?.unwrap();
    assert_eq!(found["spec"]["ports"].as_array().map(Vec::len), Some(3), "{found}");
    Ok(())
}

/// Sends a request to the controller's server and returns the answer, status line first.
async fn ask(address: std::net::SocketAddr, request: &str) -> anyhow::Result<String> {
    let mut stream = tokio::net::TcpStream::connect(address).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

async fn a_webhook_wakes_and_metrics_tell_how_long_a_commit_took(kind: Kind) -> anyhow::Result<()> {
    let mut world = World::start(kind).await?;
    world.stop_controller().await;
    world.poll_interval = std::time::Duration::from_secs(3600);
    world.start_controller().await?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let serving = tokio::spawn(landfall_server::serve_on(world.controller.clone().unwrap(), listener));
    world
        .apply(
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "argocd-secret", "namespace": "argocd"},
                      "data": {"webhook.gitlab.secret": base64("hush")}}),
        )
        .await?;
    let repository = world.repository("hooked")?;
    let first = repository.commit(&[("app/settings.yaml", Some(SETTINGS))])?;
    world.apply(automated("hooked", &repository, "app")).await?;
    world.settled("hooked", &first).await?;
    let green = SETTINGS.replace("blue", "green");
    let second = repository.commit(&[("app/settings.yaml", Some(&green))])?;
    let push = |token: &str| {
        let body = json!({"object_kind": "push", "ref": "refs/heads/main", "before": first, "after": second,
            "project": {"web_url": repository.url(), "git_http_url": repository.url(), "default_branch": "main"},
            "commits": [{"id": second, "modified": ["app/settings.yaml"], "added": [], "removed": []}]});
        let body = body.to_string();
        format!(
            "POST /api/webhook HTTP/1.1\r\nHost: x\r\nX-Gitlab-Event: Push Hook\r\nX-Gitlab-Token: {token}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
    };
    let refused = ask(address, &push("wrong")).await?;
    assert!(refused.starts_with("HTTP/1.1 401"), "{refused}");
    let taken = ask(address, &push("hush")).await?;
    assert!(taken.starts_with("HTTP/1.1 200") && taken.contains("\"applications\":1"), "{taken}");
    let application = world.settled("hooked", &second).await?;
    assert_eq!(application.status.operation_state.map(|state| state.phase), Some(OperationPhase::Succeeded));

    // The age of a commit is looked up after the status was written.
    let started = std::time::Instant::now();
    let metrics = loop {
        let metrics = ask(address, "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await?;
        if metrics.contains("landfall_commit_to_applied_seconds_count{") || started.elapsed() > world.wait_max {
            break metrics;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    let application = "namespace=\"argocd\",name=\"hooked\",project=\"default\"";
    for line in [
        format!("argocd_app_info{{{application},autosync_enabled=\"true\""),
        format!(
            "argocd_app_sync_total{{{application},dest_server=\"https://kubernetes.default.svc\",phase=\"Succeeded\""
        ),
        format!("landfall_commit_to_applied_seconds_count{{{application}}} 1"),
        "argocd_app_reconcile_count".to_owned(),
        "argocd_app_k8s_request_total{".to_owned(),
        "argocd_cluster_info{".to_owned(),
        "argocd_cluster_events_total{".to_owned(),
        "argocd_git_request_total{".to_owned(),
        "argocd_kubectl_exec_pending".to_owned(),
        "argocd_resource_events_processing".to_owned(),
        "workqueue_adds_total{".to_owned(),
    ] {
        assert!(metrics.contains(&line), "there is no {line} in\n{metrics}");
    }
    for path in ["/healthz", "/readyz"] {
        let answer = ask(address, &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await?;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    serving.abort();
    Ok(())
}
