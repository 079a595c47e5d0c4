//! A cluster in memory that holds Applications, with a controller that ends every operation at once, and an outside
//! that remembers what was said.

#![expect(clippy::unwrap_used, reason = "a test stops where its own ground is wrong")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use clap::{CommandFactory as _, Parser};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use jiff::Timestamp;
use landfall_cli::{Connection, Outside, Verb};
use landfall_model::object;
use landfall_ports::cluster::{
    Cause, Change, Cluster, ClusterError, Delete, Detail, Discovery, ListRequest, Page, Patch, Selection, ServedKind,
    Write,
};
use landfall_tree::{MemoryTree, Tree};
use serde_json::{Value, json};

/// What the controller makes of an Application that has an operation.
pub(crate) type Controller = fn(&mut Value);

pub(crate) struct FakeCluster {
    objects: Mutex<BTreeMap<String, Value>>,
    controller: Controller,
}

fn failed(cause: Cause, action: &str, message: &str) -> ClusterError {
    ClusterError { cause, action: action.to_owned(), message: message.to_owned(), retry_after: None }
}

fn place(namespace: &str, name: &str) -> String {
    format!("{namespace}/{name}")
}

fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in patch {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(key);
        } else {
            merge(&mut target[key.as_str()], value);
        }
    }
}

impl FakeCluster {
    pub(crate) fn object(&self, name: &str) -> Option<Value> {
        self.objects.lock().unwrap().get(name).cloned()
    }

    fn store(&self, mut value: Value) -> Value {
        let version: u64 = object::resource_version(&value).parse().unwrap_or(0);
        value["metadata"]["resourceVersion"] = json!((version + 1).to_string());
        let answer = value.clone();
        if value.get("operation").is_some_and(Value::is_object) {
            (self.controller)(&mut value);
        }
        self.objects.lock().unwrap().insert(place(object::namespace(&value), object::name(&value)), value);
        answer
    }
}

#[async_trait]
impl Cluster for FakeCluster {
    async fn discovery(&self) -> Result<Discovery, ClusterError> {
        let config_map = ServedKind {
            gvk: landfall_model::key::GroupVersionKind::of("v1", "ConfigMap"),
            plural: "configmaps".to_owned(),
            is_namespaced: true,
            verbs: vec!["get".to_owned()],
            is_preferred: true,
        };
        Ok(Discovery { server_version: "v1.36.0".to_owned(), kinds: vec![config_map], failures: Vec::new() })
    }

    async fn get(&self, kind: &ServedKind, namespace: &str, name: &str) -> Result<Option<Value>, ClusterError> {
        let found = self.object(&place(namespace, name));
        Ok(found.filter(|value| value["kind"] == kind.gvk.kind.as_str()))
    }

    async fn list(&self, kind: &ServedKind, _: Detail, request: &ListRequest) -> Result<Page, ClusterError> {
        let wanted = &request.selection.namespace;
        let objects = self.objects.lock().unwrap();
        let fits = |value: &&Value| {
            value["kind"] == kind.gvk.kind.as_str() && (wanted.is_empty() || object::namespace(value) == wanted)
        };
        Ok(Page { objects: objects.values().filter(fits).cloned().collect(), ..Page::default() })
    }

    async fn watch(
        &self,
        _: &ServedKind,
        _: Detail,
        _: &Selection,
        _: &str,
    ) -> Result<BoxStream<'static, Result<Change, ClusterError>>, ClusterError> {
        Ok(futures::stream::pending().boxed())
    }

    async fn apply(&self, _: &ServedKind, _: &Value, _: &Write) -> Result<Value, ClusterError> {
        Err(failed(Cause::Forbidden, "apply", "not in this test"))
    }

    async fn create(&self, _: &ServedKind, object: &Value, _: &Write) -> Result<Value, ClusterError> {
        Ok(self.store(object.clone()))
    }

    async fn replace(&self, _: &ServedKind, object: &Value, _: &Write) -> Result<Value, ClusterError> {
        let present = self.object(&place(object::namespace(object), object::name(object)));
        let version = present.map(|present| object::resource_version(&present).to_owned());
        if version.as_deref() != Some(object::resource_version(object)) {
            return Err(failed(Cause::Conflict, "replace", "the object has been modified"));
        }
        Ok(self.store(object.clone()))
    }

    async fn patch(
        &self,
        _: &ServedKind,
        namespace: &str,
        name: &str,
        _: &str,
        patch: &Patch,
        _: &Write,
    ) -> Result<Value, ClusterError> {
        let Some(mut value) = self.object(&place(namespace, name)) else {
            return Err(failed(Cause::NotFound, "patch", "not found"));
        };
        let Patch::Merge(patch) = patch else { return Err(failed(Cause::Invalid, "patch", "not in this test")) };
        merge(&mut value, patch);
        Ok(self.store(value))
    }

    async fn delete(&self, _: &ServedKind, namespace: &str, name: &str, _: &Delete) -> Result<bool, ClusterError> {
        Ok(self.objects.lock().unwrap().remove(&place(namespace, name)).is_some())
    }

    async fn logs(&self, _: &str, _: &str, _: &str, _: Option<u32>, _: bool) -> Result<String, ClusterError> {
        Err(failed(Cause::Forbidden, "read logs", "not in this test"))
    }
}

#[derive(Parser)]
#[command(name = "landfall")]
struct Program {
    #[command(subcommand)]
    verb: Verb,
}

