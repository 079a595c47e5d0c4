//! Reading Applications: list, get, watch.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use landfall_api::error::{ApiError, Code};
use landfall_flow::home::{AppKey, HappenedTo, Known};
use landfall_model::annotations::REFRESH;
use landfall_repository::address;
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;

use super::selector::Selector;
use crate::api::call::{Answer, Call, Outcome, project_of, text, texts, value_of};

/// How long a get waits for the refresh that it asked for.
const REFRESH_LIMIT: Duration = Duration::from_secs(90);

/// Which Applications a query means.
pub(crate) struct Query {
    name: String,
    namespace: String,
    projects: Vec<String>,
    selector: Selector,
    repo: String,
    sees_all: bool,
}

impl Query {
    /// Reads a query.
    pub(crate) fn read(request: &Value) -> Result<Self, ApiError> {
        let mut projects = texts(request, "projects");
        projects.extend(texts(request, "project"));
        Ok(Self {
            name: text(request, "name").to_owned(),
            namespace: text(request, "appNamespace").to_owned(),
            projects,
            selector: Selector::read(text(request, "selector"))?,
            repo: address::normalized(text(request, "repo")),
            sees_all: false,
        })
    }

    /// The same for one answer to a caller: whether they may see everything is found out once.
    pub(crate) fn now_for(self, call: &Call) -> Self {
        Self { sees_all: call.permits_all("applications", "get"), ..self }
    }

    /// Says whether an Application is meant, and may be seen.
    pub(crate) fn takes(&self, call: &Call, key: &AppKey, known: &Known) -> bool {
        if !self.name.is_empty() && key.name != self.name {
            return false;
        }
        if !self.namespace.is_empty() && key.namespace != self.namespace {
            return false;
        }
        if self.sees_all && self.projects.is_empty() && self.selector.is_empty() && self.repo.is_empty() {
            return true;
        }
        let project = project_of(known);
        if !self.projects.is_empty() && !self.projects.contains(&project) {
            return false;
        }
        if !self.selector.is_empty() {
            let labels = match &known.application {
                Ok(application) => application.metadata.labels.clone(),
                Err(_) => landfall_model::object::text_map(&value_of(known), &["metadata", "labels"]),
            };
            if !self.selector.matches(&labels) {
                return false;
            }
        }
        if !self.repo.is_empty() {
            let reads = known.application.as_ref().is_ok_and(|application| {
                application.spec.sources().iter().any(|source| address::normalized(&source.repo_url) == self.repo)
            });
            if !reads {
                return false;
            }
        }
        self.sees_all || call.permits("applications", "get", &call.object(&project, key))
    }
}

/// Lists Applications, sorted by name.
pub(crate) fn list(call: &Call, request: &Value) -> Outcome {
    let query = Query::read(request)?.now_for(call);
    let (all, _) = call.controller().home.all();
    let mut found: Vec<&(AppKey, Arc<Known>)> =
        all.iter().filter(|(key, known)| query.takes(call, key, known)).collect();
    found.sort_by(|(a, _), (b, _)| a.name.cmp(&b.name).then_with(|| a.namespace.cmp(&b.namespace)));
    Ok(Answer::Applications(found.into_iter().map(|(_, known)| known.clone()).collect()))
}

/// Gets one Application; with `refresh`, after it was compared anew.
pub(crate) async fn get(call: &Call, request: &Value) -> Outcome {
    // The field is a list because one message asks for lists too.
    let project = texts(request, "project").into_iter().next().unwrap_or_default();
    let held = call.held(call.key(request, "name")?, &project, "get")?;
    let refresh = text(request, "refresh");
    if refresh.is_empty() {
        return Ok(held.value().into());
    }
    if refresh != "normal" && refresh != "hard" {
        return Err(ApiError::invalid(format!("refresh must be normal or hard, but is {refresh:?}")));
    }
    let home = call.controller().home.clone();
    let (_, mut feed, _) = home.follow();
    call.patch_application(&held.key, json!({"metadata": {"annotations": {REFRESH: refresh}}})).await?;
    let done = async {
        loop {
            let known = match feed.recv().await {
                Ok(event) if event.key != held.key => continue,
                Ok(event) if event.what == HappenedTo::Deleted => return None,
                Ok(event) => event.known,
                Err(RecvError::Lagged(_)) => home.application(&held.key)?,
                Err(RecvError::Closed) => return None,
            };
            let is_asked = match &known.application {
                Ok(application) => application.annotation(REFRESH).is_some(),
                Err(_) => false,
            };
            if !is_asked {
                return Some(known);
            }
        }
    };
    match tokio::time::timeout(REFRESH_LIMIT, done).await {
        Ok(Some(known)) => Ok(value_of(&known).into()),
        Ok(None) => Err(ApiError::not_found(format!("applications.argoproj.io \"{}\" not found", held.key.name))),
        Err(_) => Err(ApiError::of(
            Code::DeadlineExceeded,
            format!("the application {} was not compared anew within {} s", held.key, REFRESH_LIMIT.as_secs()),
        )
        .hint("is the controller running, and can it reach the repository?")),
    }
}

/// Tells of what happens to Applications. Without a resource version, or for one Application, it begins with how they
/// are; with one, with those that changed since.
pub(crate) fn watch(call: &Call, request: &Value) -> Outcome {
    let query = Query::read(request)?;
    let mut first = Vec::new();
    if !query.name.is_empty() {
        let key = call.key(request, "name")?;
        let project = query.projects.first().map_or("", String::as_str);
        match call.controller().home.gone(&key) {
            // Who deletes something and then waits for its end must hear of it, even if that was quicker than the question.
            Some(project) if call.permits("applications", "get", &call.object(&project, &key)) => {
                let metadata = json!({"name": key.name, "namespace": key.namespace});
                let gone = json!({"metadata": metadata, "spec": {"project": project, "destination": {}}, "status": {}});
                first.push(Ok(json!({"type": "DELETED", "application": gone})));
            }
            _ => {
                call.held(key, project, "get")?;
            }
        }
    }
    let since: Option<u64> = text(request, "resourceVersion").parse().ok().filter(|_| query.name.is_empty());
    let (listed, feed, _) = call.controller().home.follow();
    for (key, known) in listed {
        let is_news = since.is_none_or(|since| known.resource_version.parse::<u64>().is_ok_and(|at| at > since));
        if is_news && query.takes(call, &key, &known) {
            let what = if since.is_some() { "MODIFIED" } else { "ADDED" };
            first.push(Ok(json!({"type": what, "application": value_of(&known)})));
        }
    }
    let state = (feed, call.clone(), query);
    let later = futures::stream::unfold(Some(state), |state| async move {
        let (mut feed, call, query) = state?;
        loop {
            match feed.recv().await {
                Ok(event) if query.takes(&call, &event.key, &event.known) => {
                    let what = match event.what {
                        HappenedTo::Added => "ADDED",
                        HappenedTo::Modified => "MODIFIED",
                        HappenedTo::Deleted => "DELETED",
                    };
                    let item = json!({"type": what, "application": value_of(&event.known)});
                    return Some((Ok(item), Some((feed, call, query))));
                }
                Ok(_) => {}
                // Who reads too slowly is told to begin again, rather than to miss something unknowingly.
                Err(RecvError::Lagged(count)) => {
                    let error = ApiError::of(
                        Code::OutOfRange,
                        format!("{count} events were missed: read faster, or watch again"),
                    );
                    return Some((Err(error), None));
                }
                Err(RecvError::Closed) => return None,
            }
        }
    });
    Ok(Answer::Many(futures::stream::iter(first).chain(later).boxed()))
}
