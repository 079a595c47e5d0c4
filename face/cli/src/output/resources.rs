//! The objects of an application: table, tree, and rows of progress. Source of the columns: Argo CD
//! `cmd/argocd/commands/app.go` (`printAppResources`, `resourceState`).

use landfall_model::application::Application;
use landfall_model::status::{ResourceResult, ResourceStatus, ResultCode};

use super::table::Table;

/// One object as `app get` and `app sync` show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResourceRow {
    group: String,
    kind: String,
    namespace: String,
    name: String,
    status: String,
    health: String,
    hook: String,
    message: String,
}

/// Lists the objects of an application, each with what the last operation did to it; hooks come first.
pub(crate) fn rows(application: &Application) -> Vec<ResourceRow> {
    let state = application.status.operation_state.as_ref();
    let results = state.and_then(|state| state.sync_result.as_ref()).map(|result| result.resources.as_slice());
    let results = results.unwrap_or_default();
    let mut rows: Vec<ResourceRow> =
        results.iter().filter(|result| !result.hook_type.is_empty()).map(of_hook).collect();
    for resource in application.status.resources.iter().filter(|resource| !resource.hook) {
        let result = results.iter().find(|result| result.hook_type.is_empty() && result.key() == resource.key());
        rows.push(of_resource(resource, result));
    }
    // Pruned objects are no longer the application's: only the operation knows them.
    let gone = |result: &&ResourceResult| {
        result.hook_type.is_empty()
            && !application.status.resources.iter().any(|resource| resource.key() == result.key())
    };
    rows.extend(results.iter().filter(gone).map(of_result));
    rows
}

fn of_resource(resource: &ResourceStatus, result: Option<&ResourceResult>) -> ResourceRow {
    let status = match (resource.status, resource.requires_pruning) {
        (Some(status), _) => status.as_str().to_owned(),
        (None, _) => String::new(),
    };
    let pruning = "ignored (requires pruning)".to_owned();
    let message = result.map(|result| result.message.clone()).unwrap_or_default();
    let health = resource.health.as_ref();
    let why = health.map(|health| health.message.clone()).unwrap_or_default();
    ResourceRow {
        group: resource.group.clone(),
        kind: resource.kind.clone(),
        namespace: resource.namespace.clone(),
        name: resource.name.clone(),
        status,
        health: health.map(|health| health.status.as_str().to_owned()).unwrap_or_default(),
        hook: String::new(),
        message: match (message.is_empty(), resource.requires_pruning) {
            (true, true) => pruning,
            (true, false) => why,
            (false, _) => message,
        },
    }
}

fn of_hook(result: &ResourceResult) -> ResourceRow {
    ResourceRow {
        status: result.hook_phase.map(|phase| phase.as_str().to_owned()).unwrap_or_default(),
        hook: result.hook_type.clone(),
        ..of_result(result)
    }
}

fn of_result(result: &ResourceResult) -> ResourceRow {
    let status = match result.status {
        None => "",
        Some(ResultCode::Synced) => "Synced",
        Some(ResultCode::SyncFailed) => "SyncFailed",
        Some(ResultCode::Pruned) => "Pruned",
        Some(ResultCode::PruneSkipped) => "PruneSkipped",
    };
    ResourceRow {
        group: result.group.clone(),
        kind: result.kind.clone(),
        namespace: result.namespace.clone(),
        name: result.name.clone(),
        status: status.to_owned(),
        health: String::new(),
        hook: String::new(),
        message: result.message.clone(),
    }
}

const HEAD: [&str; 8] = ["GROUP", "KIND", "NAMESPACE", "NAME", "STATUS", "HEALTH", "HOOK", "MESSAGE"];

impl ResourceRow {
    fn cells(&self) -> [&str; 8] {
        let Self { group, kind, namespace, name, status, health, hook, message } = self;
        [group, kind, namespace, name, status, health, hook, message]
    }

