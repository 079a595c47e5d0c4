//! The table of operations: a method's path and what carries it out. Whatever is not in it answers Unimplemented with a
//! sentence.

use std::sync::Arc;

use axum::http::HeaderMap;
use landfall_api::error::ApiError;
use landfall_api::schema::Method;
use serde_json::Value;

use super::Api;
use super::call::{Answer, Call, Outcome, text, value_of};
use super::gate::{Caller, Deed};
use super::operations::{
    applications, applicationsets, certificates, change, clusters, credentials, events, gpg, links, logs, manifests,
    notifications, objects, operate, projects, repositories, settings, tree,
};

/// Methods that answer anybody.
const OPEN: [&str; 3] =
    ["version.VersionService/Version", "cluster.SettingsService/Get", "session.SessionService/Create"];

/// Methods that render, compare, or ask clusters and repositories.
const HEAVY: [&str; 16] = [
    "application.ApplicationService/GetManifests",
    "application.ApplicationService/GetManifestsWithFiles",
    "application.ApplicationService/ManagedResources",
    "application.ApplicationService/ServerSideDiff",
    "application.ApplicationService/RevisionMetadata",
    "application.ApplicationService/RevisionChartDetails",
    "application.ApplicationService/GetOCIMetadata",
    "repository.RepositoryService/CreateRepository",
    "repository.RepositoryService/GetAppDetails",
    "repository.RepositoryService/GetHelmCharts",
    "repository.RepositoryService/ListApps",
    "repository.RepositoryService/ListOCITags",
    "repository.RepositoryService/ListRefs",
    "repository.RepositoryService/ValidateAccess",
    "repository.RepositoryService/ValidateWriteAccess",
    "cluster.ClusterService/RotateAuth",
];

/// Counts a request: by who calls, or by where it comes from if nobody is let in.
pub(super) fn counted(api: &Api, caller: &Result<Caller, ApiError>, address: &str) -> Result<(), ApiError> {
    let now = api.controller.clock.elapsed();
    match caller {
        Ok(caller) => api.limits.request(&who(caller), now),
        Err(_) => api.limits.stranger(address, now),
    }
}

/// What a caller's requests are counted under.
pub(super) fn who(caller: &Caller) -> String {
    match caller.subject.as_str() {
        "" => caller.address.clone(),
        subject => format!("{} {subject}", caller.issuer),
    }
}

/// Carries a method out.
pub(super) async fn call(
    api: &Arc<Api>,
    method: &'static Method,
    mut messages: Vec<Value>,
    headers: &HeaderMap,
    address: &str,
) -> Outcome {
    let path = method.path();
    let caller = api.gate.identify(headers, address).await;
    counted(api, &caller, address)?;
    if let Some(first) = messages.first()
        && let Some(answer) = api.gate.perform(&caller, address, &path, first).await
    {
        if changes(method) {
            let caller = caller.unwrap_or_else(|_| Caller { address: address.to_owned(), ..Caller::anonymous() });
            let outcome = answer.as_ref().map(|_| ()).map_err(Clone::clone);
            let deed = Deed { before: Value::Null, request: wiped(first.clone()), ..deed(&path, first, &outcome) };
            api.gate.record(&caller, deed).await;
        }
        return answer.map(Into::into);
    }
    let caller = match caller {
        Ok(caller) => caller,
        Err(_) if OPEN.contains(&path.as_str()) => Caller::anonymous(),
        Err(error) => return Err(error),
    };
    let call = Call { api: api.clone(), caller };
    let _turn = match HEAVY.contains(&path.as_str()) {
        true => Some(call.turn().await?),
        false => None,
    };
    if method.takes_stream {
        return match path.as_str() {
            "application.ApplicationService/GetManifestsWithFiles" => manifests::with_files(&call, messages).await,
            _ => Err(unknown(&path)),
        };
    }
    let request = if messages.is_empty() { Value::Null } else { messages.swap_remove(0) };
    if !changes(method) {
        return perform(&call, &path, request).await;
    }
    // What changes something is remembered, whether it succeeded or not.
    let asked = request.clone();
    let before = standing(&call, &path, &asked);
    let outcome = perform(&call, &path, request).await;
    let done = outcome.as_ref().map(|_| ()).map_err(Clone::clone);
    let after = match &outcome {
        Ok(Answer::One(value)) => value.clone(),
        _ => Value::Null,
    };
    let deed = Deed { before, after: wiped(after), request: wiped(asked.clone()), ..deed(&path, &asked, &done) };
    call.api.gate.record(&call.caller, deed).await;
    outcome
}

/// Says whether a method changes anything: what REST reads with GET does not.
fn changes(method: &Method) -> bool {
    const READS: [&str; 3] = ["Generate", "GetAppDetails", "ValidateAccess"];
    let is_read = method.rules.first().is_none_or(|rule| rule.verb == "GET");
    !is_read && !READS.contains(&method.name.as_str())
}

