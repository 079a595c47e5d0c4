//! The verbs: what each is asked with, and what it does.

mod account;
mod admin;
mod app;
mod application_set;
mod certificate;
mod chart;
mod cluster_add;
mod clusters;
mod keys;
mod project;
mod project_lists;
mod project_role;
mod project_windows;
mod render;
mod repository;
mod repository_credentials;
mod set;
mod sign_in;
mod single_sign_on;
mod top;

use std::sync::Arc;

use anyhow::bail;
use clap::{Args, Subcommand, ValueEnum};
use clap_complete::Shell;
use landfall_model::crds;
use serde_json::json;

use landfall_ports::cluster::Cluster;

use crate::deferred::Deferred;
use crate::output::format::{self, Format};
use crate::remote::client::Client;
use crate::remote::cluster::ApiCluster;
use crate::{Connection, Outside, remote};

/// It went well.
pub(crate) const SUCCESS: u8 = 0;
/// An operation failed, a wait ran out, or there are differences.
pub(crate) const FAILURE: u8 = 1;

/// What a person can ask for, besides running something.
#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "made once per run")]
pub enum Verb {
    /// Sign in to a server.
    Login(Deferred<sign_in::LoginArguments>),
    /// Sign out of a server.
    Logout(Deferred<sign_in::LogoutArguments>),
    /// Sign in again to the server of the current context.
    Relogin(Deferred<sign_in::ReloginArguments>),
    /// List contexts, switch to one, or delete one.
    #[command(visible_alias = "ctx")]
    Context(Deferred<sign_in::ContextArguments>),
    /// Work with accounts and their tokens.
    Account(Deferred<account::AccountArguments>),
    /// Work with Applications.
    App(Deferred<app::AppArguments>),
    /// Work with projects and their roles.
    Proj(Deferred<project::ProjectArguments>),
    /// Work with repositories.
    Repo(Deferred<repository::RepositoryArguments>),
    /// Work with credentials for several repositories.
    Repocreds(Deferred<repository_credentials::CredentialArguments>),
    /// Work with ApplicationSets.
    Appset(Deferred<application_set::ApplicationSetArguments>),
    /// Work with certificates of servers and known SSH hosts.
    Cert(Deferred<certificate::CertificateArguments>),
    /// Work with public keys that commits are verified with.
    Gpg(Deferred<keys::KeyArguments>),
    /// Work with clusters.
    Cluster(Deferred<clusters::ClusterArguments>),
    /// Look into an installation's settings without a server.
    Admin(Deferred<admin::AdminArguments>),
    /// Watch all Applications live.
    Top(Deferred<top::TopArguments>),
    /// Render manifests of a folder: its kind is found out as Argo CD does, or said.
    Render(Deferred<render::RenderArguments>),
    /// Change what stands in files, comments and order kept.
    #[command(subcommand)]
    Set(Deferred<set::SetVerb>),
    /// Package, check, fetch and publish charts, and fetch what they depend on.
    #[command(subcommand)]
    Chart(Deferred<chart::ChartVerb>),
    /// Print the custom resource definitions, to be applied to a cluster.
    Crds,
    /// Print the version.
    Version(VersionArguments),
    /// Print a script that completes commands in a shell.
    Completion {
        /// The shell.
        shell: Shell,
    },
}

/// Arguments of `landfall version`.
#[derive(Debug, Args)]
pub struct VersionArguments {
    #[command(flatten)]
    connection: Connection,
    /// Do not ask the server for its own.
    #[arg(long)]
    client: bool,
    /// The format; one line if left out.
    #[arg(short, long, value_enum)]
    output: Option<MachineFormat>,
    /// Only the line of the version.
    #[arg(long)]
    short: bool,
}

/// JSON or YAML.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum MachineFormat {
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

impl From<MachineFormat> for Format {
    fn from(format: MachineFormat) -> Self {
        match format {
            MachineFormat::Json => Self::Json,
            MachineFormat::Yaml => Self::Yaml,
        }
    }
}

/// Reaches what holds the Applications: a server if one is known, else the cluster itself.
pub(crate) async fn reached(
    connection: &Connection,
    outside: &dyn Outside,
) -> anyhow::Result<(Arc<dyn Cluster>, Option<Arc<Client>>)> {
    match remote::target(connection, outside)? {
        None => Ok((outside.connect(connection).await?, None)),
        Some(target) => {
            let client = Arc::new(Client::of(outside.web()?, target));
            Ok((Arc::new(ApiCluster::of(client.clone())), Some(client)))
        }
    }
}

