//! Combinations of options, hooks, waves and sources as people really write them, and an application taken over from
//! Argo CD in the middle of its life.

use landfall_e2e::plane::Kind;
use landfall_e2e::world::{World, automated, operation_text};
use landfall_model::status::{OperationPhase, ResultCode, SyncStatusCode};
use serde_json::{Value, json};

use crate::main_job::{HOOK, SETTINGS, WEB, color};

on_both_planes!(
    values_come_from_another_repository_and_objects_from_a_third,
    differences_that_are_ignored_stay_through_a_sync,
    phases_and_waves_run_in_their_order_and_hooks_go_by_their_policies,
    what_needs_a_word_waits_for_it_and_what_must_stay_stays,
    replaced_forced_and_renewed_objects_are_so,
    a_person_syncs_parts_local_files_and_older_states,
    windows_hold_what_is_automatic_and_let_persons_through_who_may,
    the_install_manifests_are_what_a_cluster_takes,
);

async fn values_come_from_another_repository_and_objects_from_a_third(kind: Kind) -> anyhow::Result<()> {
    let world = World::start(kind).await?;
    let charts = world.repository("charts")?;
    charts.commit(&[
        ("shop/Chart.yaml", Some("apiVersion: v2\nname: shop\nversion: 1.0.0\n")),
        ("shop/values.yaml", Some("color: none\nsize: small\n")),
        (
            "shop/templates/settings.yaml",
            Some("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\ndata:\n  color: {{ .Values.color }}\n  size: {{ .Values.size }}\n  from: {{ .Values.from | default \"nobody\" }}\n"),
        ),
    ])?;
    let values = world.repository("values")?;
    values.commit(&[("prod/values.yaml", Some("color: blue\n"))])?;
    let plain = world.repository("plain")?;
    plain.commit(&[
        ("extra/settings.yaml", Some(SETTINGS)),
        ("extra/deep/more.yaml", Some(&SETTINGS.replace("settings", "more"))),
    ])?;
    let mut application = automated("multi", &charts, "shop");
    application["spec"].as_object_mut().unwrap().remove("source");
    application["spec"]["sources"] = json!([
        {"repoURL": charts.url(), "path": "shop", "targetRevision": "main",
         "helm": {"valueFiles": ["$values/prod/values.yaml", "$values/nowhere.yaml"], "ignoreMissingValueFiles": true, "releaseName": "release",
                  "valuesObject": {"size": "large"}, "parameters": [{"name": "from", "value": "$ARGOCD_APP_NAME"}]}},
        {"repoURL": values.url(), "targetRevision": "main", "ref": "values"},
        {"repoURL": plain.url(), "path": "extra", "targetRevision": "main", "directory": {"recurse": true, "exclude": "deep/*"}},
    ]);
    world.apply(application).await?;
    let synced = |application: &landfall_model::application::Application| {
        application.status.sync.status == SyncStatusCode::Synced && application.operation.is_none()
    };
    let application = world.until("multi", "Synced", synced).await?;
    assert_eq!(application.status.sync.revisions.len(), 3);
    assert_eq!(application.status.source_types, ["Helm", "Directory", "Directory"]);
    assert_eq!(application.status.history.last().map(|entry| entry.sources.len()), Some(3));
    let found = world.get("v1", "ConfigMap", "multi", "release").await?.unwrap();
    assert_eq!(found["data"], json!({"color": "blue", "size": "large", "from": "multi"}));
    assert!(world.get("v1", "ConfigMap", "multi", "settings").await?.is_some());
    assert!(world.get("v1", "ConfigMap", "multi", "more").await?.is_none(), "excluded");
    values.commit(&[("prod/values.yaml", Some("color: green\n"))])?;
    let of_release = ("v1", "ConfigMap", "multi", "release");
    world.until_object(of_release, "green", |found| color(found) == Some("green")).await
}

