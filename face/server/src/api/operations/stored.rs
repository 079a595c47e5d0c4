//! Secrets of the control namespace that hold settings: found by what they say, written where Argo CD writes them.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use landfall_api::error::ApiError;
use landfall_flow::home::HomeKind;
use landfall_model::annotations::SECRET_TYPE_LABEL;
use landfall_model::object;
use landfall_ports::cluster::Delete;
use serde_json::{Map, Value, json};

use crate::api::call::{Call, refused, write};

/// The annotation of what the API made and may delete again. Source: Argo CD `common.AnnotationKeyManagedBy`.
const MANAGED_BY: &str = "managed-by";
/// Its value.
const MANAGED_BY_VALUE: &str = "argocd.argoproj.io";

/// One Secret, decoded.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    /// The Secret's name.
    pub(crate) name: String,
    /// Its texts by key.
    pub(crate) texts: BTreeMap<String, String>,
    /// Its labels.
    pub(crate) labels: BTreeMap<String, String>,
    /// Its annotations.
    pub(crate) annotations: BTreeMap<String, String>,
}

impl Stored {
    /// A text; `""` if it is not there.
    pub(crate) fn text(&self, key: &str) -> &str {
        self.texts.get(key).map_or("", String::as_str)
    }

    fn of(secret: &Value) -> Self {
        let decode = |text: &String| String::from_utf8(STANDARD.decode(text.trim()).ok()?).ok();
        let data = object::text_map(secret, &["data"]);
        let mut texts: BTreeMap<String, String> =
            data.iter().filter_map(|(key, text)| Some((key.clone(), decode(text)?))).collect();
        texts.extend(object::text_map(secret, &["stringData"]));
        Self {
            name: object::name(secret).to_owned(),
            texts,
            labels: object::text_map(secret, &["metadata", "labels"]),
            annotations: object::text_map(secret, &["metadata", "annotations"]),
        }
    }
}

/// Lists the Secrets of a type, by name.
pub(crate) fn all(call: &Call, secret_type: &str) -> Vec<Stored> {
    let secrets = call.controller().home.secrets();
    let of_type = secrets.iter().filter(|secret| object::label(secret, SECRET_TYPE_LABEL) == Some(secret_type));
    of_type.map(Stored::of).collect()
}

/// The name of a Secret that is about an address, always the same for the same address and project.
/// Source: Argo CD `util/db/repository_secrets.go` (RepoURLToSecretName): `<prefix>-<FNV-1a of 32 bits>`.
pub(crate) fn name_for(prefix: &str, url: &str, project: &str) -> String {
    let mut hash: u32 = 0x811c_9dc5;
    for byte in url.bytes().chain(project.bytes()) {
        hash ^= u32::from(byte);
        hash = hash.wrapping_mul(0x0100_0193);
    }
    format!("{prefix}-{hash}")
}

/// Makes a Secret.
pub(crate) async fn create(
    call: &Call,
    name: &str,
    secret_type: &str,
    texts: &BTreeMap<String, String>,
    labels: &BTreeMap<String, String>,
    annotations: &BTreeMap<String, String>,
) -> Result<(), ApiError> {
    let data: Map<String, Value> = texts
        .iter()
        .filter(|(_, text)| !text.is_empty())
        .map(|(key, text)| (key.clone(), json!(STANDARD.encode(text))))
        .collect();
    let mut labels = labels.clone();
    labels.insert(SECRET_TYPE_LABEL.to_owned(), secret_type.to_owned());
    let mut annotations = annotations.clone();
    annotations.insert(MANAGED_BY.to_owned(), MANAGED_BY_VALUE.to_owned());
    let metadata = json!({"name": name, "namespace": call.namespace(), "labels": labels, "annotations": annotations});
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": data});
    let kind = HomeKind::Secret.served();
    let answer = call.controller().home_cluster.create(&kind, &secret, &write()).await;
    took(call, &answer.map_err(|error| refused(&error))?);
    Ok(())
}

/// Puts texts, labels and annotations in the place of those of a Secret; an empty text takes its key out.
pub(crate) async fn update(
    call: &Call,
    name: &str,
    texts: &BTreeMap<String, String>,
    labels: Option<&BTreeMap<String, String>>,
    annotations: Option<&BTreeMap<String, String>>,
) -> Result<(), ApiError> {
    let data: Map<String, Value> = texts
        .iter()
        .map(|(key, text)| (key.clone(), if text.is_empty() { Value::Null } else { json!(STANDARD.encode(text)) }))
        .collect();
    let mut patch = json!({"data": data});
    let known = all_named(call, name);
    for (field, given, old) in [
        ("labels", labels, known.as_ref().map(|known| &known.labels)),
        ("annotations", annotations, known.as_ref().map(|known| &known.annotations)),
    ] {
        let Some(given) = given else { continue };
        let mut wanted: Map<String, Value> = given.iter().map(|(key, text)| (key.clone(), json!(text))).collect();
        for key in old.into_iter().flat_map(BTreeMap::keys) {
            if !given.contains_key(key) && key != SECRET_TYPE_LABEL && key != MANAGED_BY {
                wanted.insert(key.clone(), Value::Null);
            }
        }
        patch["metadata"][field] = Value::Object(wanted);
    }
    let kind = HomeKind::Secret.served();
    let patch = landfall_ports::cluster::Patch::Merge(patch);
    let answer = call.controller().home_cluster.patch(&kind, call.namespace(), name, "", &patch, &write()).await;
    took(call, &answer.map_err(|error| refused(&error))?);
    Ok(())
}

/// Deletes a Secret that the API made; of one that somebody else wrote only the label goes, so that it counts no more.
pub(crate) async fn delete(call: &Call, stored: &Stored) -> Result<(), ApiError> {
    let kind = HomeKind::Secret.served();
    let cluster = &call.controller().home_cluster;
    if stored.annotations.get(MANAGED_BY).is_some_and(|by| by == MANAGED_BY_VALUE) {
        cluster
            .delete(&kind, call.namespace(), &stored.name, &Delete::default())
            .await
            .map_err(|error| refused(&error))?;
    } else {
        let patch = json!({"metadata": {"labels": {SECRET_TYPE_LABEL: null}}});
        let patch = landfall_ports::cluster::Patch::Merge(patch);
        let answer = cluster.patch(&kind, call.namespace(), &stored.name, "", &patch, &write()).await;
        answer.map_err(|error| refused(&error))?;
    }
    let gone =
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": stored.name, "namespace": call.namespace()}});
    call.controller().observed(HomeKind::Secret, landfall_flow::informer::Observation::Deleted(gone));
    Ok(())
}

fn all_named(call: &Call, name: &str) -> Option<Stored> {
    call.controller().home.secrets().iter().find(|secret| object::name(secret) == name).map(Stored::of)
}

/// What was written counts at once; the watch says the same a moment later.
fn took(call: &Call, answer: &Value) {
    call.controller().observed(HomeKind::Secret, landfall_flow::informer::Observation::Applied(answer.clone()));
}
