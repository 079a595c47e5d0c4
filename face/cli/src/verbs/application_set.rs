//! `landfall appset`: ApplicationSets, as `argocd appset`. Source: Argo CD 3.5 `cmd/argocd/commands/applicationset.go`.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use landfall_yaml::Resolver;
use serde_json::{Value, json};

use super::SUCCESS;
use super::account::{machine, text};
use crate::output::table::Table;
use crate::remote::client::{Client, encoded};
use crate::{Connection, Outside, remote};

/// Arguments of `landfall appset`.
#[derive(Debug, Args)]
pub struct ApplicationSetArguments {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    verb: ApplicationSetVerb,
}

#[derive(Debug, Subcommand)]
enum ApplicationSetVerb {
    /// List them.
    List {
        /// Only those of these projects.
        #[arg(short, long = "project")]
        projects: Vec<String>,
        /// Only those with these labels.
        #[arg(short = 'l', long, default_value = "")]
        selector: String,
        /// Only those of this namespace.
        #[arg(short = 'N', long, default_value = "")]
        appset_namespace: String,
        /// The format: wide, name, json or yaml.
        #[arg(short, long, default_value = "wide", value_name = "FORMAT")]
        output: String,
    },
    /// Show one.
    Get {
        /// Its name, or NAMESPACE/NAME.
        name: String,
        /// The format: wide, json or yaml.
        #[arg(short, long, default_value = "wide", value_name = "FORMAT")]
        output: String,
    },
    /// Make those of a file.
    Create {
        /// Files with ApplicationSets, - for standard input.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Change those that are there already.
        #[arg(long)]
        upsert: bool,
        /// Only say what would be made.
        #[arg(long)]
        dry_run: bool,
    },
    /// Show which Applications those of a file would make.
    Generate {
        /// A file with ApplicationSets, - for standard input.
        file: PathBuf,
        /// The format: wide, name, json or yaml.
        #[arg(short, long, default_value = "wide", value_name = "FORMAT")]
        output: String,
    },
    /// Delete them, with the Applications that they made.
    Delete {
        /// Their names, or NAMESPACE/NAME.
        #[arg(required = true)]
        names: Vec<String>,
        /// Do not ask.
        #[arg(short, long)]
        yes: bool,
    },
}

/// Does what was asked.
pub(super) async fn run(arguments: ApplicationSetArguments, outside: &dyn Outside) -> anyhow::Result<u8> {
    let client = remote::server(&arguments.connection, outside)?;
    let outcome = perform(arguments.verb, &client, outside).await;
    super::keep_tokens(&client, &arguments.connection, outside)?;
    outcome
}

async fn perform(verb: ApplicationSetVerb, client: &Client, outside: &dyn Outside) -> anyhow::Result<u8> {
    match verb {
        ApplicationSetVerb::List { projects, selector, appset_namespace, output } => {
            let mut query: Vec<(&str, &str)> = projects.iter().map(|project| ("projects", project.as_str())).collect();
            query.extend([("selector", selector.as_str()), ("appsetNamespace", appset_namespace.as_str())]);
            let answer = client.get("/api/v1/applicationsets", &query).await?;
            let items = answer["items"].as_array().cloned().unwrap_or_default();
            outside.print(&shown(&items, &output)?)?;
        }
        ApplicationSetVerb::Get { name, output } => {
            let (namespace, name) = place(&name);
            let path = format!("/api/v1/applicationsets/{}", encoded(name));
            let set = client.get(&path, &[("appsetNamespace", namespace)]).await?;
            let text = match output.as_str() {
                "wide" | "" => details(&set),
                other => machine(&set, other)?,
            };
            outside.print(&text)?;
        }
        ApplicationSetVerb::Create { files, upsert, dry_run } => {
            for file in files {
                for set in read(&file, outside)? {
                    let flag = |value: bool| if value { "true" } else { "" };
                    let query = [("upsert", flag(upsert)), ("dryRun", flag(dry_run))];
                    let made = client.call("POST", "/api/v1/applicationsets", &query, Some(set)).await?;
                    let word = if dry_run { "created (dry run)" } else { "created" };
                    outside.print(&format!("ApplicationSet '{}' {word}\n", text(&made["metadata"], "name")))?;
                }
            }
        }
        ApplicationSetVerb::Generate { file, output } => {
            let mut all = Vec::new();
            for set in read(&file, outside)? {
                let answer = client.post("/api/v1/applicationsets/generate", json!({"applicationSet": set})).await?;
                all.extend(answer["applications"].as_array().cloned().unwrap_or_default());
            }
            outside.print(&shown(&all, &output)?)?;
        }
        ApplicationSetVerb::Delete { names, yes } => {
            for name in names {
                let question = format!("Are you sure you want to delete '{name}' and all its Applications?");
                if !yes && !outside.confirm(&question)? {
                    bail!("nothing was deleted\nhint: --yes answers the question");
                }
                let (namespace, bare) = place(&name);
                let path = format!("/api/v1/applicationsets/{}", encoded(bare));
                client.call("DELETE", &path, &[("appsetNamespace", namespace)], None).await?;
                outside.print(&format!("applicationset '{name}' deleted\n"))?;
            }
        }
    }
    Ok(SUCCESS)
}

