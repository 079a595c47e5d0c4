//! What Argo CD's API has no name for: pages of applications, changes as they happen, why an application is as it is, and
//! what a sync would do.
//!
//! ```text
//! GET  /api/v1/application-pages             rows, sorted, searched and paged here
//! GET  /api/v1/stream/application-changes    rows as they change, as server-sent events; goes on after Last-Event-ID
//! GET  /api/v1/applications/{name}/explain   why it is OutOfSync, Degraded or waiting
//! POST /api/v1/applications/{name}/plan      the steps of a sync before it runs; the body is that of a sync
//! GET  /api/v1/openapi.json                  all of the API, described
//! ```

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use futures::StreamExt;
use http_body_util::{BodyExt, Limited};
use landfall_api::error::ApiError;
use landfall_api::rest::pairs;
use landfall_flow::home::{AppKey, HappenedTo, Known};
use landfall_model::health::HealthStatus;
use landfall_sync::explain;
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;

use super::call::{Call, conditions, project_of};
use super::operations::{applications::Query, operate, tree};
use super::pages::Moment;
use super::{Api, address, dispatch, openapi, rest};

/// How many rows a page has if nobody says, and at most.
const PAGE_ROWS: usize = 100;
const PAGE_ROWS_MAX: usize = 1000;
/// The largest body.
const BODY_BYTES_MAX: usize = 1 << 20;
/// How many differing fields of an object are told.
const FIELDS_MAX: usize = 50;
/// How often a quiet stream says that it still lives.
const BEAT_SECONDS: u64 = 15;

/// Answers a request, if it is for one of ours.
pub(super) async fn answer(api: &Arc<Api>, request: Request) -> Result<Response, Request> {
    let path = request.uri().path().to_owned();
    let verb = request.method().clone();
    let get = verb == Method::GET;
    // The body is read by one of them only; what all of them read can be shared between threads.
    let (request, body) = request.into_parts();
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let outcome = match parts.as_slice() {
        ["api", "v1", "openapi.json"] if get => Ok(json_body(openapi::document().to_string().into())),
        // Where nobody signs in, everybody is signed out.
        ["auth", "logout"] => Ok(json_body("{}".into())),
        ["api", "v1", "application-pages"] if get => pages(api, &request).await,
        ["api", "v1", "stream", "application-changes"] if get => changes(api, &request).await,
        ["api", "v1", "applications", name, "explain"] if get => {
            let name = (*name).to_owned();
            why(api, &request, &name).await
        }
        ["api", "v1", "applications", name, "plan"] if verb == Method::POST => {
            let name = (*name).to_owned();
            plan(api, &request, body, &name).await
        }
        ["api", "v1", "openapi.json" | "application-pages"]
        | ["api", "v1", "stream", "application-changes"]
        | ["api", "v1", "applications", _, "explain"] => return Ok(rest::refuse_verb(&verb, &path, &["GET"])),
        ["api", "v1", "applications", _, "plan"] => return Ok(rest::refuse_verb(&verb, &path, &["POST"])),
        _ => return Err(Request::from_parts(request, body)),
    };
    Ok(outcome.unwrap_or_else(|error| rest::refuse(&error)))
}

async fn call_of(api: &Arc<Api>, request: &Parts) -> Result<Call, ApiError> {
    let address = address(&request.extensions);
    let caller = api.gate.identify(&request.headers, &address).await;
    dispatch::counted(api, &caller, &address)?;
    Ok(Call { api: api.clone(), caller: caller? })
}

fn json_body(body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::OK;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The parameters of a query; those that stand in it more than once are lists.
fn parameters(request: &Parts) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in pairs(request.uri.query().unwrap_or("")) {
        found.entry(name).or_default().push(value);
    }
    found
}

fn first<'a>(parameters: &'a BTreeMap<String, Vec<String>>, name: &str) -> &'a str {
    parameters.get(name).and_then(|values| values.first()).map_or("", String::as_str)
}

fn query_of(parameters: &BTreeMap<String, Vec<String>>) -> Result<Query, ApiError> {
    Query::read(&json!({
        "name": first(parameters, "name"), "appNamespace": first(parameters, "appNamespace"), "selector": first(parameters, "selector"),
        "repo": first(parameters, "repo"), "projects": parameters.get("projects").or_else(|| parameters.get("project")),
    }))
}

