//! Projects. Tokens of their roles are made where tokens are made. Source: Argo CD 3.5 `server/project/project.go`.

use std::collections::HashMap;

use landfall_access::project::Permissions;
use landfall_access::windows;
use landfall_api::error::ApiError;
use landfall_flow::home::HomeKind;
use landfall_model::application::Application;
use landfall_model::object;
use landfall_model::project::Project;
use landfall_model::time::Time;
use landfall_ports::cluster::Cause;
use serde_json::{Value, json};

use super::{clusters, events, links, repositories};
use crate::api::call::{Call, Outcome, flag, lean, refused, text, write};
use crate::api::dispatch::unknown;

/// Carries out a method about projects.
pub(crate) async fn perform(call: &Call, name: &str, request: Value) -> Outcome {
    match name {
        "List" => list(call, &request),
        "Get" => get(call, &request),
        "Create" => create(call, &request).await,
        "Update" => update(call, &request).await,
        "Delete" => delete(call, &request).await,
        "GetDetailedProject" => detailed(call, &request).await,
        "GetGlobalProjects" => Ok(lean(json!({"items": globals(call, &found(call, &request)?)})).into()),
        "GetSyncWindowsState" => open_windows(call, &request),
        "ListEvents" => {
            let project = found(call, &request)?;
            let uid = object::uid(&project).to_owned();
            events::about(call, call.namespace(), object::name(&project), &uid).await
        }
        "ListLinks" => {
            let project = found(call, &request)?;
            Ok(links::of("project.links", call, &project))
        }
        _ => Err(unknown(name)),
    }
}

/// The project that a request names, if the caller may see it.
fn found(call: &Call, request: &Value) -> Result<Value, ApiError> {
    let name = text(request, "name");
    call.enforce("projects", "get", name)?;
    known(call, name).ok_or_else(|| ApiError::not_found(format!("appprojects.argoproj.io \"{name}\" not found")))
}

/// A project as it is shown. `default` is there even if nobody made it.
pub(crate) fn known(call: &Call, name: &str) -> Option<Value> {
    let stored = call.controller().home.project_object(name).map(|project| plain(&project));
    stored.or_else(|| (name == "default").then(|| made_up(call)))
}

/// The project that applies where nobody made one.
fn made_up(call: &Call) -> Value {
    let project = Project::permissive_default(call.namespace());
    json!({
        "metadata": {"name": "default", "namespace": call.namespace()},
        "spec": serde_json::to_value(project.spec).expect("a project serialises"), "status": {},
    })
}

/// A project as it is shown: without what is of no use to who reads it, tokens as Argo CD shows them.
fn plain(project: &Value) -> Value {
    let mut project = project.clone();
    if let Some(map) = project.as_object_mut() {
        map.remove("apiVersion");
        map.remove("kind");
        map.entry("status").or_insert_with(|| json!({}));
    }
    object::map_mut(&mut project, &["metadata"]).remove("managedFields");
    project
}

fn list(call: &Call, _request: &Value) -> Outcome {
    let mut items: Vec<Value> = call
        .controller()
        .home
        .projects()
        .iter()
        .filter(|project| call.permits("projects", "get", object::name(project)))
        .map(|project| plain(project))
        .collect();
    if !items.iter().any(|item| object::name(item) == "default") && call.permits("projects", "get", "default") {
        items.push(made_up(call));
    }
    items.sort_by(|a, b| object::name(a).cmp(object::name(b)));
    Ok(json!({"metadata": {}, "items": items}).into())
}

fn get(call: &Call, request: &Value) -> Outcome {
    Ok(found(call, request)?.into())
}

async fn create(call: &Call, request: &Value) -> Outcome {
    let mut project = request.get("project").cloned().unwrap_or_default();
    let name = object::name(&project).to_owned();
    if name.is_empty() {
        return Err(ApiError::invalid("missing payload 'project' in request").hint("set metadata.name"));
    }
    call.enforce("projects", "create", &name)?;
    complete(call, &mut project);
    validate(&project)?;
    let cluster = &call.controller().home_cluster;
    let kind = HomeKind::Project.served();
    match cluster.create(&kind, &project, &write()).await {
        Ok(answer) => Ok(plain(&answer).into()),
        Err(error) if error.cause == Cause::AlreadyExists => {
            let existing = cluster.get(&kind, call.namespace(), &name).await.map_err(|error| refused(&error))?;
            let mut existing = existing.unwrap_or_default();
            if existing.get("spec") == project.get("spec") {
                return Ok(plain(&existing).into());
            }
            if !flag(request, "upsert") {
                return Err(ApiError::invalid("existing project spec is different, use upsert flag to force update"));
            }
            call.enforce("projects", "update", &name)?;
            existing["spec"] = project["spec"].take();
            let answer = cluster.replace(&kind, &existing, &write()).await.map_err(|error| refused(&error))?;
            Ok(plain(&answer).into())
        }
        Err(error) => Err(refused(&error)),
    }
}

