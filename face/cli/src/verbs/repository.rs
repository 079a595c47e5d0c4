//! `landfall repo`: repositories, as `argocd repo`. Source: Argo CD 3.5 `cmd/argocd/commands/repo.go`.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::SUCCESS;
use super::account::{machine, text};
use crate::output::table::Table;
use crate::remote::client::{Client, encoded};
use crate::{Connection, Outside, remote};

/// Arguments of `landfall repo`.
#[derive(Debug, Args)]
pub struct RepositoryArguments {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    verb: RepositoryVerb,
}

#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "made once per run")]
enum RepositoryVerb {
    /// List repositories.
    List {
        /// The format: wide, url, json or yaml.
        #[arg(short, long, default_value = "wide", value_name = "FORMAT")]
        output: String,
        /// Try them anew: hard.
        #[arg(long, default_value = "")]
        refresh: String,
    },
    /// Show a repository.
    Get {
        /// Its address.
        url: String,
        /// The format: wide, url, json or yaml.
        #[arg(short, long, default_value = "wide", value_name = "FORMAT")]
        output: String,
        /// The project that it is of.
        #[arg(long, default_value = "")]
        project: String,
    },
    /// Add a repository; the server tries it first.
    Add(AddArguments),
    /// Remove repositories.
    Rm {
        /// Their addresses.
        #[arg(required = true)]
        urls: Vec<String>,
        /// The project that they are of.
        #[arg(long, default_value = "")]
        project: String,
    },
}

/// Arguments of `landfall repo add`.
#[derive(Debug, Args)]
struct AddArguments {
    /// Its address.
    url: String,
    /// git, helm or oci.
    #[arg(long = "type", default_value = "git")]
    kind: String,
    /// A name; Helm repositories need one.
    #[arg(long, default_value = "")]
    name: String,
    /// The project that it is of.
    #[arg(long, default_value = "")]
    project: String,
    /// The user.
    #[arg(long, default_value = "")]
    username: String,
    /// The password or token.
    #[arg(long, default_value = "")]
    password: String,
    /// A bearer token.
    #[arg(long, default_value = "")]
    bearer_token: String,
    /// A private SSH key.
    #[arg(long, value_name = "FILE")]
    ssh_private_key_path: Option<PathBuf>,
    /// A client certificate.
    #[arg(long, value_name = "FILE")]
    tls_client_cert_path: Option<PathBuf>,
    /// The client certificate's key.
    #[arg(long, value_name = "FILE")]
    tls_client_cert_key_path: Option<PathBuf>,
    /// Believe any certificate of the repository.
    #[arg(long)]
    insecure_skip_server_verification: bool,
    /// Believe any SSH host key.
    #[arg(long)]
    insecure_ignore_host_key: bool,
    /// Charts are in an OCI registry.
    #[arg(long)]
    enable_oci: bool,
    /// Fetch files of Git LFS.
    #[arg(long)]
    enable_lfs: bool,
    /// A proxy.
    #[arg(long, default_value = "")]
    proxy: String,
    /// What is reached without the proxy.
    #[arg(long, default_value = "")]
    no_proxy: String,
    /// Send the password without being asked.
    #[arg(long)]
    force_http_basic_auth: bool,
    /// The id of a GitHub app.
    #[arg(long, default_value_t = 0)]
    github_app_id: i64,
    /// Its installation.
    #[arg(long, default_value_t = 0)]
    github_app_installation_id: i64,
    /// Its private key.
    #[arg(long, value_name = "FILE")]
    github_app_private_key_path: Option<PathBuf>,
    /// The API of a GitHub Enterprise server.
    #[arg(long, default_value = "")]
    github_app_enterprise_base_url: String,
    /// Change the one that is there.
    #[arg(long)]
    upsert: bool,
}

/// Does what was asked.
pub(super) async fn run(arguments: RepositoryArguments, outside: &dyn Outside) -> anyhow::Result<u8> {
    let client = remote::server(&arguments.connection, outside)?;
    let outcome = perform(arguments.verb, &arguments.connection, &client, outside).await;
    super::keep_tokens(&client, &arguments.connection, outside)?;
    outcome
}

