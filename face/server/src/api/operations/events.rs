//! Events: what the cluster says about an application and its objects.

use landfall_api::error::ApiError;
use landfall_model::key::GroupVersionKind;
use landfall_model::object;
use landfall_ports::cluster::{Cluster, Detail, ListRequest, Selection};
use serde_json::{Value, json};

use crate::api::call::{Call, Outcome, refused, text};

/// How many events are read at most.
const EVENTS_MAX: u32 = 500;

/// Events about an application, or about one of its objects.
pub(crate) async fn of_application(call: &Call, request: &Value) -> Outcome {
    let held = call.application(request, "get")?;
    let (namespace, name, uid) =
        (text(request, "resourceNamespace"), text(request, "resourceName"), text(request, "resourceUID"));
    if name.is_empty() && uid.is_empty() {
        let value = held.value();
        return about(call, &held.key.namespace, &held.key.name, object::uid(&value)).await;
    }
    let application = held.application()?;
    let cluster = call.cluster(application)?;
    // Only objects of the application: events of others are none of the caller's business.
    let instance = call.controller().instance_of(&held.key);
    let nodes = super::tree::nodes(&cluster.live, &instance);
    let is_own = nodes.iter().any(|node| {
        node.record.live.uid == uid && node.record.live.key.name == name && node.record.live.key.namespace == namespace
    });
    if !is_own {
        return Err(ApiError::invalid(format!("{name} not found as part of application {}", held.key.name)));
    }
    read(&**cluster.live.cluster(), namespace, name, uid).await
}

/// Events about an object of the home cluster.
pub(crate) async fn about(call: &Call, namespace: &str, name: &str, uid: &str) -> Outcome {
    read(&*call.controller().home_cluster, namespace, name, uid).await
}

async fn read(cluster: &dyn Cluster, namespace: &str, name: &str, uid: &str) -> Outcome {
    let discovery = cluster.discovery().await.map_err(|error| refused(&error))?;
    let kind = discovery.find(&GroupVersionKind::of("v1", "Event"));
    let kind = kind.ok_or_else(|| ApiError::precondition("the cluster does not serve Events"))?;
    let selection = Selection {
        namespace: if namespace.is_empty() { "default".to_owned() } else { namespace.to_owned() },
        label_selector: String::new(),
        field_selector: format!("involvedObject.name={name},involvedObject.uid={uid}"),
    };
    let asked = ListRequest { selection, page_size_max: EVENTS_MAX, from: String::new() };
    let page = cluster.list(kind, Detail::Full, &asked).await.map_err(|error| refused(&error))?;
    let items: Vec<Value> = page
        .objects
        .into_iter()
        .filter(|event| text(&event["involvedObject"], "uid") == uid)
        .map(|mut event| {
            object::map_mut(&mut event, &["metadata"]).remove("managedFields");
            if let Some(map) = event.as_object_mut() {
                map.remove("apiVersion");
                map.remove("kind");
            }
            event
        })
        .collect();
    Ok(json!({"metadata": {"resourceVersion": page.resource_version}, "items": items}).into())
}