async fn differences_that_are_ignored_stay_through_a_sync(kind: Kind) -> anyhow::Result<()> {
    let world = World::start(kind).await?;
    let noisy = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: noisy}\ndata: {keep: git, noise: git, other: git, theirs: git}\n";
    let repository = world.repository("ignored")?;
    let first = repository.commit(&[("app/web.yaml", Some(WEB)), ("app/noisy.yaml", Some(noisy))])?;
    let mut application = automated("ignored", &repository, "app");
    application["spec"]["ignoreDifferences"] = json!([
        {"group": "apps", "kind": "Deployment", "jsonPointers": ["/spec/replicas"]},
        {"kind": "ConfigMap", "name": "noisy", "jqPathExpressions": [".data.noise"], "managedFieldsManagers": ["scaler"]},
    ]);
    application["spec"]["syncPolicy"]["syncOptions"] =
        json!(["CreateNamespace=true", "RespectIgnoreDifferences=true", "ServerSideApply=true"]);
    world.apply(application).await?;
    world.settled("ignored", &first).await?;
    world.patch("apps/v1", "Deployment", "ignored", "web", json!({"spec": {"replicas": 3}})).await?;
    world.patch("v1", "ConfigMap", "ignored", "noisy", json!({"data": {"noise": "hand"}})).await?;
    let theirs = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "noisy", "namespace": "ignored"}, "data": {"theirs": "scaler"}});
    let served = world.kind("v1", "ConfigMap").await?;
    let scaler =
        landfall_ports::cluster::Write { manager: "scaler".to_owned(), force: true, dry_run: false, strict: false };
    world.cluster.apply(&served, &theirs, &scaler).await?;
    // A commit that changes something else must not take back what is ignored.
    let second = repository.commit(&[("app/noisy.yaml", Some(&noisy.replace("other: git", "other: again")))])?;
    let application = world.settled("ignored", &second).await?;
    assert!(application.status.conditions.is_empty(), "{:?}", application.status.conditions);
    let found = world.get("v1", "ConfigMap", "ignored", "noisy").await?.unwrap();
    assert_eq!(found["data"], json!({"keep": "git", "noise": "hand", "other": "again", "theirs": "scaler"}));
    let found = world.get("apps/v1", "Deployment", "ignored", "web").await?.unwrap();
    assert_eq!(found["spec"]["replicas"], 3);
    // What is not ignored is healed all the same.
    world.patch("v1", "ConfigMap", "ignored", "noisy", json!({"data": {"keep": "hand"}})).await?;
    let of_noisy = ("v1", "ConfigMap", "ignored", "noisy");
    world.until_object(of_noisy, "healed", |found| found.is_some_and(|found| found["data"]["keep"] == "git")).await
}

fn hook(name: &str, phase: &str, policy: &str, wave: &str) -> String {
    HOOK.replace("name: migrate\n", &format!("name: {name}\n"))
        .replace("hook: PreSync", &format!("hook: {phase}"))
        .replace("HookSucceeded", &format!("{policy}, argocd.argoproj.io/sync-wave: '{wave}'"))
}

async fn phases_and_waves_run_in_their_order_and_hooks_go_by_their_policies(kind: Kind) -> anyhow::Result<()> {
    let world = World::start(kind).await?;
    let waved = |name: &str, wave: &str| {
        SETTINGS.replace(
            "{name: settings}",
            &format!("{{name: {name}, annotations: {{argocd.argoproj.io/sync-wave: '{wave}'}}}}"),
        )
    };
    let repository = world.repository("waves")?;
    let first = repository.commit(&[
        ("app/pre.yaml", Some(&hook("pre", "PreSync", "HookSucceeded", "0"))),
        ("app/pre-early.yaml", Some(&hook("pre-early", "PreSync", "BeforeHookCreation", "-5"))),
        ("app/post.yaml", Some(&hook("post", "PostSync", "BeforeHookCreation", "0"))),
        ("app/fail.yaml", Some(&hook("fail", "SyncFail", "HookSucceeded", "0"))),
        ("app/last.yaml", Some(&waved("last", "5"))),
        ("app/first.yaml", Some(&waved("first", "-1"))),
        ("app/web.yaml", Some(WEB)),
    ])?;
    let mut application = automated("waves", &repository, "app");
    application["spec"]["syncPolicy"]["syncOptions"] = json!([
        "CreateNamespace=true",
        "PruneLast=true",
        "ApplyOutOfSyncOnly=true",
        "PrunePropagationPolicy=background"
    ]);
    application["spec"]["syncPolicy"]["managedNamespaceMetadata"] =
        json!({"labels": {"team": "shop"}, "annotations": {"note": "kept"}});
    world.apply(application).await?;
    let application = world.settled("waves", &first).await?;
    let results = application.status.operation_state.clone().unwrap().sync_result.unwrap().resources;
    let names: Vec<&str> = results.iter().map(|result| result.name.as_str()).collect();
    let place =
        |name: &str| names.iter().position(|known| *known == name).unwrap_or_else(|| panic!("{name} in {names:?}"));
    let order = ["pre-early", "pre", "first", "web", "last", "post"].map(place);
    assert!(order.is_sorted(), "{names:?}");
    assert!(!names.contains(&"fail"), "{names:?}");
    let namespace = world.get("v1", "Namespace", "", "waves").await?.unwrap();
    assert_eq!(namespace["metadata"]["labels"]["team"], "shop");
    assert_eq!(namespace["metadata"]["annotations"]["note"], "kept");
    world.until_object(("batch/v1", "Job", "waves", "pre"), "gone", |found| found.is_none()).await?;
    let uid = |found: Option<Value>| found.map(|found| found["metadata"]["uid"].clone());
    let post = uid(world.get("batch/v1", "Job", "waves", "post").await?);
    assert!(post.is_some(), "BeforeHookCreation keeps it until the next sync");
    let second = repository.commit(&[("app/last.yaml", None)])?;
    let application = world.settled("waves", &second).await?;
    let results = application.status.operation_state.clone().unwrap().sync_result.unwrap().resources;
    assert!(
        results.iter().any(|result| result.name == "last" && result.status == Some(ResultCode::Pruned)),
        "{results:?}"
    );
    assert!(results.iter().all(|result| result.name != "web"), "ApplyOutOfSyncOnly leaves it out: {results:?}");
    let again = uid(world.get("batch/v1", "Job", "waves", "post").await?);
    assert_ne!(post, again, "it was made anew");
    Ok(())
}

