//! The life of an Application: made, looked at, synchronised in every way, changed, rolled back, deleted.

use serde_json::{Value, json};

use crate::stock::{Desk, SECRET, SETTINGS, Tongue, WEB};
use crate::{has, has_one};

over_both_tongues!(
    an_application_is_made_seen_and_synchronised,
    syncs_take_what_they_are_told,
    an_application_is_changed_by_set_unset_patch_and_edit,
    revisions_are_compared_and_gone_back_to,
    files_of_ones_own_are_compared_and_synchronised,
    an_operation_is_waited_for_and_ended,
    sources_are_added_and_taken_away,
    deletion_takes_objects_along_or_leaves_them,
    an_application_that_cannot_be_read_hides_no_other,
);

async fn an_application_is_made_seen_and_synchronised(tongue: Tongue) -> anyhow::Result<()> {
    let desk = Desk::start(tongue).await?;
    let argocd = &desk.argocd;
    let (repository, first) = desk.shop()?;
    desk.create_shop(&repository).await?;
    let url = repository.url();
    let other = ["app", "create", "shop", "--repo", &url, "--path", "elsewhere", "--dest-name", "in-cluster"];
    has_one(&argocd.fails(&other).await?, &["InvalidArgument", "with another spec"]);
    let nowhere = ["app", "create", "lost", "--repo", &url, "--path", "app", "--dest-name", "nowhere"];
    has(&argocd.fails(&nowhere).await?, &["nowhere"]);
    has(&argocd.ok(&["app", "list", "-o", "name"]).await?, &["argocd/shop"]);
    has(&argocd.ok(&["app", "list", "-l", "team=a", "-p", "default"]).await?, &["argocd/shop", "default", "OutOfSync"]);
    for absent in [&["-l", "team=b"], &["-p", "other"], &["-r", "https://example.test/other"], &["-c", "elsewhere"]] {
        let listed = argocd.ok(&[&["app", "list", "-o", "name"][..], absent].concat()).await?;
        assert_eq!(listed.trim(), "", "{absent:?}");
    }
    has_one(&argocd.fails(&["app", "get", "nothing"]).await?, &["PermissionDenied", "there is no Application"]);
    let read = argocd.json(&["app", "get", "shop", "--refresh"]).await?;
    assert_eq!(read["spec"]["source"]["path"], "app");
    assert_eq!(read["status"]["sync"]["status"], "OutOfSync");
    let ran = argocd.run(&["app", "diff", "shop"]).await?;
    assert_eq!(ran.code, 1, "{ran:?}");
    has(&ran.out, &["===== apps/Deployment shop/web ======", "+++"]);
    assert!(!ran.out.contains("correct-horse"), "a Secret left unmasked: {}", ran.out);
    let manifests = argocd.ok(&["app", "manifests", "shop"]).await?;
    has(&manifests, &["kind: Deployment", "color: blue"]);

    argocd.ok(&["app", "sync", "shop", "--dry-run", "--timeout", "60"]).await?;
    assert!(desk.world.get("v1", "ConfigMap", "shop", "settings").await?.is_none(), "a dry run applied something");
    let synced = argocd.ok(&["app", "sync", "shop", "--timeout", "60", "--info", "why=test", "--prune"]).await?;
    has(&synced, &["Phase:", "Succeeded", "ConfigMap"]);
    argocd.ok(&["app", "wait", "shop", "--sync", "--health", "--operation", "--timeout", "60"]).await?;
    desk.until_color("blue").await?;
    let stored = desk.world.application("shop").await?;
    let operation = &stored.status.operation_state.unwrap_or_else(|| panic!("no operation was")).operation;
    assert_eq!((operation.info[0].name.as_str(), operation.initiated_by.username.as_str()), ("why", "admin"));
    let said = argocd.ok(&["app", "get", "shop", "--show-operation"]).await?;
    has(&said, &["Sync Status:        Synced", "Health Status:      Healthy", "apps   Deployment", &first[..7]]);
    has(&argocd.ok(&["app", "get", "shop", "-o", "tree"]).await?, &["Deployment/web", "Pod/web-"]);
    has(&argocd.ok(&["app", "get", "shop", "-o", "tree=detailed"]).await?, &["ReplicaSet/web-", "Healthy"]);
    has(&argocd.ok(&["app", "resources", "shop"]).await?, &["Deployment", "ConfigMap"]);
    has(&argocd.ok(&["app", "manifests", "shop", "--source", "live"]).await?, &["color: blue"]);
    assert_eq!(argocd.run(&["app", "diff", "shop"]).await?.code, 0);
    has(&argocd.ok(&["app", "list", "-o", "wide"]).await?, &["Synced", "Healthy", &url]);
    Ok(())
}

