//! What people wrote in the cluster that Landfall runs from: Applications, AppProjects, repository Secrets and settings.
//! Kept up to date by informers; reading is synchronous.
//!
//! An event that is the echo of our own write changes what is known but wakes nobody: [`Home::wrote`] says which.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use base64::Engine as _;
use landfall_model::annotations::SECRET_TYPE_LABEL;
use landfall_model::application::{Application, InvalidApplication};
use landfall_model::key::GroupVersionKind;
use landfall_model::object;
use landfall_model::project::Project;
use landfall_ports::cluster::ServedKind;
use landfall_repository::cluster::{self, ClusterConfig};
use landfall_repository::config::{self, SecretRole};
use landfall_repository::lookup::Repositories;
use serde_json::Value;
use tokio::sync::broadcast;

use crate::informer::{Observation, is_at_most};
use crate::installation::Installed;

/// Names an Application.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AppKey {
    /// The namespace it stands in.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl AppKey {
    /// Names the Application that an object is.
    pub fn of(value: &Value) -> Self {
        Self { namespace: object::namespace(value).to_owned(), name: object::name(value).to_owned() }
    }
}

impl fmt::Display for AppKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.namespace, self.name)
    }
}

/// One Application as it stands in the cluster.
#[derive(Debug, Clone)]
pub struct Known {
    /// The Application, or why it cannot be read.
    pub application: Result<Application, InvalidApplication>,
    /// The status as it stands, to write only what changes.
    pub status: Value,
    /// The resource version it was read at.
    pub resource_version: String,
    /// What people search in, made when somebody does.
    pub search: OnceLock<Box<str>>,
    /// The whole object as JSON text, as the API answers with it.
    pub raw: Arc<[u8]>,
}

/// The kinds that are read from the home cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HomeKind {
    /// `Application`.
    Application,
    /// `AppProject`.
    Project,
    /// Secrets with the label [`SECRET_TYPE_LABEL`].
    Secret,
    /// ConfigMaps of the control namespace.
    ConfigMap,
}

impl HomeKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Secret, Self::ConfigMap, Self::Project, Self::Application];

    /// How it is served.
    pub fn served(self) -> ServedKind {
        let (api_version, kind, plural) = match self {
            Self::Application => ("argoproj.io/v1alpha1", "Application", "applications"),
            Self::Project => ("argoproj.io/v1alpha1", "AppProject", "appprojects"),
            Self::Secret => ("v1", "Secret", "secrets"),
            Self::ConfigMap => ("v1", "ConfigMap", "configmaps"),
        };
        ServedKind {
            gvk: GroupVersionKind::of(api_version, kind),
            plural: plural.to_owned(),
            is_namespaced: true,
            verbs: ["get", "list", "watch", "patch"].map(str::to_owned).to_vec(),
            is_preferred: true,
        }
    }
}

/// What an observation changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HomeChange {
    /// One Application changed, by somebody else than us.
    Application(AppKey),
    /// One Application is gone.
    Removed(AppKey),
    /// Every Application of a project has reason to look again.
    Project(String),
    /// How repositories are reached changed.
    Repositories,
    /// Which clusters there are, or how they are reached, changed.
    Clusters,
    /// Settings of the installation changed: every Application has reason to look again.
    Settings,
}

#[derive(Default)]
struct State {
    applications: BTreeMap<AppKey, Arc<Known>>,
    written: HashMap<AppKey, String>,
    told: HashMap<AppKey, u64>,
    projects: BTreeMap<String, Arc<Project>>,
    project_objects: BTreeMap<String, Arc<Value>>,
    last_event: u64,
    recent: VecDeque<(u64, AppKey, String)>,
    /// All Applications as they were at an event; there is no other way to change them.
    all: Option<(u64, Arc<Vec<(AppKey, Arc<Known>)>>)>,
    /// The resource versions at which Applications ended, the oldest first.
    ends: VecDeque<(AppKey, String)>,
    secrets: BTreeMap<String, Value>,
    config_maps: BTreeMap<String, Value>,
    installed: Option<Arc<Installed>>,
    unseen: HashMap<&'static str, BTreeSet<String>>,
    listed: HashMap<&'static str, Listed>,
    changes: u64,
}

