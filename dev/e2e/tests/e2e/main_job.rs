//! The main job: a commit reaches the cluster and stays there. Each scenario runs on both control planes.

use landfall_e2e::plane::Kind;
use landfall_e2e::world::{World, automated};
use landfall_model::health::HealthStatus;
use landfall_model::status::{ConditionType, OperationPhase, SyncStatusCode};
use serde_json::{Value, json};

pub(crate) const WEB: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: web, image: 'registry.example.test/web:1.0.0', ports: [{containerPort: 8080}]}]
";
pub(crate) const SETTINGS: &str = "apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {color: blue}
";
pub(crate) const HOOK: &str = "apiVersion: batch/v1
kind: Job
metadata:
  name: migrate
  annotations: {argocd.argoproj.io/hook: PreSync, argocd.argoproj.io/hook-delete-policy: HookSucceeded}
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{name: migrate, image: 'busybox:1', command: ['true']}]
";

on_both_planes!(
    a_commit_is_synced_changed_healed_pruned_and_deleted_with_its_application,
    hooks_run_before_the_objects_and_are_removed,
    a_controller_that_was_killed_goes_on_where_it_was,
    what_is_wrong_is_said_and_nothing_else_is_disturbed,
    the_blacklist_example_runs_as_it_stands,
    taking_over_from_client_side_apply_changes_nothing,
    a_commit_that_an_application_does_not_read_writes_nothing_on_it,
);

pub(crate) fn color(found: Option<&Value>) -> Option<&str> {
    found?.pointer("/data/color")?.as_str()
}

async fn a_commit_is_synced_changed_healed_pruned_and_deleted_with_its_application(kind: Kind) -> anyhow::Result<()> {
    let world = World::start(kind).await?;
    let repository = world.repository("shop")?;
    let first = repository.commit(&[("app/web.yaml", Some(WEB)), ("app/settings.yaml", Some(SETTINGS))])?;
    world.apply(automated("shop", &repository, "app")).await?;
    let application = world.settled("shop", &first).await?;
    assert_eq!(application.status.history.len(), 1);
    assert_eq!(application.status.summary.images, ["registry.example.test/web:1.0.0"]);
    assert_eq!(application.status.source_type, "Directory");

    let green = SETTINGS.replace("blue", "green");
    let second = repository.commit(&[("app/settings.yaml", Some(&green))])?;
    let application = world.settled("shop", &second).await?;
    assert_eq!(application.status.history.len(), 2);
    let settings = ("v1", "ConfigMap", "shop", "settings");
    world.until_object(settings, "green", |found| color(found) == Some("green")).await?;

    world.patch("v1", "ConfigMap", "shop", "settings", json!({"data": {"color": "red"}})).await?;
    world.until_object(settings, "healed", |found| color(found) == Some("green")).await?;
    world.delete("v1", "ConfigMap", "shop", "settings").await?;
    world.until_object(settings, "there again", |found| color(found) == Some("green")).await?;

    let third = repository.commit(&[("app/settings.yaml", None)])?;
    world.until_object(settings, "pruned", |found| found.is_none()).await?;
    world.settled("shop", &third).await?;

    world.delete("argoproj.io/v1alpha1", "Application", "argocd", "shop").await?;
    world.until_object(("apps/v1", "Deployment", "shop", "web"), "gone", |found| found.is_none()).await?;
    world.until_object(("argoproj.io/v1alpha1", "Application", "argocd", "shop"), "gone", |found| found.is_none()).await
}

async fn hooks_run_before_the_objects_and_are_removed(kind: Kind) -> anyhow::Result<()> {
    let world = World::start(kind).await?;
    let repository = world.repository("hooks")?;
    let revision = repository.commit(&[("app/settings.yaml", Some(SETTINGS)), ("app/hook.yaml", Some(HOOK))])?;
    world.apply(automated("hooks", &repository, "app")).await?;
    let application = world.settled("hooks", &revision).await?;
    let result = application.status.operation_state.and_then(|state| state.sync_result).unwrap();
    let hook = result.resources.iter().find(|resource| resource.kind == "Job").unwrap();
    assert_eq!((hook.hook_type.as_str(), hook.hook_phase), ("PreSync", Some(OperationPhase::Succeeded)));
    world.until_object(("batch/v1", "Job", "hooks", "migrate"), "removed", |found| found.is_none()).await
}