/// Keeps tokens that a server gave in the place of old ones, for the next run.
pub(crate) fn keep_tokens(client: &Client, connection: &Connection, outside: &dyn Outside) -> anyhow::Result<()> {
    let Some((token, refresh_token)) = client.new_tokens() else { return Ok(()) };
    let mut config = remote::read_config(connection, outside)?;
    config.keep_tokens(&client.target().user, &token, &refresh_token);
    remote::write_config(connection, outside, &config)
}

/// Does what was asked and answers with the exit code. Errors are for exit code 20 and are told by the caller.
pub async fn run(verb: Verb, outside: &dyn Outside) -> anyhow::Result<u8> {
    match verb {
        Verb::Login(Deferred(arguments)) => sign_in::login(arguments, outside).await,
        Verb::Logout(Deferred(arguments)) => sign_in::logout(arguments, outside).await,
        Verb::Relogin(Deferred(arguments)) => sign_in::relogin(arguments, outside).await,
        Verb::Context(Deferred(arguments)) => sign_in::context(&arguments, outside),
        Verb::Account(Deferred(arguments)) => account::run(arguments, outside).await,
        Verb::App(Deferred(arguments)) => app::run(arguments, outside).await,
        Verb::Proj(Deferred(arguments)) => project::run(arguments, outside).await,
        Verb::Repo(Deferred(arguments)) => repository::run(arguments, outside).await,
        Verb::Repocreds(Deferred(arguments)) => repository_credentials::run(arguments, outside).await,
        Verb::Appset(Deferred(arguments)) => application_set::run(arguments, outside).await,
        Verb::Cert(Deferred(arguments)) => certificate::run(arguments, outside).await,
        Verb::Gpg(Deferred(arguments)) => keys::run(arguments, outside).await,
        Verb::Cluster(Deferred(arguments)) => clusters::run(arguments, outside).await,
        Verb::Admin(Deferred(arguments)) => admin::run(arguments, outside).await,
        Verb::Top(Deferred(arguments)) => top::run(arguments, outside).await,
        Verb::Render(Deferred(arguments)) => render::run(arguments, outside).await,
        Verb::Set(Deferred(verb)) => set::run(verb, outside),
        Verb::Chart(Deferred(verb)) => chart::run(verb, outside).await,
        Verb::Crds => {
            let texts: Vec<String> = crds::ALL.iter().map(|text| format!("{}\n", text.trim_end())).collect();
            outside.print(&texts.join("---\n"))?;
            Ok(SUCCESS)
        }
        Verb::Version(arguments) => version(&arguments, outside).await,
        Verb::Completion { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut outside.command(), "landfall", &mut script);
            let Ok(script) = String::from_utf8(script) else { bail!("the completion script is no text") };
            outside.print(&script)?;
            Ok(SUCCESS)
        }
    }
}

async fn version(arguments: &VersionArguments, outside: &dyn Outside) -> anyhow::Result<u8> {
    let version = concat!("v", env!("CARGO_PKG_VERSION"));
    let target = if arguments.client { None } else { remote::target(&arguments.connection, outside)? };
    let server = match target {
        None => None,
        Some(target) => {
            let client = Client::of(outside.web()?, target);
            let answer = client.get("/api/version", &[]).await?;
            Some(answer["Version"].as_str().unwrap_or_default().to_owned())
        }
    };
    let text = match arguments.output {
        None => {
            let server = server.map(|server| format!("landfall-server: {server}\n")).unwrap_or_default();
            format!("landfall: {version}\n{server}")
        }
        Some(output) => {
            let kustomize = landfall_kustomize::KUSTOMIZE_VERSION;
            let helm = [landfall_helm::Profile::Helm3, landfall_helm::Profile::Helm4]
                .map(|profile| landfall_helm::capabilities::HelmVersion::of(profile).version);
            let versions = match arguments.short {
                true => json!({"version": version, "server": server}),
                false => {
                    json!({"version": version, "server": server, "rendersAs": {"helm": helm, "kustomize": kustomize}})
                }
            };
            format::text(&versions, output.into())
        }
    };
    outside.print(&text)?;
    Ok(SUCCESS)
}