#[derive(Clone, PartialEq, Eq)]
enum Listed {
    Yes,
    Failed(String),
}

/// What people wrote.
pub struct Home {
    state: Mutex<State>,
    feed: broadcast::Sender<HomeEvent>,
}

impl Default for Home {
    fn default() -> Self {
        Self { state: Mutex::default(), feed: broadcast::channel(FEED_LENGTH).0 }
    }
}

/// How many ends of Applications are remembered: as many as can be seen while an answer is on its way.
const ENDS_MAX: usize = 1_024;
/// How many events a listener may be behind before it has to list again.
const FEED_LENGTH: usize = 4096;
/// How many events back a listener that was away may ask for.
const RECENT_LENGTH: usize = 16_384;

/// What happened to an Application, our own writes included.
#[derive(Debug, Clone)]
pub struct HomeEvent {
    /// Counts events of this process from 1.
    pub id: u64,
    /// Which Application.
    pub key: AppKey,
    /// The Application as it is now; as it was last, if it is gone.
    pub known: Arc<Known>,
    /// What happened.
    pub what: HappenedTo,
}

/// An Application that something happened to while nobody listened.
#[derive(Debug, Clone)]
pub struct Missed {
    /// The last event about it.
    pub id: u64,
    /// Which Application.
    pub key: AppKey,
    /// The project it was in then.
    pub project: String,
    /// The Application as it is now; `None` if it is gone.
    pub known: Option<Arc<Known>>,
}

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HappenedTo {
    /// It is new.
    Added,
    /// It changed.
    Modified,
    /// It is gone.
    Deleted,
}

impl Home {
    /// Finds an Application.
    pub fn application(&self, key: &AppKey) -> Option<Arc<Known>> {
        self.state().applications.get(key).cloned()
    }

    /// Lists the Applications.
    pub fn applications(&self) -> Vec<(AppKey, Arc<Known>)> {
        self.state().applications.iter().map(|(key, known)| (key.clone(), known.clone())).collect()
    }

    /// Lists the Applications by key, and says after which event: the same list until the next one.
    pub fn all(&self) -> (Arc<Vec<(AppKey, Arc<Known>)>>, u64) {
        let mut state = self.state();
        let event = state.last_event;
        if let Some((at, all)) = &state.all
            && *at == event
        {
            return (all.clone(), event);
        }
        let all: Vec<_> = state.applications.iter().map(|(key, known)| (key.clone(), known.clone())).collect();
        let all = Arc::new(all);
        state.all = Some((event, all.clone()));
        (all, event)
    }

    /// Counts the events so far.
    pub fn last_event(&self) -> u64 {
        self.state().last_event
    }

    /// Lists the Applications and hears of what happens to them from then on. The number is that of the last event before.
    pub fn follow(&self) -> (Vec<(AppKey, Arc<Known>)>, broadcast::Receiver<HomeEvent>, u64) {
        let state = self.state();
        let listed = state.applications.iter().map(|(key, known)| (key.clone(), known.clone())).collect();
        (listed, self.feed.subscribe(), state.last_event)
    }

    /// Lists what something happened to after an event, as it is now, and hears of what happens from then on. `None` if
    /// that is too long ago to tell.
    pub fn follow_after(&self, id: u64) -> Option<(Vec<Missed>, broadcast::Receiver<HomeEvent>)> {
        let state = self.state();
        let first = state.recent.front().map_or(state.last_event + 1, |(id, ..)| *id);
        if id > state.last_event || id + 1 < first {
            return None;
        }
        let mut missed: BTreeMap<&AppKey, (u64, &String)> = BTreeMap::new();
        for (at, key, project) in state.recent.iter().filter(|(at, ..)| *at > id) {
            missed.insert(key, (*at, project));
        }
        let mut missed: Vec<Missed> = missed
            .into_iter()
            .map(|(key, (id, project))| Missed {
                id,
                key: key.clone(),
                project: project.clone(),
                known: state.applications.get(key).cloned(),
            })
            .collect();
        missed.sort_by_key(|missed| missed.id);
        Some((missed, self.feed.subscribe()))
    }

