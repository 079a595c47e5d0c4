//! `landfall up`: a control plane in this process, a controller on it, and somebody's repository brought to life.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use landfall_flow::reconcile::Controller;
use landfall_flow::settings::Settings;
use landfall_model::application::Application;
use landfall_model::health::HealthStatus;
use landfall_model::status::SyncStatusCode;
use landfall_model::{crds, object};
use landfall_sandbox::{Sandbox, Serving};
use serde_json::{Value, json};

use crate::api::ApiArguments;
use crate::demo;
use crate::logging::{self, LogFormat};
use crate::stop::stopped;
use crate::world;

/// Arguments of `landfall up`.
#[derive(Args)]
pub(crate) struct UpArguments {
    /// A Git repository: a folder on this machine or an address.
    #[arg(long, value_name = "PATH|URL")]
    repo: Option<String>,
    /// The folder in the repository that holds the manifests, the chart or the kustomization.
    #[arg(long, value_name = "DIR", default_value = ".", requires = "repo")]
    path: String,
    /// Branch, tag or commit.
    #[arg(long, default_value = "HEAD", requires = "repo")]
    revision: String,
    /// The namespace that objects go to which name none; the repository's name if left out.
    #[arg(long)]
    dest_namespace: Option<String>,
    /// Files with Applications and AppProjects to start with.
    #[arg(short = 'f', long = "file", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Show a tour with two example repositories.
    #[arg(long, conflicts_with_all = ["repo", "files"])]
    demo: bool,
    /// End with success when every application is Synced and Healthy, and with an error when one cannot become so.
    #[arg(long)]
    until_healthy: bool,
    /// With `--until-healthy`: how many seconds to wait at most.
    #[arg(long, default_value_t = 300)]
    timeout: u64,
    /// With `--demo`: end when the tour ends.
    #[arg(long)]
    once: bool,
    /// Keep the control plane's objects in this file.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// The port that kubectl reaches the control plane at; any free one if left out.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Serve /healthz, /readyz, /metrics and /api/webhook here.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    #[command(flatten)]
    api: ApiArguments,
    /// Seconds between two looks at a repository.
    #[arg(long, default_value_t = 3)]
    poll_seconds: u64,
    /// How logs are written.
    #[arg(long, value_enum, default_value = "text")]
    log_format: LogFormat,
}

/// What `up` started.
pub(crate) struct Running {
    /// The control plane.
    pub(crate) sandbox: Sandbox,
    /// The controller on it.
    pub(crate) controller: Arc<Controller>,
    /// Where the control plane's kubeconfig was written.
    pub(crate) kubeconfig: PathBuf,
    serving: Serving,
}

/// Brings it up and stays until told to stop.
pub(crate) async fn run(arguments: UpArguments) -> anyhow::Result<()> {
    // The tour and the list of what happens are the output here: logs are for who asks for them.
    if std::env::var_os("LANDFALL_LOG").is_some() {
        logging::start(arguments.log_format);
    }
    // What was asked for is checked before anything starts.
    let mut objects = manifests(&arguments.files)?;
    if let Some(repo) = &arguments.repo {
        objects.push(application_of(repo, &arguments)?);
    }
    let running = start(&arguments).await?;
    let work = async {
        if arguments.demo {
            demo::run(&running).await?;
            if arguments.once {
                return Ok(());
            }
            std::future::pending::<()>().await;
        }
        if objects.is_empty() {
            say("nothing to bring to life yet: name a repository (--repo PATH --path DIR), a file (-f), or try --demo");
        }
        apply(&running, &objects).await?;
        follow(&running, arguments.until_healthy.then(|| Duration::from_secs(arguments.timeout))).await
    };
    tokio::select! {
        result = work => result,
        result = crate::controller::serve(running.controller.clone(), arguments.listen) => result,
        result = arguments.api.serve(running.controller.clone(), say) => result,
        () = running.controller.clone().run() => bail!("the controller ended by itself; LANDFALL_LOG=debug shows why"),
        () = stopped() => Ok(()),
    }
}

async fn start(arguments: &UpArguments) -> anyhow::Result<Running> {
    // Commands that are not plainly understood succeed after a moment, so that migration Jobs and other hooks go on.
    let mut builder = Sandbox::builder().quick_probes().unknown_commands_end_after(Duration::from_millis(300));
    if let Some(file) = &arguments.state {
        builder = builder.file(file);
    }
    let sandbox = builder.start().await.context("the control plane cannot start")?;
    let serving = sandbox
        .serve_tls(([127, 0, 0, 1], arguments.port).into())
        .await
        .context("the control plane cannot be served")?;
    let kubeconfig = world::up_kubeconfig()?;
    if let Some(folder) = kubeconfig.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    std::fs::write(&kubeconfig, &serving.kubeconfig_yaml)
        .with_context(|| format!("cannot write {}", kubeconfig.display()))?;
    let client = kube::Client::new(sandbox.client_service(), "default");
    let settings =
        Settings { poll_interval: Duration::from_secs(arguments.poll_seconds.max(1)), ..Settings::default() };
    let controller = world::controller(client, settings, world::cache_directory()?)?;
    let running = Running { sandbox, controller, kubeconfig, serving };
    prepare(&running).await?;
    say(&format!("a control plane serves at https://{}", running.serving.addr));
    say(&format!("  export KUBECONFIG={}", running.kubeconfig.display()));
    Ok(running)
}

