//! `app unset|patch|confirm-deletion`: small changes of an Application.

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use landfall_model::annotations::DELETION_APPROVED;
use landfall_model::object;
use landfall_model::time::Time;
use landfall_yaml::Resolver;
use serde_json::{Map, Value, json};

use super::Session;
use super::flags::{image_name, source_of};
use crate::output::format::{self, Format, for_people};
use crate::verbs::SUCCESS;

/// Arguments of `app unset`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "one switch per flag")]
pub(crate) struct UnsetArguments {
    /// The Application.
    name: String,
    /// Which of several sources is changed, from 1.
    #[arg(long, value_name = "NUMBER")]
    source_position: Option<usize>,
    /// Take a Helm value away.
    #[arg(short = 'p', long = "parameter", value_name = "NAME")]
    parameters: Vec<String>,
    /// Take a values file away.
    #[arg(long, value_name = "FILE")]
    values: Vec<String>,
    /// Take the values written in the Application away.
    #[arg(long)]
    values_literal: bool,
    /// Missing values files are errors again.
    #[arg(long)]
    ignore_missing_value_files: bool,
    /// Credentials go to the chart's own host only again.
    #[arg(long)]
    pass_credentials: bool,
    /// Take the name prefix away.
    #[arg(long)]
    nameprefix: bool,
    /// Take the name suffix away.
    #[arg(long)]
    namesuffix: bool,
    /// Take the kustomization's namespace away.
    #[arg(long)]
    kustomize_namespace: bool,
    /// Take an image away.
    #[arg(long = "kustomize-image", value_name = "IMAGE")]
    kustomize_images: Vec<String>,
    /// Take a count of replicas away.
    #[arg(long = "kustomize-replica", value_name = "NAME")]
    kustomize_replicas: Vec<String>,
    /// Take the reference of the source away.
    #[arg(long = "ref")]
    reference: bool,
}

pub(super) async fn unset(session: &Session<'_>, arguments: &UnsetArguments) -> anyhow::Result<u8> {
    let found = session.applications.get(&arguments.name).await?;
    let mut wanted = found.value.clone();
    let spec = wanted.get_mut("spec").and_then(Value::as_object_mut).context("the Application has no spec")?;
    let source = source_of(spec, arguments.source_position)?;
    take_away(source, arguments);
    if wanted["spec"] == found.value["spec"] {
        bail!(
            "{} has nothing of what is to be taken away\nhint: `landfall app get {} -o yaml` shows its source",
            arguments.name,
            arguments.name
        );
    }
    session.applications.replace(&wanted).await?;
    Ok(SUCCESS)
}

fn take_away(source: &mut Map<String, Value>, arguments: &UnsetArguments) {
    if let Some(helm) = source.get_mut("helm").and_then(Value::as_object_mut) {
        without(helm, "parameters", |known| arguments.parameters.iter().any(|name| known["name"] == *name));
        without(helm, "valueFiles", |known| arguments.values.iter().any(|file| known == file));
        if arguments.values_literal {
            helm.remove("values");
            helm.remove("valuesObject");
        }
        for (is_asked, key) in [
            (arguments.ignore_missing_value_files, "ignoreMissingValueFiles"),
            (arguments.pass_credentials, "passCredentials"),
        ] {
            if is_asked {
                helm.remove(key);
            }
        }
    }
    if let Some(kustomize) = source.get_mut("kustomize").and_then(Value::as_object_mut) {
        without(kustomize, "images", |known| {
            let known = image_name(known.as_str().unwrap_or_default());
            arguments.kustomize_images.iter().any(|image| image_name(image) == known)
        });
        without(kustomize, "replicas", |known| arguments.kustomize_replicas.iter().any(|name| known["name"] == *name));
        for (is_asked, key) in [
            (arguments.nameprefix, "namePrefix"),
            (arguments.namesuffix, "nameSuffix"),
            (arguments.kustomize_namespace, "namespace"),
        ] {
            if is_asked {
                kustomize.remove(key);
            }
        }
    }
    if arguments.reference {
        source.remove("ref");
    }
    for key in ["helm", "kustomize"] {
        if source.get(key).and_then(Value::as_object).is_some_and(Map::is_empty) {
            source.remove(key);
        }
    }
}

