//! What `app get` says of one application. Source of the words: Argo CD `cmd/argocd/commands/app.go` (`printHeader`).

use landfall_model::application::{Application, Source};
use landfall_model::status::SyncStatusCode;
use landfall_sync::explain;
use serde_json::Value;

use super::applications::policy;
use super::resources;
use super::table::Table;

/// Width of the names of fields.
const NAME_WIDTH: usize = 20;

/// The whole of it: fields, conditions, objects.
pub(crate) fn text(application: &Application) -> String {
    let mut text = fields(application);
    if !application.status.conditions.is_empty() {
        let mut table = Table::with_head(&["CONDITION", "MESSAGE", "LAST TRANSITION"]);
        for condition in &application.status.conditions {
            let when = condition.last_transition_time.map(|time| time.to_string()).unwrap_or_default();
            table.row([format!("{:?}", condition.condition_type), condition.message.clone(), when]);
        }
        text.push('\n');
        text.push_str(&table.text());
    }
    if !application.status.resources.is_empty() {
        text.push('\n');
        text.push_str(&resources::table(application));
    }
    text
}

/// The fields only.
pub(crate) fn fields(application: &Application) -> String {
    let spec = &application.spec;
    let status = &application.status;
    let mut text = String::new();
    let mut field = |name: &str, value: &str| {
        let label = format!("{name}:");
        text.push_str(format!("{label:NAME_WIDTH$}{value}").trim_end());
        text.push('\n');
    };
    field("Name", &format!("{}/{}", application.metadata.namespace, application.metadata.name));
    field("Project", spec.project());
    let destination = &spec.destination;
    field("Server", if destination.server.is_empty() { &destination.name } else { &destination.server });
    field("Namespace", &destination.namespace);
    for url in &status.summary.external_urls {
        field("URL", url);
    }
    for (index, source) in spec.sources().iter().enumerate() {
        let label = if spec.has_multiple_sources() { format!("Source {}", index + 1) } else { "Source".to_owned() };
        field(&label, "");
        of_source(source, &mut field);
    }
    field("SyncPolicy", &described_policy(application));
    let revisions = match status.sync.revisions.is_empty() {
        true => vec![status.sync.revision.clone()],
        false => status.sync.revisions.clone(),
    };
    let target = spec.sources().first().map(|source| source.target_revision.as_str()).unwrap_or_default();
    let from = match (target, revisions.iter().all(String::is_empty)) {
        (_, true) => String::new(),
        ("", false) => format!(" ({})", explain::revisions(&revisions)),
        (target, false) => format!(" to {target} ({})", explain::revisions(&revisions)),
    };
    let from = if status.sync.status == SyncStatusCode::OutOfSync { from.replacen(" to ", " from ", 1) } else { from };
    field("Sync Status", &format!("{}{from}", status.sync.status.as_str()));
    let message = &status.health.message;
    let why = if message.is_empty() { String::new() } else { format!(" ({message})") };
    field("Health Status", &format!("{}{why}", status.health.status));
    text.push_str(&operation(application));
    text
}

fn of_source(source: &Source, field: &mut impl FnMut(&str, &str)) {
    let parts = [
        ("- Repo", &source.repo_url),
        ("  Target", &source.target_revision),
        ("  Path", &source.path),
        ("  Chart", &source.chart),
        ("  Ref", &source.reference),
    ];
    for (name, value) in parts {
        if !value.is_empty() {
            field(name, value);
        }
    }
}

fn described_policy(application: &Application) -> String {
    let mut words = match policy(&application.spec) {
        "Manual" => "Manual".to_owned(),
        _ => "Automated".to_owned(),
    };
    if let Some(automated) = application.spec.automated() {
        if automated.prune == Some(true) {
            words.push_str(" (Prune)");
        }
        if automated.self_heal == Some(true) {
            words.push_str(" (Self-heal)");
        }
    }
    words
}

/// The parameters that the sources set: Helm's values and Kustomize's images; `""` if there are none.
pub(crate) fn parameters(application: &Application) -> String {
    let mut table = Table::with_head(&["NAME", "VALUE"]);
    let mut is_empty = true;
    for source in application.spec.sources() {
        let list = |settings: &Option<Value>, key: &str| {
            settings.as_ref().and_then(|settings| settings.get(key)?.as_array().cloned()).unwrap_or_default()
        };
        for parameter in list(&source.helm, "parameters") {
            let text = |key: &str| parameter.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            table.row([text("name"), text("value")]);
            is_empty = false;
        }
        for image in list(&source.kustomize, "images") {
            table.row(["image".to_owned(), image.as_str().unwrap_or_default().to_owned()]);
            is_empty = false;
        }
    }
    if is_empty { String::new() } else { format!("\n{}", table.text()) }
}

/// What the last operation did; `""` if there was none.
pub(crate) fn operation(application: &Application) -> String {
    let Some(state) = &application.status.operation_state else { return String::new() };
    let result = state.sync_result.as_ref();
    let revisions = match result {
        Some(result) if !result.revisions.is_empty() => result.revisions.clone(),
        Some(result) => vec![result.revision.clone()],
        None => Vec::new(),
    };
    let finished = state.finished_at.map(|time| time.to_string());
    let seconds = state.finished_at.map(|finished| format!("{}s", finished.seconds_since(state.started_at)));
    let fields = [
        ("Operation", Some("Sync".to_owned())),
        ("Sync Revision", Some(revisions.join(", "))),
        ("Phase", Some(state.phase.as_str().to_owned())),
        ("Start", Some(state.started_at.to_string())),
        ("Finished", finished),
        ("Duration", seconds),
        ("Message", Some(state.message.clone())),
    ];
    let lines = fields.into_iter().filter_map(|(name, value)| {
        let value = value.filter(|value| !value.is_empty())?;
        Some(format!("{:NAME_WIDTH$}{value}\n", format!("{name}:")))
    });
    format!("\n{}", lines.collect::<String>())
}