async fn what_needs_a_word_waits_for_it_and_what_must_stay_stays(kind: Kind) -> anyhow::Result<()> {
    let world = World::start(kind).await?;
    let with = |name: &str, options: &str| {
        SETTINGS.replace(
            "{name: settings}",
            &format!("{{name: {name}, annotations: {{argocd.argoproj.io/sync-options: '{options}'}}}}"),
        )
    };
    let repository = world.repository("words")?;
    let first = repository.commit(&[
        ("app/asked.yaml", Some(&with("asked", "Prune=confirm"))),
        ("app/kept.yaml", Some(&with("kept", "Prune=false"))),
        ("app/survivor.yaml", Some(&with("survivor", "Delete=false"))),
        ("app/settings.yaml", Some(SETTINGS)),
    ])?;
    world.apply(automated("words", &repository, "app")).await?;
    world.settled("words", &first).await?;
    repository.commit(&[("app/asked.yaml", None), ("app/kept.yaml", None)])?;
    let waits = |application: &landfall_model::application::Application| {
        let state = application.status.operation_state.as_ref();
        state.is_some_and(|state| {
            state.phase == OperationPhase::Running && state.message.contains("pruning confirmation")
        })
    };
    let application = world.until("words", "waiting for a word", waits).await?;
    let asked = application.status.resources.iter().find(|resource| resource.name == "asked").unwrap();
    assert!(asked.requires_deletion_confirmation && asked.requires_pruning);
    assert!(world.get("v1", "ConfigMap", "words", "asked").await?.is_some());
    let now = world.approve("words").await?;
    world.until_object(("v1", "ConfigMap", "words", "asked"), "gone", |found| found.is_none()).await?;
    let ended = |application: &landfall_model::application::Application| {
        application.status.operation_state.as_ref().is_some_and(|state| state.phase == OperationPhase::Succeeded)
    };
    let application = world.until("words", &format!("done after {now}"), ended).await?;
    assert!(world.get("v1", "ConfigMap", "words", "kept").await?.is_some(), "Prune=false");
    let text = operation_text(&application);
    assert!(text.contains("kept: ignored (no prune)"), "{text}");
    world.delete("argoproj.io/v1alpha1", "Application", "argocd", "words").await?;
    world
        .until_object(("argoproj.io/v1alpha1", "Application", "argocd", "words"), "gone", |found| found.is_none())
        .await?;
    assert!(world.get("v1", "ConfigMap", "words", "survivor").await?.is_some(), "Delete=false");
    assert!(world.get("v1", "ConfigMap", "words", "settings").await?.is_none());
    Ok(())
}