async fn syncs_take_what_they_are_told(tongue: Tongue) -> anyhow::Result<()> {
    let desk = Desk::start(tongue).await?;
    let argocd = &desk.argocd;
    let (repository, _) = desk.synced_shop().await?;
    let extra = SETTINGS.replace("name: settings", "name: extra");
    let green = SETTINGS.replace("blue", "green");
    repository.commit(&[("app/settings.yaml", Some(&green)), ("app/extra.yaml", Some(&extra))])?;
    // One object, and no other.
    argocd.ok(&["app", "sync", "shop", "--resource", ":ConfigMap:settings", "--timeout", "60"]).await?;
    desk.until_color("green").await?;
    assert!(
        desk.world.get("v1", "ConfigMap", "shop", "extra").await?.is_none(),
        "more was synchronised than was asked"
    );
    argocd.ok(&["app", "sync", "shop", "--resource", "!apps:Deployment:web", "--timeout", "60"]).await?;
    assert!(desk.world.get("v1", "ConfigMap", "shop", "extra").await?.is_some());
    // What is gone from the repository stays, unless it may go.
    repository.commit(&[("app/extra.yaml", None)])?;
    let kept = argocd.run(&["app", "sync", "shop", "--timeout", "60"]).await?;
    assert_eq!(kept.code, 1, "what needs pruning is told: {}", kept.said());
    assert!(desk.world.get("v1", "ConfigMap", "shop", "extra").await?.is_some());
    argocd.ok(&["app", "sync", "shop", "--prune", "--timeout", "60"]).await?;
    assert!(desk.world.get("v1", "ConfigMap", "shop", "extra").await?.is_none());
    // Forced: the object is another one.
    let uid = |value: &Value| value["metadata"]["uid"].clone();
    let before = uid(&desk.object(("v1", "ConfigMap"), "shop", "settings").await?);
    let forced =
        ["app", "sync", "shop", "--force", "--replace", "--resource", ":ConfigMap:settings", "--timeout", "60"];
    argocd.ok(&forced).await?;
    assert_ne!(uid(&desk.object(("v1", "ConfigMap"), "shop", "settings").await?), before);
    argocd.ok(&["app", "sync", "shop", "--strategy", "apply", "--timeout", "60"]).await?;
    let stored = desk.world.application("shop").await?;
    let state = serde_json::to_value(&stored.status.operation_state)?;
    assert!(state.pointer("/operation/sync/syncStrategy/apply").is_some(), "{state}");
    argocd
        .ok(&["app", "sync", "shop", "--strategy", "hook", "--retry-limit", "2", "--server-side", "--timeout", "60"])
        .await?;
    let state = serde_json::to_value(desk.world.application("shop").await?.status.operation_state)?;
    assert_eq!(state.pointer("/operation/retry/limit"), Some(&json!(2)), "{state}");
    has(&state.pointer("/operation/sync/syncOptions").unwrap_or(&Value::Null).to_string(), &["ServerSideApply=true"]);
    argocd.ok(&["app", "sync", "-l", "team=a", "--apply-out-of-sync-only", "--timeout", "60"]).await?;
    argocd.ok(&["app", "sync", "shop", "--async"]).await?;
    argocd.ok(&["app", "wait", "shop", "--operation", "--timeout", "60"]).await?;

    Ok(())
}

