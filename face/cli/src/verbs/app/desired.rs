//! `app manifests|diff`: what the source holds beside what the cluster holds.
//!
//! What the source holds is rendered here: from the repository at the source's revision or `--revision`, fetched with the
//! repository Secrets of the cluster, or with `--local` from a working copy as it lies there. Charts of chart repositories
//! are not fetched: that is said.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use clap::{Args, ValueEnum};
use landfall_diff::compare::{DifferenceKind, compare};
use landfall_diff::render::unified;
use landfall_diff::rules::{Options, Rules};
use landfall_diff::schemas::WithCustom;
use landfall_helm::Profile;
use landfall_kustomize::{AllowList, BuildFlags};
use landfall_model::annotations::{FIELD_MANAGER, HELM_PROFILE, SECRET_TYPE_LABEL};
use landfall_model::application::{Application, Source};
use landfall_model::key::{GroupVersionKind, ObjectKey};
use landfall_ports::cluster::{Cause, Cluster, Detail, Discovery, ListRequest, Selection, ServedKind};
use landfall_repository::config::{self, SecretRole};
use landfall_repository::lookup::{Access, Repositories};
use landfall_sync::targets::{self, TargetsRequest};
use landfall_tree::{Tree, join};
use serde_json::Value;

use super::{Session, desired_by_server};
use crate::applications::{Found, explained};
use crate::output::format::{documents, for_people};
use crate::verbs::render::{remotes, source};
use crate::verbs::{FAILURE, SUCCESS};

/// How long a refresh may take.
const REFRESH_TIME_MAX: Duration = Duration::from_secs(60);

/// Arguments of `app manifests`.
#[derive(Debug, Args)]
pub(crate) struct ManifestsArguments {
    /// The Application.
    name: String,
    /// From the source, or from the cluster.
    #[arg(long, value_enum, default_value = "git")]
    source: Side,
    #[command(flatten)]
    origin: Origin,
}

/// Which files are rendered.
#[derive(Debug, Default, Args)]
pub(crate) struct Origin {
    /// A working copy of the repository to take instead of the source's revision.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["revision", "revisions"])]
    pub(super) local: Option<PathBuf>,
    /// The folder that counts as the repository's root, if --local names the application's own folder in it.
    #[arg(long, value_name = "DIR", requires = "local")]
    pub(super) local_repo_root: Option<PathBuf>,
    /// Taken for `argocd`'s sake: a server renders the working copy whenever one is asked.
    #[arg(long, hide = true)]
    pub(super) server_side_generate: bool,
    /// The revision to take instead of the source's.
    #[arg(long)]
    pub(super) revision: Option<String>,
    /// The revisions of several sources to take, in the order of --source-positions or else of the sources.
    #[arg(long, value_delimiter = ',', conflicts_with = "revision")]
    pub(super) revisions: Vec<String>,
    /// Which sources --revisions are about, counted from 1.
    #[arg(long, value_delimiter = ',', requires = "revisions")]
    pub(super) source_positions: Vec<usize>,
}

