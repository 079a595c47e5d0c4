//! `landfall proj`: projects, as `argocd proj`. Source: Argo CD 3.5 `cmd/argocd/commands/project.go`.

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::SUCCESS;
use super::account::{machine, text};
use super::project_lists::{self, ListVerb};
use super::project_role::{self, RoleArguments};
use super::project_windows::{self, WindowArguments};
use crate::output::table::Table;
use crate::remote::client::{Client, encoded};
use crate::{Connection, Outside, remote};

/// Arguments of `landfall proj`.
#[derive(Debug, Args)]
pub struct ProjectArguments {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    verb: ProjectVerb,
}

#[derive(Debug, Subcommand)]
enum ProjectVerb {
    /// List projects.
    List {
        /// The format: wide, name, json or yaml.
        #[arg(short, long, default_value = "wide", value_name = "FORMAT")]
        output: String,
    },
    /// Show a project.
    Get {
        /// The project.
        name: String,
        /// The format: wide, json or yaml.
        #[arg(short, long, default_value = "wide", value_name = "FORMAT")]
        output: String,
    },
    /// Make a project.
    Create {
        /// The project.
        #[arg(required_unless_present = "file")]
        name: Option<String>,
        /// A description.
        #[arg(long, default_value = "")]
        description: String,
        /// A destination that is permitted; may come more than once.
        #[arg(short = 'd', long = "dest", value_name = "SERVER,NAMESPACE")]
        destinations: Vec<String>,
        /// A repository that is permitted; may come more than once.
        #[arg(short = 's', long = "src", value_name = "URL")]
        sources: Vec<String>,
        /// Change the one that is there.
        #[arg(long)]
        upsert: bool,
        /// A file with the AppProject, `-` for standard input.
        #[arg(short, long, value_name = "FILE")]
        file: Option<std::path::PathBuf>,
    },
    /// Delete projects.
    Delete {
        /// The projects.
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Permit a repository.
    AddSource {
        /// The project.
        project: String,
        /// The repository, as a glob.
        url: String,
    },
    /// Permit a repository no longer.
    RemoveSource {
        /// The project.
        project: String,
        /// The repository, as it was added.
        url: String,
    },
    /// Permit a destination.
    AddDestination {
        /// The project.
        project: String,
        /// The server, or with --name the cluster's name.
        #[arg(value_name = "SERVER")]
        place: String,
        /// The namespace.
        namespace: String,
        /// The server is a cluster's name.
        #[arg(long)]
        name: bool,
    },
    /// Permit a destination no longer.
    RemoveDestination {
        /// The project.
        project: String,
        /// The server or the cluster's name.
        #[arg(value_name = "SERVER")]
        place: String,
        /// The namespace.
        namespace: String,
    },
    #[command(flatten)]
    Lists(ListVerb),
    /// Change a project's spec in an editor.
    Edit {
        /// The project.
        name: String,
    },
    /// Work with the project's roles.
    Role(RoleArguments),
    /// Work with the project's sync windows.
    Windows(WindowArguments),
}

/// Does what was asked.
pub(super) async fn run(arguments: ProjectArguments, outside: &dyn Outside) -> anyhow::Result<u8> {
    let client = remote::server(&arguments.connection, outside)?;
    let outcome = perform(arguments.verb, &client, outside).await;
    super::keep_tokens(&client, &arguments.connection, outside)?;
    outcome
}

async fn perform(verb: ProjectVerb, client: &Client, outside: &dyn Outside) -> anyhow::Result<u8> {
    match verb {
        ProjectVerb::List { output } => {
            let answer = client.get("/api/v1/projects", &[]).await?;
            let items = answer["items"].as_array().cloned().unwrap_or_default();
            let shown = match output.as_str() {
                "name" => items.iter().map(|item| format!("{}\n", text(&item["metadata"], "name"))).collect(),
                "wide" | "" => table(&items),
                other => machine(&Value::Array(items), other)?,
            };
            outside.print(&shown)?;
        }
        ProjectVerb::Get { name, output } => {
            let project = read(client, &name).await?;
            let shown = match output.as_str() {
                "wide" | "" => details(&project),
                other => machine(&project, other)?,
            };
            outside.print(&shown)?;
        }
        ProjectVerb::Create { name, description, destinations, sources, upsert, file } => {
            let project = match file {
                Some(file) => {
                    let mut project =
                        landfall_yaml::read_one(&outside.read(&file)?, landfall_yaml::Resolver::Kubernetes)?;
                    if let Some(name) = name {
                        project["metadata"]["name"] = json!(name);
                    }
                    project
                }
                None => {
                    let destinations =
                        destinations.iter().map(|text| destination(text)).collect::<anyhow::Result<Vec<_>>>()?;
                    let spec =
                        json!({"description": description, "destinations": destinations, "sourceRepos": sources});
                    json!({"metadata": {"name": name}, "spec": spec})
                }
            };
            client.post("/api/v1/projects", json!({"project": project, "upsert": upsert})).await?;
        }
        ProjectVerb::Delete { names } => {
            for name in names {
                client.call("DELETE", &format!("/api/v1/projects/{}", encoded(&name)), &[], None).await?;
            }
        }
        ProjectVerb::AddSource { project, url } => {
            change_list(client, &project, "sourceRepos", |list| match list.contains(&json!(url)) {
                true => bail!("the project permits {url} already"),
                false => {
                    list.push(json!(url));
                    Ok(())
                }
            })
            .await?;
        }
        ProjectVerb::RemoveSource { project, url } => {
            change_list(client, &project, "sourceRepos", |list| remove(list, |item| *item == json!(url), &url)).await?;
        }
        ProjectVerb::AddDestination { project, place: server, namespace, name } => {
            let key = if name { "name" } else { "server" };
            let wanted = json!({key: server, "namespace": namespace});
            change_list(client, &project, "destinations", |list| match list.contains(&wanted) {
                true => bail!("the project permits {server},{namespace} already"),
                false => {
                    list.push(wanted.clone());
                    Ok(())
                }
            })
            .await?;
        }
        ProjectVerb::RemoveDestination { project, place: server, namespace } => {
            let is_it = |item: &Value| {
                text(item, "namespace") == namespace && (text(item, "server") == server || text(item, "name") == server)
            };
            let shown = format!("{server},{namespace}");
            change_list(client, &project, "destinations", |list| remove(list, is_it, &shown)).await?;
        }
        ProjectVerb::Lists(verb) => return project_lists::run(verb, client, outside).await,
        ProjectVerb::Edit { name } => {
            let mut project = read(client, &name).await?;
            let before = machine(&project["spec"], "yaml")?;
            let after = outside.edit(&before)?;
            if after == before {
                outside.tell("nothing was changed");
                return Ok(SUCCESS);
            }
            let spec = landfall_yaml::read_one(after.as_bytes(), landfall_yaml::Resolver::Kubernetes);
            project["spec"] = spec.context("what was written cannot be read as YAML; nothing was changed")?;
            write(client, project).await?;
            outside.print(&format!("project '{name}' edited\n"))?;
        }
        ProjectVerb::Windows(arguments) => return project_windows::run(arguments, client, outside).await,
        ProjectVerb::Role(arguments) => return project_role::run(arguments, client, outside).await,
    }
    Ok(SUCCESS)
}

fn remove(list: &mut Vec<Value>, is_it: impl Fn(&Value) -> bool, shown: &str) -> anyhow::Result<()> {
    let before = list.len();
    list.retain(|item| !is_it(item));
    if list.len() == before {
        bail!("the project does not have {shown}");
    }
    Ok(())
}

/// Reads a project.
pub(super) async fn read(client: &Client, name: &str) -> anyhow::Result<Value> {
    Ok(client.get(&format!("/api/v1/projects/{}", encoded(name)), &[]).await?)
}

/// Writes a project back; the server refuses if somebody else changed it in between.
pub(super) async fn write(client: &Client, project: Value) -> anyhow::Result<()> {
    let name = text(&project["metadata"], "name").to_owned();
    client.call("PUT", &format!("/api/v1/projects/{}", encoded(&name)), &[], Some(json!({"project": project}))).await?;
    Ok(())
}

async fn change_list(
    client: &Client,
    project: &str,
    field: &str,
    change: impl FnOnce(&mut Vec<Value>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut project = read(client, project).await?;
    let mut list = project["spec"][field].as_array().cloned().unwrap_or_default();
    change(&mut list)?;
    project["spec"][field] = Value::Array(list);
    write(client, project).await
}

pub(super) fn destination(text: &str) -> anyhow::Result<Value> {
    match text.split_once(',') {
        Some((server, namespace)) if !namespace.contains(',') => Ok(json!({"server": server, "namespace": namespace})),
        _ => bail!("{text:?} is no destination\nhint: write SERVER,NAMESPACE"),
    }
}

fn list<'a>(project: &'a Value, field: &str) -> &'a [Value] {
    project["spec"][field].as_array().map_or(&[], Vec::as_slice)
}

