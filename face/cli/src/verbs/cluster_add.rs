//! `landfall cluster add`: gives a server a service account in another cluster, with the rights that it needs there, as
//! `argocd cluster add`. Source: Argo CD 3.5 `cmd/argocd/commands/cluster.go`, `util/clusterauth`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use landfall_model::key::GroupVersionKind;
use landfall_model::object;
use landfall_ports::cluster::{Cluster, ServedKind, Write};
use landfall_yaml::Resolver;
use serde_json::{Value, json};

use super::SUCCESS;
use super::account::text;
use crate::remote::client::Client;
use crate::{Connection, Outside};

/// The service account, its role and the binding, as Argo CD calls them.
const ACCOUNT: &str = "argocd-manager";
const ROLE: &str = "argocd-manager-role";
const BINDING: &str = "argocd-manager-role-binding";
/// How often it is looked whether the cluster has made the token, and how often at most.
const LOOK: Duration = Duration::from_millis(250);
const LOOKS_MAX: usize = 120;

/// Arguments of `landfall cluster add`.
#[derive(Debug, Args)]
pub(super) struct AddArguments {
    /// The context of the kubeconfig file.
    #[arg(value_name = "CONTEXT")]
    added: String,
    /// What the cluster is called; the context if left out.
    #[arg(long)]
    name: Option<String>,
    /// Only these namespaces are managed.
    #[arg(long, value_delimiter = ',')]
    namespace: Vec<String>,
    /// With --namespace: objects of the whole cluster are managed too.
    #[arg(long)]
    cluster_resources: bool,
    /// The namespace of the service account.
    #[arg(long, default_value = "kube-system")]
    system_namespace: String,
    /// A service account that is there already; nothing but a token is made then.
    #[arg(long)]
    service_account: Option<String>,
    /// The only project that may use it.
    #[arg(long, default_value = "")]
    project: String,
    /// A label, as NAME=VALUE.
    #[arg(long = "label", value_name = "NAME=VALUE")]
    labels: Vec<String>,
    /// An annotation, as NAME=VALUE.
    #[arg(long = "annotation", value_name = "NAME=VALUE")]
    annotations: Vec<String>,
    /// Change the one that is there.
    #[arg(long)]
    upsert: bool,
    /// Do not ask.
    #[arg(short, long)]
    yes: bool,
}

pub(super) async fn add(
    arguments: &AddArguments,
    connection: &Connection,
    client: &Client,
    outside: &dyn Outside,
) -> anyhow::Result<u8> {
    let context = &arguments.added;
    let (place, found) = found(context, connection, outside)?;
    let server = text(&found, "server").trim_end_matches('/').to_owned();
    let account = arguments.service_account.as_deref().unwrap_or(ACCOUNT);
    let question = format!(
        "This makes the service account `{account}` in the cluster of context `{context}`, with full rights there. Go on?"
    );
    if arguments.service_account.is_none() && !arguments.yes && !outside.confirm(&question)? {
        bail!("nothing was added\nhint: --yes answers the question");
    }
    let to = Connection { context: Some(context.clone()), kubeconfig: Some(place.clone()), ..connection.clone() };
    let cluster = outside.connect(&to).await?;
    if arguments.service_account.is_none() {
        for object in rights(arguments) {
            let what = format!("{} {}", object["kind"].as_str().unwrap_or_default(), object::name(&object));
            let kind = kind_of(&object);
            cluster.apply(&kind, &object, &write()).await.with_context(|| format!("{what} cannot be made"))?;
            outside.tell(&format!("{what} is there"));
        }
    }
    let token = token(cluster.as_ref(), &arguments.system_namespace, account).await?;
    let mut tls = json!({"insecure": found["insecure-skip-tls-verify"] == true});
    if tls["insecure"] != true {
        let authority = authority(&found, &place, outside)?;
        if !authority.is_empty() {
            tls["caData"] = json!(authority);
        }
    }
    if !text(&found, "tls-server-name").is_empty() {
        tls["serverName"] = found["tls-server-name"].clone();
    }
    let mut config = json!({"bearerToken": token, "tlsClientConfig": tls});
    if !text(&found, "proxy-url").is_empty() {
        config["proxyUrl"] = found["proxy-url"].clone();
    }
    let body = json!({
        "server": server,
        "name": arguments.name.as_ref().unwrap_or(context),
        "config": config,
        "namespaces": arguments.namespace,
        "clusterResources": arguments.cluster_resources,
        "project": arguments.project,
        "labels": pairs(&arguments.labels)?,
        "annotations": pairs(&arguments.annotations)?,
    });
    let upsert = [("upsert", if arguments.upsert { "true" } else { "" })];
    client.call("POST", "/api/v1/clusters", &upsert, Some(body)).await?;
    outside.print(&format!("Cluster '{server}' added\n"))?;
    Ok(SUCCESS)
}

/// Reads `NAME=VALUE`s.
pub(super) fn pairs(given: &[String]) -> anyhow::Result<Value> {
    let mut found = json!({});
    for pair in given {
        let Some((name, value)) = pair.split_once('=') else { bail!("{pair:?} is no pair\nhint: write NAME=VALUE") };
        found[name] = json!(value);
    }
    Ok(found)
}

