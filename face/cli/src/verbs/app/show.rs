//! `app list|get|history|resources`: what stands in the cluster.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::{Args, ValueEnum};
use landfall_model::key::ObjectKey;
use landfall_model::object;
use landfall_ports::cluster::{Detail, ListRequest};
use serde_json::{Value, json};

use super::Session;
use crate::applications::{Found, qualified_name};
use crate::output::format::{self, Format, for_people};
use crate::output::resources::Node;
use crate::output::{applications, details, history as history_table, resources as resource_tables};
use crate::verbs::SUCCESS;

/// How many levels of a tree are drawn.
const TREE_LEVELS_MAX: usize = 16;
/// How long a refresh may take.
const REFRESH_TIME_MAX: Duration = Duration::from_secs(60);

/// Arguments of `app list`.
#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// The format.
    #[arg(short, long, value_enum, default_value = "wide")]
    output: ListOutput,
    /// Only those of these projects.
    #[arg(short, long = "project")]
    projects: Vec<String>,
    /// Only those with these labels.
    #[arg(short = 'l', long, default_value = "")]
    selector: String,
    /// Only those of this repository.
    #[arg(short, long)]
    repo: Option<String>,
    /// Only those that go to this cluster, by address or name.
    #[arg(short, long)]
    cluster: Option<String>,
    /// Those of all namespaces.
    #[arg(short = 'A', long)]
    pub(super) all_namespaces: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ListOutput {
    /// A table with the sources.
    Wide,
    /// Names only.
    Name,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

pub(super) async fn list(session: &Session<'_>, arguments: &ListArguments) -> anyhow::Result<u8> {
    let listed = session.applications.list(&arguments.selector).await?;
    let unreadable: Vec<&Value> = listed.unreadable.iter().map(|(value, _)| value).collect();
    let complaints: Vec<String> = listed.complaints().collect();
    let mut found = listed.found.clone();
    found.retain(|found| {
        let spec = &found.application.spec;
        let wanted = |wanted: &Option<String>, is: &dyn Fn(&str) -> bool| wanted.as_deref().is_none_or(is);
        (arguments.projects.is_empty() || arguments.projects.iter().any(|project| project == spec.project()))
            && wanted(&arguments.repo, &|repo| spec.sources().iter().any(|source| source.repo_url == repo))
            && wanted(&arguments.cluster, &|it| spec.destination.server == it || spec.destination.name == it)
    });
    // Whoever looks for something that only can be read knows no better than that it is there.
    let is_sought = !arguments.projects.is_empty() || arguments.repo.is_some() || arguments.cluster.is_some();
    let further: &[&Value] = if is_sought { &[] } else { &unreadable };
    let everything = || found.iter().map(|found| &found.value).chain(further.iter().copied());
    let values = || Value::Array(everything().map(for_people).collect());
    let text = match arguments.output {
        ListOutput::Wide => applications::table(found.iter().map(|found| &found.application), true),
        ListOutput::Name => everything().map(|value| format!("{}\n", qualified_name(value))).collect(),
        ListOutput::Json => format::text(&values(), Format::Json),
        ListOutput::Yaml => format::text(&values(), Format::Yaml),
    };
    session.outside.print(&text)?;
    complaints.iter().for_each(|complaint| session.outside.tell(complaint));
    Ok(SUCCESS)
}

/// Arguments of `app get`.
#[derive(Debug, Args)]
pub(crate) struct GetArguments {
    /// The Application.
    name: String,
    /// The format.
    #[arg(short, long, value_enum, default_value = "wide")]
    output: GetOutput,
    /// Compare anew first.
    #[arg(long)]
    refresh: bool,
    /// Render and compare anew first.
    #[arg(long)]
    hard_refresh: bool,
    /// Show the last operation too.
    #[arg(long)]
    show_operation: bool,
    /// Show the parameters of the sources too.
    #[arg(long)]
    show_params: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum GetOutput {
    /// Fields and objects.
    Wide,
    /// Objects with what belongs to them.
    #[value(alias = "tree=detailed")]
    Tree,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

pub(super) async fn get(session: &Session<'_>, arguments: &GetArguments) -> anyhow::Result<u8> {
    let name = &arguments.name;
    let mut found = session.applications.get(name).await?;
    if arguments.refresh || arguments.hard_refresh {
        let how = if arguments.hard_refresh { "hard" } else { "normal" };
        found = session.applications.refresh(name, how, REFRESH_TIME_MAX).await?;
    }
    let text = match arguments.output {
        GetOutput::Json => format::text(&for_people(&found.value), Format::Json),
        GetOutput::Yaml => format::text(&for_people(&found.value), Format::Yaml),
        GetOutput::Tree => {
            format!("{}\n{}", details::fields(&found.application), tree(session, &found.application).await?)
        }
        GetOutput::Wide => {
            let mut text = details::text(&found.application);
            if let Some(line) = windows(session, &found).await {
                // Beside the policy, where `argocd` has it.
                text = text.replacen("SyncPolicy:", &format!("{line}SyncPolicy:"), 1);
            }
            if arguments.show_params {
                text.push_str(&details::parameters(&found.application));
            }
            if arguments.show_operation {
                text.push_str(&details::operation(&found.application));
            }
            text
        }
    };
    session.outside.print(&text)?;
    Ok(SUCCESS)
}

/// Kinds that belong to objects of applications, worth a look for a tree.
const CHILD_KINDS: [(&str, &str); 4] =
    [("apps/v1", "ReplicaSet"), ("batch/v1", "Job"), ("v1", "Pod"), ("v1", "Endpoints")];

/// Draws the objects with what belongs to them, as far as the same cluster holds them.
/// The tree as a server tells it: what hangs from nothing is a root.
fn told(application: &landfall_model::application::Application, answer: &Value) -> Vec<Node> {
    let all = answer["nodes"].as_array().map_or(&[][..], Vec::as_slice);
    let text = |node: &Value, name: &str| node[name].as_str().unwrap_or_default().to_owned();
    let parents = |node: &Value| node["parentRefs"].as_array().cloned().unwrap_or_default();
    fn below(all: &[Value], uid: &str, depth: usize) -> Vec<Node> {
        let hangs =
            |node: &&Value| node["parentRefs"].as_array().into_iter().flatten().any(|parent| parent["uid"] == uid);
        if uid.is_empty() || depth > TREE_LEVELS_MAX {
            return Vec::new();
        }
        let children = all.iter().filter(hangs).map(|node| {
            let word = |name: &str| node[name].as_str().unwrap_or_default();
            let info = node["info"].as_array().into_iter().flatten();
            let info = info.filter_map(|item| Some(format!("{} {}", item["name"].as_str()?, item["value"].as_str()?)));
            let health = node["health"]["status"].as_str().unwrap_or_default().to_owned();
            let detail = std::iter::once(health).chain(info).filter(|part| !part.is_empty()).collect::<Vec<_>>();
            Node {
                title: format!("{}/{}", word("kind"), word("name")),
                detail: detail.join("  "),
                children: below(all, word("uid"), depth + 1),
            }
        });
        children.collect()
    }
    let mut roots = Vec::new();
    for node in all.iter().filter(|node| parents(node).is_empty()) {
        let key =
            ObjectKey::of(&text(node, "group"), &text(node, "kind"), &text(node, "namespace"), &text(node, "name"));
        let children = below(all, &text(node, "uid"), 0);
        match application.status.resources.iter().find(|resource| resource.key() == key) {
            Some(resource) => roots.push(resource_tables::node(resource, children)),
            None => {
                let detail = node["health"]["status"].as_str().unwrap_or_default().to_owned();
                roots.push(Node { title: format!("{}/{}", key.kind, key.name), detail, children });
            }
        }
    }
    roots
}

async fn tree(session: &Session<'_>, application: &landfall_model::application::Application) -> anyhow::Result<String> {
    if let Some(server) = &session.server {
        let metadata = &application.metadata;
        let (path, namespace) = session.address(&format!("{}/{}", metadata.namespace, metadata.name));
        let answer = server.get(&format!("{path}/resource-tree"), &[("appNamespace", &namespace)]).await?;
        return Ok(resource_tables::tree(&told(application, &answer)));
    }
    let cluster = &session.applications.cluster;
    let discovery = cluster.discovery().await.map_err(crate::applications::explained)?;
    let mut children: BTreeMap<String, Vec<(ObjectKey, String, String)>> = BTreeMap::new();
    let namespaces: std::collections::BTreeSet<&str> =
        application.status.resources.iter().map(|resource| resource.namespace.as_str()).collect();
    for (api_version, kind) in CHILD_KINDS {
        let gvk = landfall_model::key::GroupVersionKind::of(api_version, kind);
        let Some(served) = discovery.find(&gvk) else { continue };
        for namespace in namespaces.iter().filter(|namespace| !namespace.is_empty()) {
            let mut request = ListRequest::default();
            request.selection.namespace = (*namespace).to_owned();
            let page = cluster.list(served, Detail::Full, &request).await.map_err(crate::applications::explained)?;
            for child in page.objects {
                let detail = object::text(&child, &["status", "phase"]).to_owned();
                let entry = (object::key(&child), object::uid(&child).to_owned(), detail);
                for owner in object::owner_uids(&child) {
                    children.entry(owner.to_owned()).or_default().push(entry.clone());
                }
            }
        }
    }
    let mut roots = Vec::new();
    for resource in &application.status.resources {
        let below = match discovery.preferred(&resource.key().group_kind()) {
            Some(served) if children.values().len() > 0 => {
                let live = cluster.get(served, &resource.namespace, &resource.name).await;
                let uid = live.ok().flatten().map(|live| object::uid(&live).to_owned()).unwrap_or_default();
                nodes(&uid, &children, 0)
            }
            _ => Vec::new(),
        };
        roots.push(resource_tables::node(resource, below));
    }
    Ok(resource_tables::tree(&roots))
}

/// How deep owners are followed; objects cannot own themselves, but may claim to.
const LEVELS_MAX: usize = 8;

fn nodes(uid: &str, children: &BTreeMap<String, Vec<(ObjectKey, String, String)>>, level: usize) -> Vec<Node> {
    if uid.is_empty() || level >= LEVELS_MAX {
        return Vec::new();
    }
    let own = children.get(uid).map(Vec::as_slice).unwrap_or_default();
    let mut nodes: Vec<Node> = own
        .iter()
        .map(|(key, uid, detail)| Node {
            title: format!("{}/{}", key.kind, key.name),
            detail: detail.clone(),
            children: nodes(uid, children, level + 1),
        })
        .collect();
    nodes.sort_by(|a, b| a.title.cmp(&b.title));
    nodes
}

/// What the project's windows say now, if a server is asked; it knows its time and its clusters.
async fn windows(session: &Session<'_>, found: &Found) -> Option<String> {
    let server = session.server.as_ref()?;
    let (path, namespace) = session.address(&found.qualified_name());
    let answer = server.get(&format!("{path}/syncwindows"), &[("appNamespace", &namespace)]).await.ok()?;
    let count = answer["assignedWindows"].as_array().map_or(0, Vec::len);
    let said = match (answer["canSync"] == true, count) {
        (true, _) => "Sync Allowed".to_owned(),
        (false, count) => format!("Sync Denied ({count} assigned)"),
    };
    Some(format!("{:<20}{said}\n", "SyncWindow:"))
}

/// Arguments of `app history`.
#[derive(Debug, Args)]
pub(crate) struct HistoryArguments {
    /// The Application.
    name: String,
    /// The format.
    #[arg(short, long, value_enum, default_value = "wide")]
    output: HistoryOutput,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum HistoryOutput {
    /// A table.
    Wide,
    /// Ids only.
    Id,
}

pub(super) async fn history(session: &Session<'_>, arguments: &HistoryArguments) -> anyhow::Result<u8> {
    let found = session.applications.get(&arguments.name).await?;
    let history = &found.application.status.history;
    let text = match arguments.output {
        HistoryOutput::Wide => history_table::table(history),
        HistoryOutput::Id => history_table::ids(history),
    };
    session.outside.print(&text)?;
    Ok(SUCCESS)
}

/// Arguments of `app resources`.
#[derive(Debug, Args)]
pub(crate) struct ResourcesArguments {
    /// The Application.
    name: String,
    /// The format; a table if left out.
    #[arg(short, long, value_enum)]
    output: Option<ResourcesOutput>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ResourcesOutput {
    /// A tree.
    Tree,
    /// A table with status and health.
    Wide,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

pub(super) async fn resources(session: &Session<'_>, arguments: &ResourcesArguments) -> anyhow::Result<u8> {
    let found = session.applications.get(&arguments.name).await?;
    let values = || json!(found.application.status.resources);
    let text = match arguments.output {
        None => resource_tables::list(&found.application),
        Some(ResourcesOutput::Wide) => resource_tables::table(&found.application),
        Some(ResourcesOutput::Tree) => tree(session, &found.application).await?,
        Some(ResourcesOutput::Json) => format::text(&values(), Format::Json),
        Some(ResourcesOutput::Yaml) => format::text(&values(), Format::Yaml),
    };
    session.outside.print(&text)?;
    Ok(SUCCESS)
}
