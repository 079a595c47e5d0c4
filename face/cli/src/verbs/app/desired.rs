//! `app manifests|diff`: what the source holds beside what the cluster holds.
//!
//! What the source holds is rendered here when its files are on this machine: the source's repository is a folder, or
//! `--local` names a working copy. For other repositories a server that renders has to be asked, which this command line
//! cannot yet: it says so.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::{Args, ValueEnum};
use landfall_diff::compare::{DifferenceKind, compare};
use landfall_diff::render::unified;
use landfall_diff::rules::{Options, Rules};
use landfall_diff::schemas::WithCustom;
use landfall_kustomize::{AllowList, BuildFlags};
use landfall_model::annotations::FIELD_MANAGER;
use landfall_model::application::{Application, Source};
use landfall_model::key::{GroupVersionKind, ObjectKey};
use landfall_ports::cluster::{Cause, Cluster, Detail, Discovery, ListRequest};
use landfall_sync::targets::{self, TargetsRequest};
use landfall_tree::join;
use serde_json::Value;

use super::Session;
use crate::applications::{Found, explained};
use crate::output::format::{documents, for_people};
use crate::verbs::render::{remotes, source};
use crate::verbs::{FAILURE, SUCCESS};

/// Arguments of `app manifests`.
#[derive(Debug, Args)]
pub(crate) struct ManifestsArguments {
    /// The Application.
    name: String,
    /// From the source, or from the cluster.
    #[arg(long, value_enum, default_value = "git")]
    source: Side,
    /// A working copy of the repository to render instead of the source's revision.
    #[arg(long, value_name = "DIR")]
    local: Option<PathBuf>,
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
    let cluster = &*session.applications.cluster;
    let discovery = cluster.discovery().await.map_err(explained)?;
    let objects = match arguments.source {
        Side::Git => {
            let wanted = wanted(session, &found, &discovery, arguments.local.as_deref()).await?;
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
    /// A working copy of the repository to compare instead of the source's revision.
    #[arg(long, value_name = "DIR")]
    local: Option<PathBuf>,
    /// Whether differences are an exit code.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", value_name = "BOOL")]
    exit_code: bool,
    /// The exit code for differences.
    #[arg(long, default_value_t = FAILURE, value_name = "CODE")]
    diff_exit_code: u8,
}

pub(super) async fn diff(session: &Session<'_>, arguments: &DiffArguments) -> anyhow::Result<u8> {
    let found = session.applications.get(&arguments.name).await?;
    same_cluster(&found.application)?;
    let cluster = &*session.applications.cluster;
    let discovery = cluster.discovery().await.map_err(explained)?;
    let wanted = wanted(session, &found, &discovery, arguments.local.as_deref()).await?;
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
    Ok(if differs && arguments.exit_code { arguments.diff_exit_code } else { SUCCESS })
}

/// `group/Kind namespace/name`, as Argo CD heads its differences.
fn title(key: &ObjectKey) -> String {
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
    local: Option<&Path>,
) -> anyhow::Result<targets::Targets> {
    let application = &found.application;
    let mut rendered = Vec::new();
    for source in application.spec.sources() {
        let root = match local {
            Some(folder) => folder.to_owned(),
            None => on_this_machine(source, application)?,
        };
        if source.path.is_empty() && !source.reference.is_empty() {
            rendered.push(Vec::new());
            continue;
        }
        // Files are taken as they lie there: a person who has not committed yet must know what is compared.
        session.outside.tell(&format!("note: rendering the working copy in {}, committed or not", root.display()));
        let (tree, inside) = session.outside.tree_around(&root)?;
        let mut source = source.clone();
        source.path = join(&inside, source.path.trim_start_matches("./"));
        let request = source::Request {
            application: application.metadata.name.clone(),
            namespace: application.spec.destination.namespace.clone(),
            project: application.spec.project().to_owned(),
            source,
            revision: application.status.sync.revision.clone(),
            kube_version: discovery.server_version.clone(),
            api_versions: api_versions(discovery),
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

/// Finds the folder of a source whose repository is one of this machine.
fn on_this_machine(source: &Source, application: &Application) -> anyhow::Result<PathBuf> {
    let url = &source.repo_url;
    let path = url.strip_prefix("file://").unwrap_or(url);
    if path.starts_with('/') && source.chart.is_empty() {
        return Ok(PathBuf::from(path));
    }
    bail!(
        "the manifests of {url} cannot be rendered here: the repository is not on this machine, and asking a running server for them is not supported yet\nhint: --local DIR renders a working copy; `landfall app get {} -o wide` shows what the controller found different",
        application.metadata.name
    )
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
