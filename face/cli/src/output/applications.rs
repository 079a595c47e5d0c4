//! The table of `app list`. Source of the columns: Argo CD `cmd/argocd/commands/app.go` (`printApplicationTable`).

use landfall_model::application::{Application, ApplicationSpec};

use super::table::Table;

/// What stands in a cell that has nothing to say, as Argo CD writes it.
const NONE: &str = "<none>";

/// Makes the table; `is_wide` adds where the manifests come from.
pub(crate) fn table<'a>(applications: impl Iterator<Item = &'a Application>, is_wide: bool) -> String {
    let mut head = vec!["NAME", "CLUSTER", "NAMESPACE", "PROJECT", "STATUS", "HEALTH", "SYNCPOLICY", "CONDITIONS"];
    if is_wide {
        head.extend(["REPO", "PATH", "TARGET"]);
    }
    let mut table = Table::with_head(&head);
    for application in applications {
        let spec = &application.spec;
        let destination = &spec.destination;
        let mut row = vec![
            format!("{}/{}", application.metadata.namespace, application.metadata.name),
            if destination.server.is_empty() { destination.name.clone() } else { destination.server.clone() },
            destination.namespace.clone(),
            spec.project().to_owned(),
            application.status.sync.status.as_str().to_owned(),
            application.status.health.status.as_str().to_owned(),
            policy(spec).to_owned(),
            conditions(application),
        ];
        if is_wide {
            let source = spec.sources().first();
            row.push(source.map(|source| source.repo_url.clone()).unwrap_or_default());
            row.push(source.map(|source| source.path.clone()).unwrap_or_default());
            row.push(source.map(|source| source.target_revision.clone()).unwrap_or_default());
        }
        table.row(row);
    }
    table.text()
}

/// The automatic policy in one word.
pub(crate) fn policy(spec: &ApplicationSpec) -> &'static str {
    match spec.automated() {
        None => "Manual",
        Some(automated) if automated.prune == Some(true) => "Auto-Prune",
        Some(_) => "Auto",
    }
}

/// The conditions' types, counted where one comes more than once.
fn conditions(application: &Application) -> String {
    let mut counted: Vec<(String, usize)> = Vec::new();
    for condition in &application.status.conditions {
        let name = format!("{:?}", condition.condition_type);
        match counted.iter_mut().find(|(known, _)| *known == name) {
            Some((_, count)) => *count += 1,
            None => counted.push((name, 1)),
        }
    }
    if counted.is_empty() {
        return NONE.to_owned();
    }
    counted.sort_unstable();
    let words = counted.into_iter().map(|(name, count)| if count == 1 { name } else { format!("{name}({count})") });
    words.collect::<Vec<_>>().join(",")
}