    /// Says which project an Application was in that is gone and was here not long ago.
    pub fn gone(&self, key: &AppKey) -> Option<String> {
        let state = self.state();
        if state.applications.contains_key(key) {
            return None;
        }
        state.recent.iter().rev().find(|(_, known, _)| known == key).map(|(.., project)| project.clone())
    }

    /// Lists the projects as they stand in the cluster.
    pub fn projects(&self) -> Vec<Arc<Value>> {
        self.state().project_objects.values().cloned().collect()
    }

    /// Finds a project as it stands in the cluster.
    pub fn project_object(&self, name: &str) -> Option<Arc<Value>> {
        self.state().project_objects.get(name).cloned()
    }

    /// Lists the Secrets of the control namespace that say by a label what they hold.
    pub fn secrets(&self) -> Vec<Value> {
        self.state().secrets.values().cloned().collect()
    }

    /// Finds a project.
    pub fn project(&self, name: &str) -> Option<Arc<Project>> {
        self.state().projects.get(name).cloned()
    }

    /// Finds a ConfigMap of the control namespace.
    pub fn config_map(&self, name: &str) -> Option<BTreeMap<String, String>> {
        self.state().config_maps.get(name).map(|value| object::text_map(value, &["data"]))
    }

    /// What the installation's settings say. The same value until they change.
    pub fn installed(&self) -> Arc<Installed> {
        let mut state = self.state();
        if let Some(known) = &state.installed {
            return known.clone();
        }
        let settings = state.config_maps.get(SETTINGS);
        let data = settings.map(|value| object::text_map(value, &["data"])).unwrap_or_default();
        let installed = Arc::new(Installed::read(&data));
        state.installed = Some(installed.clone());
        installed
    }

    /// Reads which clusters there are from the Secrets, with the problems found.
    pub fn clusters(&self) -> (Vec<ClusterConfig>, Vec<String>) {
        let state = self.state();
        let (mut found, mut problems) = (Vec::new(), Vec::new());
        for (name, secret) in state.secrets.iter().filter(|(_, secret)| is_cluster(secret)) {
            let map = |field| object::text_map(secret, &["metadata", field]);
            match cluster::parse(name, &map("labels"), &map("annotations"), &data(secret)) {
                Ok(config) => found.push(config),
                Err(problem) => problems.push(problem),
            }
        }
        (found, problems)
    }

    /// Counts the changes of what is no Application: projects, repositories, settings.
    pub fn changes(&self) -> u64 {
        self.state().changes
    }

