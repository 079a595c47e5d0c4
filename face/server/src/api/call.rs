//! One call: who makes it, what it reaches, and the questions that nearly every operation asks.

use std::sync::Arc;

use futures::stream::BoxStream;
use landfall_api::error::{ApiError, Code};
use landfall_flow::destinations::KnownCluster;
use landfall_flow::home::{AppKey, HomeKind, Known};
use landfall_flow::reconcile::Controller;
pub(crate) use landfall_identity::access::{refused, write};
use landfall_model::application::Application;
use landfall_model::status::Condition;
use landfall_ports::cluster::{Cause, Delete, Patch};
use serde_json::{Value, json};

use super::Api;
use super::gate::{Caller, Part};
use super::limits::Turn;

/// What an operation answers.
pub(crate) enum Answer {
    /// One message.
    One(Value),
    /// Applications, whole: they are sent as they stand in memory.
    Applications(Vec<Arc<Known>>),
    /// Many messages, one after the other.
    Many(BoxStream<'static, Result<Value, ApiError>>),
}

impl From<Value> for Answer {
    fn from(value: Value) -> Self {
        Self::One(value)
    }
}

/// What operations answer.
pub(crate) type Outcome = Result<Answer, ApiError>;

/// One call.
#[derive(Clone)]
pub(crate) struct Call {
    /// The API.
    pub(crate) api: Arc<Api>,
    /// Who calls.
    pub(crate) caller: Caller,
}

/// An Application that the caller may see.
pub(crate) struct Held {
    /// Its name.
    pub(crate) key: AppKey,
    /// As it is known.
    pub(crate) known: Arc<Known>,
    /// The name that policies call it by.
    pub(crate) object: String,
}

impl Held {
    /// The Application; an error if it cannot be read.
    pub(crate) fn application(&self) -> Result<&Application, ApiError> {
        self.known.application.as_ref().map_err(|invalid| {
            ApiError::precondition(format!("the Application {} cannot be read: {invalid}", self.key))
                .hint("correct it with kubectl edit or app set")
        })
    }

    /// The whole object.
    pub(crate) fn value(&self) -> Value {
        value_of(&self.known)
    }
}

/// The whole object of an Application.
pub(crate) fn value_of(known: &Known) -> Value {
    serde_json::from_slice(&known.raw).expect("we wrote it")
}

/// The project of an Application, also of one that cannot be read.
pub(crate) fn project_of(known: &Known) -> String {
    match &known.application {
        Ok(application) => application.spec.project().to_owned(),
        Err(_) => {
            let value = value_of(known);
            let project = text(&value["spec"], "project");
            if project.is_empty() { "default".to_owned() } else { project.to_owned() }
        }
    }
}

impl Call {
    /// The controller.
    pub(crate) fn controller(&self) -> &Arc<Controller> {
        &self.api.controller
    }

    /// Waits for the turn of a request that renders, compares, or asks clusters and repositories.
    pub(crate) async fn turn(&self) -> Result<Turn, ApiError> {
        self.api.limits.turn(&super::dispatch::who(&self.caller)).await
    }

    /// The control namespace.
    pub(crate) fn namespace(&self) -> &str {
        &self.api.controller.settings.namespace
    }

    /// Lets through or refuses.
    pub(crate) fn enforce(&self, resource: &str, action: &str, object: &str) -> Result<(), ApiError> {
        match self.permits(resource, action, object) {
            true => Ok(()),
            false => Err(ApiError::denied(resource, action, object, self.caller.name())),
        }
    }

    /// Says whether the caller may.
    pub(crate) fn permits(&self, resource: &str, action: &str, object: &str) -> bool {
        self.api.gate.permits(&self.caller, resource, action, object)
    }

    /// Says whether the caller may, whatever it is about; `false` means only that each object has to be asked about.
    pub(crate) fn permits_all(&self, resource: &str, action: &str) -> bool {
        self.api.gate.permits_all(&self.caller, resource, action)
    }

