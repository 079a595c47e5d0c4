//! Single objects of an Application: read, patched, deleted, acted on; and what their pods say.

use serde_json::{Value, json};

use crate::has;
use crate::stock::{Desk, Tongue, WEB};

over_both_tongues!(
    objects_are_read_masked_patched_and_deleted,
    actions_do_what_their_names_say,
    logs_are_read_followed_and_filtered,
);

async fn objects_are_read_masked_patched_and_deleted(tongue: Tongue) -> anyhow::Result<()> {
    let desk = Desk::start(tongue).await?;
    let argocd = &desk.argocd;
    desk.synced_shop().await?;
    let of = |kind: &'static str, name: &'static str| ["shop", "--kind", kind, "--resource-name", name];
    let web = argocd.ok(&[&["app", "get-resource"][..], &of("Deployment", "web"), &["-o", "yaml"]].concat()).await?;
    has(&web, &["replicas: 2", "registry.example.test/web:1.0.0"]);
    for output in ["wide", "yaml", "json"] {
        let secret = [&["app", "get-resource"][..], &of("Secret", "hidden"), &["-o", output]].concat();
        let secret = argocd.ok(&secret).await?;
        assert!(!secret.contains("Y29ycmVjd") && !secret.contains("correct-horse"), "{secret}");
    }
    let foreign =
        argocd.run(&[&["app", "get-resource"][..], &of("ConfigMap", "kube-root-ca.crt")].concat()).await?.said();
    assert!(!foreign.contains("CERTIFICATE"), "what is not the application's was shown: {foreign}");
    let patch = ["--namespace", "shop", "--patch", r#"{"data":{"color":"red"}}"#];
    let how = ["--patch-type", "application/merge-patch+json"];
    argocd.ok(&[&["app", "patch-resource"][..], &of("ConfigMap", "settings"), &patch, &how].concat()).await?;
    desk.until_color("red").await?;
    argocd.ok(&["app", "get", "shop", "--refresh"]).await?;
    let ran = argocd.run(&["app", "diff", "shop"]).await?;
    assert_eq!(ran.code, 1);
    has(&ran.out, &["red", "blue"]);
    argocd
        .ok(&[&["app", "delete-resource"][..], &of("ConfigMap", "settings"), &["--namespace", "shop"]].concat())
        .await?;
    let settings = ("v1", "ConfigMap", "shop", "settings");
    desk.world.until_object(settings, "gone", |found| found.is_none()).await?;
    argocd.ok(&["app", "sync", "shop", "--resource", ":ConfigMap:shop/settings", "--timeout", "60"]).await?;
    desk.until_color("blue").await?;
    argocd.ok(&["app", "wait", "shop", "--sync", "--resource", ":ConfigMap:settings", "--timeout", "60"]).await?;
    Ok(())
}

const OTHERS: &str = "apiVersion: apps/v1
kind: StatefulSet
metadata: {name: store}
spec:
  replicas: 1
  serviceName: store
  selector: {matchLabels: {app: store}}
  template:
    metadata: {labels: {app: store}}
    spec: {containers: [{name: store, image: 'store:1'}]}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec: {containers: [{name: agent, image: 'agent:1'}]}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  schedule: '0 0 1 1 *'
  jobTemplate:
    metadata: {labels: {made-by: nightly}}
    spec:
      template:
        spec: {restartPolicy: Never, containers: [{name: nightly, image: 'busybox:1', command: ['true']}]}
---
apiVersion: batch/v1
kind: Job
metadata: {name: once}
spec:
  suspend: true
  template:
    spec: {restartPolicy: Never, containers: [{name: once, image: 'busybox:1', command: ['true']}]}
";

async fn actions_do_what_their_names_say(tongue: Tongue) -> anyhow::Result<()> {
    let desk = Desk::start(tongue).await?;
    let argocd = &desk.argocd;
    let repository = desk.world.repository("shop")?;
    repository.commit(&[("app/web.yaml", Some(WEB)), ("app/others.yaml", Some(OTHERS))])?;
    desk.create_shop(&repository).await?;
    argocd.ok(&["app", "sync", "shop", "--timeout", "60"]).await?;
    let listed = argocd.ok(&["app", "actions", "list", "shop", "--kind", "Deployment"]).await?;
    has(&listed, &["restart", "pause", "resume", "scale"]);
    // What is done, to what, where that shows and how.
    let restarted = "/spec/template/metadata/annotations/kubectl.kubernetes.io~1restartedAt";
    let cases: [(&str, &str, &str, &str, &str, Value); 9] = [
        ("restart", "apps/v1", "Deployment", "web", restarted, Value::Null),
        ("pause", "apps/v1", "Deployment", "web", "/spec/paused", json!(true)),
        ("resume", "apps/v1", "Deployment", "web", "/spec/paused", json!(false)),
        ("restart", "apps/v1", "StatefulSet", "store", restarted, Value::Null),
        ("restart", "apps/v1", "DaemonSet", "agent", restarted, Value::Null),
        ("suspend", "batch/v1", "CronJob", "nightly", "/spec/suspend", json!(true)),
        ("resume", "batch/v1", "CronJob", "nightly", "/spec/suspend", json!(false)),
        ("resume", "batch/v1", "Job", "once", "/spec/suspend", json!(false)),
        ("suspend", "batch/v1", "Job", "once", "/spec/suspend", json!(true)),
    ];
    for (action, version, kind, name, place, wanted) in cases {
        let run = ["app", "actions", "run", "shop", action, "--kind", kind, "--resource-name", name];
        argocd.ok(&run).await?;
        let object = desk.object((version, kind), "shop", name).await?;
        let found = object.pointer(place).cloned();
        match wanted {
            Value::Null => assert!(found.as_ref().is_some_and(Value::is_string), "{action} {kind}: {object}"),
            // Left out is not.
            Value::Bool(false) => assert!(found.is_none_or(|value| value == json!(false)), "{action} {kind}: {object}"),
            wanted => assert_eq!(found, Some(wanted), "{action} {kind}"),
        }
    }
    argocd
        .ok(&["app", "actions", "run", "shop", "create-job", "--kind", "CronJob", "--resource-name", "nightly"])
        .await?;
    let jobs = jobs(&desk).await?;
    assert!(jobs.iter().any(|job| job["metadata"]["labels"]["made-by"] == "nightly"), "{jobs:?}");
    let nonsense = ["app", "actions", "run", "shop", "explode", "--kind", "Deployment", "--resource-name", "web"];
    has(&argocd.fails(&nonsense).await?, &["explode"]);
    Ok(())
}

async fn jobs(desk: &Desk) -> anyhow::Result<Vec<Value>> {
    use landfall_ports::cluster::{Detail, ListRequest, Selection};
    let kind = desk.world.kind("batch/v1", "Job").await?;
    let selection =
        Selection { namespace: "shop".to_owned(), label_selector: String::new(), field_selector: String::new() };
    let asked = ListRequest { selection, page_size_max: 0, from: String::new() };
    Ok(desk.world.cluster.list(&kind, Detail::Full, &asked).await?.objects)
}

async fn logs_are_read_followed_and_filtered(tongue: Tongue) -> anyhow::Result<()> {
    let desk = Desk::start(tongue).await?;
    let argocd = &desk.argocd;
    desk.synced_shop().await?;
    let whose = ["app", "logs", "shop", "--kind", "Deployment", "--group", "apps", "--name", "web"];
    let logs = argocd.ok(&[&whose[..], &["--tail", "5"]].concat()).await?;
    let lines: Vec<&str> = logs.lines().filter(|line| !line.is_empty()).collect();
    // Two pods of five lines each at most.
    assert!((1..=10).contains(&lines.len()), "{logs}");
    let one = argocd.ok(&[&whose[..], &["--tail", "1"]].concat()).await?;
    assert!((1..=2).contains(&one.lines().filter(|line| !line.is_empty()).count()), "{one}");
    let none = argocd.ok(&[&whose[..], &["--filter", "no line says this"]].concat()).await?;
    assert_eq!(none.trim(), "");
    // As Argo CD does, what a Pod refuses is told in its place and does not hide what others say.
    has(&argocd.ok(&[&whose[..], &["-c", "nothing"]].concat()).await?, &["container nothing is not valid"]);
    Ok(())
}
