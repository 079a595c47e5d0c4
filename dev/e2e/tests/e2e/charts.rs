//! What comes from elsewhere than the application's repository: charts of a chart repository, charts that a chart depends on,
//! remote bases of a kustomization; and what the status says of each.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use landfall_e2e::plane::Kind;
use landfall_e2e::world::{World, automated};
use landfall_model::application::Application;
use landfall_model::status::ConditionType;
use serde_json::json;

use crate::main_job::color;

on_both_planes!(
    a_chart_comes_from_a_chart_repository_and_its_digest_is_pinned,
    what_a_chart_in_git_depends_on_is_fetched,
    a_remote_base_is_fetched_and_its_commit_is_pinned,
);

/// A chart repository: files that a test puts in, over HTTP on loopback. It ends with the test's runtime.
struct ChartRepository {
    url: String,
    folder: tempfile::TempDir,
    index: Arc<Mutex<String>>,
}

impl ChartRepository {
    async fn start() -> anyhow::Result<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let folder = tempfile::tempdir()?;
        let index = Arc::new(Mutex::new("apiVersion: v1\nentries:\n".to_owned()));
        let (root, own_index) = (folder.path().to_owned(), index.clone());
        let answer = move |axum::extract::Path(name): axum::extract::Path<String>| {
            let found = match name.as_str() {
                "index.yaml" => Some(own_index.lock().unwrap().clone().into_bytes()),
                name => std::fs::read(root.join(name)).ok(),
            };
            async move { found.ok_or(http::StatusCode::NOT_FOUND) }
        };
        let router = axum::Router::new().route("/{name}", axum::routing::get(answer));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { url, folder, index })
    }

    /// Publishes a chart that renders one ConfigMap. Returns the digest of its archive.
    fn publish(&self, name: &str, version: &str, default_color: &str) -> anyhow::Result<String> {
        let folder = tempfile::tempdir()?;
        write_chart(&folder.path().join(name), name, version, default_color, "")?;
        let archive = self.folder.path().join(format!("{name}-{version}.tgz"));
        let packed = Command::new("tar").arg("czf").arg(&archive).arg("-C").arg(folder.path()).arg(name).status()?;
        anyhow::ensure!(packed.success(), "tar failed");
        let sum = Command::new("sha256sum").arg(&archive).output()?;
        let digest = String::from_utf8(sum.stdout)?.split(' ').next().unwrap_or_default().to_owned();
        let mut index = self.index.lock().unwrap();
        if !index.contains(&format!("  {name}:\n")) {
            index.push_str(&format!("  {name}:\n"));
        }
        // Newer versions of a chart are put in front, as `helm repo index` sorts them.
        let entry = format!(
            "  - {{apiVersion: v2, name: {name}, version: {version}, urls: [{name}-{version}.tgz], digest: {digest}}}\n"
        );
        let at = index.find(&format!("  {name}:\n")).unwrap() + format!("  {name}:\n").len();
        index.insert_str(at, &entry);
        Ok(format!("sha256:{digest}"))
    }
}

fn write_chart(folder: &Path, name: &str, version: &str, color: &str, more: &str) -> anyhow::Result<()> {
    let object = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  color: {{{{ .Values.color }}}}\n  version: {{{{ .Chart.Version | quote }}}}\n"
    );
    std::fs::create_dir_all(folder.join("templates"))?;
    std::fs::write(folder.join("Chart.yaml"), format!("apiVersion: v2\nname: {name}\nversion: {version}\n{more}"))?;
    std::fs::write(folder.join("values.yaml"), format!("color: {color}\n"))?;
    std::fs::write(folder.join("templates/settings.yaml"), object)?;
    Ok(())
}

fn of_chart(name: &str, repository: &ChartRepository, version: &str) -> serde_json::Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": name, "namespace": "argocd", "finalizers": ["resources-finalizer.argocd.argoproj.io"]},
        "spec": {
            "project": "default",
            "source": {"repoURL": repository.url, "chart": "web", "targetRevision": version,
                       "helm": {"valuesObject": {"color": "green"}}},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": name},
            "syncPolicy": {"automated": {"prune": true, "selfHeal": true}, "syncOptions": ["CreateNamespace=true"]},
        },
    })
}