async fn an_application_is_changed_by_set_unset_patch_and_edit(tongue: Tongue) -> anyhow::Result<()> {
    let desk = Desk::start(tongue).await?;
    let argocd = &desk.argocd;
    let repository = desk.world.repository("site")?;
    let kustomization = "resources: [settings.yaml]\n";
    repository.commit(&[("app/kustomization.yaml", Some(kustomization)), ("app/settings.yaml", Some(SETTINGS))])?;
    let url = repository.url();
    let place = ["--repo", &url, "--path", "app", "--dest-name", "in-cluster", "--dest-namespace", "shop"];
    argocd.ok(&[&["app", "create", "shop"][..], &place].concat()).await?;
    let spec = async || -> anyhow::Result<Value> {
        Ok(desk.object(("argoproj.io/v1alpha1", "Application"), "argocd", "shop").await?["spec"].clone())
    };
    argocd
        .ok(&["app", "set", "shop", "--revision-history-limit", "5", "--sync-option", "ApplyOutOfSyncOnly=true"])
        .await?;
    let changed = spec().await?;
    assert_eq!(changed["revisionHistoryLimit"], 5);
    assert_eq!(changed["syncPolicy"]["syncOptions"], json!(["ApplyOutOfSyncOnly=true"]));
    argocd.ok(&["app", "set", "shop", "--nameprefix", "a-", "--kustomize-image", "web=web:2"]).await?;
    let changed = spec().await?;
    assert_eq!(changed["source"]["kustomize"], json!({"namePrefix": "a-", "images": ["web=web:2"]}));
    has(&argocd.ok(&["app", "manifests", "shop"]).await?, &["a-settings"]);
    argocd.ok(&["app", "unset", "shop", "--nameprefix", "--kustomize-image", "web"]).await?;
    assert!(spec().await?.pointer("/source/kustomize/namePrefix").is_none());
    has(&argocd.fails(&["app", "set", "shop", "--project", "nowhere"]).await?, &["nowhere"]);
    let labels = r#"{"metadata":{"labels":{"team":"b"}}}"#;
    argocd.ok(&["app", "patch", "shop", "--patch", labels, "--type", "merge"]).await?;
    has(&argocd.ok(&["app", "list", "-l", "team=b", "-o", "name"]).await?, &["argocd/shop"]);
    let limit = r#"[{"op":"replace","path":"/spec/revisionHistoryLimit","value":7}]"#;
    argocd.ok(&["app", "patch", "shop", "--patch", limit]).await?;
    assert_eq!(spec().await?["revisionHistoryLimit"], 7);
    let editor = desk.editor("revisionHistoryLimit: 7", "revisionHistoryLimit: 8")?;
    let ran = argocd.run_with(&["app", "edit", "shop"], &[("EDITOR", &editor)]).await?;
    assert_eq!(ran.code, 0, "{}", ran.said());
    assert_eq!(spec().await?["revisionHistoryLimit"], 8);
    let automated = ["app", "set", "shop", "--sync-policy", "automated", "--self-heal", "--auto-prune"];
    argocd.ok(&automated).await?;
    assert_eq!(spec().await?["syncPolicy"]["automated"], json!({"prune": true, "selfHeal": true}));
    argocd.ok(&["app", "set", "shop", "--sync-policy", "none"]).await?;
    assert!(spec().await?["syncPolicy"].get("automated").is_none());
    let text =
        "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: filed}\nspec:\n  project: default\n";
    let text = format!(
        "{text}  source: {{repoURL: '{url}', path: app}}\n  destination: {{name: in-cluster, namespace: filed}}\n"
    );
    let file = desk.file("filed.yaml", &text)?;
    argocd.ok(&["app", "create", "-f", &file]).await?;
    assert_eq!(desk.world.application("filed").await?.spec.destination.namespace, "filed");
    let upserted = desk.file("filed.yaml", &text.replace("namespace: filed", "namespace: other"))?;
    argocd.fails(&["app", "create", "-f", &upserted]).await?;
    argocd.ok(&["app", "create", "-f", &upserted, "--upsert"]).await?;
    assert_eq!(desk.world.application("filed").await?.spec.destination.namespace, "other");
    Ok(())
}

async fn revisions_are_compared_and_gone_back_to(tongue: Tongue) -> anyhow::Result<()> {
    let desk = Desk::start(tongue).await?;
    let argocd = &desk.argocd;
    let (repository, first) = desk.synced_shop().await?;
    let second = repository.commit(&[("app/settings.yaml", Some(&SETTINGS.replace("blue", "green")))])?;
    argocd.ok(&["app", "sync", "shop", "--revision", &second, "--timeout", "60"]).await?;
    desk.until_color("green").await?;
    has(&argocd.ok(&["app", "manifests", "shop", "--revision", &first]).await?, &["color: blue"]);
    let ran = argocd.run(&["app", "diff", "shop", "--revision", &first]).await?;
    assert_eq!(ran.code, 1);
    has(&ran.out, &["green", "blue"]);
    let history = argocd.ok(&["app", "history", "shop"]).await?;
    has(&history, &["ID", "DATE", "REVISION", &first[..7], &second[..7]]);
    let ids = argocd.ok(&["app", "history", "shop", "-o", "id"]).await?;
    let oldest = ids.lines().next().unwrap_or("").trim().to_owned();
    argocd.ok(&["app", "rollback", "shop", &oldest, "--timeout", "60"]).await?;
    desk.until_color("blue").await?;
    has(&argocd.fails(&["app", "rollback", "shop", "4711"]).await?, &["4711"]);
    // Unlike Argo CD, going back is possible while automatic sync is on: what was left is held back.
    argocd.ok(&["app", "sync", "shop", "--timeout", "60"]).await?;
    desk.until_color("green").await?;
    argocd.ok(&["app", "set", "shop", "--sync-policy", "automated", "--self-heal"]).await?;
    argocd.ok(&["app", "rollback", "shop", &oldest, "--timeout", "60"]).await?;
    desk.until_color("blue").await?;
    argocd.ok(&["app", "get", "shop", "--refresh"]).await?;
    desk.until_color("blue").await?;
    Ok(())
}

