//! An installation in memory: a cluster that holds its ConfigMaps, Secrets and AppProjects, and a clock that stands still.

#![allow(dead_code, clippy::allow_attributes, reason = "each test file uses a part of this")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use jiff::Timestamp;
use landfall_flow::home::HomeKind;
use landfall_identity::access::Access;
use landfall_model::object;
use landfall_ports::clock::Clock;
use landfall_ports::cluster::{
    Cause, Change, Cluster, ClusterError, Delete, Detail, Discovery, ListRequest, Page, Patch, Selection, ServedKind,
    Write,
};
use serde_json::{Value, json};
use tokio::sync::broadcast;

/// The second at which the clock of tests stands.
pub(crate) const NOW: i64 = 1_800_000_000;
/// The key that signs sessions in tests.
pub(crate) const KEY: &str = "a key of thirty-two bytes for tests";

/// A clock that is moved by hand.
pub(crate) struct TestClock(pub(crate) Mutex<i64>);

#[async_trait]
impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(*self.0.lock().unwrap()).unwrap()
    }

    async fn sleep(&self, _: Duration) {
        tokio::task::yield_now().await;
    }
}

type Key = (String, String);

/// Objects by kind and name; all stand in one namespace.
pub(crate) struct MemoryCluster {
    objects: Mutex<BTreeMap<Key, Value>>,
    changes: broadcast::Sender<Change>,
    version: Mutex<u64>,
}

impl MemoryCluster {
    pub(crate) fn empty() -> Arc<Self> {
        let (changes, _) = broadcast::channel(1024);
        Arc::new(Self { objects: Mutex::default(), changes, version: Mutex::new(1) })
    }

    pub(crate) fn put(&self, mut value: Value) -> Value {
        let version = {
            let mut version = self.version.lock().unwrap();
            *version += 1;
            *version
        };
        value["metadata"]["resourceVersion"] = json!(version.to_string());
        let key = (value["kind"].as_str().unwrap_or_default().to_owned(), object::name(&value).to_owned());
        self.objects.lock().unwrap().insert(key, value.clone());
        let _nobody_listens = self.changes.send(Change::Applied(value.clone()));
        value
    }

    pub(crate) fn find(&self, kind: &str, name: &str) -> Option<Value> {
        self.objects.lock().unwrap().get(&(kind.to_owned(), name.to_owned())).cloned()
    }

    /// A text of a Secret.
    pub(crate) fn secret(&self, name: &str, key: &str) -> Option<String> {
        let encoded = self.find("Secret", name)?["data"][key].as_str()?.to_owned();
        String::from_utf8(base64::engine::general_purpose::STANDARD.decode(encoded).ok()?).ok()
    }
}

fn failed(cause: Cause, action: &str) -> ClusterError {
    ClusterError { cause, action: action.to_owned(), message: format!("{cause:?}"), retry_after: None }
}

fn merge(target: &mut Value, patch: &Value) {
    match patch {
        Value::Object(fields) => {
            if !target.is_object() {
                *target = json!({});
            }
            for (key, value) in fields {
                match value {
                    Value::Null => {
                        target.as_object_mut().unwrap().remove(key);
                    }
                    value => merge(&mut target[key.as_str()], value),
                }
            }
        }
        other => *target = other.clone(),
    }
}

#[async_trait]
impl Cluster for MemoryCluster {
    async fn discovery(&self) -> Result<Discovery, ClusterError> {
        Ok(Discovery::default())
    }

    async fn get(&self, kind: &ServedKind, _: &str, name: &str) -> Result<Option<Value>, ClusterError> {
        Ok(self.find(&kind.gvk.kind, name))
    }

    async fn list(&self, kind: &ServedKind, _: Detail, request: &ListRequest) -> Result<Page, ClusterError> {
        let objects = self.objects.lock().unwrap();
        let fits = |value: &&Value| value["kind"] == kind.gvk.kind.as_str() && fits(value, &request.selection);
        Ok(Page {
            objects: objects.values().filter(fits).cloned().collect(),
            resource_version: self.version.lock().unwrap().to_string(),
            next: String::new(),
        })
    }

