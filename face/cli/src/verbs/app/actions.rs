//! `app actions list|run`: what can be done to an Application's objects, through a server. Source: Argo CD 3.5
//! `cmd/argocd/commands/app_actions.go`.

use anyhow::bail;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::Session;
use super::objects::{Objects, query};
use crate::output::format::{self, Format};
use crate::output::table::Table;
use crate::verbs::account::text;
use crate::verbs::{MachineFormat, SUCCESS};

/// `landfall app actions`.
#[derive(Debug, Subcommand)]
pub(crate) enum ActionsVerb {
    /// List what can be done.
    List(ListArguments),
    /// Do it.
    Run(RunArguments),
}

/// Arguments of `app actions list`.
#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// The Application.
    name: String,
    #[command(flatten)]
    objects: Objects,
    /// JSON or YAML; a table if left out.
    #[arg(short, long, value_enum)]
    output: Option<MachineFormat>,
}

/// Arguments of `app actions run`.
#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// The Application.
    name: String,
    /// What is done, as restart.
    action: String,
    #[command(flatten)]
    objects: Objects,
    /// Do it to all that are meant.
    #[arg(long)]
    all: bool,
    /// What the action is told, as replicas=3.
    #[arg(long = "param", value_name = "NAME=VALUE")]
    parameters: Vec<String>,
}

pub(super) async fn run(session: &Session<'_>, verb: &ActionsVerb) -> anyhow::Result<u8> {
    match verb {
        ActionsVerb::List(arguments) => list(session, arguments).await,
        ActionsVerb::Run(arguments) => perform(session, arguments).await,
    }
}

async fn list(session: &Session<'_>, arguments: &ListArguments) -> anyhow::Result<u8> {
    let server = session.server("actions list")?;
    let (path, namespace) = session.address(&arguments.name);
    let mut rows: Vec<Value> = Vec::new();
    for node in arguments.objects.find(session, server, &arguments.name).await? {
        let answer = server.get(&format!("{path}/resource/actions"), &query(&node, &namespace)).await?;
        for action in answer["actions"].as_array().into_iter().flatten() {
            rows.push(json!({
                "group": node["group"], "kind": node["kind"], "name": node["name"], "action": action["name"],
                "available": action["disabled"] != true,
            }));
        }
    }
    let shown = match arguments.output {
        Some(output) => format::text(&Value::Array(rows), Format::from(output)),
        None => {
            let mut table = Table::with_head(&["GROUP", "KIND", "NAME", "ACTION", "DISABLED"]);
            for row in &rows {
                let is_disabled = (row["available"] == false).to_string();
                let cells = ["group", "kind", "name", "action"].map(|field| text(row, field).to_owned());
                table.row(cells.into_iter().chain([is_disabled]).collect::<Vec<_>>());
            }
            table.text()
        }
    };
    session.outside.print(&shown)?;
    Ok(SUCCESS)
}

async fn perform(session: &Session<'_>, arguments: &RunArguments) -> anyhow::Result<u8> {
    let server = session.server("actions run")?;
    let (path, namespace) = session.address(&arguments.name);
    let mut parameters = Vec::new();
    for pair in &arguments.parameters {
        let Some((name, value)) = pair.split_once('=') else {
            bail!("{pair:?} is no pair\nhint: write NAME=VALUE");
        };
        parameters.push(json!({"name": name, "value": value}));
    }
    let name = &arguments.name;
    for node in arguments.objects.find_to_change(session, server, name, arguments.all).await? {
        let mut body: Value =
            query(&node, &namespace).into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect();
        body["action"] = json!(arguments.action);
        body["resourceActionParameters"] = json!(parameters);
        server.call("POST", &format!("{path}/resource/actions/v2"), &[], Some(body)).await?;
        session.outside.print(&format!(
            "{} '{}': {} done\n",
            text(&node, "kind"),
            text(&node, "name"),
            arguments.action
        ))?;
    }
    Ok(SUCCESS)
}