async fn replaced_forced_and_renewed_objects_are_so(kind: Kind) -> anyhow::Result<()> {
    let world = World::start(kind).await?;
    let with = |name: &str, options: &str, color: &str| {
        SETTINGS
            .replace(
                "{name: settings}",
                &format!("{{name: {name}, annotations: {{argocd.argoproj.io/sync-options: '{options}'}}}}"),
            )
            .replace("blue", color)
    };
    let frozen = |color: &str| format!("{}immutable: true\n", with("frozen", "Force=true,Replace=true", color));
    let repository = world.repository("replaced")?;
    let first = repository.commit(&[
        ("app/replaced.yaml", Some(&with("replaced", "Replace=true", "blue"))),
        ("app/frozen.yaml", Some(&frozen("blue"))),
        ("app/loose.yaml", Some("apiVersion: v1\nkind: Service\nmetadata:\n  name: loose\n  annotations: {argocd.argoproj.io/sync-options: Validate=false}\nspec: {ports: [{port: 80}], notAField: 1}\n")),
        ("app/later.yaml", Some("apiVersion: e2e.test/v1\nkind: Later\nmetadata:\n  name: later\n  annotations: {argocd.argoproj.io/sync-options: SkipDryRunOnMissingResource=true, argocd.argoproj.io/sync-wave: '1'}\n")),
        ("app/definition.yaml", Some("apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: laters.e2e.test}\nspec:\n  group: e2e.test\n  scope: Namespaced\n  names: {plural: laters, singular: later, kind: Later}\n  versions:\n  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}\n")),
    ])?;
    world.apply(automated("replaced", &repository, "app")).await?;
    let synced = |revision: &str| {
        let revision = revision.to_owned();
        move |application: &landfall_model::application::Application| {
            application.status.sync.revision == revision
                && application.status.operation_state.as_ref().is_some_and(|state| {
                    state.phase == OperationPhase::Succeeded
                        && state.sync_result.as_ref().is_some_and(|result| result.revision == revision)
                })
        }
    };
    world.until("replaced", "done", synced(&first)).await?;
    assert!(world.get("e2e.test/v1", "Later", "replaced", "later").await?.is_some());
    world.patch("v1", "ConfigMap", "replaced", "replaced", json!({"data": {"extra": "hand"}})).await?;
    let before = world.get("v1", "ConfigMap", "replaced", "frozen").await?.unwrap();
    let second = repository.commit(&[
        ("app/replaced.yaml", Some(&with("replaced", "Replace=true", "green"))),
        ("app/frozen.yaml", Some(&frozen("green"))),
    ])?;
    world.until("replaced", "done again", synced(&second)).await?;
    let found = world.get("v1", "ConfigMap", "replaced", "replaced").await?.unwrap();
    assert_eq!(found["data"], json!({"color": "green"}), "replacing leaves nothing of others");
    let found = world.get("v1", "ConfigMap", "replaced", "frozen").await?.unwrap();
    assert_eq!(color(Some(&found)), Some("green"));
    assert_ne!(found["metadata"]["uid"], before["metadata"]["uid"], "it was deleted and made anew");
    Ok(())
}

