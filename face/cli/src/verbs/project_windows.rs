//! `landfall proj windows`: when a project's Applications may be synchronised, as `argocd proj windows`. Source: Argo CD 3.5
//! `cmd/argocd/commands/projectwindows.go`.

use anyhow::bail;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::SUCCESS;
use super::account::{machine, text};
use super::project::{read, write};
use crate::Outside;
use crate::output::table::Table;
use crate::remote::client::Client;

/// Arguments of `landfall proj windows`.
#[derive(Debug, Args)]
pub(crate) struct WindowArguments {
    #[command(subcommand)]
    verb: WindowVerb,
}

#[derive(Debug, Subcommand)]
enum WindowVerb {
    /// List them; their numbers are what the other verbs ask for.
    List {
        /// The project.
        project: String,
        /// The format: wide, json or yaml.
        #[arg(short, long, default_value = "wide", value_name = "FORMAT")]
        output: String,
    },
    /// Add one.
    Add {
        /// The project.
        project: String,
        /// Whether syncs are allowed while it is open, or denied.
        #[arg(short, long, value_enum)]
        kind: Kind,
        /// When it opens, as cron writes it: "0 22 * * *".
        #[arg(long)]
        schedule: String,
        /// How long it stays open, as 1h.
        #[arg(long)]
        duration: String,
        #[command(flatten)]
        of: Of,
        /// People may synchronise nevertheless.
        #[arg(long)]
        manual_sync: bool,
        /// A sync that began before it closed may end.
        #[arg(long)]
        sync_overrun: bool,
        /// Applications, namespaces and clusters must all match.
        #[arg(long)]
        use_and_operator: bool,
    },
    /// Change one.
    Update {
        /// The project.
        project: String,
        /// Its number.
        id: usize,
        /// When it opens.
        #[arg(long)]
        schedule: Option<String>,
        /// How long it stays open.
        #[arg(long)]
        duration: Option<String>,
        #[command(flatten)]
        of: Of,
    },
    /// Take one away.
    Delete {
        /// The project.
        project: String,
        /// Its number.
        id: usize,
    },
    /// Let people synchronise nevertheless.
    EnableManualSync(One),
    /// Let people synchronise no longer.
    DisableManualSync(One),
    /// Let syncs end that began before.
    EnableSyncOverrun(One),
    /// Let syncs end no longer that began before.
    DisableSyncOverrun(One),
}

/// One window.
#[derive(Debug, Args)]
struct One {
    /// The project.
    project: String,
    /// Its number.
    id: usize,
}

/// Whom a window concerns.
#[derive(Debug, Args)]
struct Of {
    /// Applications, as prod-*.
    #[arg(long, value_delimiter = ',')]
    applications: Vec<String>,
    /// Namespaces.
    #[arg(long, value_delimiter = ',')]
    namespaces: Vec<String>,
    /// Clusters.
    #[arg(long, value_delimiter = ',')]
    clusters: Vec<String>,
    /// The zone that the schedule is meant in, as Europe/Berlin.
    #[arg(long)]
    time_zone: Option<String>,
    /// Why.
    #[arg(long)]
    description: Option<String>,
}

