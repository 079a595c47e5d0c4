//! `landfall app`: Applications, read and changed through the cluster that holds them. Flags and outputs are those of
//! `argocd app`, which its users know by heart. Source: Argo CD 3.5 `cmd/argocd/commands/app.go`.

mod actions;
mod change;
mod desired;
mod desired_by_server;
mod edit;
mod flags;
mod logs;
mod objects;
mod operate;
mod progress;
mod show;
mod source_flags;
mod sources;
mod wait;

use std::sync::Arc;

use anyhow::bail;
use clap::{Args, Subcommand};

use crate::Outside;
use crate::applications::{Applications, Found};
use crate::outside::Connection;
use crate::remote::client::Client;

/// Arguments of `landfall app`.
#[derive(Debug, Args)]
pub struct AppArguments {
    #[command(flatten)]
    connection: Connection,
    /// The namespace of the Applications; a name may also say it, as NAMESPACE/NAME.
    #[arg(short = 'n', long = "app-namespace", global = true, env = "ARGOCD_NAMESPACE", default_value = "argocd")]
    namespace: String,
    #[command(subcommand)]
    verb: AppVerb,
}

#[derive(Debug, Subcommand)]
enum AppVerb {
    /// List Applications.
    List(show::ListArguments),
    /// Show one Application with its objects.
    Get(show::GetArguments),
    /// Make an Application.
    Create(edit::CreateArguments),
    /// Change an Application's source, destination or policy.
    Set(edit::SetArguments),
    /// Take something away from an Application's source.
    Unset(change::UnsetArguments),
    /// Patch an Application.
    Patch(change::PatchArguments),
    /// Bring the cluster to what the source holds, and wait for it.
    Sync(operate::SyncArguments),
    /// Wait until an Application is as it should be.
    Wait(wait::WaitArguments),
    /// Show how the cluster differs from what the source holds.
    Diff(desired::DiffArguments),
    /// Print an Application's manifests.
    Manifests(desired::ManifestsArguments),
    /// Show what was synchronised before; `rollback` goes back to it.
    History(show::HistoryArguments),
    /// Go back to what was synchronised before.
    Rollback(operate::RollbackArguments),
    /// Delete an Application, and what it has unless told otherwise.
    Delete(edit::DeleteArguments),
    /// Approve the deletions that wait for a word (Prune=confirm, Delete=confirm).
    ConfirmDeletion(change::ConfirmArguments),
    /// List an Application's objects.
    Resources(show::ResourcesArguments),
    /// End the operation that runs.
    TerminateOp(operate::TerminateArguments),
    /// Change an Application's spec in an editor.
    Edit(sources::EditArguments),
    /// Add a source to those of an Application.
    AddSource(sources::AddSourceArguments),
    /// Take a source away from those of an Application.
    RemoveSource(sources::RemoveSourceArguments),
    /// Print what an Application's Pods say.
    Logs(logs::LogsArguments),
    /// List or run what can be done to an Application's objects.
    #[command(subcommand)]
    Actions(actions::ActionsVerb),
    /// Print objects of an Application as they are in the cluster.
    GetResource(objects::GetResourceArguments),
    /// Patch an object of an Application in the cluster.
    PatchResource(objects::PatchResourceArguments),
    /// Delete an object of an Application in the cluster.
    DeleteResource(objects::DeleteResourceArguments),
}

/// What every verb works with.
pub(super) struct Session<'a> {
    applications: Applications,
    outside: &'a dyn Outside,
    /// The server that is asked; `None` if it is the cluster itself.
    server: Option<Arc<Client>>,
}

/// Does what was asked.
pub(super) async fn run(arguments: AppArguments, outside: &dyn Outside) -> anyhow::Result<u8> {
    let (cluster, server) = super::reached(&arguments.connection, outside).await?;
    let everywhere = matches!(&arguments.verb, AppVerb::List(list) if list.all_namespaces);
    let namespace = if everywhere { "" } else { &arguments.namespace };
    let session = Session { applications: Applications::of(cluster, namespace), outside, server };
    let connection = arguments.connection;
    let outcome = perform(arguments.verb, &session).await;
    if let Some(server) = &session.server {
        super::keep_tokens(server, &connection, outside)?;
    }
    outcome
}

