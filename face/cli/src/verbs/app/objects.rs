//! `app get-resource|patch-resource|delete-resource`: single objects of an Application, through a server. Source: Argo CD
//! 3.5 `cmd/argocd/commands/app_resources.go`.

use anyhow::bail;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::Session;
use crate::output::format::for_people;
use crate::output::table::Table;
use crate::remote::client::Client;
use crate::verbs::SUCCESS;
use crate::verbs::account::{machine, text};

/// Which objects.
#[derive(Debug, Args)]
pub(super) struct Objects {
    /// Their group.
    #[arg(long)]
    group: Option<String>,
    /// Their kind.
    #[arg(long)]
    kind: String,
    /// Their namespace.
    #[arg(long = "namespace", value_name = "NAMESPACE")]
    of_namespace: Option<String>,
    /// The name of one.
    #[arg(long, value_name = "NAME")]
    resource_name: Option<String>,
}

impl Objects {
    /// Finds them among what the Application has.
    pub(super) async fn find(&self, session: &Session<'_>, server: &Client, name: &str) -> anyhow::Result<Vec<Value>> {
        let (path, namespace) = session.address(name);
        let tree = server.get(&format!("{path}/resource-tree"), &[("appNamespace", &namespace)]).await?;
        let is = |wanted: &Option<String>, own: &str| wanted.as_deref().is_none_or(|wanted| wanted == own);
        let mut found: Vec<Value> = tree["nodes"].as_array().cloned().unwrap_or_default();
        found.retain(|node| {
            text(node, "kind") == self.kind
                && is(&self.group, text(node, "group"))
                && is(&self.of_namespace, text(node, "namespace"))
                && is(&self.resource_name, text(node, "name"))
        });
        if found.is_empty() {
            bail!("{name} has no such {}\nhint: `landfall app get {name} -o tree` shows what it has", self.kind);
        }
        Ok(found)
    }

    /// Finds those that may be changed: one, or with `all` several.
    pub(super) async fn find_to_change(
        &self,
        session: &Session<'_>,
        server: &Client,
        name: &str,
        all: bool,
    ) -> anyhow::Result<Vec<Value>> {
        let found = self.find(session, server, name).await?;
        if found.len() > 1 && !all {
            bail!(
                "{} objects are meant\nhint: --resource-name, --namespace and --group name one; --all means all of them",
                found.len()
            );
        }
        Ok(found)
    }
}

/// An object's part of a query.
pub(super) fn query<'a>(node: &'a Value, namespace: &'a str) -> Vec<(&'static str, &'a str)> {
    vec![
        ("appNamespace", namespace),
        ("namespace", text(node, "namespace")),
        ("resourceName", text(node, "name")),
        ("version", text(node, "version")),
        ("group", text(node, "group")),
        ("kind", text(node, "kind")),
    ]
}

/// Arguments of `app get-resource`.
#[derive(Debug, Args)]
pub(crate) struct GetResourceArguments {
    /// The Application.
    name: String,
    #[command(flatten)]
    objects: Objects,
    /// The format: wide, json or yaml.
    #[arg(short, long, default_value = "wide", value_name = "FORMAT")]
    output: String,
    /// Only these fields, as status.podIP.
    #[arg(long, value_delimiter = ',', value_name = "FIELD")]
    filter_fields: Vec<String>,
    /// Show who manages which field, too.
    #[arg(long)]
    show_managed_fields: bool,
}

pub(super) async fn get(session: &Session<'_>, arguments: &GetResourceArguments) -> anyhow::Result<u8> {
    let server = session.server("get-resource")?;
    let (path, namespace) = session.address(&arguments.name);
    let mut texts = Vec::new();
    for node in arguments.objects.find(session, server, &arguments.name).await? {
        let answer = server.get(&format!("{path}/resource"), &query(&node, &namespace)).await?;
        let object: Value = serde_json::from_str(text(&answer, "manifest")).unwrap_or_default();
        let object = if arguments.show_managed_fields { object } else { for_people(&object) };
        let object = only(&object, &arguments.filter_fields);
        texts.push(match arguments.output.as_str() {
            "wide" | "" => {
                let mut table = Table::with_head(&["FIELD", "VALUE"]);
                rows("", &object, &mut table);
                table.text()
            }
            other => machine(&object, other)?,
        });
    }
    let between = if arguments.output == "yaml" { "---\n" } else { "" };
    session.outside.print(&texts.join(between))?;
    Ok(SUCCESS)
}