/// An application in one line.
fn row(key: &AppKey, known: &Known) -> Value {
    let Ok(application) = &known.application else {
        return json!({
            "namespace": key.namespace, "name": key.name, "project": project_of(known), "sync": "Unknown", "health": "Unknown",
            "resourceVersion": known.resource_version, "problem": "the Application cannot be read",
        });
    };
    let status = &application.status;
    let source = application.spec.sources().first();
    let operation = status.operation_state.as_ref();
    let last = status.history.last().and_then(|entry| entry.deployed_at).map(|at| at.0.to_string());
    let mut row = json!({
        "namespace": key.namespace, "name": key.name, "project": application.spec.project(),
        "sync": status.sync.status.as_str(), "health": status.health.status.as_str(), "resourceVersion": known.resource_version,
    });
    let mut put = |name: &str, value: Value| {
        let is_nothing = value.is_null() || value == "" || value == 0;
        if !is_nothing {
            row[name] = value;
        }
    };
    put("revision", json!(status.sync.revision));
    put("repo", json!(source.map(|source| source.repo_url.as_str())));
    put(
        "path",
        json!(source.map(|source| if source.chart.is_empty() { source.path.as_str() } else { source.chart.as_str() })),
    );
    put("target", json!(source.map(|source| source.target_revision.as_str())));
    let destination = &application.spec.destination;
    put("cluster", json!(if destination.name.is_empty() { &destination.server } else { &destination.name }));
    put("destinationNamespace", json!(destination.namespace));
    put("operation", json!(operation.map(|state| state.phase.as_str())));
    put("problems", json!(status.conditions.iter().filter(|condition| condition.condition_type.is_error()).count()));
    put("resources", json!(status.resources.len()));
    put("syncedAt", json!(last));
    put("createdAt", json!(application.metadata.creation_timestamp.map(|at| at.0.to_string())));
    put("automated", json!(application.spec.automated().is_some().then_some(true)));
    row
}

/// Whether every word of a search stands somewhere in what a person knows of an application.
fn is_found(words: &[String], key: &AppKey, known: &Known) -> bool {
    if words.is_empty() {
        return true;
    }
    let text = known.search.get_or_init(|| searched(key, known).into_boxed_str());
    words.iter().all(|word| text.contains(word.as_str()))
}

/// What people search in, in small letters.
fn searched(key: &AppKey, known: &Known) -> String {
    let mut text = format!("{} {} {}", key.name, key.namespace, project_of(known));
    if let Ok(application) = &known.application {
        let status = &application.status;
        for source in application.spec.sources() {
            text.push_str(&format!(" {} {} {} {}", source.repo_url, source.path, source.chart, source.target_revision));
        }
        let destination = &application.spec.destination;
        text.push_str(&format!(" {} {} {}", destination.server, destination.name, destination.namespace));
        text.push_str(&format!(
            " {} {} {}",
            status.sync.status.as_str(),
            status.health.status.as_str(),
            status.sync.revision
        ));
        for (name, value) in &application.metadata.labels {
            text.push_str(&format!(" {name}={value}"));
        }
        for image in &status.summary.images {
            text.push_str(&format!(" {image}"));
        }
        for condition in &status.conditions {
            text.push_str(&format!(" {}", condition.message));
        }
    }
    text.to_lowercase()
}

/// What rows can be sorted by.
const ORDERS: [&str; 7] = ["name", "project", "sync", "health", "syncedAt", "createdAt", "namespace"];

fn compare(order: &str, a: &(AppKey, Arc<Known>), b: &(AppKey, Arc<Known>)) -> Ordering {
    let field = |(_, known): &(AppKey, Arc<Known>)| {
        let application = known.application.as_ref().ok();
        let time = |at: Option<landfall_model::time::Time>| at.map(|at| at.0.to_string()).unwrap_or_default();
        match order {
            "project" => project_of(known),
            "sync" => application.map_or("Unknown", |found| found.status.sync.status.as_str()).to_owned(),
            // The worst last, so that `-health` begins with it.
            "health" => application.map_or(9, |found| found.status.health.status as u8).to_string(),
            "syncedAt" => time(application.and_then(|found| found.status.history.last()?.deployed_at)),
            "createdAt" => time(application.and_then(|found| found.metadata.creation_timestamp)),
            _ => String::new(),
        }
    };
    let by_field = match order {
        "name" => Ordering::Equal,
        "namespace" => a.0.namespace.cmp(&b.0.namespace),
        _ => field(a).cmp(&field(b)),
    };
    by_field.then_with(|| a.0.name.cmp(&b.0.name)).then_with(|| a.0.namespace.cmp(&b.0.namespace))
}

