//! `landfall repocreds`: credentials for all repositories below an address, as `argocd repocreds`. Source: Argo CD 3.5
//! `cmd/argocd/commands/repocreds.go`.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::SUCCESS;
use super::account::{machine, text};
use crate::output::table::Table;
use crate::remote::client::{Client, encoded};
use crate::{Connection, Outside, remote};

/// Arguments of `landfall repocreds`.
#[derive(Debug, Args)]
pub struct CredentialArguments {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    verb: CredentialVerb,
}

#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "made once per run")]
enum CredentialVerb {
    /// List them; nothing secret is shown.
    List {
        /// The format: wide, url, json or yaml.
        #[arg(short, long, default_value = "wide", value_name = "FORMAT")]
        output: String,
    },
    /// Add credentials.
    Add(AddArguments),
    /// Remove credentials.
    Rm {
        /// The addresses.
        #[arg(required = true)]
        urls: Vec<String>,
    },
}

/// Arguments of `landfall repocreds add`.
#[derive(Debug, Args)]
struct AddArguments {
    /// What the repositories' addresses begin with.
    url: String,
    /// git, helm or oci.
    #[arg(long = "type", default_value = "git")]
    kind: String,
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
    /// Charts are in an OCI registry.
    #[arg(long)]
    enable_oci: bool,
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
    /// The key of a service account of Google Cloud.
    #[arg(long, value_name = "FILE")]
    gcp_service_account_key_path: Option<PathBuf>,
    /// Use the identity that Azure gives the workload.
    #[arg(long)]
    use_azure_workload_identity: bool,
    /// A proxy.
    #[arg(long, default_value = "")]
    proxy_url: String,
    /// Take the place of what is there.
    #[arg(long)]
    upsert: bool,
}

/// Does what was asked.
pub(super) async fn run(arguments: CredentialArguments, outside: &dyn Outside) -> anyhow::Result<u8> {
    let client = remote::server(&arguments.connection, outside)?;
    let outcome = perform(arguments.verb, &client, outside).await;
    super::keep_tokens(&client, &arguments.connection, outside)?;
    outcome
}

async fn perform(verb: CredentialVerb, client: &Client, outside: &dyn Outside) -> anyhow::Result<u8> {
    match verb {
        CredentialVerb::List { output } => {
            let answer = client.get("/api/v1/repocreds", &[]).await?;
            let items = answer["items"].as_array().cloned().unwrap_or_default();
            let shown = match output.as_str() {
                "url" => items.iter().map(|item| format!("{}\n", text(item, "url"))).collect(),
                "wide" | "" => table(&items),
                other => machine(&Value::Array(items), other)?,
            };
            outside.print(&shown)?;
        }
        CredentialVerb::Add(arguments) => {
            let body = credentials(&arguments, outside)?;
            let upsert = [("upsert", if arguments.upsert { "true" } else { "" })];
            client.call("POST", "/api/v1/repocreds", &upsert, Some(body)).await?;
            outside.print(&format!("Repository credentials for '{}' added\n", arguments.url))?;
        }
        CredentialVerb::Rm { urls } => {
            for url in urls {
                client.call("DELETE", &format!("/api/v1/repocreds/{}", encoded(&url)), &[], None).await?;
                outside.print(&format!("Repository credentials for '{url}' removed\n"))?;
            }
        }
    }
    Ok(SUCCESS)
}

fn credentials(arguments: &AddArguments, outside: &dyn Outside) -> anyhow::Result<Value> {
    let file = |path: &Option<PathBuf>| match path {
        None => Ok(String::new()),
        Some(path) => String::from_utf8(outside.read(path)?).with_context(|| format!("{} is no text", path.display())),
    };
    if arguments.tls_client_cert_path.is_some() != arguments.tls_client_cert_key_path.is_some() {
        bail!(
            "a client certificate and its key go together\nhint: give --tls-client-cert-path and --tls-client-cert-key-path"
        );
    }
    Ok(json!({
        "url": arguments.url,
        "type": arguments.kind,
        "username": arguments.username,
        "password": arguments.password,
        "bearerToken": arguments.bearer_token,
        "sshPrivateKey": file(&arguments.ssh_private_key_path)?,
        "tlsClientCertData": file(&arguments.tls_client_cert_path)?,
        "tlsClientCertKey": file(&arguments.tls_client_cert_key_path)?,
        "enableOCI": arguments.enable_oci,
        "forceHttpBasicAuth": arguments.force_http_basic_auth,
        "githubAppID": arguments.github_app_id,
        "githubAppInstallationID": arguments.github_app_installation_id,
        "githubAppPrivateKey": file(&arguments.github_app_private_key_path)?,
        "githubAppEnterpriseBaseUrl": arguments.github_app_enterprise_base_url,
        "gcpServiceAccountKey": file(&arguments.gcp_service_account_key_path)?,
        "useAzureWorkloadIdentity": arguments.use_azure_workload_identity,
        "proxy": arguments.proxy_url,
    }))
}

fn table(items: &[Value]) -> String {
    let mut table = Table::with_head(&["URL PATTERN", "USERNAME", "SSH_CREDS", "TLS_CREDS"]);
    for item in items {
        // What is secret is never sent: whether it is there, neither.
        let has = |field: &str| (!text(item, field).is_empty()).to_string();
        let user = if text(item, "username").is_empty() { "-" } else { text(item, "username") };
        table.row([text(item, "url").to_owned(), user.to_owned(), has("sshPrivateKey"), has("tlsClientCertData")]);
    }
    table.text()
}
