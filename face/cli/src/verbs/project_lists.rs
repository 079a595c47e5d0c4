//! What a project permits: `landfall proj add-*|remove-*|allow-*|deny-*|set|source-integrity`, as `argocd proj`. Source:
//! Argo CD 3.5 `cmd/argocd/commands/project.go`, `project_source_integrity.go`.

use anyhow::bail;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::SUCCESS;
use super::account::text;
use super::project::{destination, read, write};
use crate::Outside;
use crate::output::table::Table;
use crate::remote::client::Client;

/// Verbs that change what a project permits.
#[derive(Debug, Subcommand)]
pub(super) enum ListVerb {
    /// Have syncs to a destination made as a service account.
    AddDestinationServiceAccount(ServiceAccountArguments),
    /// Have them made so no longer.
    RemoveDestinationServiceAccount(ServiceAccountArguments),
    /// Permit Applications in a namespace.
    AddSourceNamespace {
        /// The project.
        project: String,
        /// The namespace.
        #[arg(value_name = "NAMESPACE")]
        source: String,
    },
    /// Permit them there no longer.
    RemoveSourceNamespace {
        /// The project.
        project: String,
        /// The namespace.
        #[arg(value_name = "NAMESPACE")]
        source: String,
    },
    /// Do not warn of orphaned objects of a kind.
    AddOrphanedIgnore(KindArguments),
    /// Warn of them again.
    RemoveOrphanedIgnore(KindArguments),
    /// Permit a kind of cluster-scoped objects.
    AllowClusterResource(ResourceArguments),
    /// Permit a kind of cluster-scoped objects no longer.
    DenyClusterResource(ResourceArguments),
    /// Permit a kind of objects in namespaces.
    AllowNamespaceResource(ResourceArguments),
    /// Permit a kind of objects in namespaces no longer.
    DenyNamespaceResource(ResourceArguments),
    /// Set several things at once; lists take the place of those that are there.
    Set(SetArguments),
    /// Say whose signatures commits need.
    #[command(subcommand)]
    SourceIntegrity(SourceIntegrityVerb),
}

#[derive(Debug, Args)]
pub(super) struct ServiceAccountArguments {
    /// The project.
    project: String,
    /// The destination's server.
    #[arg(value_name = "SERVER")]
    place: String,
    /// The destination's namespace.
    destination_namespace: String,
    /// The service account.
    account: String,
    /// Its namespace, if it is another than the destination's.
    #[arg(long)]
    service_account_namespace: Option<String>,
}

impl ServiceAccountArguments {
    fn entry(&self) -> Value {
        let account = match &self.service_account_namespace {
            Some(namespace) => format!("{namespace}:{}", self.account),
            None => self.account.clone(),
        };
        json!({"server": self.place, "namespace": self.destination_namespace, "defaultServiceAccount": account})
    }
}

#[derive(Debug, Args)]
pub(super) struct KindArguments {
    /// The project.
    project: String,
    /// The group; "" for the core one.
    group: String,
    /// The kind.
    kind: String,
    /// Only objects with names that match.
    #[arg(long)]
    name: Option<String>,
}

impl KindArguments {
    fn entry(&self) -> Value {
        let mut entry = json!({"kind": self.kind});
        if !self.group.is_empty() {
            entry["group"] = json!(self.group);
        }
        if let Some(name) = &self.name {
            entry["name"] = json!(name);
        }
        entry
    }
}