pub(crate) struct World {
    pub(crate) cluster: Arc<FakeCluster>,
    pub(crate) files: Mutex<BTreeMap<String, Vec<u8>>>,
    output: Mutex<String>,
    told: Mutex<String>,
}

pub(crate) struct Answer {
    /// The exit code, 20 for errors.
    pub(crate) code: u8,
    pub(crate) output: String,
    pub(crate) told: String,
}

impl World {
    pub(crate) fn of(objects: &[Value], controller: Controller) -> Self {
        let objects =
            objects.iter().map(|value| (place(object::namespace(value), object::name(value)), value.clone())).collect();
        Self {
            cluster: Arc::new(FakeCluster { objects: Mutex::new(objects), controller }),
            files: Mutex::default(),
            output: Mutex::default(),
            told: Mutex::default(),
        }
    }

    pub(crate) fn with_file(self, path: &str, content: &str) -> Self {
        self.files.lock().unwrap().insert(path.to_owned(), content.as_bytes().to_vec());
        self
    }

    pub(crate) fn file(&self, path: &str) -> String {
        String::from_utf8(self.files.lock().unwrap()[path].clone()).unwrap()
    }

    pub(crate) async fn run(&self, words: &str) -> Answer {
        let program = Program::try_parse_from(std::iter::once("landfall").chain(words.split_whitespace()))
            .unwrap_or_else(|error| panic!("{words}: {error}"));
        let code = match landfall_cli::run(program.verb, self).await {
            Ok(code) => code,
            Err(error) => {
                self.tell(&format!("{error:#}"));
                20
            }
        };
        let output = std::mem::take(&mut *self.output.lock().unwrap());
        Answer { code, output, told: std::mem::take(&mut *self.told.lock().unwrap()) }
    }
}

fn clean(path: &Path) -> String {
    path.to_str().unwrap().trim_start_matches("./").trim_start_matches('/').trim_matches('.').to_owned()
}

#[async_trait]
impl Outside for World {
    async fn connect(&self, _: &Connection) -> anyhow::Result<Arc<dyn Cluster>> {
        Ok(self.cluster.clone())
    }

    fn tree_around(&self, path: &Path) -> anyhow::Result<(Arc<dyn Tree>, String)> {
        let files = self.files.lock().unwrap().clone();
        Ok((Arc::new(MemoryTree::of(files)), clean(path)))
    }

    async fn fetch(&self, question: &landfall_kustomize::Question) -> landfall_cli::Fetched {
        use landfall_kustomize::{Question, RemoteContent};
        let files = self.files.lock().unwrap().clone();
        match question {
            Question::Remote(request) if request.wants_file => {
                let name = request.url.rsplit('/').next().unwrap();
                let found = files.get(&format!("remote/{name}")).cloned();
                let found = found.map(|content| (RemoteContent::File(content.into()), "sha256:00".to_owned()));
                landfall_cli::Fetched::Remote(found.ok_or_else(|| "there is no such file".to_owned()))
            }
            Question::Remote(request) => {
                let content =
                    RemoteContent::Directory { tree: Arc::new(MemoryTree::of(files)), path: request.path.clone() };
                landfall_cli::Fetched::Remote(Ok((content, "1234567".to_owned())))
            }
            Question::Chart(_) => landfall_cli::Fetched::Chart(Err("there are no charts".to_owned())),
        }
    }

    fn read(&self, path: &Path) -> anyhow::Result<Vec<u8>> {
        let files = self.files.lock().unwrap();
        files.get(&clean(path)).cloned().ok_or_else(|| anyhow::anyhow!("{} cannot be read", path.display()))
    }

    fn write(&self, path: &Path, content: &[u8]) -> anyhow::Result<()> {
        self.files.lock().unwrap().insert(clean(path), content.to_vec());
        Ok(())
    }

    fn names(&self, folder: &Path) -> anyhow::Result<Option<Vec<String>>> {
        let folder = clean(folder);
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let files = self.files.lock().unwrap();
        let below: Vec<String> =
            files.keys().filter_map(|path| path.strip_prefix(&prefix)).map(|rest| rest.to_owned()).collect();
        Ok((!below.is_empty()).then_some(below))
    }

    fn make_folder(&self, _: &Path) -> anyhow::Result<()> {
        Ok(())
    }

    fn remove(&self, file: &Path) -> anyhow::Result<()> {
        self.files.lock().unwrap().remove(&clean(file));
        Ok(())
    }

    fn absolute(&self, path: &Path) -> std::path::PathBuf {
        Path::new("/work").join(path)
    }

    fn variable(&self, _: &str) -> Option<String> {
        None
    }

    fn charts(&self) -> anyhow::Result<landfall_cli::ChartAccess> {
        anyhow::bail!("this world has no network")
    }

    fn print(&self, text: &str) -> anyhow::Result<()> {
        self.output.lock().unwrap().push_str(text);
        Ok(())
    }

    fn tell(&self, text: &str) {
        self.told.lock().unwrap().push_str(&format!("{text}\n"));
    }

    fn confirm(&self, _: &str) -> anyhow::Result<bool> {
        Ok(false)
    }

    fn is_terminal(&self) -> bool {
        false
    }

    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn random(&self) -> anyhow::Result<[u8; 32]> {
        Ok([7; 32])
    }

    fn user(&self) -> String {
        "ada".to_owned()
    }

    fn command(&self) -> clap::Command {
        Program::command()
    }
}