/// Finds the cluster of a context, and the kubeconfig file that it stands in.
fn found(context: &str, connection: &Connection, outside: &dyn Outside) -> anyhow::Result<(PathBuf, Value)> {
    let places: Vec<PathBuf> = match (&connection.kubeconfig, outside.variable("KUBECONFIG")) {
        (Some(file), _) => vec![file.clone()],
        (None, Some(files)) if !files.is_empty() => files.split(':').map(PathBuf::from).collect(),
        _ => {
            let home = outside.variable("HOME").context("there is no home folder: say --kubeconfig")?;
            vec![PathBuf::from(home).join(".kube/config")]
        }
    };
    let mut known = Vec::new();
    for place in &places {
        let Ok(content) = outside.read(place) else { continue };
        let read = landfall_yaml::read_one(&content, Resolver::Kubernetes);
        let file = read.with_context(|| format!("{} cannot be read as YAML", place.display()))?;
        let entry = |list: &str, name: &str| {
            file[list].as_array().into_iter().flatten().find(|one| text(one, "name") == name).cloned()
        };
        if let Some(entry_of_context) = entry("contexts", context) {
            let name = text(&entry_of_context["context"], "cluster").to_owned();
            let cluster = entry("clusters", &name).map(|cluster| cluster["cluster"].clone());
            let cluster = cluster.with_context(|| format!("{} has no cluster {name:?}", place.display()))?;
            if text(&cluster, "server").is_empty() {
                bail!("the cluster {name:?} of {} has no server", place.display());
            }
            return Ok((place.clone(), cluster));
        }
        let names = file["contexts"].as_array().into_iter().flatten().map(|one| text(one, "name").to_owned());
        known.extend(names);
    }
    let shown: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
    bail!("there is no context {context:?} in {}\nhint: there are: {}", shown.join(", "), known.join(", "))
}

/// The authority that the server's certificate is checked with, base64 of PEM; `""` if the system's are meant.
fn authority(cluster: &Value, kubeconfig: &Path, outside: &dyn Outside) -> anyhow::Result<String> {
    let inline = text(cluster, "certificate-authority-data");
    let file = text(cluster, "certificate-authority");
    if !inline.is_empty() || file.is_empty() {
        return Ok(inline.to_owned());
    }
    // What a kubeconfig file names is meant from where it stands.
    let path = kubeconfig.parent().unwrap_or(Path::new("")).join(file);
    Ok(STANDARD.encode(outside.read(&path)?))
}

fn write() -> Write {
    Write { manager: "landfall-cli".to_owned(), force: true, dry_run: false, strict: false }
}

fn kind_of(object: &Value) -> ServedKind {
    let gvk = object::gvk(object);
    ServedKind {
        plural: format!("{}s", gvk.kind.to_lowercase()),
        is_namespaced: !gvk.kind.starts_with("Cluster"),
        verbs: ["get", "create", "patch"].map(str::to_owned).to_vec(),
        is_preferred: true,
        gvk,
    }
}

/// The service account and what it may do: everything, or everything in some namespaces.
fn rights(arguments: &AddArguments) -> Vec<Value> {
    const RBAC: &str = "rbac.authorization.k8s.io";
    let api = format!("{RBAC}/v1");
    let system = &arguments.system_namespace;
    let subject = json!([{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": system}]);
    let everything = json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]);
    let account =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT, "namespace": system}});
    let mut objects = vec![account];
    if arguments.namespace.is_empty() || arguments.cluster_resources {
        let mut rules = everything.clone();
        if let Some(rules) = rules.as_array_mut() {
            rules.push(json!({"nonResourceURLs": ["*"], "verbs": ["*"]}));
        }
        objects.push(json!({"apiVersion": api, "kind": "ClusterRole", "metadata": {"name": ROLE}, "rules": rules}));
        objects.push(json!({
            "apiVersion": api, "kind": "ClusterRoleBinding", "metadata": {"name": BINDING}, "subjects": subject,
            "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": ROLE},
        }));
        return objects;
    }
    for namespace in &arguments.namespace {
        let metadata = |name: &str| json!({"name": name, "namespace": namespace});
        objects.push(json!({"apiVersion": api, "kind": "Role", "metadata": metadata(ROLE), "rules": everything}));
        objects.push(json!({
            "apiVersion": api, "kind": "RoleBinding", "metadata": metadata(BINDING), "subjects": subject,
            "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": ROLE},
        }));
    }
    objects
}

/// Makes a Secret for a token of the account, and waits until the cluster has filled it.
async fn token(cluster: &dyn Cluster, namespace: &str, account: &str) -> anyhow::Result<String> {
    let name = format!("{account}-long-lived-token");
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
        "metadata": {"name": name, "namespace": namespace, "annotations": {"kubernetes.io/service-account.name": account}},
    });
    let kind = ServedKind {
        gvk: GroupVersionKind::of("v1", "Secret"),
        plural: "secrets".to_owned(),
        is_namespaced: true,
        verbs: ["get", "create", "patch"].map(str::to_owned).to_vec(),
        is_preferred: true,
    };
    cluster.apply(&kind, &secret, &write()).await.with_context(|| format!("the token of {account} cannot be made"))?;
    for _ in 0..LOOKS_MAX {
        let found = cluster.get(&kind, namespace, &name).await?;
        let token = found.as_ref().and_then(|found| found["data"]["token"].as_str());
        let token = token.and_then(|token| String::from_utf8(STANDARD.decode(token).ok()?).ok());
        if let Some(token) = token.filter(|token| !token.is_empty()) {
            return Ok(token);
        }
        tokio::time::sleep(LOOK).await;
    }
    bail!(
        "the cluster made no token for {namespace}/{account} within {} s\nhint: is its controller manager running, and does the account exist?",
        LOOK.as_secs_f32() * 120.0
    )
}
