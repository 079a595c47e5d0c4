//! `app create|set|delete`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use landfall_model::annotations::{FINALIZER, FINALIZER_BACKGROUND, FINALIZER_FOREGROUND};
use landfall_model::application::Application;
use landfall_model::object;
use landfall_yaml::Resolver;
use serde_json::{Value, json};

use super::flags::SpecFlags;
use super::{Session, Several};
use crate::applications::Seen;
use crate::verbs::{FAILURE, SUCCESS};

/// Arguments of `app create`.
#[derive(Debug, Args)]
pub(crate) struct CreateArguments {
    /// The name; that of the file if left out.
    name: Option<String>,
    /// Files with Applications, `-` for standard input.
    #[arg(short, long = "file", value_name = "FILE")]
    file: Option<PathBuf>,
    /// Change the one that is there already.
    #[arg(long)]
    upsert: bool,
    /// Delete what the Application has when it is deleted.
    #[arg(long)]
    set_finalizer: bool,
    /// A label, as NAME=VALUE.
    #[arg(short = 'l', long = "label", value_name = "NAME=VALUE")]
    labels: Vec<String>,
    /// An annotation, as NAME=VALUE.
    #[arg(long = "annotations", value_name = "NAME=VALUE")]
    annotations: Vec<String>,
    #[command(flatten)]
    spec: SpecFlags,
}

/// Where objects go if nobody says.
const IN_CLUSTER: &str = "https://kubernetes.default.svc";

