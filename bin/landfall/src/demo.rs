//! `landfall up --demo`: a tour in which everything that is told really happens.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use landfall_flow::home::{AppKey, HomeKind};
use landfall_model::application::Application;
use landfall_model::health::HealthStatus;
use landfall_model::object;
use landfall_model::status::SyncStatusCode;
use landfall_ports::cluster::{Patch, Write};
use landfall_sandbox::Fault;
use landfall_sync::rollback::{RollbackRequest, operation};
use rust_embed::RustEmbed;
use serde_json::{Value, json};

use crate::up::{Running, apply, describe, say};
use crate::world;

/// The example repositories.
#[derive(RustEmbed)]
#[folder = "../../examples"]
struct Examples;

/// How long any one thing may take before the tour gives up.
const STEP_MAX: Duration = Duration::from_secs(120);
/// How often the tour looks.
const LOOK: Duration = Duration::from_millis(50);

/// Walks through: first sync, a new version, drift healed, a bad version rolled back.
pub(crate) async fn run(running: &Running) -> anyhow::Result<()> {
    let root = world::cache_directory()?.join(format!("demo-{}", std::process::id()));
    let blacklist = repository(&root, "blacklist")?;
    let kubesentiment = repository(&root, "kubesentiment")?;

    heading("1. First sync: two repositories, four applications");
    let mut objects = read("blacklist/argocd/project.yaml", &blacklist)?;
    objects.extend(read("blacklist/argocd/application.yaml", &blacklist)?);
    for environment in ["development", "staging", "production"] {
        let path = format!("kubesentiment/infrastructure/gitops/applications/{environment}/mlops-sentiment.yaml");
        objects.extend(read(&path, &kubesentiment)?);
    }
    say(&format!("   repositories: {} and {}", blacklist.display(), kubesentiment.display()));
    let started = Instant::now();
    apply(running, &objects).await?;
    for name in ["blacklist", "mlops-sentiment-development", "mlops-sentiment-staging"] {
        wait(running, name, "Synced and Healthy", is_settled).await?;
    }
    wait(running, "mlops-sentiment-production", "OutOfSync: production waits for a person", |application| {
        application.status.sync.status == SyncStatusCode::OutOfSync
    })
    .await?;
    say(&format!("   took {:.1} s from nothing to running pods", started.elapsed().as_secs_f32()));

    heading("2. A new version: the pipeline commits image tag v1.0.35");
    let started = Instant::now();
    edit(&blacklist, "helm-chart/blacklist/values.yaml", "tag: v1.0.34", "tag: v1.0.35")?;
    commit(&blacklist, "Release v1.0.35 [skip ci]")?;
    pushed(running, &blacklist);
    wait(running, "blacklist", "v1.0.35 rolled out", |application| {
        is_settled(application) && runs(application, "v1.0.35")
    })
    .await?;
    say(&format!("   took {:.1} s from commit to healthy", started.elapsed().as_secs_f32()));

    heading("3. Drift: somebody scales the Deployment to 7 by hand");
    let started = Instant::now();
    patch_deployment(running, &json!({"spec": {"replicas": 7}})).await?;
    wait_replicas(running, 2).await?;
    say(&format!("   back at 2 replicas, as Git says, {} ms later", started.elapsed().as_millis()));

    heading("4. A bad version: v1.0.36 cannot be pulled");
    running.sandbox.fault_images("*:v1.0.36", &[Fault::ImagePull]);
    edit(&blacklist, "helm-chart/blacklist/values.yaml", "tag: v1.0.35", "tag: v1.0.36")?;
    // A minute is too long for a tour: the Deployment gives up after ten seconds.
    edit(&blacklist, "helm-chart/blacklist/values.yaml", "progressDeadlineSeconds: 60", "progressDeadlineSeconds: 10")?;
    commit(&blacklist, "Release v1.0.36 [skip ci]")?;
    pushed(running, &blacklist);
    wait(running, "blacklist", "Degraded, with the reason", |application| {
        application.status.health.status == HealthStatus::Degraded
    })
    .await?;

    heading("5. Taking it back: landfall app rollback blacklist");
    roll_back(running).await?;
    wait(running, "blacklist", "v1.0.35 again, Healthy", |application| {
        application.status.health.status == HealthStatus::Healthy
            && runs(application, "v1.0.35")
            && !application.status.summary.images.iter().any(|image| image.ends_with("v1.0.36"))
    })
    .await?;
    say("   automatic sync is off until somebody switches it on again: Git still holds v1.0.36");

    heading("Now try by hand");
    say(&format!("   export KUBECONFIG={}", running.kubeconfig.display()));
    say("   kubectl get applications -n argocd");
    say("   kubectl get pods -A");
    say("   landfall app list");
    say("   landfall app get blacklist");
    say("   landfall app sync mlops-sentiment-production");
    say(&format!(
        "   edit {} and commit: it is picked up within seconds",
        kubesentiment.join("infrastructure/gitops/environments/development/values.yaml").display()
    ));
    say("   Ctrl-C ends it all");
    Ok(())
}

fn heading(text: &str) {
    say("");
    say(text);
}

fn is_settled(application: &Application) -> bool {
    let status = &application.status;
    status.sync.status == SyncStatusCode::Synced && status.health.status == HealthStatus::Healthy
}

fn runs(application: &Application, tag: &str) -> bool {
    application.status.summary.images.iter().any(|image| image.ends_with(tag))
}