fn deed(path: &str, request: &Value, outcome: &Result<(), ApiError>) -> Deed {
    let places = [
        "/name",
        "/application/metadata/name",
        "/project/metadata/name",
        "/project",
        "/repo/repo",
        "/repo",
        "/creds/url",
        "/url",
        "/cluster/server",
        "/id/value",
        "/server",
        "/keyID",
        "/hostNamePattern",
        "/applicationset/metadata/name",
        "/username",
    ];
    let named = places.iter().find_map(|place| request.pointer(place)?.as_str().filter(|text| !text.is_empty()));
    let resource = path.split_once('.').map_or(path, |(package, _)| package);
    let outcome = outcome.as_ref().err().map_or_else(|| "done".to_owned(), ApiError::text);
    let (method, object) = (path.to_owned(), format!("{resource}/{}", named.unwrap_or("")));
    Deed { method, object, outcome, ..Deed::default() }
}

/// How the application that a request changes is before that.
fn standing(call: &Call, path: &str, request: &Value) -> Value {
    if !path.starts_with("application.ApplicationService/") {
        return Value::Null;
    }
    let name =
        request.pointer("/application/metadata/name").and_then(Value::as_str).unwrap_or_else(|| text(request, "name"));
    let key = call.key(&serde_json::json!({"name": name, "appNamespace": text(request, "appNamespace")}), "name");
    let known = key.ok().and_then(|key| call.controller().home.application(&key));
    known.map(|known| wiped(value_of(&known))).unwrap_or_default()
}

/// Takes out what is secret by its field, and what is long and says nothing about what was changed.
fn wiped(mut value: Value) -> Value {
    const SECRET: [&str; 18] = [
        "password",
        "newPassword",
        "currentPassword",
        "token",
        "bearerToken",
        "sshPrivateKey",
        "tlsClientCertKey",
        "tlsClientCertData",
        "githubAppPrivateKey",
        "gcpServiceAccountKey",
        "azureServicePrincipalClientSecret",
        "config",
        "keyData",
        "certData",
        "manifests",
        "patch",
        "chunk",
        "manifest",
    ];
    match &mut value {
        Value::Object(map) => {
            map.remove("status");
            for (name, inner) in map.iter_mut() {
                if SECRET.contains(&name.as_str()) && !inner.is_null() {
                    *inner = Value::String("***".to_owned());
                } else {
                    *inner = wiped(inner.take());
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|inner| *inner = wiped(inner.take())),
        _ => {}
    }
    value
}

async fn perform(call: &Call, path: &str, request: Value) -> Outcome {
    let (service, name) = path.split_once('/').unwrap_or((path, ""));
    match service {
        "application.ApplicationService" => application(call, name, request).await,
        "project.ProjectService" => projects::perform(call, name, request).await,
        "repository.RepositoryService" => repositories::perform(call, name, request).await,
        "repocreds.RepoCredsService" => credentials::perform(call, name, request).await,
        "cluster.ClusterService" => clusters::perform(call, name, request).await,
        "certificate.CertificateService" => certificates::perform(call, name, request).await,
        "gpgkey.GPGKeyService" => gpg::perform(call, name, request).await,
        "applicationset.ApplicationSetService" => applicationsets::perform(call, name, request).await,
        "notification.NotificationService" => notifications::perform(call, name).await,
        "cluster.SettingsService" => settings::perform(call, name),
        "version.VersionService" => Ok(settings::version(call).into()),
        _ => Err(unknown(path)),
    }
}

async fn application(call: &Call, name: &str, request: Value) -> Outcome {
    match name {
        "List" => applications::list(call, &request),
        "Get" => applications::get(call, &request).await,
        "Watch" => applications::watch(call, &request),
        "Create" => change::create(call, request).await,
        "Update" => change::update(call, request).await,
        "UpdateSpec" => change::update_spec(call, request).await,
        "Patch" => change::patch(call, &request).await,
        "Delete" => change::delete(call, &request).await,
        "Sync" => operate::sync(call, &request).await,
        "Rollback" => operate::rollback(call, &request).await,
        "TerminateOperation" => operate::terminate(call, &request).await,
        "GetApplicationSyncWindows" => operate::windows(call, &request),
        "GetManifests" => manifests::get(call, &request).await,
        "RevisionMetadata" => manifests::revision_metadata(call, &request).await,
        "RevisionChartDetails" => manifests::chart_details(call, &request).await,
        "GetOCIMetadata" => manifests::oci_metadata(call, &request).await,
        "ManagedResources" => tree::managed(call, &request).await,
        "ServerSideDiff" => tree::server_side_diff(call, &request).await,
        "ResourceTree" => tree::get(call, &request).await,
        "WatchResourceTree" => tree::watch(call, &request).await,
        "GetResource" => objects::get(call, &request).await,
        "PatchResource" => objects::patch(call, &request).await,
        "DeleteResource" => objects::delete(call, &request).await,
        "ListResourceActions" => objects::list_actions(call, &request).await,
        "RunResourceAction" | "RunResourceActionV2" => objects::run_action(call, &request).await,
        "PodLogs" => logs::get(call, &request).await,
        "ListResourceEvents" => events::of_application(call, &request).await,
        "ListLinks" => links::of_application(call, &request),
        "ListResourceLinks" => links::of_object(call, &request).await,
        _ => Err(unknown(name)),
    }
}

pub(crate) fn unknown(name: &str) -> ApiError {
    ApiError::unimplemented(format!("{name} is not there yet"))
}