pub(super) async fn create(session: &Session<'_>, arguments: &CreateArguments) -> anyhow::Result<u8> {
    let mut values = match &arguments.file {
        None => vec![json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": {}, "spec": {}})],
        Some(file) => {
            let text = session.outside.read(file)?;
            let read = landfall_yaml::read(&text, Resolver::Kubernetes);
            let read = read.with_context(|| format!("{} cannot be read as YAML", file.display()))?;
            let found: Vec<Value> = read.into_iter().filter(|value| value["kind"] == "Application").collect();
            if found.is_empty() {
                bail!(
                    "{} holds no Application\nhint: its kind is Application, its apiVersion argoproj.io/v1alpha1",
                    file.display()
                );
            }
            found
        }
    };
    if arguments.name.is_some() && values.len() > 1 {
        bail!(
            "the file holds {} Applications, and one name cannot name them all\nhint: leave the name out",
            values.len()
        );
    }
    for value in &mut values {
        complete(value, arguments, session)?;
    }
    for value in values {
        let name = format!("{}/{}", object::namespace(&value), object::name(&value));
        let (made, word) = match session.applications.find(&name).await? {
            None => (session.applications.create(&value).await?, "created"),
            Some(present) if present.value["spec"] == value["spec"] => (present, "unchanged"),
            Some(present) if arguments.upsert => {
                let mut wanted = present.value.clone();
                wanted["spec"] = value["spec"].clone();
                for key in ["labels", "annotations", "finalizers"] {
                    if let Some(given) = value["metadata"].get(key) {
                        merge(&mut wanted["metadata"][key], given);
                    }
                }
                (session.applications.replace(&wanted).await?, "updated")
            }
            Some(_) => bail!(
                "there is an Application {name} already, with another spec\nhint: --upsert changes it; `landfall app set` changes single fields"
            ),
        };
        session.outside.print(&format!("application '{}' {word}\n", object::name(&made.value)))?;
    }
    Ok(SUCCESS)
}

fn merge(into: &mut Value, given: &Value) {
    match (into, given) {
        (Value::Object(into), Value::Object(given)) => {
            into.extend(given.iter().map(|(key, value)| (key.clone(), value.clone())));
        }
        (into, given) => *into = given.clone(),
    }
}

fn complete(value: &mut Value, arguments: &CreateArguments, session: &Session<'_>) -> anyhow::Result<()> {
    if let Some(name) = &arguments.name {
        let (namespace, name) = session.applications.place(name);
        value["metadata"]["name"] = json!(name);
        value["metadata"]["namespace"] = json!(namespace);
    }
    if object::name(value).is_empty() {
        bail!("the Application has no name\nhint: give it as the first argument, or in the file as metadata.name");
    }
    if object::namespace(value).is_empty() {
        value["metadata"]["namespace"] = json!(session.applications.place("any").0);
    }
    arguments.spec.apply(value, None, &|file| session.outside.read(file))?;
    for (key, pairs) in [("labels", &arguments.labels), ("annotations", &arguments.annotations)] {
        for pair in pairs {
            let Some((name, text)) = pair.split_once('=') else {
                bail!("{pair:?} is no pair\nhint: write NAME=VALUE");
            };
            value["metadata"][key][name] = json!(text);
        }
    }
    if arguments.set_finalizer {
        value["metadata"]["finalizers"] = json!([FINALIZER]);
    }
    let spec = &mut value["spec"];
    if spec.get("project").is_none_or(|project| project == "") {
        spec["project"] = json!("default");
    }
    let destination = &mut spec["destination"];
    if destination.get("server").is_none() && destination.get("name").is_none() {
        destination["server"] = json!(IN_CLUSTER);
    }
    let application = Application::read(value)?;
    let sources = application.spec.sources();
    if sources.is_empty() || sources.iter().any(|source| source.repo_url.is_empty()) {
        bail!(
            "{} has no source\nhint: --repo names its repository, --path the folder in it",
            application.metadata.name
        );
    }
    Ok(())
}

/// Arguments of `app set`.
#[derive(Debug, Args)]
pub(crate) struct SetArguments {
    /// The Application.
    name: String,
    /// Which of several sources is changed, from 1.
    #[arg(long, value_name = "NUMBER")]
    source_position: Option<usize>,
    #[command(flatten)]
    spec: SpecFlags,
}

pub(super) async fn set(session: &Session<'_>, arguments: &SetArguments) -> anyhow::Result<u8> {
    let found = session.applications.get(&arguments.name).await?;
    let mut wanted = found.value.clone();
    arguments.spec.apply(&mut wanted, arguments.source_position, &|file| session.outside.read(file))?;
    if wanted["spec"] == found.value["spec"] {
        session.outside.tell(&format!("{} already is as asked", arguments.name));
        return Ok(SUCCESS);
    }
    session.applications.replace(&wanted).await?;
    Ok(SUCCESS)
}

/// Arguments of `app delete`.
#[derive(Debug, Args)]
pub(crate) struct DeleteArguments {
    #[command(flatten)]
    several: Several,
    /// Delete what the Application has, too.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", value_name = "BOOL")]
    cascade: bool,
    /// How what it has is deleted.
    #[arg(short, long, value_enum, default_value = "foreground")]
    propagation_policy: Propagation,
    /// Do not ask.
    #[arg(short, long)]
    yes: bool,
    /// Wait until it is gone.
    #[arg(long)]
    wait: bool,
    /// With --wait: how many seconds at most; 0 is no limit.
    #[arg(long, default_value_t = 0)]
    timeout: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Propagation {
    /// One after the other, waiting for each.
    Foreground,
    /// At once.
    Background,
}

pub(super) async fn delete(session: &Session<'_>, arguments: &DeleteArguments) -> anyhow::Result<u8> {
    let all = session.several(&arguments.several).await?;
    let mut exit_code = SUCCESS;
    for found in all {
        let name = found.qualified_name();
        if !arguments.yes {
            let what = if arguments.cascade { "and all its resources" } else { "and leave its resources running" };
            if !session.outside.confirm(&format!("Delete {name} {what}?"))? {
                session.outside.tell(&format!("{name} is not deleted; -y deletes without asking"));
                exit_code = FAILURE;
                continue;
            }
        }
        set_finalizer(session, &name, &found.application, arguments).await?;
        session.applications.delete(&name, &found.application.metadata.uid).await?;
        if arguments.wait {
            let limit = (arguments.timeout > 0).then(|| Duration::from_secs(arguments.timeout));
            let gone = |seen: &Seen| matches!(seen, Seen::Gone).then_some(());
            if session.applications.follow(&name, limit, gone).await?.is_none() {
                session
                    .outside
                    .tell(&format!("{name} is not gone after {} s; its conditions say why", arguments.timeout));
                exit_code = FAILURE;
                continue;
            }
        }
        session.outside.print(&format!("application '{}' deleted\n", found.application.metadata.name))?;
    }
    Ok(exit_code)
}

/// Makes the finalizers say what `--cascade` and `--propagation-policy` ask for; others' stay.
async fn set_finalizer(
    session: &Session<'_>,
    name: &str,
    application: &Application,
    arguments: &DeleteArguments,
) -> anyhow::Result<()> {
    let ours = [FINALIZER, FINALIZER_FOREGROUND, FINALIZER_BACKGROUND];
    let present = &application.metadata.finalizers;
    let mut wanted: Vec<&str> = present.iter().map(String::as_str).filter(|known| !ours.contains(known)).collect();
    if arguments.cascade {
        wanted.push(match arguments.propagation_policy {
            Propagation::Foreground => FINALIZER,
            Propagation::Background => FINALIZER_BACKGROUND,
        });
    }
    if present.iter().map(String::as_str).eq(wanted.iter().copied()) {
        return Ok(());
    }
    let version = &application.metadata.resource_version;
    session.applications.merge(name, json!({"metadata": {"finalizers": wanted, "resourceVersion": version}})).await?;
    Ok(())
}