/// Writes an example out as a Git repository with one commit.
fn repository(root: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let folder = root.join(name);
    for path in Examples::iter().filter(|path| path.starts_with(&format!("{name}/"))) {
        let target = root.join(&*path);
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        }
        let content = Examples::get(&path).with_context(|| format!("the example file {path} is missing"))?;
        std::fs::write(&target, content.data).with_context(|| format!("cannot write {}", target.display()))?;
    }
    git(&folder, &["init", "--quiet", "--initial-branch", "main"])?;
    commit(&folder, "The example as it is")?;
    Ok(folder)
}

fn git(folder: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    let output = Command::new("git")
        .current_dir(folder)
        .args(["-c", "user.name=Landfall tour", "-c", "user.email=tour@example.test", "-c", "commit.gpgsign=false"])
        .args(arguments)
        .output()
        .context("cannot run `git`, which the tour makes its repositories with: install it")?;
    if !output.status.success() {
        bail!("git {} failed: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

fn commit(folder: &Path, message: &str) -> anyhow::Result<()> {
    git(folder, &["add", "--all"])?;
    git(folder, &["commit", "--quiet", "--message", message])?;
    say(&format!("   committed to {}: {message}", folder.file_name().unwrap_or_default().to_string_lossy()));
    Ok(())
}

/// Tells the controller what a webhook would: there is something new.
fn pushed(running: &Running, folder: &Path) {
    running.controller.repository_changed(&format!("file://{}", folder.display()));
}

fn edit(folder: &Path, file: &str, from: &str, to: &str) -> anyhow::Result<()> {
    let path = folder.join(file);
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    std::fs::write(&path, text.replace(from, to)).with_context(|| format!("cannot write {}", path.display()))
}

/// Reads manifests of an example, with the repository's address in the place of the one that the file names.
fn read(path: &str, folder: &Path) -> anyhow::Result<Vec<Value>> {
    let content = Examples::get(path).with_context(|| format!("the example file {path} is missing"))?;
    let text = String::from_utf8_lossy(&content.data);
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let text =
        text.replace(&format!("https://git.example.test/team/{name}.git"), &format!("file://{}", folder.display()));
    Ok(landfall_yaml::read(text.as_bytes(), landfall_yaml::Resolver::Kubernetes)?)
}

fn application(running: &Running, name: &str) -> Option<Application> {
    let key = AppKey { namespace: "argocd".to_owned(), name: name.to_owned() };
    running.controller.home.application(&key)?.application.clone().ok()
}

/// Waits until something holds of an application, and tells each thing that happens to it meanwhile.
async fn wait(running: &Running, name: &str, what: &str, holds: impl Fn(&Application) -> bool) -> anyhow::Result<()> {
    let started = Instant::now();
    let mut told = String::new();
    loop {
        if let Some(application) = application(running, name) {
            let line = describe(&application);
            if line != told {
                say(&format!("   {name}: {line}"));
                told = line;
            }
            if holds(&application) {
                say(&format!("   => {name}: {what}"));
                return Ok(());
            }
        }
        if started.elapsed() > STEP_MAX {
            bail!("{name} did not become {what:?} within {} s: {told}", STEP_MAX.as_secs());
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn by_hand() -> Write {
    Write { manager: "kubectl-edit".to_owned(), force: false, dry_run: false, strict: false }
}

async fn patch_deployment(running: &Running, patch: &Value) -> anyhow::Result<()> {
    let cluster = &running.controller.home_cluster;
    let discovery = cluster.discovery().await?;
    let kind = discovery
        .preferred(&landfall_model::key::GroupKind::of("apps", "Deployment"))
        .context("Deployments are not served")?;
    cluster.patch(kind, "blacklist", "blacklist", "", &Patch::Merge(patch.clone()), &by_hand()).await?;
    Ok(())
}

async fn wait_replicas(running: &Running, wanted: i64) -> anyhow::Result<()> {
    let cluster = &running.controller.home_cluster;
    let discovery = cluster.discovery().await?;
    let kind = discovery
        .preferred(&landfall_model::key::GroupKind::of("apps", "Deployment"))
        .context("Deployments are not served")?;
    let started = Instant::now();
    loop {
        let live = cluster.get(kind, "blacklist", "blacklist").await?.unwrap_or_default();
        if object::integer(&live, &["spec", "replicas"]) == Some(wanted) {
            return Ok(());
        }
        if started.elapsed() > STEP_MAX {
            bail!("the Deployment was not healed within {} s", STEP_MAX.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Does what `landfall app rollback` does: automatic sync off, then the last good state in the history.
async fn roll_back(running: &Running) -> anyhow::Result<()> {
    let cluster = &running.controller.home_cluster;
    let kind = HomeKind::Application.served();
    let off = Patch::Merge(json!({"spec": {"syncPolicy": {"automated": null}}}));
    cluster.patch(&kind, "argocd", "blacklist", "", &off, &by_hand()).await?;
    let mut manual = application(running, "blacklist").context("the application is gone")?;
    manual.spec.sync_policy =
        manual.spec.sync_policy.map(|policy| landfall_model::application::SyncPolicy { automated: None, ..policy });
    let request = RollbackRequest { id: None, prune: false, dry_run: false, username: "tour".to_owned() };
    let wanted = operation(&manual, &request).map_err(|reason| anyhow::anyhow!("{reason}"))?;
    let patch = Patch::Merge(json!({"operation": wanted}));
    cluster.patch(&kind, "argocd", "blacklist", "", &patch, &by_hand()).await?;
    Ok(())
}