/// One entry as it is, several as their count.
fn counted(items: &[Value], what: &str, one: impl Fn(&Value) -> String) -> String {
    match items {
        [] => "<none>".to_owned(),
        [item] => one(item),
        several => format!("{} {what}", several.len()),
    }
}

fn kind(item: &Value) -> String {
    format!("{}/{}", text(item, "group"), text(item, "kind"))
}

fn place(item: &Value) -> String {
    let server = if text(item, "server").is_empty() { text(item, "name") } else { text(item, "server") };
    format!("{server},{}", text(item, "namespace"))
}

fn orphaned(project: &Value) -> String {
    match &project["spec"]["orphanedResources"] {
        Value::Null => "disabled".to_owned(),
        settings => format!("enabled (warn={})", settings["warn"] == true),
    }
}

fn table(projects: &[Value]) -> String {
    let mut table = Table::with_head(&[
        "NAME",
        "DESCRIPTION",
        "DESTINATIONS",
        "SOURCES",
        "CLUSTER-RESOURCE-WHITELIST",
        "NAMESPACE-RESOURCE-BLACKLIST",
        "SIGNATURE-KEYS",
        "ORPHANED-RESOURCES",
        "DESTINATION-SERVICE-ACCOUNTS",
    ]);
    for project in projects {
        let plain = |item: &Value| item.as_str().unwrap_or_default().to_owned();
        table.row([
            text(&project["metadata"], "name").to_owned(),
            text(&project["spec"], "description").to_owned(),
            counted(list(project, "destinations"), "destinations", place),
            counted(list(project, "sourceRepos"), "repos", plain),
            counted(list(project, "clusterResourceWhitelist"), "resources", kind),
            counted(list(project, "namespaceResourceBlacklist"), "resources", kind),
            counted(list(project, "signatureKeys"), "key(s)", |_| "1 key(s)".to_owned()),
            orphaned(project),
            counted(list(project, "destinationServiceAccounts"), "destinationServiceAccounts", |_| {
                "1 destinationServiceAccounts".to_owned()
            }),
        ]);
    }
    table.text()
}