async fn update(call: &Call, request: &Value) -> Outcome {
    let mut project = request.get("project").cloned().unwrap_or_default();
    let name = object::name(&project).to_owned();
    call.enforce("projects", "update", &name)?;
    let given_version = object::resource_version(&project).to_owned();
    complete(call, &mut project);
    validate(&project)?;
    let cluster = &call.controller().home_cluster;
    let kind = HomeKind::Project.served();
    let old = cluster.get(&kind, call.namespace(), &name).await.map_err(|error| refused(&error))?;
    let Some(old) = old else {
        if name != "default" {
            return Err(ApiError::not_found(format!("appprojects.argoproj.io \"{name}\" not found")));
        }
        // It is there for everybody who looks: the first change of it writes it down.
        still_used(call, &made_up(call), &project)?;
        object::map_mut(&mut project, &["metadata"]).remove("resourceVersion");
        let answer = cluster.create(&kind, &project, &write()).await.map_err(|error| refused(&error))?;
        return Ok(plain(&answer).into());
    };
    still_used(call, &old, &project)?;
    let metadata = object::map_mut(&mut project, &["metadata"]);
    let version = if given_version.is_empty() { object::resource_version(&old).to_owned() } else { given_version };
    metadata.insert("resourceVersion".to_owned(), json!(version));
    for field in ["uid", "creationTimestamp"] {
        if let Some(known) = old.pointer(&format!("/metadata/{field}")) {
            object::map_mut(&mut project, &["metadata"]).insert(field.to_owned(), known.clone());
        }
    }
    if let (Some(status), None) = (old.get("status"), project.get("status")) {
        project["status"] = status.clone();
    }
    let answer = cluster.replace(&kind, &project, &write()).await.map_err(|error| refused(&error))?;
    Ok(plain(&answer).into())
}

async fn delete(call: &Call, request: &Value) -> Outcome {
    let name = text(request, "name");
    if name == "default" {
        return Err(ApiError::invalid("name 'default' is reserved and cannot be deleted"));
    }
    call.enforce("projects", "delete", name)?;
    let users = applications_of(call, name).len();
    if users > 0 {
        return Err(ApiError::invalid(format!("project is referenced by {users} applications"))
            .hint("move or delete them first: argocd app list -p NAME"));
    }
    match call.delete_home(HomeKind::Project, name).await? {
        true => Ok(json!({}).into()),
        false => Err(ApiError::not_found(format!("appprojects.argoproj.io \"{name}\" not found"))),
    }
}

fn applications_of(call: &Call, project: &str) -> Vec<Application> {
    let all = call.controller().home.applications();
    let known = all.iter().filter_map(|(_, known)| known.application.as_ref().ok());
    known.filter(|application| application.spec.project() == project).cloned().collect()
}

/// Refuses to take a repository or a destination away from applications that use it.
fn still_used(call: &Call, old: &Value, new: &Value) -> Result<(), ApiError> {
    let read = |value: &Value| Project::read(value).map_err(ApiError::invalid);
    let (before, after) = (Permissions::of(&read(old)?), Permissions::of(&read(new)?));
    let (mut sources, mut destinations) = (0, 0);
    for application in applications_of(call, object::name(old)) {
        let own = application.spec.sources();
        let loses = |url: &str| before.permits_source(url) && !after.permits_source(url);
        sources += usize::from(own.iter().any(|source| loses(&source.repo_url)));
        if let Ok(cluster) = call.controller().destinations.find(&application.spec.destination) {
            let place = landfall_access::project::Place {
                server: &cluster.server,
                cluster: &cluster.name,
                namespace: &application.spec.destination.namespace,
            };
            destinations += usize::from(before.permits_destination(place) && !after.permits_destination(place));
        }
    }
    if sources > 0 {
        return Err(ApiError::invalid(format!(
            "as a result of project update {sources} applications source is not permitted"
        )));
    }
    if destinations > 0 {
        return Err(ApiError::invalid(format!(
            "as a result of project update {destinations} applications destination became invalid"
        )));
    }
    Ok(())
}

fn complete(call: &Call, project: &mut Value) {
    project["apiVersion"] = json!("argoproj.io/v1alpha1");
    project["kind"] = json!("AppProject");
    let metadata = object::map_mut(project, &["metadata"]);
    metadata.insert("namespace".to_owned(), json!(call.namespace()));
    for field in ["resourceVersion", "uid", "generation", "creationTimestamp", "managedFields", "selfLink"] {
        metadata.remove(field);
    }
    // Lists that are not there mean another thing than empty ones; an empty spec is still a spec.
    object::map_mut(project, &["spec"]);
}