/// Takes `NAMESPACE/NAME` or `NAME` apart.
fn place(name: &str) -> (&str, &str) {
    name.split_once('/').unwrap_or(("", name))
}

fn read(file: &std::path::Path, outside: &dyn Outside) -> anyhow::Result<Vec<Value>> {
    let content = outside.read(file)?;
    let read = landfall_yaml::read(&content, Resolver::Kubernetes);
    let mut found = read.with_context(|| format!("{} cannot be read as YAML", file.display()))?;
    found.retain(|value| value["kind"] == "ApplicationSet");
    if found.is_empty() {
        bail!(
            "{} holds no ApplicationSet\nhint: its kind is ApplicationSet, its apiVersion argoproj.io/v1alpha1",
            file.display()
        );
    }
    Ok(found)
}

fn qualified_name(item: &Value) -> String {
    let (namespace, name) = (text(&item["metadata"], "namespace"), text(&item["metadata"], "name"));
    if namespace.is_empty() { name.to_owned() } else { format!("{namespace}/{name}") }
}

fn shown(items: &[Value], output: &str) -> anyhow::Result<String> {
    match output {
        "name" => Ok(items.iter().map(|item| format!("{}\n", qualified_name(item))).collect()),
        "wide" | "" => {
            let mut table =
                Table::with_head(&["NAME", "PROJECT", "SYNCPOLICY", "CONDITIONS", "REPO", "PATH", "TARGET"]);
            for item in items {
                table.row(row(item));
            }
            Ok(table.text())
        }
        other => machine(&Value::Array(items.to_vec()), other),
    }
}

fn row(item: &Value) -> [String; 7] {
    // What a set makes is described in its template; what was generated is an Application itself.
    let spec = item["spec"].get("template").map_or(&item["spec"], |template| &template["spec"]);
    let source = spec.get("source").or_else(|| spec["sources"].get(0)).cloned().unwrap_or_default();
    let policy = match &item["spec"]["syncPolicy"] {
        policy if policy.is_object() => policy.to_string(),
        _ => "nil".to_owned(),
    };
    let conditions: Vec<&str> = item["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|condition| condition["status"] == "True")
        .map(|condition| text(condition, "type"))
        .collect();
    let conditions = if conditions.is_empty() { "<none>".to_owned() } else { conditions.join(",") };
    let of = |field: &str| text(&source, field).to_owned();
    let project = text(spec, "project").to_owned();
    [qualified_name(item), project, policy, conditions, of("repoURL"), of("path"), of("targetRevision")]
}

fn details(set: &Value) -> String {
    let [name, project, _, conditions, repository, path, target] = row(set);
    let destination = &set["spec"]["template"]["spec"]["destination"];
    let server =
        if text(destination, "server").is_empty() { text(destination, "name") } else { text(destination, "server") };
    let generators: Vec<&str> = set["spec"]["generators"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|generator| generator.as_object()?.keys().find(|key| *key != "selector").map(String::as_str))
        .collect();
    let rows = [
        ("Name:", name),
        ("Project:", project),
        ("Server:", server.to_owned()),
        ("Namespace:", text(destination, "namespace").to_owned()),
        ("Generators:", generators.join(",")),
        ("Repo:", repository),
        ("Target:", target),
        ("Path:", path),
        ("Conditions:", conditions),
    ];
    rows.iter().map(|(name, value)| format!("{name:<20}{value}\n")).collect()
}