    /// Says whether everything was listed once; the reason if something cannot be.
    pub fn is_ready(&self) -> Result<bool, String> {
        let state = self.state();
        for kind in HomeKind::ALL {
            match state.listed.get(slot(kind)) {
                Some(Listed::Yes) => {}
                Some(Listed::Failed(reason)) => return Err(reason.clone()),
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Puts in what the API answered to our own write of an Application; its echo will wake nobody. Answers overtake what
    /// is watched, and are overtaken: one that is older than what is known, or than the object's end, changes nothing.
    /// Returns the Application as it is known then; as the answer has it if it is gone.
    pub fn wrote(&self, key: &AppKey, answer: &Value) -> Arc<Known> {
        let mut state = self.state();
        let version = object::resource_version(answer);
        let answered = Arc::new(known(answer));
        if state.has_ended_since(key, version) {
            return answered;
        }
        if state.written.get(key).is_none_or(|written| !is_at_most(version, written)) {
            state.written.insert(key.clone(), version.to_owned());
        }
        match state.applications.get(key) {
            Some(newer) if newer.resource_version != version && is_at_most(version, &newer.resource_version) => {
                return newer.clone();
            }
            _ => {}
        }
        let is_new = state.applications.insert(key.clone(), answered.clone()).is_none();
        let what = if is_new { HappenedTo::Added } else { HappenedTo::Modified };
        self.tell(&mut state, key, answered.clone(), what);
        answered
    }

    /// Reads how repositories are reached from the Secrets and ConfigMaps, with the problems found.
    pub fn repositories(&self) -> (Repositories, Vec<String>) {
        let state = self.state();
        let mut problems = Vec::new();
        let mut configs = Vec::new();
        for (name, secret) in &state.secrets {
            let label = object::label(secret, SECRET_TYPE_LABEL).unwrap_or("");
            let Some(role) = SecretRole::of_label(label) else { continue };
            let (config, found) = config::parse(name, role, &data(secret));
            configs.extend(config);
            problems.extend(found);
        }
        let text_map = |name: &str| {
            state.config_maps.get(name).map(|value| object::text_map(value, &["data"])).unwrap_or_default()
        };
        let known_hosts = text_map("argocd-ssh-known-hosts-cm").remove("ssh_known_hosts");
        let tls_authorities_by_host = text_map("argocd-tls-certs-cm");
        (Repositories { configs, tls_authorities_by_host, known_hosts }, problems)
    }

    /// Takes in what an informer saw of a kind. Returns what changed.
    pub fn observe(&self, kind: HomeKind, observation: Observation) -> Vec<HomeChange> {
        let mut state = self.state();
        if kind != HomeKind::Application {
            state.changes += 1;
        }
        let before: BTreeMap<AppKey, Arc<Known>> = match (kind, &observation) {
            (HomeKind::Application, Observation::Ended(_)) => state.applications.clone(),
            (
                HomeKind::Application,
                Observation::Listed(value) | Observation::Applied(value) | Observation::Deleted(value),
            ) => {
                let key = AppKey::of(value);
                state.applications.get(&key).map(|known| (key, known.clone())).into_iter().collect()
            }
            _ => BTreeMap::new(),
        };
        let changes = Self::taken_in(&mut state, kind, observation);
        for change in &changes {
            match change {
                HomeChange::Application(key) => {
                    let Some(known) = state.applications.get(key).cloned() else { continue };
                    let what = if before.contains_key(key) { HappenedTo::Modified } else { HappenedTo::Added };
                    self.tell(&mut state, key, known, what);
                }
                HomeChange::Removed(key) => {
                    if let Some(known) = before.get(key) {
                        self.tell(&mut state, key, known.clone(), HappenedTo::Deleted);
                    }
                }
                HomeChange::Project(_) | HomeChange::Repositories | HomeChange::Clusters | HomeChange::Settings => {}
            }
        }
        changes
    }

    /// Tells who follows. Under the lock, so that the order of events is that of the state.
    fn tell(&self, state: &mut State, key: &AppKey, known: Arc<Known>, what: HappenedTo) {
        state.last_event += 1;
        // Only names are remembered: who comes back wants to know how things are, not how they were in between.
        let project = known.application.as_ref().map_or("", |application| application.spec.project()).to_owned();
        if state.recent.len() == RECENT_LENGTH {
            state.recent.pop_front();
        }
        state.recent.push_back((state.last_event, key.clone(), project));
        let event = HomeEvent { id: state.last_event, key: key.clone(), known, what };
        // Nobody may be listening.
        let _told = self.feed.send(event);
    }

    fn taken_in(state: &mut State, kind: HomeKind, observation: Observation) -> Vec<HomeChange> {
        match observation {
            Observation::Began => {
                let names = state.names(kind).into_iter().collect();
                state.unseen.insert(slot(kind), names);
                Vec::new()
            }
            Observation::Listed(value) => {
                let name = format!("{}/{}", object::namespace(&value), object::name(&value));
                if let Some(unseen) = state.unseen.get_mut(slot(kind)) {
                    unseen.remove(&name);
                }
                state.put(kind, value)
            }
            Observation::Ended(version) => {
                state.listed.insert(slot(kind), Listed::Yes);
                let gone = state.unseen.remove(slot(kind)).unwrap_or_default();
                let gone = gone.iter().filter_map(|name| name.split_once('/'));
                let gone: Vec<_> = gone.map(|(namespace, name)| (namespace.to_owned(), name.to_owned())).collect();
                let gone: Vec<_> = gone
                    .into_iter()
                    .filter(|at| kind != HomeKind::Application || !state.is_newer(at, &version))
                    .collect();
                gone.iter().flat_map(|(namespace, name)| state.remove(kind, namespace, name)).collect()
            }
            Observation::Applied(value) => state.put(kind, value),
            Observation::Deleted(value) => {
                let version = object::resource_version(&value);
                let at = (object::namespace(&value).to_owned(), object::name(&value).to_owned());
                if kind == HomeKind::Application {
                    // What was made anew under its name came with our own write's answer, and stays.
                    if state.is_newer(&at, version) {
                        return Vec::new();
                    }
                    state.end(AppKey::of(&value), version);
                }
                state.remove(kind, &at.0, &at.1)
            }
            Observation::Failed(error) => {
                if state.listed.get(slot(kind)) != Some(&Listed::Yes) {
                    state.listed.insert(slot(kind), Listed::Failed(error.to_string()));
                }
                Vec::new()
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The ConfigMap of the installation's settings.
const SETTINGS: &str = "argocd-cm";

fn is_cluster(secret: &Value) -> bool {
    object::label(secret, SECRET_TYPE_LABEL) == Some(cluster::SECRET_TYPE)
}

/// What is to be looked at again when a Secret changed from `old` to `new`.
fn concerned(old: Option<&Value>, new: Option<&Value>) -> Vec<HomeChange> {
    let content = |secret: &Value| {
        let part = |name: &str| secret.get(name).cloned().unwrap_or_default();
        let map = |field| object::text_map(secret, &["metadata", field]);
        (part("data"), part("stringData"), map("labels"), map("annotations"))
    };
    if old.map(content) == new.map(content) {
        return Vec::new();
    }
    let both = || old.into_iter().chain(new);
    let clusters = both().any(is_cluster).then_some(HomeChange::Clusters);
    let repositories = both().any(|secret| !is_cluster(secret)).then_some(HomeChange::Repositories);
    clusters.into_iter().chain(repositories).collect()
}

fn slot(kind: HomeKind) -> &'static str {
    match kind {
        HomeKind::Application => "applications",
        HomeKind::Project => "appprojects",
        HomeKind::Secret => "secrets",
        HomeKind::ConfigMap => "configmaps",
    }
}

/// Reads an Application as the API gives it.
pub(crate) fn known(value: &Value) -> Known {
    Known {
        raw: raw(value),
        application: Application::read(value),
        status: value.get("status").cloned().unwrap_or(Value::Null),
        resource_version: object::resource_version(value).to_owned(),
        search: OnceLock::new(),
    }
}

/// The object as JSON text, in the shape that Argo CD's API gives it: without type and managed fields, and with the parts
/// of a status that are always there.
fn raw(value: &Value) -> Arc<[u8]> {
    let mut value = value.clone();
    object::map_mut(&mut value, &["metadata"]).remove("managedFields");
    if let Some(map) = value.as_object_mut() {
        map.remove("apiVersion");
        map.remove("kind");
    }
    let status = object::map_mut(&mut value, &["status"]);
    for part in ["health", "summary", "sync"] {
        status.entry(part).or_insert_with(|| Value::Object(serde_json::Map::new()));
    }
    if let Some(sync) = status.get_mut("sync").and_then(Value::as_object_mut) {
        sync.entry("status").or_insert_with(|| Value::String(String::new()));
        let compared = sync.entry("comparedTo").or_insert_with(|| Value::Object(serde_json::Map::new()));
        if let Some(compared) = compared.as_object_mut() {
            compared.entry("destination").or_insert_with(|| Value::Object(serde_json::Map::new()));
        }
    }
    serde_json::to_vec(&value).expect("JSON values serialise").into()
}

/// Decodes a Secret's data; an entry that is no base64 is left out.
fn data(secret: &Value) -> BTreeMap<String, Vec<u8>> {
    let encoded = object::text_map(secret, &["data"]);
    let decode = |text: &String| base64::engine::general_purpose::STANDARD.decode(text).ok();
    let mut found: BTreeMap<String, Vec<u8>> =
        encoded.iter().filter_map(|(name, text)| Some((name.clone(), decode(text)?))).collect();
    found.extend(object::text_map(secret, &["stringData"]).into_iter().map(|(name, text)| (name, text.into_bytes())));
    found
}

impl State {
    /// Says whether an Application is known from after a resource version.
    fn is_newer(&self, (namespace, name): &(String, String), version: &str) -> bool {
        let key = AppKey { namespace: namespace.clone(), name: name.clone() };
        self.applications.get(&key).is_some_and(|known| !is_at_most(&known.resource_version, version))
    }

    /// Remembers at which resource version an Application ended.
    fn end(&mut self, key: AppKey, version: &str) {
        if self.ends.len() == ENDS_MAX {
            self.ends.pop_front();
        }
        self.ends.push_back((key, version.to_owned()));
    }

    /// Says whether an Application ended after a resource version.
    fn has_ended_since(&self, key: &AppKey, version: &str) -> bool {
        let last = self.ends.iter().rev().find(|(known, _)| known == key);
        last.is_some_and(|(_, end)| is_at_most(version, end))
    }

    fn names(&self, kind: HomeKind) -> Vec<String> {
        match kind {
            HomeKind::Application => self.applications.keys().map(AppKey::to_string).collect(),
            HomeKind::Project => self
                .projects
                .values()
                .map(|project| format!("{}/{}", project.metadata.namespace, project.metadata.name))
                .collect(),
            HomeKind::Secret => named(&self.secrets),
            HomeKind::ConfigMap => named(&self.config_maps),
        }
    }

    fn put(&mut self, kind: HomeKind, value: Value) -> Vec<HomeChange> {
        let name = object::name(&value).to_owned();
        match kind {
            HomeKind::Application => {
                let key = AppKey::of(&value);
                let version = object::resource_version(&value);
                // What another did just before our own write came back with its answer: the echo tells of both.
                let wish = wish(&value);
                let is_news = self.told.insert(key.clone(), wish).is_some_and(|told| told != wish);
                let told_late = if is_news { vec![HomeChange::Application(key.clone())] } else { Vec::new() };
                if self.applications.get(&key).is_some_and(|known| known.resource_version == version) {
                    return told_late;
                }
                let is_echo = self.written.get(&key).is_some_and(|written| is_at_most(version, written));
                if is_echo && self.applications.contains_key(&key) {
                    return told_late;
                }
                self.applications.insert(key.clone(), Arc::new(known(&value)));
                vec![HomeChange::Application(key)]
            }
            HomeKind::Project => match Project::read(&value) {
                Ok(project) => {
                    let is_news = self
                        .projects
                        .get(&name)
                        .is_none_or(|old| old.spec != project.spec || old.metadata.labels != project.metadata.labels);
                    self.projects.insert(name.clone(), Arc::new(project));
                    self.project_objects.insert(name.clone(), Arc::new(value));
                    if is_news { vec![HomeChange::Project(name)] } else { Vec::new() }
                }
                Err(reason) => {
                    tracing::warn!(%reason, "a project is ignored");
                    Vec::new()
                }
            },
            HomeKind::Secret => {
                let changes = concerned(self.secrets.get(&name), Some(&value));
                self.secrets.insert(name, value);
                changes
            }
            HomeKind::ConfigMap => {
                let reaches_repositories = name == "argocd-tls-certs-cm" || name == "argocd-ssh-known-hosts-cm";
                let is_news = self.config_maps.get(&name).is_none_or(|old| old.get("data") != value.get("data"));
                let holds_settings = name == SETTINGS && is_news;
                self.config_maps.insert(name, value);
                if holds_settings {
                    self.installed = None;
                }
                match (reaches_repositories && is_news, holds_settings) {
                    (true, _) => vec![HomeChange::Repositories],
                    (_, true) => vec![HomeChange::Settings],
                    _ => Vec::new(),
                }
            }
        }
    }

    fn remove(&mut self, kind: HomeKind, namespace: &str, name: &str) -> Vec<HomeChange> {
        match kind {
            HomeKind::Application => {
                let key = AppKey { namespace: namespace.to_owned(), name: name.to_owned() };
                self.applications.remove(&key);
                self.written.remove(&key);
                self.told.remove(&key);
                vec![HomeChange::Removed(key)]
            }
            HomeKind::Project => {
                self.projects.remove(name);
                self.project_objects.remove(name);
                vec![HomeChange::Project(name.to_owned())]
            }
            HomeKind::Secret => {
                let gone = self.secrets.remove(name);
                concerned(gone.as_ref(), None)
            }
            HomeKind::ConfigMap => {
                self.config_maps.remove(name);
                if name != SETTINGS {
                    return Vec::new();
                }
                self.installed = None;
                vec![HomeChange::Settings]
            }
        }
    }
}

fn named(objects: &BTreeMap<String, Value>) -> Vec<String> {
    objects.values().map(|value| format!("{}/{}", object::namespace(value), object::name(value))).collect()
}

/// Digests what only people write: the spec, and that the Application is to go.
fn wish(value: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    let spec = value.get("spec").unwrap_or(&Value::Null);
    serde_json::to_vec(spec).expect("JSON values serialise").hash(&mut hasher);
    object::deletion_time(value).is_some().hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn application(uid: &str, version: &str) -> Value {
        json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
            "metadata": {"name": "shop", "namespace": "argocd", "uid": uid, "resourceVersion": version},
            "spec": {"project": "default", "destination": {"name": "in-cluster"}, "source": {"repoURL": "https://a.test/b"}},
        })
    }

    fn key() -> AppKey {
        AppKey::of(&application("", ""))
    }

    fn version(home: &Home) -> Option<String> {
        home.application(&key()).map(|known| known.resource_version.clone())
    }

    #[test]
    fn what_was_made_anew_stays_when_the_end_of_the_one_before_is_told_late() {
        let home = Home::default();
        home.observe(HomeKind::Application, Observation::Applied(application("first", "5")));
        home.wrote(&key(), &application("second", "9"));
        let changes = home.observe(HomeKind::Application, Observation::Deleted(application("first", "8")));
        assert_eq!((version(&home).as_deref(), changes.len()), (Some("9"), 0));
        home.observe(HomeKind::Application, Observation::Applied(application("second", "9")));
        assert_eq!(version(&home).as_deref(), Some("9"));
    }

    #[test]
    fn an_answer_that_is_older_than_the_end_or_than_what_is_known_changes_nothing() {
        let home = Home::default();
        home.observe(HomeKind::Application, Observation::Applied(application("first", "7")));
        assert_eq!(home.wrote(&key(), &application("first", "6")).resource_version, "7");
        assert_eq!(version(&home).as_deref(), Some("7"));
        home.observe(HomeKind::Application, Observation::Deleted(application("first", "9")));
        home.wrote(&key(), &application("first", "8"));
        assert_eq!(version(&home), None, "it came back from the dead");
        home.wrote(&key(), &application("second", "10"));
        assert_eq!(version(&home).as_deref(), Some("10"));
    }
}