    /// Lets a change of one object inside an application through, or refuses it.
    pub(crate) fn enforce_part(&self, verb: &str, part: Part<'_>, object: &str) -> Result<(), ApiError> {
        self.api.gate.enforce_part(&self.caller, verb, part, object)
    }

    /// The name that policies call an Application by.
    pub(crate) fn object(&self, project: &str, key: &AppKey) -> String {
        if key.namespace == self.namespace() {
            format!("{project}/{}", key.name)
        } else {
            format!("{project}/{}/{}", key.namespace, key.name)
        }
    }

    /// The Application that a request names.
    pub(crate) fn key(&self, request: &Value, name_field: &str) -> Result<AppKey, ApiError> {
        let name = text(request, name_field);
        if name.is_empty() {
            return Err(ApiError::invalid("the request names no application").hint(format!("set {name_field}")));
        }
        let given = text(request, "appNamespace");
        let namespace = if given.is_empty() { self.namespace() } else { given };
        if namespace != self.namespace() && !self.api.controller.settings.all_namespaces {
            return Err(ApiError::of(Code::PermissionDenied, format!("namespace '{namespace}' is not permitted")));
        }
        Ok(AppKey { namespace: namespace.to_owned(), name: name.to_owned() })
    }

    /// Finds the Application that a request names, if the caller may do `action` to it. Who may not learns nothing about
    /// whether it exists. Source: Argo CD `server/application/application.go` (getAppEnforceRBAC).
    pub(crate) fn application(&self, request: &Value, action: &str) -> Result<Held, ApiError> {
        self.application_by(request, "name", action)
    }

    /// As [`Self::application`], where the request calls the name something else.
    pub(crate) fn application_by(&self, request: &Value, name_field: &str, action: &str) -> Result<Held, ApiError> {
        let key = self.key(request, name_field)?;
        self.held(key, text(request, "project"), action)
    }

    /// Finds an Application by its key. `project` is the one that the caller believes it is in; `""` if they do not say.
    pub(crate) fn held(&self, key: AppKey, project: &str, action: &str) -> Result<Held, ApiError> {
        if !project.is_empty() {
            let object = self.object(project, &key);
            if !self.permits("applications", action, &object) {
                return Err(ApiError::denied("applications", action, &object, self.caller.name()));
            }
        }
        let Some(known) = self.controller().home.application(&key) else {
            return Err(match project.is_empty() {
                true => ApiError::denied_plainly(),
                false => ApiError::not_found(format!("applications.argoproj.io \"{}\" not found", key.name)),
            });
        };
        let own_project = project_of(&known);
        let object = self.object(&own_project, &key);
        if !self.permits("applications", action, &object) {
            return Err(match action {
                "get" => ApiError::denied_plainly(),
                _ if self.permits("applications", "get", &object) => {
                    ApiError::denied("applications", action, &object, self.caller.name())
                }
                _ => ApiError::denied_plainly(),
            });
        }
        if !project.is_empty() && project != own_project {
            return Err(ApiError::not_found(format!("applications.argoproj.io \"{}\" not found", key.name)));
        }
        Ok(Held { key, known, object })
    }

    /// The cluster that an application goes to.
    pub(crate) fn cluster(&self, application: &Application) -> Result<KnownCluster, ApiError> {
        self.controller().destinations.find(&application.spec.destination).map_err(ApiError::precondition)
    }

    /// Merges a patch into an Application; everybody knows the result at once, and the controller looks at it.
    pub(crate) async fn patch_application(&self, key: &AppKey, patch: Value) -> Result<Arc<Known>, ApiError> {
        let controller = self.controller();
        let kind = HomeKind::Application.served();
        let answer = controller
            .home_cluster
            .patch(&kind, &key.namespace, &key.name, "", &Patch::Merge(patch), &write())
            .await
            .map_err(|error| refused(&error))?;
        Ok(self.took(key, &answer))
    }

