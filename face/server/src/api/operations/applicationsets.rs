//! ApplicationSets as objects: read, made, deleted. What makes Applications of them is not there yet.
//! Source: Argo CD 3.5 `server/applicationset/applicationset.go`.

use landfall_api::error::ApiError;
use landfall_model::key::GroupVersionKind;
use landfall_model::object;
use landfall_ports::cluster::{Cause, Delete, Detail, ListRequest, Patch, Selection, ServedKind};
use serde_json::{Value, json};

use super::events;
use super::selector::Selector;
use crate::api::call::{Call, Outcome, flag, lean, refused, text, texts, write};
use crate::api::dispatch::unknown;

/// Carries out a method about ApplicationSets.
pub(crate) async fn perform(call: &Call, name: &str, request: Value) -> Outcome {
    match name {
        "List" => list(call, &request).await,
        "Get" => Ok(get(call, &request, "get").await?.into()),
        "Create" => create(call, request).await,
        "Delete" => delete(call, &request).await,
        "Generate" => {
            let set = &request["applicationSet"];
            call.enforce("applicationsets", "get", &object_of(call, set))?;
            Err(ApiError::unimplemented("generating Applications from an ApplicationSet is not there yet"))
        }
        "ListResourceEvents" => {
            let set = get(call, &request, "get").await?;
            events::about(call, object::namespace(&set), object::name(&set), object::uid(&set)).await
        }
        "ResourceTree" => {
            let set = get(call, &request, "get").await?;
            Ok(resource_tree(call, &set).into())
        }
        _ => Err(unknown(name)),
    }
}

fn kind() -> ServedKind {
    ServedKind {
        gvk: GroupVersionKind::of("argoproj.io/v1alpha1", "ApplicationSet"),
        plural: "applicationsets".to_owned(),
        is_namespaced: true,
        verbs: ["get", "list", "watch", "create", "update", "patch", "delete"].map(str::to_owned).to_vec(),
        is_preferred: true,
    }
}

/// The name that policies call an ApplicationSet by: the project is that of the Applications it makes.
fn object_of(call: &Call, set: &Value) -> String {
    let project = set.pointer("/spec/template/spec/project").and_then(Value::as_str).unwrap_or("");
    let (namespace, name) = (object::namespace(set), object::name(set));
    if namespace.is_empty() || namespace == call.namespace() {
        format!("{project}/{name}")
    } else {
        format!("{project}/{namespace}/{name}")
    }
}

fn plain(mut set: Value) -> Value {
    object::map_mut(&mut set, &["metadata"]).remove("managedFields");
    if let Some(map) = set.as_object_mut() {
        map.remove("apiVersion");
        map.remove("kind");
        map.entry("status").or_insert_with(|| json!({}));
    }
    set
}

fn namespace<'a>(call: &'a Call, given: &'a str) -> Result<&'a str, ApiError> {
    match given {
        "" => Ok(call.namespace()),
        given if given == call.namespace() || call.controller().settings.all_namespaces => Ok(given),
        given => Err(ApiError::of(
            landfall_api::error::Code::PermissionDenied,
            format!("namespace '{given}' is not permitted"),
        )),
    }
}

async fn list(call: &Call, request: &Value) -> Outcome {
    let selector = Selector::read(text(request, "selector"))?;
    let projects = texts(request, "projects");
    let selection = Selection {
        namespace: namespace(call, text(request, "appsetNamespace"))?.to_owned(),
        label_selector: String::new(),
        field_selector: String::new(),
    };
    let asked = ListRequest { selection, page_size_max: 0, from: String::new() };
    let page = call.controller().home_cluster.list(&kind(), Detail::Full, &asked).await;
    let page = page.map_err(|error| refused(&error))?;
    let is_wanted = |set: &Value| {
        let project = set.pointer("/spec/template/spec/project").and_then(Value::as_str).unwrap_or("");
        (projects.is_empty() || projects.iter().any(|known| known == project))
            && selector.matches(&object::text_map(set, &["metadata", "labels"]))
            && call.permits("applicationsets", "get", &object_of(call, set))
    };
    let mut items: Vec<Value> = page.objects.into_iter().filter(is_wanted).map(plain).collect();
    items.sort_by(|a, b| object::name(a).cmp(object::name(b)));
    Ok(json!({"metadata": {"resourceVersion": page.resource_version}, "items": items}).into())
}