/// Makes the namespace, the definitions and the default project.
async fn prepare(running: &Running) -> anyhow::Result<()> {
    let mut objects = vec![json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argocd"}})];
    for text in crds::ALL {
        objects.extend(landfall_yaml::read(text.as_bytes(), landfall_yaml::Resolver::Kubernetes)?);
    }
    apply(running, &objects).await?;
    let any = json!([{"group": "*", "kind": "*"}]);
    let project = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": {"name": "default", "namespace": "argocd"},
        "spec": {"sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "*"}], "clusterResourceWhitelist": any},
    });
    apply(running, &[project]).await
}

/// Applies objects as a person would. A kind that was defined just now may take a moment to be served.
pub(crate) async fn apply(running: &Running, objects: &[Value]) -> anyhow::Result<()> {
    let cluster = &running.controller.home_cluster;
    for wanted in objects {
        let gvk = object::gvk(wanted);
        let mut tries = 0;
        let kind = loop {
            match cluster.discovery().await?.find(&gvk) {
                Some(kind) => break kind.clone(),
                None if tries > 50 => bail!("the control plane does not serve {gvk}"),
                None => {
                    tries += 1;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        };
        let write = landfall_ports::cluster::Write {
            manager: "landfall-up".to_owned(),
            force: true,
            dry_run: false,
            strict: false,
        };
        cluster.apply(&kind, wanted, &write).await?;
    }
    Ok(())
}

fn manifests(files: &[PathBuf]) -> anyhow::Result<Vec<Value>> {
    let mut objects = Vec::new();
    for file in files {
        let text = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        let read = landfall_yaml::read(&text, landfall_yaml::Resolver::Kubernetes);
        objects.extend(read.with_context(|| format!("{} is no YAML", file.display()))?);
    }
    for value in &mut objects {
        if object::namespace(value).is_empty() {
            object::map_mut(value, &["metadata"]).insert("namespace".to_owned(), json!("argocd"));
        }
    }
    Ok(objects)
}

fn application_of(repo: &str, arguments: &UpArguments) -> anyhow::Result<Value> {
    let is_address = repo.contains("://") || (repo.contains('@') && repo.contains(':'));
    let url = if is_address {
        repo.to_owned()
    } else {
        let folder = Path::new(repo).canonicalize().with_context(|| format!("there is no folder {repo}"))?;
        let is_repository = folder.join(".git").exists() || folder.join("objects").exists();
        if !is_repository {
            bail!(
                "{} is no Git repository: run `git init && git add -A && git commit -m first` in it, or name the folder above",
                folder.display()
            );
        }
        format!("file://{}", folder.display())
    };
    let last = url.trim_end_matches('/').trim_end_matches(".git").rsplit(['/', ':']).next().unwrap_or("app");
    let name: String = last.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let name = name.trim_matches('-').to_owned();
    let namespace = arguments.dest_namespace.clone().unwrap_or_else(|| name.clone());
    Ok(json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": name, "namespace": "argocd", "finalizers": ["resources-finalizer.argocd.argoproj.io"]},
        "spec": {
            "project": "default",
            "source": {"repoURL": url, "path": arguments.path, "targetRevision": arguments.revision},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": namespace},
            "syncPolicy": {"automated": {"prune": true, "selfHeal": true}, "syncOptions": ["CreateNamespace=true"]},
        },
    }))
}