async fn a_person_syncs_parts_local_files_and_older_states(kind: Kind) -> anyhow::Result<()> {
    let world = World::start(kind).await?;
    let repository = world.repository("manual")?;
    let more = SETTINGS.replace("name: settings", "name: more");
    let first = repository.commit(&[("app/settings.yaml", Some(SETTINGS)), ("app/more.yaml", Some(&more))])?;
    let mut application = automated("manual", &repository, "app");
    application["spec"]["syncPolicy"] = json!({"syncOptions": ["CreateNamespace=true"]});
    world.apply(application).await?;
    world
        .until("manual", "OutOfSync", |application| application.status.sync.status == SyncStatusCode::OutOfSync)
        .await?;
    assert!(world.get("v1", "ConfigMap", "manual", "settings").await?.is_none(), "nobody asked");

    world.operate("manual", json!({"resources": [{"kind": "ConfigMap", "name": "more"}]})).await?;
    let application = world.operated("manual").await?;
    assert!(application.status.history.is_empty(), "a part is no history");
    assert!(world.get("v1", "ConfigMap", "manual", "more").await?.is_some());
    assert!(world.get("v1", "ConfigMap", "manual", "settings").await?.is_none());

    world.operate("manual", json!({"dryRun": true})).await?;
    world.until_operation_says("manual", "(dry run)").await?;
    assert!(world.get("v1", "ConfigMap", "manual", "settings").await?.is_none(), "a dry run changes nothing");

    world.operate("manual", json!({"revision": first})).await?;
    world.settled("manual", &first).await?;
    let green = SETTINGS.replace("blue", "green");
    let second = repository.commit(&[("app/settings.yaml", Some(&green))])?;
    world.until("manual", "OutOfSync", |application| application.status.sync.revision == second).await?;
    world.operate("manual", json!({"revision": second})).await?;
    let application = world.settled("manual", &second).await?;
    assert_eq!(application.status.history.len(), 2);

    let red = SETTINGS.replace("blue", "red");
    let local = landfall_yaml::read_one(red.as_bytes(), landfall_yaml::Resolver::Kubernetes)?.to_string();
    world.operate("manual", json!({"manifests": [local]})).await?;
    let settings = ("v1", "ConfigMap", "manual", "settings");
    world.until_object(settings, "red", |found| color(found) == Some("red")).await?;
    world
        .until("manual", "OutOfSync after local files", |application| {
            application.operation.is_none() && application.status.sync.status == SyncStatusCode::OutOfSync
        })
        .await?;

    let source = json!({"repoURL": repository.url(), "path": "app", "targetRevision": "HEAD"});
    world.operate("manual", json!({"revision": first, "source": source})).await?;
    world.until_object(settings, "blue again", |found| color(found) == Some("blue")).await?;
    world
        .until("manual", "OutOfSync after going back", |application| {
            application.operation.is_none() && application.status.sync.status == SyncStatusCode::OutOfSync
        })
        .await?;
    Ok(())
}

async fn windows_hold_what_is_automatic_and_let_persons_through_who_may(kind: Kind) -> anyhow::Result<()> {
    let world = World::start(kind).await?;
    let repository = world.repository("windows")?;
    let revision = repository.commit(&[("app/settings.yaml", Some(SETTINGS))])?;
    let project = |windows: Value| {
        json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": {"name": "closed", "namespace": "argocd"},
               "spec": {"sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "*"}],
                        "clusterResourceWhitelist": [{"group": "*", "kind": "*"}], "syncWindows": windows}})
    };
    let closed = |manual: bool| json!([{"kind": "deny", "schedule": "* * * * *", "duration": "1h", "applications": ["*"], "manualSync": manual}]);
    world.apply(project(closed(true))).await?;
    let mut application = automated("windows", &repository, "app");
    application["spec"]["project"] = json!("closed");
    world.apply(application).await?;
    world
        .until("windows", "OutOfSync", |application| application.status.sync.status == SyncStatusCode::OutOfSync)
        .await?;
    world.until_event("windows", "window").await?;
    assert!(world.application("windows").await?.status.operation_state.is_none());
    world.operate("windows", json!({"revision": revision})).await?;
    world.settled("windows", &revision).await?;
    world.apply(project(json!([]))).await?;
    let green = SETTINGS.replace("blue", "green");
    let second = repository.commit(&[("app/settings.yaml", Some(&green))])?;
    world.settled("windows", &second).await.map(|_| ())
}

async fn the_install_manifests_are_what_a_cluster_takes(kind: Kind) -> anyhow::Result<()> {
    let world = World::start(kind).await?;
    let root = landfall_testkit::build::workspace().join("deploy");
    let text = std::fs::read(root.join("install.yaml"))?;
    let strict =
        landfall_ports::cluster::Write { manager: "kubectl".to_owned(), force: true, dry_run: false, strict: true };
    let mut kinds = Vec::new();
    for object in landfall_yaml::read(&text, landfall_yaml::Resolver::Kubernetes)? {
        let gvk = landfall_model::object::gvk(&object);
        let served = world.kind(&gvk.api_version(), &gvk.kind).await?;
        world.cluster.apply(&served, &object, &strict).await?;
        kinds.push(gvk.kind);
    }
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(
        kinds,
        [
            "ClusterRole",
            "ClusterRoleBinding",
            "CustomResourceDefinition",
            "Deployment",
            "Namespace",
            "Service",
            "ServiceAccount"
        ]
    );
    let pods = ("apps/v1", "Deployment", "argocd", "landfall");
    world
        .until_object(pods, "rolled out", |found| found.is_some_and(|found| found["status"]["updatedReplicas"] == 1))
        .await
}
