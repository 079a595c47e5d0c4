//! `app edit|add-source|remove-source`. Source: Argo CD 3.5 `cmd/argocd/commands/app.go`.

use anyhow::{Context as _, bail};
use clap::Args;
use landfall_yaml::Resolver;
use serde_json::{Value, json};

use super::Session;
use super::flags::SpecFlags;
use crate::output::format::{self, Format};
use crate::verbs::SUCCESS;

/// Arguments of `app edit`.
#[derive(Debug, Args)]
pub(crate) struct EditArguments {
    /// The Application.
    name: String,
}

pub(super) async fn edit(session: &Session<'_>, arguments: &EditArguments) -> anyhow::Result<u8> {
    let found = session.applications.get(&arguments.name).await?;
    let before = format::text(&found.value["spec"], Format::Yaml);
    let after = session.outside.edit(&before)?;
    if after == before {
        session.outside.tell("nothing was changed");
        return Ok(SUCCESS);
    }
    let spec = landfall_yaml::read_one(after.as_bytes(), Resolver::Kubernetes);
    let mut wanted = found.value.clone();
    wanted["spec"] = spec.context("what was written cannot be read as YAML; nothing was changed")?;
    session.applications.replace(&wanted).await?;
    session.outside.print(&format!("application '{}' edited\n", arguments.name))?;
    Ok(SUCCESS)
}

/// Arguments of `app add-source`.
#[derive(Debug, Args)]
pub(crate) struct AddSourceArguments {
    /// The Application.
    name: String,
    /// What the source is called.
    #[arg(long, value_name = "NAME")]
    source_name: Option<String>,
    /// The name by which other sources refer to its files, as $NAME/values.yaml.
    #[arg(long = "ref", value_name = "NAME")]
    reference: Option<String>,
    #[command(flatten)]
    spec: SpecFlags,
}

pub(super) async fn add(session: &Session<'_>, arguments: &AddSourceArguments) -> anyhow::Result<u8> {
    let found = session.applications.get(&arguments.name).await?;
    let mut wanted = found.value.clone();
    if !wanted["spec"]["sources"].is_array() {
        bail!(
            "{} has no list of sources to add to\nhint: write spec.sources in the place of spec.source first (app edit)",
            arguments.name
        );
    }
    let mut source = arguments.spec.new_source(&|file| session.outside.read(file))?;
    for (field, value) in [("name", &arguments.source_name), ("ref", &arguments.reference)] {
        if let Some(value) = value {
            source[field] = json!(value);
        }
    }
    if source["repoURL"].as_str().is_none_or(str::is_empty) {
        bail!("the source has no repository\nhint: --repo names it");
    }
    if let Some(sources) = wanted["spec"]["sources"].as_array_mut() {
        sources.push(source);
    }
    session.applications.replace(&wanted).await?;
    session.outside.print(&format!("Application '{}' updated successfully\n", arguments.name))?;
    Ok(SUCCESS)
}

/// Arguments of `app remove-source`.
#[derive(Debug, Args)]
pub(crate) struct RemoveSourceArguments {
    /// The Application.
    name: String,
    /// Which source, from 1.
    #[arg(long, value_name = "NUMBER", conflicts_with = "source_name")]
    source_position: Option<usize>,
    /// Which source, by its name.
    #[arg(long, value_name = "NAME")]
    source_name: Option<String>,
}

pub(super) async fn remove(session: &Session<'_>, arguments: &RemoveSourceArguments) -> anyhow::Result<u8> {
    let found = session.applications.get(&arguments.name).await?;
    let mut wanted = found.value.clone();
    let name = &arguments.name;
    let Some(sources) = wanted["spec"]["sources"].as_array_mut() else {
        bail!("{name} has one source only, and no list of them");
    };
    let at = match (arguments.source_position, &arguments.source_name) {
        (Some(position), _) => position.checked_sub(1).filter(|at| *at < sources.len()),
        (None, Some(wanted)) => sources.iter().position(|source: &Value| source["name"] == wanted.as_str()),
        (None, None) => {
            bail!("no source is named\nhint: --source-position counts them from 1, --source-name names one")
        }
    };
    let Some(at) = at else { bail!("{name} has {} sources, and not that one", sources.len()) };
    if sources.len() == 1 {
        bail!("{name} would have no source left\nhint: `landfall app delete {name}` deletes it");
    }
    sources.remove(at);
    session.applications.replace(&wanted).await?;
    session.outside.print(&format!("Application '{name}' updated successfully\n"))?;
    Ok(SUCCESS)
}