async fn get(call: &Call, request: &Value, action: &str) -> Result<Value, ApiError> {
    let name = text(request, "name");
    let namespace = namespace(call, text(request, "appsetNamespace"))?;
    let found = call.controller().home_cluster.get(&kind(), namespace, name).await.map_err(|error| refused(&error))?;
    let found = found.ok_or_else(|| match call.permits("applicationsets", action, &format!("*/{name}")) {
        true => ApiError::not_found(format!("applicationsets.argoproj.io \"{name}\" not found")),
        false => ApiError::denied_plainly(),
    })?;
    call.enforce("applicationsets", action, &object_of(call, &found))?;
    Ok(plain(found))
}

async fn create(call: &Call, request: Value) -> Outcome {
    let mut set = request.get("applicationset").cloned().unwrap_or_default();
    if object::name(&set).is_empty() {
        return Err(ApiError::invalid("error creating ApplicationSets: ApplicationSets is nil in request")
            .hint("set metadata.name"));
    }
    let place = namespace(call, object::namespace(&set))?.to_owned();
    set["apiVersion"] = json!("argoproj.io/v1alpha1");
    set["kind"] = json!("ApplicationSet");
    if let Some(map) = set.as_object_mut() {
        map.remove("status");
    }
    let metadata = object::map_mut(&mut set, &["metadata"]);
    metadata.insert("namespace".to_owned(), json!(place));
    for field in ["resourceVersion", "uid", "generation", "creationTimestamp", "managedFields", "selfLink"] {
        metadata.remove(field);
    }
    let project = set.pointer("/spec/template/spec/project").and_then(Value::as_str).unwrap_or("").to_owned();
    if project.contains("{{") {
        return Err(ApiError::invalid(
            "error validating ApplicationSets: the Argo CD API does not currently support creating ApplicationSets with templated `project` fields",
        ));
    }
    call.enforce("applicationsets", "create", &object_of(call, &set))?;
    if flag(&request, "dryRun") {
        return Err(ApiError::unimplemented(
            "the dry run of an ApplicationSet is not there yet: it needs its Applications",
        ));
    }
    let cluster = &call.controller().home_cluster;
    match cluster.create(&kind(), &set, &write()).await {
        Ok(answer) => Ok(plain(answer).into()),
        Err(error) if error.cause == Cause::AlreadyExists => {
            let name = object::name(&set).to_owned();
            let existing =
                cluster.get(&kind(), &place, &name).await.map_err(|error| refused(&error))?.unwrap_or_default();
            if existing.get("spec") == set.get("spec") {
                return Ok(plain(existing).into());
            }
            if !flag(&request, "upsert") {
                return Err(ApiError::invalid(
                    "existing ApplicationSet spec is different, use upsert flag to force update",
                ));
            }
            call.enforce("applicationsets", "update", &object_of(call, &set))?;
            let mut wanted = existing.clone();
            wanted["spec"] = set["spec"].take();
            for field in ["labels", "annotations"] {
                if let Some(given) = set.pointer(&format!("/metadata/{field}")) {
                    wanted["metadata"][field] = given.clone();
                }
            }
            let patch = Patch::Merge(landfall_merge::merge_patch::create(&existing, &wanted));
            let answer = cluster.patch(&kind(), &place, &name, "", &patch, &write()).await;
            Ok(plain(answer.map_err(|error| refused(&error))?).into())
        }
        Err(error) => Err(refused(&error)),
    }
}

async fn delete(call: &Call, request: &Value) -> Outcome {
    let set = get(call, request, "delete").await?;
    let cluster = &call.controller().home_cluster;
    let gone = cluster.delete(&kind(), object::namespace(&set), object::name(&set), &Delete::default()).await;
    gone.map_err(|error| refused(&error))?;
    let project = set.pointer("/spec/template/spec/project").and_then(Value::as_str).unwrap_or("").to_owned();
    Ok(lean(json!({"project": project, "applicationset": set})).into())
}

/// The Applications that name the set as their owner.
fn resource_tree(call: &Call, set: &Value) -> Value {
    let uid = object::uid(set);
    let nodes: Vec<Value> = call
        .controller()
        .home
        .applications()
        .iter()
        .map(|(_, known)| crate::api::call::value_of(known))
        .filter(|value| object::owner_uids(value).contains(&uid))
        .map(|value| {
            lean(json!({
                "group": "argoproj.io", "version": "v1alpha1", "kind": "Application", "namespace": object::namespace(&value),
                "name": object::name(&value), "uid": object::uid(&value), "resourceVersion": object::resource_version(&value),
                "health": value.pointer("/status/health"), "createdAt": value.pointer("/metadata/creationTimestamp"),
                "parentRefs": [{
                    "group": "argoproj.io", "version": "v1alpha1", "kind": "ApplicationSet",
                    "namespace": object::namespace(set), "name": object::name(set), "uid": uid,
                }],
            }))
        })
        .collect();
    lean(json!({"nodes": nodes}))
}