    /// Takes in what the cluster answered to a write of an Application.
    pub(crate) fn took(&self, key: &AppKey, answer: &Value) -> Arc<Known> {
        let controller = self.controller();
        let known = controller.home.wrote(key, answer);
        controller.queue.push(key.clone());
        known
    }

    /// Deletes an object of the home cluster. `false` if it was not there.
    pub(crate) async fn delete_home(&self, kind: HomeKind, name: &str) -> Result<bool, ApiError> {
        let kind = kind.served();
        let cluster = &self.controller().home_cluster;
        cluster.delete(&kind, self.namespace(), name, &Delete::default()).await.map_err(|error| refused(&error))
    }

    /// Changes keys of a ConfigMap of the control namespace (`null` takes a key out), which is made if it is not there.
    pub(crate) async fn write_config_map(&self, name: &str, data: Value) -> Result<(), ApiError> {
        let cluster = &self.controller().home_cluster;
        let kind = HomeKind::ConfigMap.served();
        let patch = Patch::Merge(json!({"data": data}));
        match cluster.patch(&kind, self.namespace(), name, "", &patch, &write()).await {
            Err(error) if error.cause == Cause::NotFound => {
                let kept: serde_json::Map<String, Value> = data
                    .as_object()
                    .into_iter()
                    .flatten()
                    .filter(|(_, value)| !value.is_null())
                    .map(|(key, value)| (key.clone(), value.clone()))
                    .collect();
                let labels = json!({"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "argocd"});
                let metadata = json!({"name": name, "namespace": self.namespace(), "labels": labels});
                let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": kept});
                cluster.create(&kind, &object, &write()).await.map_err(|error| refused(&error))?;
                Ok(())
            }
            other => other.map(|_| ()).map_err(|error| refused(&error)),
        }
    }

    /// Reads a ConfigMap's data as it is now; empty if there is none.
    pub(crate) async fn config_map(&self, name: &str) -> Result<std::collections::BTreeMap<String, String>, ApiError> {
        let kind = HomeKind::ConfigMap.served();
        let found = self.controller().home_cluster.get(&kind, self.namespace(), name).await;
        let found = found.map_err(|error| refused(&error))?.unwrap_or_default();
        Ok(landfall_model::object::text_map(&found, &["data"]))
    }
}

/// Conditions as one refusal.
pub(crate) fn conditions(name: &str, found: &[Condition]) -> ApiError {
    let mut words: Vec<String> =
        found.iter().map(|condition| format!("{:?}: {}", condition.condition_type, condition.message)).collect();
    words.dedup();
    ApiError::invalid(format!("application spec for {name} is invalid: {}", words.join(";")))
}

/// The sources that a request means, counted from 1.
pub(crate) fn source_positions(request: &Value) -> Vec<i64> {
    let positions = request.get("sourcePositions").and_then(Value::as_array);
    positions.into_iter().flatten().filter_map(Value::as_i64).collect()
}

/// A text of a request; `""` if it is not there.
pub(crate) fn text<'a>(request: &'a Value, field: &str) -> &'a str {
    request.get(field).and_then(Value::as_str).unwrap_or("")
}

/// A switch of a request; `false` if it is not there.
pub(crate) fn flag(request: &Value, field: &str) -> bool {
    request.get(field).and_then(Value::as_bool).unwrap_or(false)
}

/// A list of texts of a request.
pub(crate) fn texts(request: &Value, field: &str) -> Vec<String> {
    let list = request.get(field).and_then(Value::as_array).into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Leaves out what Go would leave out: `null`, `""`, `false`, `0` and empty lists and maps, at the top level.
pub(crate) fn lean(mut value: Value) -> Value {
    if let Some(map) = value.as_object_mut() {
        map.retain(|_, value| match value {
            Value::Null => false,
            Value::Bool(value) => *value,
            Value::Number(number) => number.as_i64() != Some(0),
            Value::String(text) => !text.is_empty(),
            Value::Array(list) => !list.is_empty(),
            Value::Object(map) => !map.is_empty(),
        });
    }
    value
}
