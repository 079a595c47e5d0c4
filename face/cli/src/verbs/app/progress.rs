//! What a person sees while an Application moves: a line for every object that changed, and on a terminal one line that
//! says where it stands.

use std::collections::BTreeMap;

use indicatif::{ProgressBar, ProgressStyle};
use landfall_model::application::Application;
use landfall_model::status::SyncStatusCode;
use landfall_model::time::Time;

use crate::Outside;
use crate::output::resources::{ResourceRow, progress_head, progress_row, rows};

/// Shows an Application's changes.
pub(super) struct Progress<'a> {
    outside: &'a dyn Outside,
    bar: Option<ProgressBar>,
    known: BTreeMap<(String, String, String, String, String), ResourceRow>,
    has_head: bool,
}

impl<'a> Progress<'a> {
    /// Starts; draws only on a terminal.
    pub(super) fn of(outside: &'a dyn Outside) -> Self {
        let bar = outside.is_terminal().then(|| {
            let bar = ProgressBar::new_spinner();
            let style = ProgressStyle::with_template("{spinner} {msg} ({elapsed})");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar.enable_steady_tick(std::time::Duration::from_millis(120));
            bar
        });
        Self { outside, bar, known: BTreeMap::new(), has_head: false }
    }

    /// Shows what changed since the last time.
    pub(super) fn show(&mut self, application: &Application) -> anyhow::Result<()> {
        let now = Time::of(self.outside.now()).to_string();
        let mut lines = String::new();
        for row in rows(application) {
            let (group, kind, namespace, name, hook) = row.identity();
            let identity = [group, kind, namespace, name, hook].map(str::to_owned).into();
            if self.known.get(&identity) != Some(&row) {
                lines.push_str(&progress_row(&now, &row));
                lines.push('\n');
                self.known.insert(identity, row);
            }
        }
        if !lines.is_empty() {
            if !self.has_head {
                lines.insert_str(0, &format!("{}\n", progress_head()));
                self.has_head = true;
            }
            match &self.bar {
                None => self.outside.print(&lines)?,
                Some(bar) => bar.suspend(|| self.outside.print(&lines))?,
            }
        }
        if let Some(bar) = &self.bar {
            bar.set_message(summary(application));
        }
        Ok(())
    }

    /// Takes the line away.
    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Where an Application stands, in one line.
pub(super) fn summary(application: &Application) -> String {
    let status = &application.status;
    let count = status.resources.len();
    let synced = status.resources.iter().filter(|resource| resource.status == Some(SyncStatusCode::Synced)).count();
    let running = status.operation_state.as_ref().filter(|state| !state.phase.is_completed());
    let doing = match running {
        Some(state) if !state.message.is_empty() => format!(" · {}", state.message),
        Some(_) => " · synchronising".to_owned(),
        None if application.operation.is_some() => " · waiting for the controller to begin".to_owned(),
        None => String::new(),
    };
    format!("{} · {synced}/{count} synced · {}{doing}", application.metadata.name, status.health.status)
}