/// Refuses what could not be followed: roles and windows that cannot be read, and what is there twice.
fn validate(project: &Value) -> Result<(), ApiError> {
    let read = Project::read(project).map_err(ApiError::invalid)?;
    let name = &read.metadata.name;
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut only_once = |what: &str, text: &str| {
        let count = seen.entry(format!("{what} {text}")).or_default();
        *count += 1;
        match *count {
            1 => Ok(()),
            _ => Err(ApiError::invalid(format!("{what} '{text}' already exists"))),
        }
    };
    for repo in &read.spec.source_repos {
        only_once("source repository", repo)?;
    }
    for destination in &read.spec.destinations {
        let place = if destination.server.is_empty() { &destination.name } else { &destination.server };
        only_once("destination", &format!("{place}/{}", destination.namespace))?;
    }
    for role in &read.spec.roles {
        only_once("role", &role.name)?;
        let is_plain = role.name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
        if role.name.is_empty() || !is_plain {
            return Err(ApiError::invalid(format!(
                "invalid role name '{}'. Must consist of alphanumeric characters, '-' or '_'",
                role.name
            )));
        }
        for policy in &role.policies {
            check_policy(name, &role.name, policy)?;
        }
    }
    if let Some(problem) = windows::problems(&read.spec.sync_windows).into_iter().next() {
        return Err(ApiError::invalid(problem));
    }
    Ok(())
}

/// A role's line of policy may speak of its own project and of itself only.
fn check_policy(project: &str, role: &str, line: &str) -> Result<(), ApiError> {
    let parts: Vec<&str> = line.split(',').map(str::trim).collect();
    let invalid = |why: String| Err(ApiError::invalid(format!("invalid policy rule '{line}': {why}")));
    let [kind, subject, resource, action, object, effect] = parts[..] else {
        return invalid("it must have the form 'p, sub, res, act, obj, eft'".to_owned());
    };
    let own = format!("proj:{project}:{role}");
    if kind != "p" {
        return invalid("policies must start with 'p'".to_owned());
    }
    if subject != own {
        return invalid(format!("policy subject must be: '{own}', not '{subject}'"));
    }
    if !["applications", "applicationsets", "logs", "exec", "clusters", "repositories", "write-repositories"]
        .contains(&resource)
    {
        return invalid(format!(
            "project resource must be one of applications, applicationsets, repositories, clusters, logs or exec, not '{resource}'"
        ));
    }
    let verb = action.split('/').next().unwrap_or("");
    if !["get", "create", "update", "delete", "sync", "rollback", "override", "action", "*"].contains(&verb) {
        return invalid(format!("invalid action '{action}'"));
    }
    if object.split('/').next() != Some(project) && object != "*" {
        return invalid(format!("object must be of form '{project}/*' or '{project}/<APPNAME>', not '{object}'"));
    }
    if effect != "allow" && effect != "deny" {
        return invalid(format!("effect must be: 'allow' or 'deny', not '{effect}'"));
    }
    Ok(())
}

/// The projects that give a project more rules, by `globalProjects`.
fn globals(call: &Call, project: &Value) -> Vec<Value> {
    let config = call.controller().home.config_map("argocd-cm").unwrap_or_default();
    let Some(text_of) = config.get("globalProjects") else { return Vec::new() };
    let read = landfall_yaml::read(text_of.as_bytes(), landfall_yaml::Resolver::Kubernetes).unwrap_or_default();
    let labels = object::text_map(project, &["metadata", "labels"]);
    let entries = read.first().and_then(Value::as_array).cloned().unwrap_or_default();
    let matches = |entry: &Value| {
        let wanted = object::text_map(entry, &["labelSelector", "matchLabels"]);
        let by_label = wanted.iter().all(|(name, value)| labels.get(name) == Some(value));
        let expressions = entry.pointer("/labelSelector/matchExpressions").and_then(Value::as_array);
        let by_expression = expressions.into_iter().flatten().all(|expression| {
            let values = crate::api::call::texts(expression, "values");
            let label = labels.get(text(expression, "key"));
            match text(expression, "operator") {
                "In" => label.is_some_and(|label| values.contains(label)),
                "NotIn" => label.is_none_or(|label| !values.contains(label)),
                "Exists" => label.is_some(),
                "DoesNotExist" => label.is_none(),
                _ => false,
            }
        });
        by_label && by_expression
    };
    let names = entries.iter().filter(|entry| matches(entry)).map(|entry| text(entry, "projectName").to_owned());
    names.filter_map(|name| Some(plain(&*call.controller().home.project_object(&name)?))).collect()
}

async fn detailed(call: &Call, request: &Value) -> Outcome {
    let project = found(call, request)?;
    let name = object::name(&project).to_owned();
    let in_project = |value: &Value| text(value, "project") == name;
    let repositories: Vec<Value> = repositories::all(call).into_iter().filter(|value| in_project(value)).collect();
    let clusters: Vec<Value> = clusters::all(call).into_iter().filter(|value| in_project(value)).collect();
    Ok(lean(json!({
        "globalProjects": globals(call, &project), "project": project, "repositories": repositories, "clusters": clusters,
    }))
    .into())
}

fn open_windows(call: &Call, request: &Value) -> Outcome {
    let value = found(call, request)?;
    let project = Project::read(&value).map_err(ApiError::precondition)?;
    let now = Time::of(call.controller().clock.now());
    let open: Vec<Value> = project
        .spec
        .sync_windows
        .iter()
        .filter(|window| windows::is_active(window, now))
        .map(|window| serde_json::to_value(window).expect("a window serialises"))
        .collect();
    Ok(lean(json!({"windows": open})).into())
}