async fn a_controller_that_was_killed_goes_on_where_it_was(kind: Kind) -> anyhow::Result<()> {
    let mut world = World::start(kind).await?;
    let repository = world.repository("killed")?;
    repository.commit(&[("app/settings.yaml", Some(SETTINGS))])?;
    world.apply(automated("killed", &repository, "app")).await?;
    world.until("killed", "noticed", |application| application.status.reconciled_at.is_some()).await?;
    world.stop_controller().await;
    let green = SETTINGS.replace("blue", "green");
    let second = repository.commit(&[("app/settings.yaml", Some(&green))])?;
    world.start_controller().await?;
    world.settled("killed", &second).await?;
    world.until_object(("v1", "ConfigMap", "killed", "settings"), "green", |found| color(found) == Some("green")).await
}

async fn what_is_wrong_is_said_and_nothing_else_is_disturbed(kind: Kind) -> anyhow::Result<()> {
    let world = World::start(kind).await?;
    let good = world.repository("good")?;
    let revision = good.commit(&[("app/settings.yaml", Some(SETTINGS))])?;
    let broken = world.repository("broken")?;
    broken.commit(&[
        ("yaml/x.yaml", Some("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\n bad: y\n")),
        ("kind/x.yaml", Some("apiVersion: example.test/v1\nkind: Nothing\nmetadata: {name: x}\n")),
        (
            "field/x.yaml",
            Some("apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec: {ports: [{port: 80}], notAField: 1}\n"),
        ),
        ("chart/Chart.yaml", Some("apiVersion: v2\nname: c\nversion: 1.0.0\n")),
        ("chart/templates/x.yaml", Some("a: {{ .Values.missing.name }}\n")),
    ])?;
    world.apply(automated("good", &good, "app")).await?;
    for (name, path) in
        [("yaml", "yaml"), ("kind", "kind"), ("field", "field"), ("chart", "chart"), ("path", "nowhere")]
    {
        world.apply(automated(name, &broken, path)).await?;
    }
    let mut gone = automated("repository", &broken, "yaml");
    gone["spec"]["source"]["repoURL"] = json!("file:///nowhere/at/all");
    world.apply(gone).await?;
    let mut project = automated("project", &broken, "yaml");
    project["spec"]["project"] = json!("unknown");
    world.apply(project).await?;

    for (name, expected, words) in [
        ("yaml", ConditionType::ComparisonError, "yaml/x.yaml:"),
        ("chart", ConditionType::ComparisonError, "templates/x.yaml"),
        ("path", ConditionType::ComparisonError, "app path does not exist"),
        ("repository", ConditionType::ComparisonError, "/nowhere/at/all"),
        ("project", ConditionType::InvalidSpecError, "project unknown which does not exist"),
    ] {
        let says = |application: &landfall_model::application::Application| {
            application
                .status
                .conditions
                .iter()
                .any(|condition| condition.condition_type == expected && condition.message.contains(words))
        };
        let application = world.until(name, words, says).await?;
        assert_eq!(application.status.sync.status, SyncStatusCode::Unknown, "{name}");
    }
    for (name, words) in [("kind", "Nothing"), ("field", "notAField")] {
        let failed = |application: &landfall_model::application::Application| {
            let state = application.status.operation_state.as_ref();
            let results = state
                .and_then(|state| state.sync_result.as_ref())
                .map(|result| result.resources.clone())
                .unwrap_or_default();
            let text = format!(
                "{} {}",
                state.map(|state| state.message.clone()).unwrap_or_default(),
                results.iter().map(|result| result.message.clone()).collect::<String>()
            );
            text.contains(words)
        };
        world.until(name, words, failed).await?;
    }
    world.settled("good", &revision).await.map(|_| ())
}