impl Of {
    fn write(&self, window: &mut Value) {
        let lists =
            [("applications", &self.applications), ("namespaces", &self.namespaces), ("clusters", &self.clusters)];
        for (field, list) in lists {
            if !list.is_empty() {
                window[field] = json!(list);
            }
        }
        for (field, text) in [("timeZone", &self.time_zone), ("description", &self.description)] {
            if let Some(text) = text {
                window[field] = json!(text);
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Syncs are allowed.
    Allow,
    /// Syncs are denied.
    Deny,
}

/// Does what was asked.
pub(super) async fn run(arguments: WindowArguments, client: &Client, outside: &dyn Outside) -> anyhow::Result<u8> {
    match arguments.verb {
        WindowVerb::List { project, output } => {
            let project = read(client, &project).await?;
            let windows = project["spec"]["syncWindows"].as_array().cloned().unwrap_or_default();
            let shown = match output.as_str() {
                "wide" | "" => table(&windows),
                other => machine(&Value::Array(windows), other)?,
            };
            outside.print(&shown)?;
        }
        WindowVerb::Add { project, kind, schedule, duration, of, manual_sync, sync_overrun, use_and_operator } => {
            if of.applications.is_empty() && of.namespaces.is_empty() && of.clusters.is_empty() {
                bail!("the window concerns nobody\nhint: name --applications, --namespaces or --clusters, '*' for all");
            }
            let kind = if kind == Kind::Allow { "allow" } else { "deny" };
            let mut window = json!({"kind": kind, "schedule": schedule, "duration": duration});
            of.write(&mut window);
            for (field, is_on) in
                [("manualSync", manual_sync), ("syncOverrun", sync_overrun), ("andOperator", use_and_operator)]
            {
                if is_on {
                    window[field] = json!(true);
                }
            }
            change(client, &project, |windows| {
                windows.push(window);
                Ok(())
            })
            .await?;
        }
        WindowVerb::Update { project, id, schedule, duration, of } => {
            change(client, &project, |windows| {
                let window = one(windows, id)?;
                for (field, given) in [("schedule", schedule), ("duration", duration)] {
                    if let Some(given) = given {
                        window[field] = json!(given);
                    }
                }
                of.write(window);
                Ok(())
            })
            .await?;
        }
        WindowVerb::Delete { project, id } => {
            change(client, &project, |windows| {
                one(windows, id)?;
                windows.remove(id);
                Ok(())
            })
            .await?;
        }
        WindowVerb::EnableManualSync(it) => switch(client, &it, "manualSync", true).await?,
        WindowVerb::DisableManualSync(it) => switch(client, &it, "manualSync", false).await?,
        WindowVerb::EnableSyncOverrun(it) => switch(client, &it, "syncOverrun", true).await?,
        WindowVerb::DisableSyncOverrun(it) => switch(client, &it, "syncOverrun", false).await?,
    }
    Ok(SUCCESS)
}

async fn switch(client: &Client, it: &One, field: &str, is_on: bool) -> anyhow::Result<()> {
    change(client, &it.project, |windows| {
        one(windows, it.id)?[field] = json!(is_on);
        Ok(())
    })
    .await
}

fn one(windows: &mut [Value], id: usize) -> anyhow::Result<&mut Value> {
    let count = windows.len();
    match windows.get_mut(id) {
        Some(window) => Ok(window),
        None => bail!("there is no window {id} among {count}\nhint: `landfall proj windows list PROJECT` numbers them"),
    }
}

async fn change(
    client: &Client,
    name: &str,
    how: impl FnOnce(&mut Vec<Value>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut project = read(client, name).await?;
    let mut windows = project["spec"]["syncWindows"].as_array().cloned().unwrap_or_default();
    how(&mut windows)?;
    project["spec"]["syncWindows"] = Value::Array(windows);
    write(client, project).await
}

fn table(windows: &[Value]) -> String {
    let head = [
        "ID",
        "KIND",
        "SCHEDULE",
        "DURATION",
        "APPLICATIONS",
        "NAMESPACES",
        "CLUSTERS",
        "MANUALSYNC",
        "SYNCOVERRUN",
        "TIMEZONE",
        "USEANDOPERATOR",
    ];
    let mut table = Table::with_head(&head);
    for (id, window) in windows.iter().enumerate() {
        let list = |field: &str| {
            let names: Vec<&str> = window[field].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            if names.is_empty() { "-".to_owned() } else { names.join(",") }
        };
        let switch = |field: &str| if window[field] == true { "Enabled" } else { "Disabled" }.to_owned();
        let zone = if text(window, "timeZone").is_empty() { "UTC" } else { text(window, "timeZone") };
        table.row([
            id.to_string(),
            text(window, "kind").to_owned(),
            text(window, "schedule").to_owned(),
            text(window, "duration").to_owned(),
            list("applications"),
            list("namespaces"),
            list("clusters"),
            switch("manualSync"),
            switch("syncOverrun"),
            zone.to_owned(),
            switch("andOperator"),
        ]);
    }
    table.text()
}