#[derive(Debug, Args)]
pub(super) struct ResourceArguments {
    /// The project.
    project: String,
    /// The group; "" for the core one.
    group: String,
    /// The kind.
    kind: String,
    /// Which list is changed: of what is allowed, or of what is denied.
    #[arg(short, long, value_enum)]
    list: Option<List>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum List {
    Allow,
    Deny,
}

#[derive(Debug, Args)]
pub(super) struct SetArguments {
    /// The project.
    project: String,
    /// What it is for.
    #[arg(long)]
    description: Option<String>,
    /// A permitted destination, as SERVER,NAMESPACE.
    #[arg(short, long = "dest", value_name = "SERVER,NAMESPACE")]
    destinations: Vec<String>,
    /// A permitted repository.
    #[arg(short, long = "src", value_name = "URL")]
    sources: Vec<String>,
    /// Namespaces that Applications may stand in.
    #[arg(long, value_delimiter = ',')]
    source_namespaces: Vec<String>,
    /// Watch for orphaned objects.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    orphaned_resources: Option<bool>,
    /// Warn of orphaned objects.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "BOOL")]
    orphaned_resources_warn: Option<bool>,
}

/// `proj source-integrity`.
#[derive(Debug, Subcommand)]
pub(super) enum SourceIntegrityVerb {
    /// For sources in Git.
    #[command(subcommand)]
    Git(GitVerb),
}

/// `proj source-integrity git`.
#[derive(Debug, Subcommand)]
pub(super) enum GitVerb {
    /// Which repositories need what.
    #[command(subcommand)]
    Policies(PolicyVerb),
}

/// `proj source-integrity git policies`.
#[derive(Debug, Subcommand)]
pub(super) enum PolicyVerb {
    /// List them; their numbers are what the other verbs ask for.
    List {
        /// The project.
        project: String,
    },
    /// Add one.
    Add {
        /// The project.
        project: String,
        #[command(flatten)]
        policy: PolicyArguments,
    },
    /// Change one; what is given takes the place of what is there.
    Update {
        /// The project.
        project: String,
        /// Its number.
        id: usize,
        #[command(flatten)]
        policy: PolicyArguments,
    },
    /// Take one away.
    Delete {
        /// The project.
        project: String,
        /// Its number.
        id: usize,
        /// Do not ask.
        #[arg(short, long)]
        yes: bool,
    },
}

#[derive(Debug, Args)]
pub(super) struct PolicyArguments {
    /// Repositories, as https://example.com/team/*.
    #[arg(long = "repo-url", value_delimiter = ',')]
    repositories: Vec<String>,
    /// strict, head or none.
    #[arg(long)]
    gpg_mode: Option<String>,
    /// Ids of keys that may have signed.
    #[arg(long = "gpg-key", value_delimiter = ',')]
    keys: Vec<String>,
}

impl PolicyArguments {
    fn write(&self, policy: &mut Value) {
        if !self.repositories.is_empty() {
            policy["repos"] = self.repositories.iter().map(|url| json!({"url": url})).collect();
        }
        if let Some(mode) = &self.gpg_mode {
            policy["gpg"]["mode"] = json!(mode);
        }
        if !self.keys.is_empty() {
            policy["gpg"]["keys"] = json!(self.keys);
        }
    }
}

/// Does what was asked.
pub(super) async fn run(verb: ListVerb, client: &Client, outside: &dyn Outside) -> anyhow::Result<u8> {
    const ACCOUNTS: &str = "/spec/destinationServiceAccounts";
    const ORPHANS: &str = "/spec/orphanedResources/ignore";
    match verb {
        ListVerb::AddDestinationServiceAccount(it) => add(client, &it.project, ACCOUNTS, it.entry()).await?,
        ListVerb::RemoveDestinationServiceAccount(it) => remove(client, &it.project, ACCOUNTS, &it.entry()).await?,
        ListVerb::AddSourceNamespace { project, source } => {
            add(client, &project, "/spec/sourceNamespaces", json!(source)).await?;
        }
        ListVerb::RemoveSourceNamespace { project, source } => {
            remove(client, &project, "/spec/sourceNamespaces", &json!(source)).await?;
        }
        ListVerb::AddOrphanedIgnore(it) => add(client, &it.project, ORPHANS, it.entry()).await?,
        ListVerb::RemoveOrphanedIgnore(it) => remove(client, &it.project, ORPHANS, &it.entry()).await?,
        // Cluster-scoped kinds are forbidden unless they are allowed; those in namespaces allowed unless denied.
        ListVerb::AllowClusterResource(it) => kinds(client, &it, "cluster", List::Allow, List::Allow).await?,
        ListVerb::DenyClusterResource(it) => kinds(client, &it, "cluster", List::Allow, List::Deny).await?,
        ListVerb::AllowNamespaceResource(it) => kinds(client, &it, "namespace", List::Deny, List::Allow).await?,
        ListVerb::DenyNamespaceResource(it) => kinds(client, &it, "namespace", List::Deny, List::Deny).await?,
        ListVerb::Set(arguments) => set(client, &arguments).await?,
        ListVerb::SourceIntegrity(SourceIntegrityVerb::Git(GitVerb::Policies(verb))) => {
            policies(client, verb, outside).await?;
        }
    }
    Ok(SUCCESS)
}

async fn kinds(client: &Client, it: &ResourceArguments, of: &str, usual: List, what: List) -> anyhow::Result<()> {
    let list = it.list.unwrap_or(usual);
    let place = match list {
        List::Allow => format!("/spec/{of}ResourceWhitelist"),
        List::Deny => format!("/spec/{of}ResourceBlacklist"),
    };
    let entry = json!({"group": it.group, "kind": it.kind});
    // To allow is to stand in the one list, or not to stand in the other.
    match list == what {
        true => add(client, &it.project, &place, entry).await,
        false => remove(client, &it.project, &place, &entry).await,
    }
}

async fn add(client: &Client, project: &str, place: &str, entry: Value) -> anyhow::Result<()> {
    change(client, project, place, |list| match list.contains(&entry) {
        true => bail!("the project has {entry} already"),
        false => {
            list.push(entry.clone());
            Ok(())
        }
    })
    .await
}

async fn remove(client: &Client, project: &str, place: &str, entry: &Value) -> anyhow::Result<()> {
    change(client, project, place, |list| {
        let before = list.len();
        list.retain(|known| !is_same(known, entry));
        match list.len() == before {
            true => bail!("the project does not have {entry}"),
            false => Ok(()),
        }
    })
    .await
}

/// Entries are the same if all their fields are; one that is left out is empty.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one.as_object(), other.as_object()) {
        (Some(one), Some(other)) => one.keys().chain(other.keys()).all(|key| {
            let of = |map: &serde_json::Map<String, Value>| map.get(key).cloned().unwrap_or_else(|| json!(""));
            of(one) == of(other)
        }),
        _ => one == other,
    }
}