async fn perform(
    verb: RepositoryVerb,
    connection: &Connection,
    client: &Client,
    outside: &dyn Outside,
) -> anyhow::Result<u8> {
    match verb {
        RepositoryVerb::List { output, refresh } => {
            let force = if refresh == "hard" { "true" } else { "" };
            let answer = client.get("/api/v1/repositories", &[("forceRefresh", force)]).await?;
            let items = answer["items"].as_array().cloned().unwrap_or_default();
            outside.print(&shown(&items, &output, || Value::Array(items.clone()))?)?;
        }
        RepositoryVerb::Get { url, output, project } => {
            let path = format!("/api/v1/repositories/{}", encoded(&url));
            let item = client.get(&path, &[("appProject", project.as_str())]).await?;
            outside.print(&shown(std::slice::from_ref(&item), &output, || item.clone())?)?;
        }
        RepositoryVerb::Add(arguments) => {
            let body = repository(&arguments, connection.insecure, outside)?;
            let query = [("upsert", if arguments.upsert { "true" } else { "" })];
            client.call("POST", "/api/v1/repositories", &query, Some(body)).await?;
            outside.print(&format!("Repository '{}' added\n", arguments.url))?;
        }
        RepositoryVerb::Rm { urls, project } => {
            for url in urls {
                let path = format!("/api/v1/repositories/{}", encoded(&url));
                client.call("DELETE", &path, &[("appProject", project.as_str())], None).await?;
                outside.print(&format!("Repository '{url}' removed\n"))?;
            }
        }
    }
    Ok(SUCCESS)
}

fn repository(arguments: &AddArguments, insecure: bool, outside: &dyn Outside) -> anyhow::Result<Value> {
    let file = |path: &Option<PathBuf>| match path {
        None => Ok(String::new()),
        Some(path) => String::from_utf8(outside.read(path)?).with_context(|| format!("{} is no text", path.display())),
    };
    Ok(json!({
        "repo": arguments.url,
        "type": arguments.kind,
        "name": arguments.name,
        "project": arguments.project,
        "username": arguments.username,
        "password": arguments.password,
        "bearerToken": arguments.bearer_token,
        "sshPrivateKey": file(&arguments.ssh_private_key_path)?,
        "tlsClientCertData": file(&arguments.tls_client_cert_path)?,
        "tlsClientCertKey": file(&arguments.tls_client_cert_key_path)?,
        "insecure": arguments.insecure_skip_server_verification || arguments.insecure_ignore_host_key || insecure,
        "enableOCI": arguments.enable_oci,
        "enableLfs": arguments.enable_lfs,
        "proxy": arguments.proxy,
        "noProxy": arguments.no_proxy,
        "forceHttpBasicAuth": arguments.force_http_basic_auth,
        "githubAppID": arguments.github_app_id,
        "githubAppInstallationID": arguments.github_app_installation_id,
        "githubAppPrivateKey": file(&arguments.github_app_private_key_path)?,
        "githubAppEnterpriseBaseUrl": arguments.github_app_enterprise_base_url,
    }))
}

fn shown(items: &[Value], output: &str, whole: impl FnOnce() -> Value) -> anyhow::Result<String> {
    match output {
        "url" => Ok(items.iter().map(|item| format!("{}\n", text(item, "repo"))).collect()),
        "wide" | "" => {
            let head = ["TYPE", "NAME", "REPO", "INSECURE", "OCI", "LFS", "CREDS", "STATUS", "MESSAGE", "PROJECT"];
            let mut table = Table::with_head(&head);
            for item in items {
                let flag = |name: &str| (item[name] == true).to_string();
                let has_credentials = !text(item, "username").is_empty() || item["inheritedCreds"] == true;
                let credentials = match (has_credentials, item["inheritedCreds"] == true) {
                    (true, true) => "inherited",
                    (true, false) => "true",
                    (false, _) => "false",
                };
                table.row([
                    if text(item, "type").is_empty() { "git" } else { text(item, "type") }.to_owned(),
                    text(item, "name").to_owned(),
                    text(item, "repo").to_owned(),
                    flag("insecure"),
                    flag("enableOCI"),
                    flag("enableLfs"),
                    credentials.to_owned(),
                    text(&item["connectionState"], "status").to_owned(),
                    text(&item["connectionState"], "message").to_owned(),
                    text(item, "project").to_owned(),
                ]);
            }
            Ok(table.text())
        }
        other => machine(&whole(), other),
    }
}