async fn files_of_ones_own_are_compared_and_synchronised(tongue: Tongue) -> anyhow::Result<()> {
    let desk = Desk::start(tongue).await?;
    let argocd = &desk.argocd;
    desk.synced_shop().await?;
    let folder = desk.world.directory.path().join("local");
    std::fs::create_dir_all(folder.join("app"))?;
    std::fs::write(folder.join("app/web.yaml"), WEB)?;
    std::fs::write(folder.join("app/settings.yaml"), SETTINGS.replace("blue", "local"))?;
    std::fs::write(folder.join("app/secret.yaml"), SECRET)?;
    let root = folder.display().to_string();
    let path = folder.join("app").display().to_string();
    let ran = argocd.run(&["app", "diff", "shop", "--local", &path, "--local-repo-root", &root]).await?;
    assert_eq!(ran.code, 1, "{}", ran.said());
    has(&ran.out, &["local", "blue"]);
    assert!(!ran.out.contains("correct-horse"), "{}", ran.out);
    let ran = argocd.run(&["app", "diff", "shop", "--local", &root, "--server-side-generate"]).await?;
    match tongue {
        Tongue::Grpc | Tongue::Own => {
            assert_eq!(ran.code, 1, "{}", ran.said());
            has(&ran.out, &["local"]);
        }
        // The program's own gRPC-web sends the first message of a stream only; that is said.
        Tongue::Web => has(&ran.said(), &["no files arrived"]),
    }
    let shown = argocd.ok(&["app", "manifests", "shop", "--local", &path, "--local-repo-root", &root]).await?;
    has(&shown, &["color: local"]);
    argocd.ok(&["app", "sync", "shop", "--local", &path, "--local-repo-root", &root, "--timeout", "60"]).await?;
    desk.until_color("local").await
}

const SLOW_HOOK: &str = "apiVersion: batch/v1
kind: Job
metadata: {name: slow, annotations: {argocd.argoproj.io/hook: PreSync, sandbox.landfall.io/fault: slow-start=10m}}
spec:
  template:
    spec: {restartPolicy: Never, containers: [{name: slow, image: 'busybox:1', command: [sleep, '600']}]}
";

async fn an_operation_is_waited_for_and_ended(tongue: Tongue) -> anyhow::Result<()> {
    let desk = Desk::start(tongue).await?;
    let argocd = &desk.argocd;
    let (repository, _) = desk.synced_shop().await?;
    has(&argocd.fails(&["app", "terminate-op", "shop"]).await?, &["No operation is in progress"]);
    let job = SLOW_HOOK.to_owned();
    repository
        .commit(&[("app/slow.yaml", Some(&job)), ("app/settings.yaml", Some(&SETTINGS.replace("blue", "red")))])?;
    argocd.ok(&["app", "sync", "shop", "--async"]).await?;
    let runs = |found: &landfall_model::application::Application| {
        found.status.operation_state.as_ref().is_some_and(|state| !state.phase.is_completed())
    };
    desk.world.until("shop", "running", runs).await?;
    let waited = argocd.run(&["app", "wait", "shop", "--operation", "--timeout", "2"]).await?;
    assert_ne!(waited.code, 0, "it waited for nothing: {}", waited.said());
    has(&argocd.fails(&["app", "sync", "shop", "--async"]).await?, &["another operation is already in progress"]);
    has(&argocd.ok(&["app", "terminate-op", "shop"]).await?, &["terminating"]);
    let ended = desk.world.until("shop", "ended", |found| !runs(found) && found.operation.is_none()).await?;
    let phase = ended.status.operation_state.map(|state| state.phase.as_str());
    assert_eq!(phase, Some("Failed"));
    Ok(())
}

