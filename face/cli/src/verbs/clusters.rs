//! `landfall cluster`: clusters that a server manages, as `argocd cluster`. Source: Argo CD 3.5
//! `cmd/argocd/commands/cluster.go`.

use anyhow::bail;
use clap::{Args, Subcommand};
use serde_json::Value;

use super::SUCCESS;
use super::account::{machine, text};
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
    /// Have the token renewed with which the server signs in to a cluster.
    RotateAuth {
        /// Its server or its name.
        cluster: String,
    },
}

/// Does what was asked.
pub(super) async fn run(arguments: ClusterArguments, outside: &dyn Outside) -> anyhow::Result<u8> {
    let client = remote::server(&arguments.connection, outside)?;
    let outcome = perform(arguments.verb, &client, outside).await;
    super::keep_tokens(&client, &arguments.connection, outside)?;
    outcome
}

async fn perform(verb: ClusterVerb, client: &Client, outside: &dyn Outside) -> anyhow::Result<u8> {
    match verb {
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
