//! Links to other systems, made from templates in argocd-cm. Source: Argo CD 3.5 `docs/operator-manual/deep_links.md`.

use std::sync::Arc;

use landfall_gotemplate::context::{Context, NoHost, Options};
use landfall_gotemplate::function::Functions;
use landfall_gotemplate::template::{self, TemplateSet};
use landfall_gotemplate::value::Value as TemplateValue;
use serde_json::{Value, json};

use super::objects;
use super::secrets::masked;
use crate::api::call::{Answer, Call, Held, Outcome, lean, text};

/// Links of an Application.
pub(crate) fn of_application(call: &Call, request: &Value) -> Outcome {
    let held = call.application(request, "get")?;
    let values = values(call, &held);
    Ok(made(call, "application.links", &values))
}

/// Links of an object of an application.
pub(crate) async fn of_object(call: &Call, request: &Value) -> Outcome {
    let found = objects::find(call, request, "get").await?;
    let mut values = values(call, &found.held);
    values["resource"] = masked(&found.value);
    Ok(made(call, "resource.links", &values))
}

/// Links of a project, by its setting.
pub(crate) fn of(setting: &str, call: &Call, project: &Value) -> Answer {
    made(call, setting, &json!({"project": project}))
}

/// What templates may name: nothing of a cluster but where it is.
fn values(call: &Call, held: &Held) -> Value {
    let application = held.value();
    let mut values = json!({"app": application, "application": application});
    if let Ok(known) = held.application() {
        if let Ok(cluster) = call.cluster(known) {
            values["cluster"] = json!({"name": cluster.name, "server": cluster.server});
        }
        if let Some(project) = super::projects::known(call, known.spec.project()) {
            values["project"] = project;
        }
    }
    values
}

/// Makes the links. One that cannot be made, or whose condition needs an evaluator that is not there, is left out with a
/// line in the log, as it would be if its condition failed.
fn made(call: &Call, setting: &str, values: &Value) -> Answer {
    let config = call.controller().home.config_map("argocd-cm").unwrap_or_default();
    let Some(written) = config.get(setting) else { return json!({"items": []}).into() };
    let read = landfall_yaml::read(written.as_bytes(), landfall_yaml::Resolver::Kubernetes).unwrap_or_default();
    let entries = read.first().and_then(Value::as_array).cloned().unwrap_or_default();
    let mut items = Vec::new();
    for entry in &entries {
        if entry.get("if").is_some_and(|condition| !condition.is_null()) {
            tracing::warn!(
                setting,
                title = text(entry, "title"),
                "a link with a condition is left out: conditions are not evaluated yet"
            );
            continue;
        }
        match url(text(entry, "url"), values) {
            Ok(url) => items.push(lean(json!({
                "title": entry["title"], "url": url, "description": entry["description"], "iconClass": entry["icon.class"],
            }))),
            Err(reason) => tracing::warn!(setting, title = text(entry, "title"), %reason, "a link cannot be made"),
        }
    }
    json!({"items": items}).into()
}

fn url(written: &str, values: &Value) -> Result<String, String> {
    let functions = Arc::new(Functions::helm3());
    let file = template::parse("link", written, &functions).map_err(|error| error.to_string())?;
    let mut set = TemplateSet::new("gotpl");
    set.add(&file);
    let mut host = NoHost;
    let mut context = Context::new(&set, functions, &mut host, Options::default());
    let bytes = context.execute("link", &TemplateValue::from_json(values)).map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|error| error.to_string())
}