async fn pages(api: &Arc<Api>, request: &Parts) -> Result<Response, ApiError> {
    let call = call_of(api, request).await?;
    let home = &call.controller().home;
    // Who asks is their token, and what is known about them besides: a provider may tell other groups later.
    let token = landfall_identity::extract::token(&request.headers).map(|(token, _)| token).unwrap_or_default();
    let token = format!("{token} {}", Value::Object(call.caller.claims.clone()));
    let asked = request.uri.query().unwrap_or("");
    let moment = |event| api.gate.version().map(|access| Moment { event, access });
    if let Some(now) = moment(home.last_event())
        && let Some(body) = api.pages.find(&token, asked, now)
    {
        return Ok(json_body(body));
    }
    // Read before what it is about: a page that is made from newer grounds is only made anew too early.
    let access = moment(0);
    let (all, last_event) = home.all();
    let parameters = parameters(request);
    let query = query_of(&parameters)?.now_for(&call);
    let number = |name: &str, otherwise: usize| match first(&parameters, name) {
        "" => Ok(otherwise),
        text => text
            .parse::<usize>()
            .map_err(|_| ApiError::invalid(format!("the parameter {name} must be a number from 0, but is {text:?}"))),
    };
    let limit = number("limit", PAGE_ROWS)?.clamp(1, PAGE_ROWS_MAX);
    let offset = number("offset", 0)?;
    let sort = match first(&parameters, "sort") {
        "" => "name",
        sort => sort,
    };
    let (order, is_descending) = sort.strip_prefix('-').map_or((sort, false), |order| (order, true));
    if !ORDERS.contains(&order) {
        return Err(ApiError::invalid(format!("applications cannot be sorted by {order:?}"))
            .hint(format!("use one of {}, with - before it for the other way round", ORDERS.join(", "))));
    }
    let words: Vec<String> = first(&parameters, "search").split_whitespace().map(str::to_lowercase).collect();
    let (wanted_sync, wanted_health) = (parameters.get("sync"), parameters.get("health"));
    let mut found: Vec<&(AppKey, Arc<Known>)> = all.iter().collect();
    found.retain(|(key, known)| {
        let application = known.application.as_ref().ok();
        let sync = application.map_or("Unknown", |found| found.status.sync.status.as_str());
        let health = application.map_or("Unknown", |found| found.status.health.status.as_str());
        wanted_sync.is_none_or(|wanted| wanted.iter().any(|wanted| wanted == sync))
            && wanted_health.is_none_or(|wanted| wanted.iter().any(|wanted| wanted == health))
            && query.takes(&call, key, known)
            && is_found(&words, key, known)
    });
    let mut counts = BTreeMap::<&str, BTreeMap<&str, usize>>::new();
    for (_, known) in &found {
        let application = known.application.as_ref().ok();
        let sync = application.map_or("Unknown", |found| found.status.sync.status.as_str());
        let health = application.map_or("Unknown", |found| found.status.health.status.as_str());
        *counts.entry("sync").or_default().entry(sync).or_default() += 1;
        *counts.entry("health").or_default().entry(health).or_default() += 1;
    }
    let total = found.len();
    let total_order = |a: &&(AppKey, Arc<Known>), b: &&(AppKey, Arc<Known>)| compare(order, a, b);
    found.sort_by(total_order);
    if is_descending {
        found.reverse();
    }
    let items: Vec<Value> = found.iter().skip(offset).take(limit).map(|(key, known)| row(key, known)).collect();
    let next = (offset + items.len() < total).then_some(offset + items.len());
    let mut body = json!({"items": items, "total": total, "counts": counts, "cursor": cursor(api, last_event)});
    if let Some(next) = next {
        body["nextOffset"] = json!(next);
    }
    let body = Bytes::from(body.to_string());
    if let Some(now) = access {
        api.pages.keep(&token, asked, Moment { event: last_event, ..now }, body.clone());
    }
    Ok(json_body(body))
}

/// Names an event: which process told it, and its number there.
fn cursor(api: &Api, id: u64) -> String {
    format!("{}-{id}", api.epoch)
}

/// One event of the stream: its name, its id and its JSON.
fn event(api: &Api, id: u64, name: &str, data: &Value) -> Bytes {
    format!("id: {}\nevent: {name}\ndata: {data}\n\n", cursor(api, id)).into()
}