impl Origin {
    /// The revision that is asked for of a source, by its place.
    pub(super) fn revision(&self, index: usize) -> Option<&str> {
        if self.revisions.is_empty() {
            return self.revision.as_deref().filter(|_| index == 0);
        }
        let place = match self.source_positions.is_empty() {
            true => Some(index),
            false => self.source_positions.iter().position(|position| *position == index + 1),
        };
        place.and_then(|place| self.revisions.get(place)).map(String::as_str)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Side {
    /// What the source holds.
    Git,
    /// What the cluster holds.
    Live,
}

pub(super) async fn manifests(session: &Session<'_>, arguments: &ManifestsArguments) -> anyhow::Result<u8> {
    let found = session.applications.get(&arguments.name).await?;
    if let Some(server) = &session.server {
        match arguments.source {
            Side::Git => {
                let objects = desired_by_server::wanted(session, server, &found, &arguments.origin).await?;
                session.outside.print(&documents(&objects))?;
            }
            Side::Live => desired_by_server::live(session, server, &found).await?,
        }
        return Ok(SUCCESS);
    }
    let cluster = &*session.applications.cluster;
    let discovery = cluster.discovery().await.map_err(explained)?;
    let objects = match arguments.source {
        Side::Git => {
            let wanted = wanted(session, &found, &discovery, &arguments.origin).await?;
            wanted
                .objects
                .into_iter()
                .map(|target| target.object)
                .chain(wanted.hooks.into_iter().map(|hook| hook.object))
                .collect()
        }
        Side::Live => {
            same_cluster(&found.application)?;
            let mut live = Vec::new();
            for resource in &found.application.status.resources {
                live.extend(read(cluster, &discovery, &resource.key()).await?.map(|object| for_people(&object)));
            }
            live
        }
    };
    session.outside.print(&documents(&objects))?;
    Ok(SUCCESS)
}

/// Arguments of `app diff`.
#[derive(Debug, Args)]
pub(crate) struct DiffArguments {
    /// The Application.
    name: String,
    #[command(flatten)]
    origin: Origin,
    /// Let the controller compare anew first.
    #[arg(long)]
    refresh: bool,
    /// Let the controller render and compare anew first.
    #[arg(long)]
    hard_refresh: bool,
    /// Whether differences are an exit code.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", value_name = "BOOL")]
    exit_code: bool,
    /// The exit code for differences.
    #[arg(long, default_value_t = FAILURE, value_name = "CODE")]
    diff_exit_code: u8,
}

pub(super) async fn diff(session: &Session<'_>, arguments: &DiffArguments) -> anyhow::Result<u8> {
    let found = match (arguments.hard_refresh, arguments.refresh) {
        (true, _) => session.applications.refresh(&arguments.name, "hard", REFRESH_TIME_MAX).await?,
        (false, true) => session.applications.refresh(&arguments.name, "normal", REFRESH_TIME_MAX).await?,
        (false, false) => session.applications.get(&arguments.name).await?,
    };
    let differs = differences(session, &found, &arguments.origin).await?;
    Ok(if differs && arguments.exit_code { arguments.diff_exit_code } else { SUCCESS })
}

/// Prints how the cluster differs from what an application wants. Returns whether it does.
pub(super) async fn differences(session: &Session<'_>, found: &Found, origin: &Origin) -> anyhow::Result<bool> {
    if let Some(server) = &session.server {
        return desired_by_server::differences(session, server, found, origin).await;
    }
    same_cluster(&found.application)?;
    let cluster = &*session.applications.cluster;
    let discovery = cluster.discovery().await.map_err(explained)?;
    let wanted = wanted(session, found, &discovery, origin).await?;
    let mut pairs: BTreeMap<ObjectKey, Option<Value>> =
        wanted.objects.into_iter().map(|target| (target.key, Some(target.object))).collect();
    // What the application has and the source no longer holds is a difference, too.
    for resource in found.application.status.resources.iter().filter(|resource| !resource.hook) {
        pairs.entry(resource.key()).or_insert(None);
    }
    let ignored = &found.application.spec.ignore_differences;
    let options = Options { manager: FIELD_MANAGER.to_owned(), ..Options::default() };
    let (rules, problems) = Rules::new(ignored, options);
    for problem in problems {
        session.outside.tell(&format!("warning: ignoreDifferences: {problem}"));
    }
    let schemas = schemas(cluster, &discovery).await;
    let mut differs = false;
    for (key, desired) in &pairs {
        let live = read(cluster, &discovery, key).await?;
        let difference = compare(desired.as_ref(), live.as_ref(), &rules, &schemas);
        if difference.kind == DifferenceKind::InSync {
            continue;
        }
        differs = true;
        let title = title(key);
        session.outside.print(&format!("\n===== {title} ======\n{}", unified(&difference, &title)))?;
        for note in &difference.notes {
            session.outside.tell(&format!("note: {title}: {note}"));
        }
    }
    Ok(differs)
}

/// Renders a working copy for `app sync --local`: the objects and hooks as JSON, one text each.
pub(super) async fn local_manifests(
    session: &Session<'_>,
    found: &Found,
    origin: &Origin,
) -> anyhow::Result<Vec<String>> {
    let cluster = &*session.applications.cluster;
    let discovery = cluster.discovery().await.map_err(explained)?;
    let wanted = wanted(session, found, &discovery, origin).await?;
    let objects = wanted.objects.into_iter().map(|target| target.object);
    let hooks = wanted.hooks.into_iter().map(|hook| hook.object);
    Ok(objects.chain(hooks).map(|object| object.to_string()).collect())
}

/// Names the objects of an application that have all of some labels (`KEY=VALUE`).
pub(super) async fn labelled(
    session: &Session<'_>,
    found: &Found,
    origin: &Origin,
    labels: &[String],
) -> anyhow::Result<Vec<ObjectKey>> {
    let mut pairs = Vec::new();
    for label in labels {
        let Some(pair) = label.split_once('=') else { bail!("{label:?} is no label\nhint: write KEY=VALUE") };
        pairs.push(pair);
    }
    let cluster = &*session.applications.cluster;
    let discovery = cluster.discovery().await.map_err(explained)?;
    let wanted = wanted(session, found, &discovery, origin).await?;
    let has_all = |object: &Value| {
        let known = landfall_model::object::text_map(object, &["metadata", "labels"]);
        pairs.iter().all(|(key, value)| known.get(*key).is_some_and(|known| known == value))
    };
    Ok(wanted.objects.into_iter().filter(|target| has_all(&target.object)).map(|target| target.key).collect())
}

/// Finds where a working copy begins: at the folder that is named as its root; at the folder that is named, if it holds the
/// source's path; or above it, if it is the source's path itself, as `argocd` means it.
pub(super) fn local_base(
    session: &Session<'_>,
    folder: &Path,
    root: Option<&Path>,
    path: &str,
) -> anyhow::Result<(Arc<dyn Tree>, String)> {
    let path = path.trim_start_matches("./").trim_matches('/');
    let path = if path == "." { "" } else { path };
    let (tree, inside) = session.outside.tree_around(root.unwrap_or(folder))?;
    if root.is_some() || tree.directory(&join(&inside, path))?.is_some() {
        return Ok((tree, inside));
    }
    match inside.strip_suffix(path).filter(|above| above.is_empty() || above.ends_with('/')) {
        Some(above) => {
            let above = above.trim_end_matches('/').to_owned();
            Ok((tree, above))
        }
        None => bail!(
            "{} holds no {path}, the folder of the application's source\nhint: name the working copy, or its root with --local-repo-root",
            folder.display()
        ),
    }
}

/// `group/Kind namespace/name`, as Argo CD heads its differences.
pub(super) fn title(key: &ObjectKey) -> String {
    format!("{}/{} {}/{}", key.group, key.kind, key.namespace, key.name)
}

/// Learns the kinds that custom resource definitions define; without the right to read them, the built-in ones remain.
async fn schemas(cluster: &dyn Cluster, discovery: &Discovery) -> WithCustom {
    let mut schemas = WithCustom::default();
    let definitions = GroupVersionKind::of("apiextensions.k8s.io/v1", "CustomResourceDefinition");
    if let Some(kind) = discovery.find(&definitions)
        && let Ok(page) = cluster.list(kind, Detail::Full, &ListRequest::default()).await
    {
        page.objects.iter().for_each(|definition| schemas.add(definition));
    }
    schemas
}

async fn read(cluster: &dyn Cluster, discovery: &Discovery, key: &ObjectKey) -> anyhow::Result<Option<Value>> {
    let Some(kind) = discovery.preferred(&key.group_kind()) else { return Ok(None) };
    match cluster.get(kind, &key.namespace, &key.name).await {
        Ok(object) => Ok(object),
        Err(error) if matches!(error.cause, Cause::NotFound | Cause::NotServed) => Ok(None),
        Err(error) => Err(explained(error)),
    }
}

/// Refuses an application whose objects stand in another cluster than the one that is connected to.
fn same_cluster(application: &Application) -> anyhow::Result<()> {
    let destination = &application.spec.destination;
    let is_here = matches!(destination.server.trim_end_matches('/'), "" | "https://kubernetes.default.svc")
        && matches!(destination.name.as_str(), "" | "in-cluster");
    if is_here {
        return Ok(());
    }
    let place = if destination.server.is_empty() { &destination.name } else { &destination.server };
    bail!(
        "{} goes to another cluster ({place}) than the one that holds the Application: its objects cannot be read from here\nhint: `landfall app get {}` shows what the controller knows of them",
        application.metadata.name,
        application.metadata.name
    )
}

/// Renders what an application wants, made ready as the controller does before it compares.
async fn wanted(
    session: &Session<'_>,
    found: &Found,
    discovery: &Discovery,
    origin: &Origin,
) -> anyhow::Result<targets::Targets> {
    let application = &found.application;
    let repositories = repositories(session).await;
    let mut rendered = Vec::new();
    for (index, source) in application.spec.sources().iter().enumerate() {
        if source.path.is_empty() && source.chart.is_empty() && !source.reference.is_empty() {
            rendered.push(Vec::new());
            continue;
        }
        let (tree, source, revision) = files(session, application, source, origin, index, &repositories).await?;
        let request = source::Request {
            application: application.metadata.name.clone(),
            namespace: application.spec.destination.namespace.clone(),
            project: application.spec.project().to_owned(),
            source,
            revision,
            kube_version: discovery.server_version.clone(),
            api_versions: api_versions(discovery),
            profile: profile(application)?,
            now: session.outside.now(),
            random: session.outside.random()?,
            flags: BuildFlags::default(),
        };
        let parsed = landfall_kustomize::Session::new();
        // Files of this machine, chosen by its user: the controller decides what it fetches itself.
        let anywhere = AllowList::of(["*"]);
        let output =
            remotes::attempt(session.outside, &anywhere, |answers| source::render(&*tree, &request, answers, &parsed))
                .await??;
        for warning in &output.warnings {
            session.outside.tell(&format!("warning: {warning}"));
        }
        rendered.push(output.objects);
    }
    let own_namespace = session.applications.place("any").0;
    let instance = landfall_model::tracking::instance_name(
        &application.metadata.namespace,
        &application.metadata.name,
        own_namespace,
    );
    let targets = targets::prepare(TargetsRequest {
        application,
        instance: &instance,
        installation: "",
        rendered,
        is_namespaced: &|gvk| discovery.find(gvk).map(|kind| kind.is_namespaced),
        permit: &|_| Ok(()),
        is_excluded: &|_| false,
    });
    for condition in &targets.conditions {
        session.outside.tell(&format!("warning: {:?}: {}", condition.condition_type, condition.message));
    }
    if !targets.is_usable() {
        bail!("the manifests of {} cannot be used; the warnings say why", application.metadata.name);
    }
    Ok(targets)
}

/// Which Helm renders the application's charts, as far as the Application says it.
fn profile(application: &Application) -> anyhow::Result<Profile> {
    let Some(name) = application.annotation(HELM_PROFILE) else { return Ok(Profile::default()) };
    Profile::parse(name)
        .with_context(|| format!("the annotation {HELM_PROFILE} is {name:?}\nhint: there are helm3 and helm4"))
}

/// Opens the files of a source: the tree, the source with its path in it, and the revision.
async fn files(
    session: &Session<'_>,
    application: &Application,
    source: &Source,
    origin: &Origin,
    index: usize,
    repositories: &Repositories,
) -> anyhow::Result<(Arc<dyn Tree>, Source, String)> {
    let status = &application.status.sync;
    let known = status.revisions.get(index).unwrap_or(&status.revision).clone();
    let working_copy = |root: &Path| -> anyhow::Result<(Arc<dyn Tree>, Source, String)> {
        // Files are taken as they lie there: a person who has not committed yet must know what is compared.
        session.outside.tell(&format!("note: rendering the working copy in {}, committed or not", root.display()));
        let (tree, base) = local_base(session, root, origin.local_repo_root.as_deref(), &source.path)?;
        let path = join(&base, source.path.trim_start_matches("./"));
        Ok((tree, Source { path, ..source.clone() }, known.clone()))
    };
    if let Some(folder) = &origin.local {
        return working_copy(folder);
    }
    let url = &source.repo_url;
    if !source.chart.is_empty() || url.starts_with("oci://") {
        bail!(
            "the chart {} of {url} is not fetched from here\nhint: `landfall app get {}` shows what the controller found different; --local DIR renders a folder",
            source.chart,
            application.metadata.name
        );
    }
    let repository = repositories.find(url, application.spec.project(), Access::Read);
    let revision = origin.revision(index).unwrap_or(&source.target_revision);
    match session.outside.checkout(&repository, revision, &source.tag_prefix).await? {
        Some((tree, commit)) => Ok((tree, source.clone(), commit)),
        None => match url.strip_prefix("file://").unwrap_or(url) {
            path if path.starts_with('/') => working_copy(Path::new(path)),
            _ => bail!("{url} cannot be fetched from here\nhint: --local DIR renders a working copy"),
        },
    }
}

/// Reads how repositories are reached from the Secrets beside the Applications; without the right to read them, all
/// repositories count as public.
async fn repositories(session: &Session<'_>) -> Repositories {
    let mut found = Repositories::default();
    let namespace = session.applications.place("any").0;
    let selection = Selection {
        namespace: namespace.to_owned(),
        label_selector: SECRET_TYPE_LABEL.to_owned(),
        field_selector: String::new(),
    };
    let kind = ServedKind {
        gvk: GroupVersionKind::of("v1", "Secret"),
        plural: "secrets".to_owned(),
        is_namespaced: true,
        verbs: vec!["list".to_owned()],
        is_preferred: true,
    };
    let request = ListRequest { selection, ..ListRequest::default() };
    let secrets = match session.applications.cluster.list(&kind, Detail::Full, &request).await {
        Ok(page) => page.objects,
        Err(error) => {
            session.outside.tell(&format!("note: repositories count as public: {error}"));
            Vec::new()
        }
    };
    for secret in secrets {
        let label = landfall_model::object::label(&secret, SECRET_TYPE_LABEL).unwrap_or("");
        let Some(role) = SecretRole::of_label(label) else { continue };
        let decode = |text: &String| base64::engine::general_purpose::STANDARD.decode(text).ok();
        let data = landfall_model::object::text_map(&secret, &["data"]);
        let data = data.iter().filter_map(|(name, text)| Some((name.clone(), decode(text)?))).collect();
        let (config, problems) = config::parse(landfall_model::object::name(&secret), role, &data);
        problems.iter().for_each(|problem| session.outside.tell(&format!("warning: {problem}")));
        found.configs.extend(config);
    }
    let kind = ServedKind { gvk: GroupVersionKind::of("v1", "ConfigMap"), plural: "configmaps".to_owned(), ..kind };
    let cluster = &session.applications.cluster;
    let text_map = async |name: &str| match cluster.get(&kind, namespace, name).await {
        Ok(Some(value)) => landfall_model::object::text_map(&value, &["data"]),
        Ok(None) | Err(_) => BTreeMap::new(),
    };
    found.known_hosts = text_map("argocd-ssh-known-hosts-cm").await.remove("ssh_known_hosts");
    found.tls_authorities_by_host = text_map("argocd-tls-certs-cm").await;
    found
}

fn api_versions(discovery: &Discovery) -> Vec<String> {
    let kinds = discovery.kinds.iter().flat_map(|kind| {
        let version = kind.gvk.api_version();
        [format!("{version}/{}", kind.gvk.kind), version]
    });
    let mut versions: Vec<String> = kinds.collect();
    versions.sort_unstable();
    versions.dedup();
    versions
}