    /// Which object it is about, to tell what changed.
    pub(crate) fn identity(&self) -> (&str, &str, &str, &str, &str) {
        (&self.group, &self.kind, &self.namespace, &self.name, &self.hook)
    }
}

/// The table of `app get` and `app sync`.
pub(crate) fn table(application: &Application) -> String {
    let mut table = Table::with_head(&HEAD);
    for row in rows(application) {
        table.row(row.cells());
    }
    table.text()
}

/// Widths of the columns of progress, which come one by one and so cannot be measured; the last is not padded.
const PROGRESS_WIDTHS: [usize; 8] = [20, 14, 22, 16, 28, 12, 12, 10];

/// The head of rows of progress.
pub(crate) fn progress_head() -> String {
    progress_line("TIMESTAMP", HEAD)
}

/// One row of progress.
pub(crate) fn progress_row(timestamp: &str, row: &ResourceRow) -> String {
    progress_line(timestamp, row.cells())
}

fn progress_line(timestamp: &str, cells: [&str; 8]) -> String {
    let mut line = String::new();
    for (cell, width) in std::iter::once(timestamp).chain(cells).zip(PROGRESS_WIDTHS.into_iter().chain([0])) {
        line.push_str(&cell.replace('\n', " "));
        line.push_str(&" ".repeat(width.saturating_sub(cell.chars().count()).max(1)));
    }
    line.trim_end().to_owned()
}

/// The plain list of `app resources`.
pub(crate) fn list(application: &Application) -> String {
    let mut table = Table::with_head(&["GROUP", "KIND", "NAMESPACE", "NAME", "ORPHANED"]);
    for resource in &application.status.resources {
        table.row([&resource.group, &resource.kind, &resource.namespace, &resource.name, &"No".to_owned()]);
    }
    table.text()
}

/// One object of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    /// `Kind/name`.
    pub(crate) title: String,
    /// Status, health and the reason.
    pub(crate) detail: String,
    /// What belongs to it.
    pub(crate) children: Vec<Node>,
}

/// Draws a tree with a line each.
pub(crate) fn tree(roots: &[Node]) -> String {
    let mut text = String::new();
    for root in roots {
        text.push_str(&line(root));
        below(&root.children, "", &mut text);
    }
    text
}

fn below(nodes: &[Node], indent: &str, text: &mut String) {
    for (index, node) in nodes.iter().enumerate() {
        let is_last = index + 1 == nodes.len();
        text.push_str(indent);
        text.push_str(if is_last { "└─" } else { "├─" });
        text.push_str(&line(node));
        below(&node.children, &format!("{indent}{}", if is_last { "  " } else { "│ " }), text);
    }
}

fn line(node: &Node) -> String {
    format!("{}  {}", node.title, node.detail).trim_end().to_owned() + "\n"
}

/// Makes a node of an object of the application.
pub(crate) fn node(resource: &ResourceStatus, children: Vec<Node>) -> Node {
    let health = resource.health.as_ref();
    let words = [
        resource.status.map(|status| status.as_str().to_owned()),
        health.map(|health| health.status.as_str().to_owned()),
        health.map(|health| health.message.replace('\n', " ")),
    ];
    let detail = words.into_iter().flatten().filter(|word| !word.is_empty()).collect::<Vec<_>>().join("  ");
    Node { title: format!("{}/{}", resource.kind, resource.name), detail, children }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_drawn_with_its_branches() {
        let leaf = |title: &str| Node { title: title.to_owned(), detail: String::new(), children: Vec::new() };
        let root = Node {
            title: "Deployment/web".to_owned(),
            detail: "Synced  Healthy".to_owned(),
            children: vec![
                Node { children: vec![leaf("Pod/a"), leaf("Pod/b")], ..leaf("ReplicaSet/web-1") },
                leaf("x/y"),
            ],
        };
        let drawn = "Deployment/web  Synced  Healthy\n├─ReplicaSet/web-1\n│ ├─Pod/a\n│ └─Pod/b\n└─x/y\n";
        assert_eq!(tree(&[root]), drawn);
    }
}