async fn sources_are_added_and_taken_away(tongue: Tongue) -> anyhow::Result<()> {
    let desk = Desk::start(tongue).await?;
    let argocd = &desk.argocd;
    let repository = desk.world.repository("parts")?;
    let other = SETTINGS.replace("name: settings", "name: other");
    repository.commit(&[("one/settings.yaml", Some(SETTINGS)), ("two/other.yaml", Some(&other))])?;
    let url = repository.url();
    let text = format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {{name: parts}}\nspec:\n  project: default\n  sources: [{{repoURL: '{url}', path: one, name: first}}]\n  destination: {{name: in-cluster, namespace: default}}\n"
    );
    let file = desk.file("parts.yaml", &text)?;
    argocd.ok(&["app", "create", "-f", &file]).await?;
    argocd.ok(&["app", "add-source", "parts", "--repo", &url, "--path", "two", "--source-name", "second"]).await?;
    assert_eq!(desk.world.application("parts").await?.spec.sources().len(), 2);
    has(&argocd.ok(&["app", "manifests", "parts"]).await?, &["name: settings", "name: other"]);
    argocd.ok(&["app", "sync", "parts", "--timeout", "60"]).await?;
    argocd.ok(&["app", "set", "parts", "--source-position", "2", "--directory-recurse"]).await?;
    let spec = serde_json::to_value(&desk.world.application("parts").await?.spec)?;
    assert_eq!(spec.pointer("/sources/1/directory/recurse"), Some(&json!(true)), "{spec}");
    let of_one = ["app", "manifests", "parts", "--revisions", "HEAD", "--source-positions", "1"];
    has(&argocd.ok(&of_one).await?, &["name: settings"]);
    argocd.ok(&["app", "remove-source", "parts", "--source-position", "1"]).await?;
    let rest = desk.world.application("parts").await?;
    assert_eq!(rest.spec.sources().iter().map(|source| source.path.as_str()).collect::<Vec<_>>(), ["two"]);
    Ok(())
}

async fn deletion_takes_objects_along_or_leaves_them(tongue: Tongue) -> anyhow::Result<()> {
    let desk = Desk::start(tongue).await?;
    let argocd = &desk.argocd;
    let (repository, _) = desk.synced_shop().await?;
    argocd.ok(&["app", "delete", "shop", "--cascade=false", "-y", "--wait"]).await?;
    assert_eq!(argocd.ok(&["app", "list", "-o", "name"]).await?.trim(), "");
    desk.until_color("blue").await?;
    desk.create_shop(&repository).await?;
    argocd.ok(&["app", "sync", "shop", "--timeout", "60"]).await?;
    argocd.ok(&["app", "delete", "shop", "--propagation-policy", "background", "-y", "--wait"]).await?;
    let settings = ("v1", "ConfigMap", "shop", "settings");
    desk.world.until_object(settings, "gone", |found| found.is_none()).await?;
    has_one(&argocd.fails(&["app", "delete", "shop", "-y"]).await?, &["PermissionDenied", "there is no Application"]);
    Ok(())
}

async fn an_application_that_cannot_be_read_hides_no_other(tongue: Tongue) -> anyhow::Result<()> {
    let desk = Desk::start(tongue).await?;
    let argocd = &desk.argocd;
    let (repository, _) = desk.shop()?;
    desk.create_shop(&repository).await?;
    // What the definition lets through and no reader understands.
    let broken = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": "broken", "namespace": "argocd"},
        "spec": {"project": "default", "destination": {"name": "in-cluster"},
                 "source": {"repoURL": "https://example.test/x", "helm": {"valuesObject": {"deep": [1, {"a": null}]}}},
                 "syncPolicy": {"retry": {"limit": 9_007_199_254_740_993_i64, "backoff": {"factor": -4, "duration": "no duration"}}}},
    });
    desk.world.apply(broken).await?;
    desk.world.apply(json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {"name": "empty", "namespace": "argocd"},
        "spec": {"project": "", "destination": {}},
    })).await?;
    let listed = argocd.ok(&["app", "list", "-o", "name"]).await?;
    has(&listed, &["argocd/shop", "argocd/broken", "argocd/empty"]);
    argocd.ok(&["app", "get", "broken"]).await?;
    argocd.ok(&["app", "delete", "broken", "-y"]).await?;
    Ok(())
}