async fn change(
    client: &Client,
    name: &str,
    place: &str,
    how: impl FnOnce(&mut Vec<Value>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut project = read(client, name).await?;
    let mut list = project.pointer(place).and_then(Value::as_array).cloned().unwrap_or_default();
    how(&mut list)?;
    let mut at = &mut project;
    for part in place.trim_start_matches('/').split('/') {
        if !at[part].is_object() && !at[part].is_array() {
            at[part] = json!({});
        }
        at = &mut at[part];
    }
    *at = Value::Array(list);
    write(client, project).await
}

async fn set(client: &Client, arguments: &SetArguments) -> anyhow::Result<()> {
    let mut project = read(client, &arguments.project).await?;
    let before = project.clone();
    let spec = &mut project["spec"];
    if let Some(description) = &arguments.description {
        spec["description"] = json!(description);
    }
    if !arguments.destinations.is_empty() {
        let all = arguments.destinations.iter().map(|text| destination(text));
        spec["destinations"] = Value::Array(all.collect::<anyhow::Result<_>>()?);
    }
    for (field, given) in [("sourceRepos", &arguments.sources), ("sourceNamespaces", &arguments.source_namespaces)] {
        if !given.is_empty() {
            spec[field] = json!(given);
        }
    }
    match arguments.orphaned_resources {
        Some(true) if !spec["orphanedResources"].is_object() => spec["orphanedResources"] = json!({}),
        Some(false) => spec["orphanedResources"] = Value::Null,
        _ => {}
    }
    if let Some(warns) = arguments.orphaned_resources_warn {
        spec["orphanedResources"]["warn"] = json!(warns);
    }
    if project == before {
        bail!("nothing is to be changed\nhint: `landfall proj set --help` lists what can be set");
    }
    write(client, project).await
}

async fn policies(client: &Client, verb: PolicyVerb, outside: &dyn Outside) -> anyhow::Result<()> {
    const PLACE: &str = "/spec/sourceIntegrity/git/policies";
    let there = |count: usize, id: usize| match id < count {
        true => Ok(()),
        false => bail!("there is no policy {id} among {count}"),
    };
    match verb {
        PolicyVerb::List { project } => {
            let project = read(client, &project).await?;
            let mut table = Table::with_head(&["ID", "REPO-URLS", "GPG-MODE", "GPG-KEYS"]);
            for (id, policy) in project.pointer(PLACE).and_then(Value::as_array).into_iter().flatten().enumerate() {
                let urls = policy["repos"].as_array().into_iter().flatten().map(|one| text(one, "url"));
                let keys = policy["gpg"]["keys"].as_array().into_iter().flatten().filter_map(Value::as_str);
                table.row([
                    id.to_string(),
                    urls.collect::<Vec<_>>().join(","),
                    text(&policy["gpg"], "mode").to_owned(),
                    keys.collect::<Vec<_>>().join(","),
                ]);
            }
            outside.print(&table.text())
        }
        PolicyVerb::Add { project, policy } => {
            if policy.repositories.is_empty() {
                bail!("the policy is about no repository\nhint: --repo-url names some");
            }
            let mut entry = json!({});
            policy.write(&mut entry);
            add(client, &project, PLACE, entry).await
        }
        PolicyVerb::Update { project, id, policy } => {
            change(client, &project, PLACE, |list| {
                there(list.len(), id)?;
                policy.write(&mut list[id]);
                Ok(())
            })
            .await
        }
        PolicyVerb::Delete { project, id, yes } => {
            if !yes
                && !outside.confirm(&format!("Are you sure you want to delete policy {id} of project {project}?"))?
            {
                bail!("nothing was deleted\nhint: --yes answers the question");
            }
            change(client, &project, PLACE, |list| {
                there(list.len(), id)?;
                list.remove(id);
                Ok(())
            })
            .await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_the_same_whatever_empty_fields_are_written() {
        assert!(is_same(&json!({"kind": "ConfigMap"}), &json!({"group": "", "kind": "ConfigMap"})));
        assert!(!is_same(&json!({"kind": "ConfigMap", "name": "a"}), &json!({"kind": "ConfigMap"})));
        assert!(is_same(&json!("apps"), &json!("apps")));
    }
}
