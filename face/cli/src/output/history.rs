//! The table of `app history`. Source: Argo CD `cmd/argocd/commands/app.go` (`printApplicationHistoryTable`).

use landfall_model::application::Source;
use landfall_model::status::RevisionHistory;
use landfall_sync::explain;

use super::table::Table;

/// Makes the table, a block per source.
pub(crate) fn table(history: &[RevisionHistory]) -> String {
    let blocks = history.iter().map(|entry| entry.sources.len().max(1)).max().unwrap_or(1);
    let mut text = String::new();
    for block in 0..blocks {
        let mut table = Table::with_head(&["ID", "DATE", "REVISION"]);
        let mut place = String::new();
        for entry in history {
            let Some((source, revision)) = part(entry, block) else { continue };
            place.clone_from(&source.repo_url);
            let date = entry.deployed_at.map(|at| at.0.strftime("%Y-%m-%d %H:%M:%S +0000 UTC").to_string());
            table.row([entry.id.to_string(), date.unwrap_or_default(), named(source, revision)]);
        }
        if block > 0 {
            text.push('\n');
        }
        if !place.is_empty() {
            text.push_str(&format!("SOURCE  {place}\n"));
        }
        text.push_str(&table.text());
    }
    text
}

fn part(entry: &RevisionHistory, block: usize) -> Option<(&Source, &str)> {
    if entry.sources.is_empty() {
        return (block == 0).then_some((entry.source.as_ref()?, entry.revision.as_str()));
    }
    Some((entry.sources.get(block)?, entry.revisions.get(block).map_or("", String::as_str)))
}

fn named(source: &Source, revision: &str) -> String {
    let short = explain::revision(revision);
    let target = &source.target_revision;
    if target.is_empty() || target == revision { short.to_owned() } else { format!("{target} ({short})") }
}

/// The ids alone.
pub(crate) fn ids(history: &[RevisionHistory]) -> String {
    history.iter().map(|entry| format!("{}\n", entry.id)).collect()
}