/// What the last operation says was fetched.
fn fetched(application: &Application) -> Vec<String> {
    let state = application.status.operation_state.as_ref().expect("it was synced");
    let entries = state.operation.info.iter().filter(|entry| entry.name == "landfall.dev/fetched");
    entries.map(|entry| entry.value.clone()).collect()
}

async fn a_chart_comes_from_a_chart_repository_and_its_digest_is_pinned(kind: Kind) -> anyhow::Result<()> {
    let world = World::start(kind).await?;
    let charts = ChartRepository::start().await?;
    let digest = charts.publish("web", "1.0.3", "blue")?;
    let next = charts.publish("web", "1.1.0", "blue")?;
    world.apply(of_chart("charts", &charts, "1.0.*")).await?;
    let application = world.settled("charts", "1.0.3").await?;
    assert_eq!(fetched(&application), [format!("{}/web:1.0.3@{digest}", charts.url)]);
    let settings = ("v1", "ConfigMap", "charts", "web");
    world.until_object(settings, "green", |found| color(found) == Some("green")).await?;

    let patch = json!({"spec": {"source": {"targetRevision": "1.x"}}});
    world.patch("argoproj.io/v1alpha1", "Application", "argocd", "charts", patch).await?;
    let application = world.settled("charts", "1.1.0").await?;
    assert_eq!(fetched(&application), [format!("{}/web:1.1.0@{next}", charts.url)]);

    let patch = json!({"spec": {"source": {"targetRevision": "7.x"}}});
    world.patch("argoproj.io/v1alpha1", "Application", "argocd", "charts", patch).await?;
    let application = world.until_told("charts", ConditionType::ComparisonError, "7.x").await?;
    let told = application.status.conditions[0].message.clone();
    assert!(told.contains("1.1.0"), "it says which versions there are: {told}");
    let found = world.get("v1", "ConfigMap", "charts", "web").await?;
    assert_eq!(color(found.as_ref()), Some("green"), "what runs is left as it is");
    Ok(())
}

async fn what_a_chart_in_git_depends_on_is_fetched(kind: Kind) -> anyhow::Result<()> {
    let world = World::start(kind).await?;
    let charts = ChartRepository::start().await?;
    let digest = charts.publish("lib", "0.1.0", "purple")?;
    let repository = world.repository("depends")?;
    let dependency = format!("dependencies:\n- {{name: lib, version: 0.x, repository: '{}'}}\n", charts.url);
    write_chart(&repository.folder.join("app"), "own", "1.0.0", "blue", &dependency)?;
    let revision = repository.commit(&[])?;
    world.apply(automated("depends", &repository, "app")).await?;
    let application = world.settled("depends", &revision).await?;
    assert_eq!(fetched(&application), [format!("lib:0.1.0@{digest}")]);
    world.until_object(("v1", "ConfigMap", "depends", "lib"), "purple", |found| color(found) == Some("purple")).await?;
    world.until_object(("v1", "ConfigMap", "depends", "own"), "blue", |found| color(found) == Some("blue")).await?;
    Ok(())
}

async fn a_remote_base_is_fetched_and_its_commit_is_pinned(kind: Kind) -> anyhow::Result<()> {
    let world = World::start(kind).await?;
    let base = world.repository("base")?;
    let at = base.commit(&[
        ("base/kustomization.yaml", Some("resources: [settings.yaml]\n")),
        ("base/settings.yaml", Some(crate::main_job::SETTINGS)),
    ])?;
    let repository = world.repository("overlay")?;
    let remote = format!("{}//base?ref=main", base.url());
    let overlay = format!("resources: ['{remote}']\nnamePrefix: far-\n");
    let revision = repository.commit(&[("app/kustomization.yaml", Some(&overlay))])?;
    world.apply(automated("overlay", &repository, "app")).await?;
    let application = world.settled("overlay", &revision).await?;
    assert_eq!(fetched(&application), [format!("{remote}@{at}")]);
    world
        .until_object(("v1", "ConfigMap", "overlay", "far-settings"), "blue", |found| color(found) == Some("blue"))
        .await?;
    Ok(())
}
