//! `landfall admin`: what is asked of an installation's own objects, by its administrators; no server is needed.
//! Source: Argo CD 3.5 `cmd/argocd/commands/admin/{settings_rbac,initial_password}.go`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use clap::{Args, Subcommand};
use landfall_access::policy::{MatchMode, Policy, Request};
use landfall_model::key::GroupVersionKind;
use landfall_model::object;
use landfall_ports::cluster::{Cluster, ServedKind};
use serde_json::Value;

use super::{FAILURE, SUCCESS};
use crate::{Connection, Outside};

/// Arguments of `landfall admin`.
#[derive(Debug, Args)]
pub struct AdminArguments {
    #[command(flatten)]
    connection: Connection,
    /// The control namespace.
    #[arg(short = 'n', long, global = true, env = "ARGOCD_NAMESPACE", default_value = "argocd")]
    namespace: String,
    #[command(subcommand)]
    verb: AdminVerb,
}

#[derive(Debug, Subcommand)]
enum AdminVerb {
    /// Print the first password of `admin`.
    InitialPassword,
    /// Look into settings.
    Settings(SettingsArguments),
}

#[derive(Debug, Args)]
struct SettingsArguments {
    #[command(subcommand)]
    verb: SettingsVerb,
}

#[derive(Debug, Subcommand)]
enum SettingsVerb {
    /// Look into the policy of who may do what.
    Rbac(RbacArguments),
}

#[derive(Debug, Args)]
struct RbacArguments {
    #[command(subcommand)]
    verb: RbacVerb,
}

#[derive(Debug, Subcommand)]
enum RbacVerb {
    /// Ask whether a role or a subject may: exit code 0 for yes, 1 for no.
    Can {
        /// The role or subject.
        subject: String,
        /// The action, as `sync`.
        action: String,
        /// The resource, as `applications`.
        resource: String,
        /// The object, as `team/*`; any if it is left out.
        #[arg(default_value = "*")]
        object: String,
        #[command(flatten)]
        source: PolicySource,
        /// The role that everybody has; else that of the ConfigMap.
        #[arg(long, value_name = "ROLE")]
        default_role: Option<String>,
        /// Leave the built-in roles out.
        #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", value_name = "BOOL")]
        use_builtin_policy: bool,
        /// Take any resource and action.
        #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", value_name = "BOOL")]
        strict: bool,
        /// Say nothing.
        #[arg(short, long)]
        quiet: bool,
    },
    /// Check that a policy can be read.
    Validate {
        #[command(flatten)]
        source: PolicySource,
    },
}

#[derive(Debug, Args)]
struct PolicySource {
    /// A file with policy.csv, or with the ConfigMap in YAML; else argocd-rbac-cm of the cluster is read.
    #[arg(long, value_name = "FILE")]
    policy_file: Option<PathBuf>,
}

/// Does what was asked.
pub(super) async fn run(arguments: AdminArguments, outside: &dyn Outside) -> anyhow::Result<u8> {
    let AdminArguments { connection, namespace, verb } = arguments;
    match verb {
        AdminVerb::InitialPassword => {
            let cluster = outside.connect(&connection).await?;
            let found = read(&*cluster, "Secret", "secrets", &namespace, "argocd-initial-admin-secret").await?;
            let encoded = found.as_ref().map_or("", |secret| object::text(secret, &["data", "password"]));
            if encoded.is_empty() {
                bail!(
                    "there is no Secret argocd-initial-admin-secret in the namespace {namespace}\nhint: it is made with the first password, and deleted by whoever has changed it"
                );
            }
            let password = base64::engine::general_purpose::STANDARD
                .decode(encoded)
                .context("the Secret's password is no base64")?;
            let password = String::from_utf8(password).context("the Secret's password is no text")?;
            outside.print(&format!(
                "{password}\n\n This password must be only used for first time login. We strongly recommend you update the password using `landfall account update-password`.\n"
            ))?;
            Ok(SUCCESS)
        }
        AdminVerb::Settings(SettingsArguments { verb: SettingsVerb::Rbac(RbacArguments { verb }) }) => match verb {
            RbacVerb::Validate { source } => {
                let texts = texts(&source, &connection, &namespace, outside).await?;
                let (_, problems) = Policy::read(&csv(&texts), "", mode(&texts));
                problems.iter().for_each(|problem| outside.tell(&problem.to_string()));
                outside.print(if problems.is_empty() { "Policy is valid.\n" } else { "Policy is not valid.\n" })?;
                Ok(if problems.is_empty() { SUCCESS } else { FAILURE })
            }
            RbacVerb::Can {
                subject,
                action,
                resource,
                object,
                source,
                default_role,
                use_builtin_policy,
                strict,
                quiet,
            } => {
                let resource = full_name(&resource);
                if strict {
                    check(&resource, &action)?;
                }
                let texts = texts(&source, &connection, &namespace, outside).await?;
                let role = default_role.or_else(|| texts.get("policy.default").cloned()).unwrap_or_default();
                let (policy, problems) = match use_builtin_policy {
                    true => Policy::read(&csv(&texts), &role, mode(&texts)),
                    false => Policy::read_alone(&csv(&texts), &role, mode(&texts)),
                };
                problems.iter().for_each(|problem| outside.tell(&format!("warning: {problem}")));
                let request =
                    Request { subject: &subject, groups: &[], resource: &resource, action: &action, object: &object };
                let is_allowed = policy.allows(&request);
                if !quiet {
                    outside.print(if is_allowed { "Yes\n" } else { "No\n" })?;
                }
                Ok(if is_allowed { SUCCESS } else { FAILURE })
            }
        },
    }
}