    async fn watch(
        &self,
        kind: &ServedKind,
        _: Detail,
        selection: &Selection,
        _: &str,
    ) -> Result<BoxStream<'static, Result<Change, ClusterError>>, ClusterError> {
        let (kind, selection) = (kind.gvk.kind.clone(), selection.clone());
        let changes = futures::stream::unfold(self.changes.subscribe(), |mut changes| async {
            changes.recv().await.ok().map(|change| (change, changes))
        });
        let wanted = move |change: &Change| match change {
            Change::Applied(value) | Change::Deleted(value) => {
                value["kind"] == kind.as_str() && fits(value, &selection)
            }
            Change::Bookmark(_) => false,
        };
        Ok(changes.filter(move |change| futures::future::ready(wanted(change))).map(Ok).boxed())
    }

    async fn apply(&self, _: &ServedKind, object: &Value, _: &Write) -> Result<Value, ClusterError> {
        Ok(self.put(object.clone()))
    }

    async fn create(&self, kind: &ServedKind, object: &Value, _: &Write) -> Result<Value, ClusterError> {
        match self.find(&kind.gvk.kind, object::name(object)) {
            Some(_) => Err(failed(Cause::AlreadyExists, "create")),
            None => Ok(self.put(object.clone())),
        }
    }

    async fn replace(&self, _: &ServedKind, object: &Value, _: &Write) -> Result<Value, ClusterError> {
        Ok(self.put(object.clone()))
    }

    async fn patch(
        &self,
        kind: &ServedKind,
        _: &str,
        name: &str,
        _: &str,
        patch: &Patch,
        _: &Write,
    ) -> Result<Value, ClusterError> {
        let mut value = self.find(&kind.gvk.kind, name).ok_or_else(|| failed(Cause::NotFound, "patch"))?;
        let Patch::Merge(patch) = patch else { return Err(failed(Cause::Invalid, "patch")) };
        let wanted = patch["metadata"]["resourceVersion"].as_str();
        if wanted.is_some_and(|wanted| wanted != object::resource_version(&value)) {
            return Err(failed(Cause::Conflict, "patch"));
        }
        merge(&mut value, patch);
        Ok(self.put(value))
    }

    async fn delete(&self, kind: &ServedKind, _: &str, name: &str, _: &Delete) -> Result<bool, ClusterError> {
        let gone = self.objects.lock().unwrap().remove(&(kind.gvk.kind.clone(), name.to_owned()));
        if let Some(value) = &gone {
            let _nobody_listens = self.changes.send(Change::Deleted(value.clone()));
        }
        Ok(gone.is_some())
    }

    async fn logs(&self, _: &str, _: &str, _: &str, _: Option<u32>, _: bool) -> Result<String, ClusterError> {
        Err(failed(Cause::Forbidden, "logs"))
    }
}

fn fits(value: &Value, selection: &Selection) -> bool {
    let by_name = selection.field_selector.strip_prefix("metadata.name=");
    let by_label = selection.label_selector.split_once('=');
    by_name.is_none_or(|name| object::name(value) == name)
        && by_label.is_none_or(|(label, wanted)| object::label(value, label) == Some(wanted))
}

/// An installation to be asked.
pub(crate) struct Installation {
    pub(crate) cluster: Arc<MemoryCluster>,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) access: Arc<Access>,
}

pub(crate) fn config_map(name: &str, texts: &[(&str, &str)]) -> Value {
    let data: BTreeMap<_, _> = texts.iter().copied().collect();
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "argocd"}, "data": data})
}

pub(crate) fn secret(name: &str, texts: &[(&str, &str)]) -> Value {
    let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let data: BTreeMap<_, _> = texts.iter().map(|(key, text)| (*key, encode(text))).collect();
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "argocd"}, "data": data})
}

impl Installation {
    /// With these texts in argocd-cm, argocd-rbac-cm and argocd-secret (a signing key comes on top).
    pub(crate) fn of(config: &[(&str, &str)], policy: &[(&str, &str)], secrets: &[(&str, &str)]) -> Self {
        Self::with_projects(config, policy, secrets, &[])
    }

    pub(crate) fn with_projects(
        config: &[(&str, &str)],
        policy: &[(&str, &str)],
        secrets: &[(&str, &str)],
        projects: &[Value],
    ) -> Self {
        let cluster = MemoryCluster::empty();
        let clock = Arc::new(TestClock(Mutex::new(NOW)));
        let access = Access::of(cluster.clone(), clock.clone(), "argocd");
        let mut all_secrets = vec![("server.secretkey", KEY)];
        all_secrets.extend_from_slice(secrets);
        let mut objects = vec![
            (HomeKind::ConfigMap, config_map("argocd-cm", config)),
            (HomeKind::ConfigMap, config_map("argocd-rbac-cm", policy)),
            (HomeKind::Secret, secret("argocd-secret", &all_secrets)),
        ];
        objects.extend(projects.iter().map(|project| (HomeKind::Project, project.clone())));
        for (_, object) in &mut objects {
            *object = cluster.put(object.clone());
        }
        access.load(&objects);
        Self { cluster, clock, access }
    }

    /// Somebody else changes an object.
    pub(crate) fn change(&self, kind: HomeKind, value: Value) {
        self.access.take(kind, &self.cluster.put(value));
    }
}
