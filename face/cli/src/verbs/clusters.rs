//! `landfall cluster`: clusters that a server manages, as `argocd cluster`. Source: Argo CD 3.5
//! `cmd/argocd/commands/cluster.go`.

use anyhow::bail;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::SUCCESS;
use super::account::{machine, text};
use super::cluster_add::{self, AddArguments};
use crate::output::table::Table;
use crate::remote::client::{Client, encoded};
use crate::{Connection, Outside, remote};

/// Arguments of `landfall cluster`.
#[derive(Debug, Args)]
pub struct ClusterArguments {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    verb: ClusterVerb,
}

#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "made once per run")]
enum ClusterVerb {
    /// List clusters.
    List {
        /// The format: wide, server, json or yaml.
        #[arg(short, long, default_value = "wide", value_name = "FORMAT")]
        output: String,
    },
    /// Show a cluster.
    Get {
        /// Its server or its name.
        cluster: String,
        /// The format: wide, json or yaml.
        #[arg(short, long, default_value = "yaml", value_name = "FORMAT")]
        output: String,
    },
    /// Forget a cluster; what is deployed there stays.
    Rm {
        /// Its server or its name.
        cluster: String,
        /// Do not ask.
        #[arg(short, long)]
        yes: bool,
    },
    /// Give the server a service account in a cluster that the kubeconfig file knows.
    Add(AddArguments),
    /// Change what a cluster is called and marked with.
    Set {
        /// Its server or its name.
        cluster: String,
        /// What it is called from now on.
        #[arg(long)]
        name: Option<String>,
        /// Only these namespaces are managed; '*' means all.
        #[arg(long, value_delimiter = ',')]
        namespace: Vec<String>,
        /// A label, as NAME=VALUE; these take the place of those that were there.
        #[arg(long = "label", value_name = "NAME=VALUE")]
        labels: Vec<String>,
        /// An annotation, as NAME=VALUE; these take the place of those that were there.
        #[arg(long = "annotation", value_name = "NAME=VALUE")]
        annotations: Vec<String>,
    },
    /// Have the token renewed with which the server signs in to a cluster.
    RotateAuth {
        /// Its server or its name.
        cluster: String,
    },
}

/// Does what was asked.
pub(super) async fn run(arguments: ClusterArguments, outside: &dyn Outside) -> anyhow::Result<u8> {
    let client = remote::server(&arguments.connection, outside)?;
    let outcome = perform(arguments.verb, &arguments.connection, &client, outside).await;
    super::keep_tokens(&client, &arguments.connection, outside)?;
    outcome
}

async fn perform(
    verb: ClusterVerb,
    connection: &Connection,
    client: &Client,
    outside: &dyn Outside,
) -> anyhow::Result<u8> {
    match verb {
        ClusterVerb::Add(arguments) => return cluster_add::add(&arguments, connection, client, outside).await,
        ClusterVerb::Set { cluster, name, namespace, labels, annotations } => {
            let (path, kind) = place(&cluster);
            let mut body = json!({});
            let mut query = vec![("id.type", kind)];
            if let Some(name) = &name {
                body["name"] = json!(name);
                query.push(("updatedFields", "name"));
            }
            if !namespace.is_empty() {
                let all = namespace.iter().any(|one| one == "*");
                body["namespaces"] = if all { json!([]) } else { json!(namespace) };
                query.push(("updatedFields", "namespaces"));
            }
            for (field, given) in [("labels", &labels), ("annotations", &annotations)] {
                if !given.is_empty() {
                    body[field] = cluster_add::pairs(given)?;
                    query.push(("updatedFields", field));
                }
            }
            if query.len() == 1 {
                bail!("nothing is to be changed\nhint: --name, --namespace, --label or --annotation says what");
            }
            client.call("PUT", &path, &query, Some(body)).await?;
            outside.print(&format!("Cluster '{cluster}' updated.\n"))?;
        }
        ClusterVerb::List { output } => {
            let answer = client.get("/api/v1/clusters", &[]).await?;
            let items = answer["items"].as_array().cloned().unwrap_or_default();
            let shown = match output.as_str() {
                "server" => items.iter().map(|item| format!("{}\n", text(item, "server"))).collect(),
                "wide" | "" => table(&items),
                other => machine(&Value::Array(items), other)?,
            };
            outside.print(&shown)?;
        }
        ClusterVerb::Get { cluster, output } => {
            let (path, kind) = place(&cluster);
            let item = client.get(&path, &[("id.type", kind)]).await?;
            let shown = if output == "wide" { table(std::slice::from_ref(&item)) } else { machine(&item, &output)? };
            outside.print(&shown)?;
        }
        ClusterVerb::Rm { cluster, yes } => {
            let question = format!(
                "Are you sure you want to remove '{cluster}'? Any apps deploying to this cluster will go to health status Unknown."
            );
            if !yes && !outside.confirm(&question)? {
                bail!("nothing was removed\nhint: --yes answers the question");
            }
            let (path, kind) = place(&cluster);
            client.call("DELETE", &path, &[("id.type", kind)], None).await?;
            outside.print(&format!("Cluster '{cluster}' removed\n"))?;
        }
        ClusterVerb::RotateAuth { cluster } => {
            let (path, kind) = place(&cluster);
            client.call("POST", &format!("{path}/rotate-auth"), &[("id.type", kind)], None).await?;
            outside.print(&format!("Cluster '{cluster}' rotated auth\n"))?;
        }
    }
    Ok(SUCCESS)
}

/// The path of a cluster, and how it is named.
fn place(cluster: &str) -> (String, &'static str) {
    let kind = if cluster.contains("://") { "url" } else { "name" };
    (format!("/api/v1/clusters/{}", encoded(cluster)), kind)
}

fn table(items: &[Value]) -> String {
    let mut table = Table::with_head(&["SERVER", "NAME", "VERSION", "STATUS", "MESSAGE", "PROJECT"]);
    for item in items {
        let namespaces = item["namespaces"].as_array().map_or(0, Vec::len);
        let server = match namespaces {
            0 => text(item, "server").to_owned(),
            count => format!("{} ({count} namespaces)", text(item, "server")),
        };
        // What a cluster is like stands in `info` since 2.0; older servers write it at the top.
        let state = |name: &str| {
            let inner = text(&item["info"]["connectionState"], name);
            if inner.is_empty() { text(&item["connectionState"], name) } else { inner }.to_owned()
        };
        let version = text(&item["info"], "serverVersion");
        let version = if version.is_empty() { text(item, "serverVersion") } else { version };
        table.row([
            server,
            text(item, "name").to_owned(),
            version.to_owned(),
            state("status"),
            state("message"),
            text(item, "project").to_owned(),
        ]);
    }
    table.text()
}