fn details(project: &Value) -> String {
    let plain = |item: &Value| item.as_str().unwrap_or_default().to_owned();
    let mut lines = Vec::new();
    let mut add = |label: &str, values: Vec<String>| {
        let label = format!("{label}:");
        match values.split_first() {
            None => lines.push(format!("{label:<29}<none>")),
            Some((first, others)) => {
                lines.push(format!("{label:<29}{first}").trim_end().to_owned());
                lines.extend(others.iter().map(|value| format!("{:<29}{value}", "")));
            }
        }
    };
    let all = |field: &str, one: &dyn Fn(&Value) -> String| list(project, field).iter().map(one).collect::<Vec<_>>();
    add("Name", vec![text(&project["metadata"], "name").to_owned()]);
    add("Description", vec![text(&project["spec"], "description").to_owned()]);
    add("Destinations", all("destinations", &place));
    add("Repositories", all("sourceRepos", &plain));
    add("Source Namespaces", all("sourceNamespaces", &plain));
    add("Allowed Cluster Resources", all("clusterResourceWhitelist", &kind));
    add("Denied Cluster Resources", all("clusterResourceBlacklist", &kind));
    add("Allowed Namespaced Resources", all("namespaceResourceWhitelist", &kind));
    add("Denied Namespaced Resources", all("namespaceResourceBlacklist", &kind));
    add("Roles", all("roles", &|role| text(role, "name").to_owned()));
    add("Orphaned Resources", vec![orphaned(project)]);
    lines.join("\n") + "\n"
}