/// Says what happens to the applications, until told to stop or (with `limit`) until it is known how it ends.
async fn follow(running: &Running, limit: Option<Duration>) -> anyhow::Result<()> {
    let deadline = limit.map(|limit| tokio::time::Instant::now() + limit);
    let mut told: BTreeMap<String, String> = BTreeMap::new();
    loop {
        let applications: Vec<(String, Application)> = running
            .controller
            .home
            .applications()
            .into_iter()
            .filter_map(|(key, known)| Some((key.name, known.application.clone().ok()?)))
            .collect();
        for (name, application) in &applications {
            let line = describe(application);
            if told.get(name) != Some(&line) {
                say(&format!("{name}: {line}"));
                told.insert(name.clone(), line);
            }
        }
        if let Some(deadline) = deadline {
            let ends: Vec<Option<bool>> = applications.iter().map(|(_, application)| ending(application)).collect();
            if !ends.is_empty() && ends.iter().all(|end| *end == Some(true)) {
                say("every application is Synced and Healthy");
                return Ok(());
            }
            if ends.contains(&Some(false)) {
                bail!("an application cannot become healthy; see above");
            }
            if tokio::time::Instant::now() > deadline {
                bail!("not every application became Synced and Healthy in time; see above");
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Says whether an application is in order only because its source holds nothing.
fn is_empty(application: &Application) -> bool {
    let status = &application.status;
    status.sync.status == SyncStatusCode::Synced && status.resources.is_empty() && status.summary.images.is_empty()
}

/// How deep a repository of this machine is looked through for manifests.
const NESTING_MAX: usize = 4;
/// How many folders are named.
const FOLDERS_MAX: usize = 8;

/// What to say of a source that holds nothing: mostly `--path` is not what was meant.
fn nothing_there(application: &Application) -> String {
    let Some(source) = application.spec.sources().first() else { return String::new() };
    let mut folders = Vec::new();
    if let Some(root) = source.repo_url.strip_prefix("file://") {
        with_manifests(Path::new(root), "", 0, &mut folders);
    }
    folders.retain(|folder| *folder != source.path.trim_matches(['.', '/']));
    folders.truncate(FOLDERS_MAX);
    let hint = match folders.is_empty() {
        true => "commit manifests, a chart or a kustomization there, or name another folder with --path".to_owned(),
        false => format!("name one with --path; these have some: {}", folders.join(", ")),
    };
    format!("\n    the folder {:?} holds no manifests, so nothing is deployed: {hint}", source.path)
}

/// Finds folders that look like sources: a chart, a kustomization, or files that begin like objects.
fn with_manifests(root: &Path, inside: &str, depth: usize, found: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(root.join(inside)) else { return };
    let mut names: Vec<(String, bool)> = entries
        .flatten()
        .filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path().is_dir())))
        .filter(|(name, _)| !name.starts_with('.') && name != "node_modules")
        .collect();
    names.sort_unstable();
    let is_tool =
        |name: &str| matches!(name, "Chart.yaml" | "kustomization.yaml" | "kustomization.yml" | "Kustomization");
    let is_manifest = |name: &str| {
        (name.ends_with(".yaml") || name.ends_with(".yml"))
            && std::fs::read_to_string(root.join(inside).join(name))
                .is_ok_and(|text| text.contains("apiVersion:") && text.contains("kind:"))
    };
    let files = || names.iter().filter(|(_, is_folder)| !is_folder);
    let has_tool = files().any(|(name, _)| is_tool(name));
    if !inside.is_empty() && (has_tool || files().any(|(name, _)| is_manifest(name))) {
        found.push(inside.to_owned());
    }
    // What lies below a chart or a kustomization is part of it.
    if has_tool || depth >= NESTING_MAX || found.len() >= FOLDERS_MAX {
        return;
    }
    for (name, _) in names.iter().filter(|(_, is_folder)| *is_folder) {
        let next = if inside.is_empty() { name.clone() } else { format!("{inside}/{name}") };
        with_manifests(root, &next, depth + 1, found);
    }
}

/// One line about where an application stands.
pub(crate) fn describe(application: &Application) -> String {
    let status = &application.status;
    let mut line = format!("{} {}", status.sync.status.as_str(), status.health.status);
    if !status.sync.revision.is_empty() {
        line.push_str(&format!(" at {}", landfall_sync::explain::revision(&status.sync.revision)));
    }
    if is_empty(application) {
        line.push_str(&nothing_there(application));
    }
    for condition in &status.conditions {
        line.push_str(&format!(
            "\n    {:?}: {}",
            condition.condition_type,
            condition.message.replace('\n', "\n      ")
        ));
    }
    if let Some(state) = status.operation_state.as_ref().filter(|state| !state.phase.is_successful()) {
        line.push_str(&format!("\n    {}: {}", state.phase.as_str(), state.message));
        for failed in state.sync_result.iter().flat_map(|result| &result.resources) {
            if failed.status == Some(landfall_model::status::ResultCode::SyncFailed) {
                line.push_str(&format!("\n      {}: {}", failed.key(), failed.message));
            }
        }
    }
    for resource in &status.resources {
        if let Some(health) = resource.health.as_ref().filter(|health| health.status != HealthStatus::Healthy) {
            line.push_str(&format!("\n    {} {}", resource.key(), health.status));
            if !health.message.is_empty() {
                line.push_str(&format!(": {}", health.message));
            }
        }
    }
    line
}

/// Says how an application ended: well, badly, or not yet.
fn ending(application: &Application) -> Option<bool> {
    let status = &application.status;
    let is_done = status.sync.status == SyncStatusCode::Synced && status.health.status == HealthStatus::Healthy;
    if is_empty(application) {
        return Some(false);
    }
    if is_done {
        return Some(true);
    }
    let has_error = status.conditions.iter().any(|condition| condition.condition_type.is_error());
    let has_failed =
        status.operation_state.as_ref().is_some_and(|state| state.phase.is_completed() && !state.phase.is_successful());
    (has_error || has_failed || status.health.status == HealthStatus::Degraded).then_some(false)
}

/// Prints a line for the person at the terminal.
pub(crate) fn say(line: &str) {
    // Nobody is left to tell if standard output is closed.
    let _told = writeln!(std::io::stdout(), "{line}");
}