const RESOURCES: [&str; 12] = [
    "accounts",
    "applications",
    "applicationsets",
    "certificates",
    "clusters",
    "exec",
    "extensions",
    "gpgkeys",
    "logs",
    "projects",
    "repositories",
    "write-repositories",
];
const ACTIONS: [&str; 9] = ["action", "create", "delete", "get", "invoke", "override", "rollback", "sync", "update"];

/// Short names that people type. Source: Argo CD's `resourceMap`.
fn full_name(resource: &str) -> String {
    match resource {
        "account" => "accounts",
        "app" | "apps" | "application" => "applications",
        "appset" | "appsets" | "applicationset" => "applicationsets",
        "cert" | "certs" | "certificate" => "certificates",
        "cluster" => "clusters",
        "extension" => "extensions",
        "gpgkey" | "key" => "gpgkeys",
        "log" => "logs",
        "proj" | "projs" | "project" => "projects",
        "repo" | "repos" | "repository" => "repositories",
        other => other,
    }
    .to_owned()
}

fn check(resource: &str, action: &str) -> anyhow::Result<()> {
    if !RESOURCES.contains(&resource) {
        bail!("{resource:?} is no resource\nhint: resources are {}", RESOURCES.join(", "));
    }
    let verb = action.split('/').next().unwrap_or_default();
    if !ACTIONS.contains(&verb) {
        bail!("{action:?} is no action\nhint: actions are {}", ACTIONS.join(", "));
    }
    Ok(())
}

async fn texts(
    source: &PolicySource,
    connection: &Connection,
    namespace: &str,
    outside: &dyn Outside,
) -> anyhow::Result<BTreeMap<String, String>> {
    let Some(file) = &source.policy_file else {
        let cluster = outside.connect(connection).await?;
        let found = read(&*cluster, "ConfigMap", "configmaps", namespace, "argocd-rbac-cm").await?;
        let found = found.with_context(|| {
            format!("there is no ConfigMap argocd-rbac-cm in the namespace {namespace}\nhint: --policy-file names a file instead")
        })?;
        return Ok(object::text_map(&found, &["data"]));
    };
    let content = outside.read(file)?;
    let text = String::from_utf8(content).with_context(|| format!("{} is no text", file.display()))?;
    // A ConfigMap has data; a policy alone is text that no object can be.
    match landfall_yaml::read_one(text.as_bytes(), landfall_yaml::Resolver::Kubernetes) {
        Ok(value) if value["data"].is_object() => Ok(object::text_map(&value, &["data"])),
        _ => Ok(BTreeMap::from([("policy.csv".to_owned(), text)])),
    }
}

fn csv(texts: &BTreeMap<String, String>) -> String {
    let is_further = |key: &str| key.starts_with("policy.") && key.ends_with(".csv") && key != "policy.csv";
    let further = texts.iter().filter(|(key, _)| is_further(key)).map(|(_, csv)| csv);
    texts.get("policy.csv").into_iter().chain(further).map(|csv| format!("{csv}\n")).collect()
}

fn mode(texts: &BTreeMap<String, String>) -> MatchMode {
    match texts.get("policy.matchMode").map(|mode| mode.trim()) {
        Some("regex") => MatchMode::Regex,
        _ => MatchMode::Glob,
    }
}

async fn read(
    cluster: &dyn Cluster,
    kind: &str,
    plural: &str,
    namespace: &str,
    name: &str,
) -> anyhow::Result<Option<Value>> {
    let served = ServedKind {
        gvk: GroupVersionKind::of("v1", kind),
        plural: plural.to_owned(),
        is_namespaced: true,
        verbs: vec!["get".to_owned()],
        is_preferred: true,
    };
    cluster.get(&served, namespace, name).await.map_err(crate::applications::explained)
}