/// Takes entries out of a list, and the list itself when none is left.
fn without(map: &mut Map<String, Value>, key: &str, goes: impl Fn(&Value) -> bool) {
    if let Some(list) = map.get_mut(key).and_then(Value::as_array_mut) {
        list.retain(|known| !goes(known));
        if list.is_empty() {
            map.remove(key);
        }
    }
}

/// Arguments of `app patch`.
#[derive(Debug, Args)]
pub(crate) struct PatchArguments {
    /// The Application.
    name: String,
    /// The patch, as JSON or YAML.
    #[arg(long)]
    patch: String,
    /// What kind of patch it is.
    #[arg(long = "type", value_enum, default_value = "json")]
    kind: PatchKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PatchKind {
    /// A JSON patch (RFC 6902).
    Json,
    /// A JSON merge patch (RFC 7396).
    Merge,
}

pub(super) async fn patch(session: &Session<'_>, arguments: &PatchArguments) -> anyhow::Result<u8> {
    let patch = landfall_yaml::read_one(arguments.patch.as_bytes(), Resolver::Kubernetes)
        .context("the patch is neither JSON nor YAML")?;
    let patched = match arguments.kind {
        PatchKind::Merge if patch.is_object() => session.applications.merge(&arguments.name, patch).await?,
        PatchKind::Merge => bail!("a merge patch is an object\nhint: --type json is for lists of operations"),
        PatchKind::Json if patch.is_array() => {
            let found = session.applications.get(&arguments.name).await?;
            let changed = landfall_merge::json_patch::apply(&found.value, &patch)
                .map_err(|error| anyhow::anyhow!("the patch does not apply to {}: {error}", arguments.name))?;
            session.applications.replace(&changed).await?;
            session.applications.get(&arguments.name).await?
        }
        PatchKind::Json => bail!("a JSON patch is a list of operations\nhint: --type merge is for objects"),
    };
    session.outside.print(&format::text(&for_people(&patched.value), Format::Yaml))?;
    Ok(SUCCESS)
}

/// Arguments of `app confirm-deletion`.
#[derive(Debug, Args)]
pub(crate) struct ConfirmArguments {
    /// The Application.
    name: String,
}

/// Approves what `Prune=confirm` and `Delete=confirm` wait for.
pub(super) async fn confirm(session: &Session<'_>, arguments: &ConfirmArguments) -> anyhow::Result<u8> {
    let found = session.applications.get(&arguments.name).await?;
    let now = Time::of(session.outside.now()).to_string();
    let version = object::resource_version(&found.value);
    let metadata = json!({"annotations": {DELETION_APPROVED: now}, "resourceVersion": version});
    session.applications.merge(&arguments.name, json!({"metadata": metadata})).await?;
    session.outside.print(&format!("Application '{}' updated successfully\n", arguments.name))?;
    Ok(SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_away_leaves_no_empty_lists_behind() {
        let mut source = json!({"repoURL": "x", "helm": {"parameters": [{"name": "a", "value": "1"}], "valueFiles": ["b.yaml"]},
            "kustomize": {"images": ["web=example.test/web:1"]}});
        let arguments = UnsetArguments {
            name: "shop".to_owned(),
            source_position: None,
            parameters: vec!["a".to_owned()],
            values: vec!["b.yaml".to_owned()],
            values_literal: false,
            ignore_missing_value_files: false,
            pass_credentials: false,
            nameprefix: false,
            namesuffix: false,
            kustomize_namespace: false,
            kustomize_images: vec!["web".to_owned()],
            kustomize_replicas: Vec::new(),
            reference: false,
        };
        take_away(source.as_object_mut().expect("an object"), &arguments);
        assert_eq!(source, json!({"repoURL": "x"}));
    }
}