async fn the_blacklist_example_runs_as_it_stands(kind: Kind) -> anyhow::Result<()> {
    let world = World::start(kind).await?;
    let repository = world.repository("blacklist")?;
    let examples = landfall_testkit::build::workspace().join("examples/blacklist");
    let revision = repository.commit_folder(&examples)?;
    for file in ["argocd/project.yaml", "argocd/application.yaml"] {
        let text = std::fs::read_to_string(examples.join(file))?
            .replace("https://git.example.test/team/blacklist.git", &repository.url());
        for object in landfall_yaml::read(text.as_bytes(), landfall_yaml::Resolver::Kubernetes)? {
            world.apply(object).await?;
        }
    }
    // No Ingress controller runs on the test bed, so the Ingress gets no address there and stays Progressing.
    let application = world
        .until("blacklist", "Synced, its Deployments Healthy", |application| {
            let healthy = |resource: &&landfall_model::status::ResourceStatus| {
                resource.kind == "Deployment"
                    && resource.health.as_ref().is_some_and(|health| health.status == HealthStatus::Healthy)
            };
            application.status.sync.status == SyncStatusCode::Synced
                && application.status.sync.revision == revision
                && application.status.resources.iter().filter(healthy).count() == 2
        })
        .await?;
    assert_eq!(application.status.source_type, "Helm");
    assert!(application.status.conditions.is_empty(), "{:?}", application.status.conditions);

    let mut kustomized = automated("kustomized", &repository, "k8s/base");
    kustomized["spec"]["destination"]["namespace"] = json!("blacklist");
    kustomized["spec"]["source"]["kustomize"] =
        json!({"nameSuffix": "-k", "images": ["registry.example.test/blacklist:v1.0.40"]});
    kustomized["spec"]["source"]["kustomize"]["patches"] = json!([
        {"target": {"kind": "Service", "name": "blacklist"}, "patch": "- {op: remove, path: /spec/ports/0/nodePort}"}
    ]);
    world.apply(kustomized).await?;
    let application = world
        .until("kustomized", "Synced", |application| {
            application.status.sync.status == SyncStatusCode::Synced && !application.status.summary.images.is_empty()
        })
        .await?;
    assert_eq!(application.status.source_type, "Kustomize");
    assert!(application.status.summary.images.contains(&"registry.example.test/blacklist:v1.0.40".to_owned()));
    Ok(())
}

async fn taking_over_from_client_side_apply_changes_nothing(kind: Kind) -> anyhow::Result<()> {
    let mut world = World::start(kind).await?;
    world.stop_controller().await;
    world.apply(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "taken"}})).await?;
    let mut deployment = landfall_yaml::read_one(WEB.as_bytes(), landfall_yaml::Resolver::Kubernetes)?;
    deployment["metadata"]["namespace"] = json!("taken");
    let last_applied = serde_json::to_string(&deployment)?;
    // As Argo CD leaves an object that it applied from the client's side.
    deployment["metadata"]["annotations"] = json!({
        "argocd.argoproj.io/tracking-id": "taken:apps/Deployment:taken/web",
        "kubectl.kubernetes.io/last-applied-configuration": last_applied,
    });
    let served = world.kind("apps/v1", "Deployment").await?;
    let write = landfall_ports::cluster::Write {
        manager: "argocd-controller".to_owned(),
        force: false,
        dry_run: false,
        strict: false,
    };
    world.cluster.create(&served, &deployment, &write).await?;
    let generation = |found: Option<&Value>| found.and_then(|found| found.pointer("/metadata/generation")?.as_i64());
    let repository = world.repository("taken")?;
    let revision = repository.commit(&[("app/web.yaml", Some(WEB))])?;
    let mut application = automated("taken", &repository, "app");
    application["spec"]["syncPolicy"] = json!({});
    world.apply(application).await?;
    world.start_controller().await?;
    world.settled("taken", &revision).await?;
    let found = world.get("apps/v1", "Deployment", "taken", "web").await?;
    assert_eq!(generation(found.as_ref()), Some(1), "nothing was changed, so nothing restarts");
    Ok(())
}

async fn a_commit_that_an_application_does_not_read_writes_nothing_on_it(kind: Kind) -> anyhow::Result<()> {
    let world = World::start(kind).await?;
    let repository = world.repository("mono")?;
    let first = repository.commit(&[("one/settings.yaml", Some(SETTINGS)), ("two/settings.yaml", Some(SETTINGS))])?;
    world.apply(automated("one", &repository, "one")).await?;
    world.apply(automated("two", &repository, "two")).await?;
    world.settled("one", &first).await?;
    world.settled("two", &first).await?;
    let before = world.application("one").await?.metadata.resource_version;
    let green = SETTINGS.replace("blue", "green");
    let second = repository.commit(&[("two/settings.yaml", Some(&green))])?;
    world.settled("two", &second).await?;
    assert_eq!(world.application("one").await?.metadata.resource_version, before);
    Ok(())
}