async fn changes(api: &Arc<Api>, request: &Parts) -> Result<Response, ApiError> {
    let call = call_of(api, request).await?;
    let parameters = parameters(request);
    let query = query_of(&parameters)?;
    let header = request.headers.get("last-event-id").and_then(|value| value.to_str().ok()).unwrap_or("");
    let after = if header.is_empty() { first(&parameters, "after") } else { header };
    let after = after.rsplit_once('-').filter(|(epoch, _)| *epoch == api.epoch).and_then(|(_, id)| id.parse().ok());
    let home = call.controller().home.clone();
    let resumed = after.and_then(|id| home.follow_after(id));
    let mut begins: Vec<Bytes> = Vec::new();
    let feed = match resumed {
        Some((missed, feed)) => {
            for missed in missed {
                let object = call.object(&missed.project, &missed.key);
                match &missed.known {
                    Some(known) if query.takes(&call, &missed.key, known) => {
                        begins.push(event(api, missed.id, "changed", &row(&missed.key, known)));
                    }
                    None if call.permits("applications", "get", &object) => {
                        let gone = json!({"namespace": missed.key.namespace, "name": missed.key.name});
                        begins.push(event(api, missed.id, "deleted", &gone));
                    }
                    _ => {}
                }
            }
            feed
        }
        // From the beginning, or too long away: everything as it is, and nothing else is there any more.
        None => {
            let (listed, feed, last) = home.follow();
            let listed = listed.iter().filter(|(key, known)| query.takes(&call, key, known));
            let rows: Vec<Value> = listed.map(|(key, known)| row(key, known)).collect();
            begins.push(event(api, last, "reset", &json!({"items": rows})));
            feed
        }
    };
    let state = (feed, call, query, api.clone());
    let later = futures::stream::unfold(Some(state), |state| async move {
        let (mut feed, call, query, api) = state?;
        loop {
            let beat = std::time::Duration::from_secs(BEAT_SECONDS);
            let bytes = match tokio::time::timeout(beat, feed.recv()).await {
                Err(_) => Bytes::from_static(b": still here\n\n"),
                Ok(Ok(found)) if !query.takes(&call, &found.key, &found.known) => continue,
                Ok(Ok(found)) if found.what == HappenedTo::Deleted => {
                    let gone = json!({"namespace": found.key.namespace, "name": found.key.name});
                    event(&api, found.id, "deleted", &gone)
                }
                Ok(Ok(found)) => event(&api, found.id, "changed", &row(&found.key, &found.known)),
                // Who reads too slowly connects again with the last id it has, and gets what it missed.
                Ok(Err(RecvError::Lagged(_))) => return None,
                Ok(Err(RecvError::Closed)) => return None,
            };
            return Some((bytes, Some((feed, call, query, api))));
        }
    });
    let stream = futures::stream::iter(begins).chain(later).map(Ok::<_, std::convert::Infallible>);
    let mut response = Response::new(Body::from_stream(stream));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    Ok(response)
}

/// The request of an application by its name, with what the query says.
fn named(request: &Parts, name: &str) -> Value {
    let parameters = parameters(request);
    let name = percent_encoding::percent_decode_str(name).decode_utf8_lossy().into_owned();
    json!({"name": name, "appNamespace": first(&parameters, "appNamespace"), "project": first(&parameters, "project")})
}