/// The fields that are asked for; all if none are.
fn only(object: &Value, fields: &[String]) -> Value {
    if fields.is_empty() {
        return object.clone();
    }
    let mut kept = json!({});
    for field in fields {
        let path: Vec<&str> = field.split('.').collect();
        if let (Some(value), Some((last, above))) = (landfall_model::object::at(object, &path), path.split_last()) {
            landfall_model::object::map_mut(&mut kept, above).insert((*last).to_owned(), value.clone());
        }
    }
    kept
}

/// A line for each field that holds no others.
fn rows(place: &str, value: &Value, table: &mut Table) {
    let below = |name: &str| if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") };
    match value {
        Value::Object(map) => {
            let mut fields: Vec<_> = map.iter().collect();
            fields.sort_by_key(|(name, _)| name.as_str());
            fields.into_iter().for_each(|(name, value)| rows(&below(name), value, table));
        }
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(at, value)| rows(&format!("{place}[{at}]"), value, table));
        }
        Value::String(text) => table.row([place.to_owned(), text.clone()]),
        other => table.row([place.to_owned(), other.to_string()]),
    }
}

/// How a patch is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PatchType {
    /// RFC 7396.
    #[value(name = "application/merge-patch+json", alias = "merge")]
    Merge,
    /// RFC 6902.
    #[value(name = "application/json-patch+json", alias = "json")]
    Json,
    /// Kubernetes' own; built-in kinds only.
    #[value(name = "application/strategic-merge-patch+json", alias = "strategic")]
    Strategic,
}

/// Arguments of `app patch-resource`.
#[derive(Debug, Args)]
pub(crate) struct PatchResourceArguments {
    /// The Application.
    name: String,
    #[command(flatten)]
    objects: Objects,
    /// The patch, as JSON.
    #[arg(long)]
    patch: String,
    /// How it is written.
    #[arg(long, value_enum, default_value = "application/merge-patch+json")]
    patch_type: PatchType,
    /// Patch all that are meant.
    #[arg(long)]
    all: bool,
}

pub(super) async fn patch(session: &Session<'_>, arguments: &PatchResourceArguments) -> anyhow::Result<u8> {
    let server = session.server("patch-resource")?;
    let (path, namespace) = session.address(&arguments.name);
    let kind = match arguments.patch_type {
        PatchType::Merge => "application/merge-patch+json",
        PatchType::Json => "application/json-patch+json",
        PatchType::Strategic => "application/strategic-merge-patch+json",
    };
    for node in arguments.objects.find_to_change(session, server, &arguments.name, arguments.all).await? {
        let mut query = query(&node, &namespace);
        query.push(("patchType", kind));
        let body = Some(json!(arguments.patch));
        server.call("POST", &format!("{path}/resource"), &query, body).await?;
        session.outside.print(&format!("{} '{}' patched\n", text(&node, "kind"), text(&node, "name")))?;
    }
    Ok(SUCCESS)
}

/// Arguments of `app delete-resource`.
#[derive(Debug, Args)]
pub(crate) struct DeleteResourceArguments {
    /// The Application.
    name: String,
    #[command(flatten)]
    objects: Objects,
    /// Do not wait for what the object owns.
    #[arg(long)]
    force: bool,
    /// Leave what the object owns.
    #[arg(long)]
    orphan: bool,
    /// Delete all that are meant.
    #[arg(long)]
    all: bool,
}

pub(super) async fn delete(session: &Session<'_>, arguments: &DeleteResourceArguments) -> anyhow::Result<u8> {
    let server = session.server("delete-resource")?;
    let (path, namespace) = session.address(&arguments.name);
    let flag = |value: bool| if value { "true" } else { "" };
    for node in arguments.objects.find_to_change(session, server, &arguments.name, arguments.all).await? {
        let mut query = query(&node, &namespace);
        query.extend([("force", flag(arguments.force)), ("orphan", flag(arguments.orphan))]);
        server.call("DELETE", &format!("{path}/resource"), &query, None).await?;
        session.outside.print(&format!("{} '{}' deleted\n", text(&node, "kind"), text(&node, "name")))?;
    }
    Ok(SUCCESS)
}
