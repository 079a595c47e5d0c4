//! `landfall top`: all Applications live, in the terminal.
//!
//! ```text
//! list, then watch (server or cluster) ──> Dashboard::take ─┐
//! keys ──────────────────────────────> Dashboard::press ────┴──> draw
//! ```
//!
//! What is shown and what keys do is decided in `dashboard`, without a terminal; `draw` makes a picture of it.

mod dashboard;
mod draw;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use crossterm::event::{Event, EventStream, KeyEventKind};
use futures::StreamExt as _;
use landfall_model::annotations::REFRESH;
use landfall_ports::cluster::{Change, Cluster, Detail, ListRequest, Patch, Selection, ServedKind, Write};
use serde_json::json;
use tokio::sync::mpsc;

use self::dashboard::{Asked, Dashboard, Key};
use super::SUCCESS;
use crate::applications::{application_kind, explained};
use crate::{Connection, Outside};

/// How often the picture is drawn anew without anything having happened: ages grow.
const TICK: Duration = Duration::from_secs(1);
/// The wait before asking again after the server was lost.
const RETRY: Duration = Duration::from_secs(2);
/// How many changes may wait to be taken in; the watch waits beyond.
const CHANGES_MAX: usize = 1024;

/// Arguments of `landfall top`.
#[derive(Debug, Args)]
pub struct TopArguments {
    #[command(flatten)]
    connection: Connection,
    /// Only Applications of this namespace.
    #[arg(short = 'n', long = "app-namespace", default_value = "", value_name = "NAMESPACE")]
    namespace: String,
    /// Only Applications with these labels.
    #[arg(short = 'l', long, default_value = "", value_name = "SELECTOR")]
    selector: String,
    /// Only Applications of this project.
    #[arg(short, long, default_value = "", value_name = "PROJECT")]
    project: String,
    /// Print the picture once, this many columns wide, instead of taking the terminal over.
    #[arg(long, value_name = "COLUMNS", num_args = 0..=1, default_missing_value = "120")]
    once: Option<u16>,
}

/// What the watch tells.
enum News {
    /// Everything there is.
    All(Vec<serde_json::Value>),
    /// One change.
    One(Change),
    /// The server is lost, or found again.
    Link(Option<String>),
}

/// Shows Applications until a person has enough.
pub(super) async fn run(arguments: TopArguments, outside: &dyn Outside) -> anyhow::Result<u8> {
    let (cluster, server) = super::reached(&arguments.connection, outside).await?;
    let place = server.as_ref().map_or("the cluster".to_owned(), |server| server.target().base.clone());
    let mut dashboard = Dashboard::of(&place, &arguments.project);
    let selection = Selection {
        namespace: arguments.namespace.clone(),
        label_selector: arguments.selector.clone(),
        field_selector: String::new(),
    };
    if let Some(columns) = arguments.once {
        let request = ListRequest { selection, ..ListRequest::default() };
        let page = cluster.list(&application_kind(), Detail::Full, &request).await.map_err(explained)?;
        dashboard.replace(page.objects);
        outside.print(&draw::text(&dashboard, columns, outside.now()))?;
    } else {
        if !outside.is_terminal() {
            bail!("this is no terminal\nhint: --once prints the picture");
        }
        // The first list before the terminal is taken over: what is wrong is told where it can be read.
        let request = ListRequest { selection: selection.clone(), ..ListRequest::default() };
        let page = cluster.list(&application_kind(), Detail::Full, &request).await.map_err(explained)?;
        dashboard.replace(page.objects);
        let mut terminal = ratatui::try_init().context("the terminal cannot be taken over")?;
        let outcome = show(&mut terminal, &mut dashboard, cluster, selection, outside).await;
        ratatui::restore();
        outcome?;
    }
    if let Some(server) = server {
        super::keep_tokens(&server, &arguments.connection, outside)?;
    }
    Ok(SUCCESS)
}

async fn show(
    terminal: &mut ratatui::DefaultTerminal,
    dashboard: &mut Dashboard,
    cluster: Arc<dyn Cluster>,
    selection: Selection,
    outside: &dyn Outside,
) -> anyhow::Result<()> {
    let (tell, mut news) = mpsc::channel(CHANGES_MAX);
    let watch = follow(cluster.clone(), selection, tell);
    tokio::pin!(watch);
    let mut keys = EventStream::new();
    let mut tick = tokio::time::interval(TICK);
    loop {
        let now = outside.now();
        terminal.draw(|frame| draw::picture(frame, dashboard, now)).context("the terminal cannot be drawn on")?;
        tokio::select! {
            () = &mut watch => {}
            _ = tick.tick() => {}
            Some(one) = news.recv() => {
                take(dashboard, one);
                // All that waits, before one picture of it.
                while let Ok(one) = news.try_recv() {
                    take(dashboard, one);
                }
            }
            event = keys.next() => match event {
                Some(Ok(Event::Key(key))) if key.kind != KeyEventKind::Release => {
                    let Some(key) = Key::of(&key) else { continue };
                    match dashboard.press(key) {
                        Asked::Nothing => {}
                        Asked::Quit => return Ok(()),
                        Asked::Refresh { namespace, name } => refresh(&*cluster, dashboard, &namespace, &name).await,
                    }
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error).context("the terminal cannot be read"),
                None => return Ok(()),
            },
        }
    }
}

fn take(dashboard: &mut Dashboard, news: News) {
    match news {
        News::All(objects) => dashboard.replace(objects),
        News::One(Change::Applied(value)) => dashboard.put(&value),
        News::One(Change::Deleted(value)) => dashboard.remove(&value),
        News::One(Change::Bookmark(_)) => {}
        News::Link(problem) => dashboard.problem = problem,
    }
}

async fn refresh(cluster: &dyn Cluster, dashboard: &mut Dashboard, namespace: &str, name: &str) {
    let patch = Patch::Merge(json!({"metadata": {"annotations": {REFRESH: "normal"}}}));
    let write = Write { manager: "landfall-cli".to_owned(), force: false, dry_run: false, strict: true };
    dashboard.message = match cluster.patch(&application_kind(), namespace, name, "", &patch, &write).await {
        Ok(_) => format!("{name} is compared anew"),
        Err(error) => error.to_string(),
    };
}

/// Lists and watches, again and again, until dropped.
async fn follow(cluster: Arc<dyn Cluster>, selection: Selection, tell: mpsc::Sender<News>) {
    let kind: ServedKind = application_kind();
    loop {
        let request = ListRequest { selection: selection.clone(), ..ListRequest::default() };
        let problem = match cluster.list(&kind, Detail::Full, &request).await {
            Err(error) => error.to_string(),
            Ok(page) => {
                let version = page.resource_version.clone();
                if tell.send(News::All(page.objects)).await.is_err() || tell.send(News::Link(None)).await.is_err() {
                    return;
                }
                match cluster.watch(&kind, Detail::Full, &selection, &version).await {
                    Err(error) => error.to_string(),
                    Ok(mut changes) => {
                        let mut problem = String::new();
                        while let Some(change) = changes.next().await {
                            match change {
                                Ok(change) => {
                                    if tell.send(News::One(change)).await.is_err() {
                                        return;
                                    }
                                }
                                Err(error) => {
                                    problem = error.to_string();
                                    break;
                                }
                            }
                        }
                        problem
                    }
                }
            }
        };
        if !problem.is_empty() {
            if tell.send(News::Link(Some(problem))).await.is_err() {
                return;
            }
            tokio::time::sleep(RETRY).await;
        } else {
            // The server ended the watch, as it does from time to time.
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}