async fn why(api: &Arc<Api>, request: &Parts, name: &str) -> Result<Response, ApiError> {
    let call = call_of(api, request).await?;
    let held = call.application(&named(request, name), "get")?;
    let application = held.application()?;
    let status = &application.status;
    let mut words = Vec::new();
    let mut out = json!({
        "sync": status.sync.status.as_str(), "health": status.health.status.as_str(),
        "conditions": status.conditions.iter().map(|condition| json!({
            "type": format!("{:?}", condition.condition_type), "message": condition.message,
        })).collect::<Vec<_>>(),
    });
    for condition in &status.conditions {
        words.push(format!("{:?}: {}", condition.condition_type, condition.message));
    }
    if let Some(state) = &status.operation_state {
        out["operation"] = json!({
            "phase": state.phase.as_str(), "message": state.message, "by": explain::initiator(&state.operation),
            "startedAt": state.started_at, "finishedAt": state.finished_at,
        });
        if !state.phase.is_successful() {
            words.push(format!(
                "the sync by {} is {}: {}",
                explain::initiator(&state.operation),
                state.phase.as_str(),
                state.message
            ));
        }
    }
    match tree::inspect(&call, &held, application).await {
        Ok(found) => {
            out["decision"] = json!(explain::decision(&found.decision));
            words.push(explain::decision(&found.decision));
            out["window"] = json!({
                "automaticAllowed": found.windows.automatic_allowed, "manualAllowed": found.windows.manual_allowed, "why": found.windows.why,
            });
            let differing: Vec<Value> = found
                .compared
                .out_of_sync()
                .map(|entry| {
                    let wanted = found.targets.objects.iter().find(|target| target.key == entry.key);
                    let live = found.live.get(&entry.key).and_then(|record| record.body());
                    let difference = found.difference(wanted.map(|target| &target.object), live.as_ref());
                    let fields: Vec<Value> = difference
                        .fields
                        .iter()
                        .take(FIELDS_MAX)
                        .map(|field| json!({
                            "path": field.path, "desired": field.desired, "live": field.live, "changedBy": field.changed_by,
                        }))
                        .collect();
                    words.push(match (wanted.is_some(), live.is_some()) {
                        (true, false) => format!("{} is missing in the cluster", entry.key),
                        (false, true) => format!("{} is in the cluster and not in the source", entry.key),
                        _ => format!("{} differs: {}", entry.key, landfall_diff::compare::summary(&difference)),
                    });
                    json!({
                        "group": entry.key.group, "kind": entry.key.kind, "namespace": entry.key.namespace, "name": entry.key.name,
                        "isWanted": wanted.is_some(), "isThere": live.is_some(), "fields": fields, "notes": difference.notes,
                    })
                })
                .collect();
            out["outOfSync"] = json!(differing);
        }
        Err(error) => {
            out["problem"] = json!(error.message);
            words.push(error.message);
        }
    }
    let unhealthy: Vec<Value> = status
        .resources
        .iter()
        .filter_map(|resource| {
            let health = resource.health.as_ref()?;
            (health.status != HealthStatus::Healthy).then(|| {
                words.push(format!("{} is {}: {}", resource.key(), health.status, health.message));
                json!({
                    "group": resource.group, "kind": resource.kind, "namespace": resource.namespace, "name": resource.name,
                    "status": health.status.as_str(), "message": health.message,
                })
            })
        })
        .collect();
    out["unhealthy"] = json!(unhealthy);
    words.dedup();
    out["words"] = json!(words);
    Ok(json_body(out.to_string().into()))
}

async fn plan(api: &Arc<Api>, request: &Parts, body: Body, name: &str) -> Result<Response, ApiError> {
    let call = call_of(api, request).await?;
    rest::require_json(&request.headers)?;
    let asked = named(request, name);
    let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
    let body =
        body.map_err(|_| ApiError::invalid(format!("the body is larger than {BODY_BYTES_MAX} bytes")))?.to_bytes();
    let mut message: Value = if body.is_empty() {
        json!({})
    } else {
        serde_json::from_slice(&body).map_err(|error| ApiError::invalid(format!("the body is no JSON: {error}")))?
    };
    let schema = landfall_api::schema::schema();
    let sync = schema.method("application.ApplicationService/Sync").expect("proto/argocd/application.proto defines it");
    if !message.is_object() {
        return Err(ApiError::invalid("the body must be an object"));
    }
    for field in ["name", "appNamespace", "project"] {
        if let Some(text) = asked[field].as_str().filter(|text| !text.is_empty()) {
            message[field] = json!(text);
        }
    }
    let message = landfall_api::shape::conform(sync.takes, message)?;
    let (held, operation) = operate::wanted(&call, &message)?;
    let application = held.application()?;
    let planned = call.controller().plan(&held.key, application, &operation).await;
    let planned = planned.map_err(|found| conditions(&held.key.name, &found))?;
    let groups: Vec<Vec<Value>> = planned
        .groups
        .iter()
        .map(|group| {
            let step = |step: &landfall_model::plan::PlannedStep| {
                json!({
                    "group": step.key.group, "version": step.gvk.version, "kind": step.key.kind, "namespace": step.key.namespace,
                    "name": step.key.name, "phase": step.phase, "wave": step.wave, "does": step.action.verb(), "why": step.why,
                })
            };
            group.iter().map(step).collect()
        })
        .collect();
    let out = json!({
        "decision": planned.decision, "begins": planned.begins, "revisions": planned.revisions, "groups": groups,
    });
    Ok(json_body(out.to_string().into()))
}