async fn perform(verb: AppVerb, session: &Session<'_>) -> anyhow::Result<u8> {
    match verb {
        AppVerb::List(arguments) => show::list(session, &arguments).await,
        AppVerb::Get(arguments) => show::get(session, &arguments).await,
        AppVerb::Create(arguments) => edit::create(session, &arguments).await,
        AppVerb::Set(arguments) => edit::set(session, &arguments).await,
        AppVerb::Unset(arguments) => change::unset(session, &arguments).await,
        AppVerb::Patch(arguments) => change::patch(session, &arguments).await,
        AppVerb::ConfirmDeletion(arguments) => change::confirm(session, &arguments).await,
        AppVerb::Sync(arguments) => operate::sync(session, &arguments).await,
        AppVerb::Wait(arguments) => wait::wait(session, &arguments).await,
        AppVerb::Diff(arguments) => desired::diff(session, &arguments).await,
        AppVerb::Manifests(arguments) => desired::manifests(session, &arguments).await,
        AppVerb::History(arguments) => show::history(session, &arguments).await,
        AppVerb::Rollback(arguments) => operate::rollback(session, &arguments).await,
        AppVerb::Delete(arguments) => edit::delete(session, &arguments).await,
        AppVerb::Resources(arguments) => show::resources(session, &arguments).await,
        AppVerb::TerminateOp(arguments) => operate::terminate(session, &arguments).await,
        AppVerb::Edit(arguments) => sources::edit(session, &arguments).await,
        AppVerb::AddSource(arguments) => sources::add(session, &arguments).await,
        AppVerb::RemoveSource(arguments) => sources::remove(session, &arguments).await,
        AppVerb::Logs(arguments) => logs::logs(session, &arguments).await,
        AppVerb::Actions(verb) => actions::run(session, &verb).await,
        AppVerb::GetResource(arguments) => objects::get(session, &arguments).await,
        AppVerb::PatchResource(arguments) => objects::patch(session, &arguments).await,
        AppVerb::DeleteResource(arguments) => objects::delete(session, &arguments).await,
    }
}

/// Which Applications several verbs work on.
#[derive(Debug, Args)]
pub(crate) struct Several {
    /// The Applications.
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Those with these labels instead.
    #[arg(short = 'l', long, default_value = "", value_name = "SELECTOR")]
    selector: String,
    /// Those of this project instead.
    #[arg(long, value_name = "PROJECT")]
    project: Option<String>,
}

impl Session<'_> {
    /// The server. Errors: the cluster itself is asked, which does not do what `verb` needs.
    fn server(&self, verb: &str) -> anyhow::Result<&Client> {
        match &self.server {
            Some(server) => Ok(server),
            None => bail!(
                "`app {verb}` needs a server\nhint: sign in with `landfall login SERVER`, or name one with --server"
            ),
        }
    }

    /// Where a server has an Application: its path below `/api/v1`, and its namespace for the query.
    fn address(&self, name: &str) -> (String, String) {
        let (namespace, name) = self.applications.place(name);
        (format!("/api/v1/applications/{}", crate::remote::client::encoded(name)), namespace.to_owned())
    }

    /// Finds the Applications that are meant.
    async fn several(&self, several: &Several) -> anyhow::Result<Vec<Found>> {
        let by_selector = !several.selector.is_empty() || several.project.is_some();
        match (several.names.is_empty(), by_selector) {
            (true, false) => bail!("no Application is named\nhint: give a NAME, a label selector (-l) or a --project"),
            (false, true) => bail!("names and a selector exclude each other\nhint: give one of them"),
            (false, false) => {
                let mut found = Vec::new();
                for name in &several.names {
                    found.push(self.applications.get(name).await?);
                }
                Ok(found)
            }
            (true, true) => {
                let listed = self.applications.list(&several.selector).await?;
                listed.complaints().for_each(|complaint| self.outside.tell(&complaint));
                let mut found = listed.found;
                if let Some(project) = &several.project {
                    found.retain(|found| found.application.spec.project() == project);
                }
                if found.is_empty() {
                    bail!("no Application matches the selector\nhint: `landfall app list` shows those that are there");
                }
                Ok(found)
            }
        }
    }
}
