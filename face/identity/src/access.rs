//! The handle: what is known about access at this moment, kept up to date from the cluster, and written back to it.
//!
//! ```text
//! ConfigMaps argocd-cm, argocd-rbac-cm ─┐
//! Secrets argocd-secret, landfall-sessions, argocd-server-tls, those that settings refer to ├─ watched ──> Snapshot
//! AppProjects: roles, their policies and tokens ─┘
//! ```
//!
//! A request takes one [`Snapshot`] and decides by it; a change of the settings counts from the next request on. Before
//! everything was listed once nobody is let in.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use landfall_access::policy::{MatchMode, Policy};
use landfall_api::error::{ApiError, Code};
use landfall_flow::home::HomeKind;
use landfall_flow::informer::{self, Observation, Scope};
use landfall_model::object;
use landfall_model::project::Project;
use landfall_ports::clock::Clock;
use landfall_ports::cluster::{Cause, Cluster, ClusterError, Detail, Patch, Selection, Write};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::accounts::TokenRecord;
use crate::settings::{self, CONFIG_MAP, POLICY_CONFIG_MAP, SECRET, Settings, Sources, Texts};

/// The Secret in which sessions that were ended and refresh tokens are kept.
pub const SESSIONS_SECRET: &str = "landfall-sessions";
/// The label of Secrets that settings may refer to as `$secret:key`. Source: Argo CD `util/settings` (part-of).
const PART_OF: &str = "app.kubernetes.io/part-of=argocd";
/// The field manager of what the API server writes. Source: Argo CD's own.
pub const MANAGER: &str = "argocd-server";

/// What is known about access at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// What is set.
    pub settings: Settings,
    /// The roles of projects, by project.
    pub projects: HashMap<String, Arc<ProjectAccess>>,
    /// Secrets by name that settings may refer to.
    pub secrets: BTreeMap<String, Texts>,
    /// Ids of tokens that were revoked, with the second from which they are of no use anyway.
    revoked: Arc<HashMap<String, i64>>,
}

/// The roles of one project.
#[derive(Debug, Clone, Default)]
pub struct ProjectAccess {
    /// Their rules.
    pub policy: Policy,
    /// Their tokens by role.
    pub tokens: BTreeMap<String, Vec<TokenRecord>>,
    /// What of their rules cannot be read.
    pub problems: Vec<String>,
}

impl Snapshot {
    /// Knows settings, and neither projects nor sessions.
    pub fn of(settings: Settings) -> Self {
        Self { settings, projects: HashMap::new(), secrets: BTreeMap::new(), revoked: Arc::default() }
    }

    /// Says whether a token was revoked, by itself or with its family.
    pub fn is_revoked(&self, id: &str) -> bool {
        let family = id.split_once('.').map(|(family, _)| family);
        self.revoked.contains_key(id) || family.is_some_and(|family| self.revoked.contains_key(family))
    }

    /// The tokens of a project's role.
    pub fn project_tokens(&self, project: &str, role: &str) -> &[TokenRecord] {
        self.projects.get(project).and_then(|known| known.tokens.get(role)).map_or(&[], Vec::as_slice)
    }

    /// Replaces `$key` by that key of argocd-secret and `$secret:key` by that key of another Secret, as settings refer to
    /// secrets. What refers to nothing stays as it is. Source: Argo CD `util/settings` (ReplaceStringSecret).
    pub fn resolve(&self, text: &str) -> String {
        let Some(reference) = text.trim().strip_prefix('$') else { return text.to_owned() };
        let (secret, key) = reference.split_once(':').unwrap_or((SECRET, reference));
        let found = self.secrets.get(secret).and_then(|texts| texts.get(key));
        found.map_or_else(|| text.to_owned(), |value| value.trim().to_owned())
    }
}

#[derive(Default)]
struct Parts {
    sources: Sources,
    projects: BTreeMap<String, Value>,
    secrets: BTreeMap<String, Texts>,
    revoked: HashMap<String, i64>,
    listed: Vec<&'static str>,
    unseen: HashMap<&'static str, Vec<String>>,
}

/// What is known, and the way to change it.
pub struct Access {
    cluster: Arc<dyn Cluster>,
    clock: Arc<dyn Clock>,
    namespace: String,
    parts: Mutex<Parts>,
    snapshot: RwLock<Arc<Snapshot>>,
    changes: watch::Sender<u64>,
}

/// What is watched: a name for the list, the kind, and which objects.
const WATCHED: [(&str, HomeKind, &str, &str); 6] = [
    ("settings", HomeKind::ConfigMap, "", ""),
    ("secret", HomeKind::Secret, "", "metadata.name=argocd-secret"),
    ("certificate", HomeKind::Secret, "", "metadata.name=argocd-server-tls"),
    ("sessions", HomeKind::Secret, "", "metadata.name=landfall-sessions"),
    ("referred", HomeKind::Secret, PART_OF, ""),
    ("projects", HomeKind::Project, "", ""),
];

impl Access {
    /// Knows nothing yet. [`Self::run`] keeps it up to date.
    pub fn of(cluster: Arc<dyn Cluster>, clock: Arc<dyn Clock>, namespace: impl Into<String>) -> Arc<Self> {
        let parts = Parts::default();
        let snapshot = RwLock::new(Arc::new(parts.snapshot()));
        let (changes, _) = watch::channel(0);
        Arc::new(Self { cluster, clock, namespace: namespace.into(), parts: Mutex::new(parts), snapshot, changes })
    }

    /// What is known at this moment.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The moment.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The clock.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// The control namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The cluster.
    pub fn cluster(&self) -> &Arc<dyn Cluster> {
        &self.cluster
    }

    /// Says whether everything was listed once.
    pub fn is_ready(&self) -> bool {
        self.parts().listed.len() == WATCHED.len()
    }

    /// Tells of changes: the number grows with each.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Counts the changes so far: what was decided by an older number may be decided otherwise now.
    pub fn version(&self) -> u64 {
        *self.changes.borrow()
    }

    /// Keeps what is known up to date, until dropped.
    pub async fn run(self: Arc<Self>) {
        let informers = WATCHED.map(|(list, kind, labels, fields)| {
            let selection = Selection {
                namespace: self.namespace.clone(),
                label_selector: labels.to_owned(),
                field_selector: fields.to_owned(),
            };
            let scope = Scope { kind: kind.served(), detail: Detail::Full, selection };
            let access = self.clone();
            informer::run(self.cluster.clone(), self.clock.clone(), scope, move |observation| {
                access.observe(list, kind, observation);
            })
        });
        futures::future::join_all(informers).await;
    }

    fn parts(&self) -> MutexGuard<'_, Parts> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn observe(&self, list: &'static str, kind: HomeKind, observation: Observation) {
        let mut parts = self.parts();
        let is_change = match observation {
            Observation::Began => {
                let known = parts.names(list);
                parts.unseen.insert(list, known);
                false
            }
            Observation::Listed(value) => {
                if let Some(unseen) = parts.unseen.get_mut(list) {
                    unseen.retain(|name| name != object::name(&value));
                }
                parts.take(kind, &value)
            }
            Observation::Applied(value) => parts.take(kind, &value),
            Observation::Deleted(value) => parts.drop_one(kind, object::name(&value)),
            Observation::Ended(_) => {
                for name in parts.unseen.remove(list).unwrap_or_default() {
                    parts.drop_one(kind, &name);
                }
                if !parts.listed.contains(&list) {
                    parts.listed.push(list);
                }
                true
            }
            Observation::Failed(error) => {
                tracing::warn!(list, reason = %error, "what is known about access may be old");
                false
            }
        };
        // While a list runs, half of it is not shown.
        if is_change && parts.unseen.is_empty() {
            self.publish(&parts);
        }
    }

    fn publish(&self, parts: &Parts) {
        let next = Arc::new(parts.snapshot());
        let mut shown = self.snapshot.write().unwrap_or_else(PoisonError::into_inner);
        for problem in next.settings.problems.iter().filter(|problem| !shown.settings.problems.contains(problem)) {
            tracing::warn!(problem, "a setting cannot be used");
        }
        *shown = next;
        drop(shown);
        self.changes.send_modify(|count| *count += 1);
    }

    /// Takes an object in as if it was watched: what a write answered counts at once.
    pub fn take(&self, kind: HomeKind, value: &Value) {
        let mut parts = self.parts();
        if parts.take(kind, value) {
            self.publish(&parts);
        }
    }

    /// Takes what is known from the objects themselves, without watching: for tools and tests.
    pub fn load(&self, objects: &[(HomeKind, Value)]) {
        let mut parts = self.parts();
        for (kind, value) in objects {
            parts.take(*kind, value);
        }
        parts.listed = WATCHED.iter().map(|(list, ..)| *list).collect();
        self.publish(&parts);
    }

    /// Changes texts of a Secret, which is made if it is not there; `None` takes a key out.
    pub async fn write_secret(&self, name: &str, texts: &BTreeMap<String, Option<String>>) -> Result<(), ApiError> {
        let data = encoded(texts);
        let kind = HomeKind::Secret.served();
        let patch = Patch::Merge(json!({"data": data}));
        let answer = self.cluster.patch(&kind, &self.namespace, name, "", &patch, &write()).await;
        let value = match answer {
            Err(error) if error.cause == Cause::NotFound => {
                let present: BTreeMap<_, _> = data.iter().filter(|(_, text)| text.is_some()).collect();
                let labels = json!({"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "argocd"});
                let metadata = json!({"name": name, "namespace": self.namespace, "labels": labels});
                let object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": present});
                self.cluster.create(&kind, &object, &write()).await
            }
            other => other,
        };
        self.take(HomeKind::Secret, &value.map_err(|error| refused(&error))?);
        Ok(())
    }

    /// Merges a patch into an AppProject and returns it as it is then.
    pub async fn patch_project(&self, name: &str, patch: Value) -> Result<Value, ApiError> {
        let kind = HomeKind::Project.served();
        let patch = Patch::Merge(patch);
        let value = self.cluster.patch(&kind, &self.namespace, name, "", &patch, &write()).await;
        let value = value.map_err(|error| refused(&error))?;
        self.take(HomeKind::Project, &value);
        Ok(value)
    }

    /// Reads an AppProject as it is now.
    pub async fn project(&self, name: &str) -> Result<Value, ApiError> {
        let found = self.cluster.get(&HomeKind::Project.served(), &self.namespace, name).await;
        found
            .map_err(|error| refused(&error))?
            .ok_or_else(|| ApiError::not_found(format!("there is no project {name:?}")))
    }
}

/// Texts as the `data` of a Secret; `None` takes a key out.
pub(crate) fn encoded(texts: &BTreeMap<String, Option<String>>) -> BTreeMap<&String, Option<String>> {
    let encode = |text: &Option<String>| text.as_ref().map(|text| STANDARD.encode(text));
    texts.iter().map(|(key, text)| (key, encode(text))).collect()
}

/// How the server writes: under its own field manager, and never by force.
pub fn write() -> Write {
    Write { manager: MANAGER.to_owned(), force: false, dry_run: false, strict: false }
}

/// What a refusal of the cluster means to a caller of the API.
pub fn refused(error: &ClusterError) -> ApiError {
    let code = match error.cause {
        Cause::NotFound | Cause::NotServed => Code::NotFound,
        Cause::AlreadyExists => Code::AlreadyExists,
        Cause::Conflict => Code::Aborted,
        Cause::Invalid | Cause::TooLarge => Code::InvalidArgument,
        Cause::Forbidden | Cause::Unauthorized => Code::FailedPrecondition,
        Cause::Unreachable | Cause::TooManyRequests | Cause::Gone => Code::Unavailable,
        Cause::Internal => Code::Internal,
    };
    let error_text = ApiError::of(code, error.to_string());
    match error.cause {
        Cause::Forbidden | Cause::Unauthorized => {
            error_text.hint("the server's own service account may not do this in the cluster: see its Role")
        }
        _ => error_text,
    }
}

impl Parts {
    fn snapshot(&self) -> Snapshot {
        let settings = Settings::read(&self.sources);
        let mode = settings.match_mode;
        let projects = self.projects.iter().filter_map(|(name, value)| Some((name.clone(), project(value, mode)?)));
        let projects = projects.collect();
        Snapshot { settings, projects, secrets: self.secrets.clone(), revoked: Arc::new(self.revoked.clone()) }
    }

    fn names(&self, list: &str) -> Vec<String> {
        match list {
            "projects" => self.projects.keys().cloned().collect(),
            "settings" => vec![CONFIG_MAP.to_owned(), POLICY_CONFIG_MAP.to_owned()],
            "secret" => vec![SECRET.to_owned()],
            "certificate" => vec![settings::TLS_SECRET.to_owned()],
            "sessions" => vec![SESSIONS_SECRET.to_owned()],
            _ => {
                let own = [SECRET, settings::TLS_SECRET, SESSIONS_SECRET];
                self.secrets.keys().filter(|name| !own.contains(&name.as_str())).cloned().collect()
            }
        }
    }

    /// Takes an object in; says whether anything is different.
    fn take(&mut self, kind: HomeKind, value: &Value) -> bool {
        let name = object::name(value).to_owned();
        match kind {
            HomeKind::ConfigMap => {
                let texts = object::text_map(value, &["data"]);
                match name.as_str() {
                    CONFIG_MAP => differs(&mut self.sources.config, texts),
                    POLICY_CONFIG_MAP => differs(&mut self.sources.policy, texts),
                    _ => false,
                }
            }
            HomeKind::Secret => {
                let texts = secret_texts(value);
                match name.as_str() {
                    SECRET => self.sources.secret.clone_from(&texts),
                    SESSIONS_SECRET => self.revoked = revoked(&texts),
                    _ => {}
                }
                differs(self.secrets.entry(name).or_default(), texts)
            }
            HomeKind::Project => {
                let before = self.projects.insert(name, value.clone());
                let roles =
                    |value: &Value| (value["spec"]["roles"].clone(), value["status"]["jwtTokensByRole"].clone());
                before.is_none_or(|before| roles(&before) != roles(value))
            }
            HomeKind::Application => false,
        }
    }

    fn drop_one(&mut self, kind: HomeKind, name: &str) -> bool {
        match kind {
            HomeKind::ConfigMap if name == CONFIG_MAP => differs(&mut self.sources.config, Texts::new()),
            HomeKind::ConfigMap if name == POLICY_CONFIG_MAP => differs(&mut self.sources.policy, Texts::new()),
            HomeKind::Secret => {
                match name {
                    SECRET => self.sources.secret.clear(),
                    SESSIONS_SECRET => self.revoked.clear(),
                    _ => {}
                }
                self.secrets.remove(name).is_some()
            }
            HomeKind::Project => self.projects.remove(name).is_some(),
            HomeKind::ConfigMap | HomeKind::Application => false,
        }
    }
}

fn differs<T: PartialEq>(place: &mut T, value: T) -> bool {
    let is_different = *place != value;
    *place = value;
    is_different
}

/// The texts of a Secret; what is no UTF-8 is left out.
pub(crate) fn secret_texts(value: &Value) -> Texts {
    let decode = |text: &String| String::from_utf8(STANDARD.decode(text.trim()).ok()?).ok();
    let data = object::text_map(value, &["data"]);
    let mut texts: Texts = data.iter().filter_map(|(key, text)| Some((key.clone(), decode(text)?))).collect();
    texts.extend(object::text_map(value, &["stringData"]));
    texts
}

/// The revoked tokens as the Secret of sessions keeps them: `{"<id>": <second>}`.
fn revoked(texts: &Texts) -> HashMap<String, i64> {
    let Some(text) = texts.get("revoked") else { return HashMap::new() };
    serde_json::from_str(text).unwrap_or_else(|error| {
        tracing::error!(reason = %error, "the Secret {SESSIONS_SECRET} cannot be read: logins that were ended may still work");
        HashMap::new()
    })
}

/// Reads the roles of a project. `None` if it is no AppProject.
fn project(value: &Value, mode: MatchMode) -> Option<Arc<ProjectAccess>> {
    let project = Project::read(value).ok()?;
    let name = &project.metadata.name;
    let (policy, lines) = Policy::of_project(name, &project.spec, mode);
    let mut tokens: BTreeMap<String, Vec<TokenRecord>> = BTreeMap::new();
    for role in &project.spec.roles {
        let read = |value: &Value| serde_json::from_value::<TokenRecord>(value.clone()).ok();
        let mut known: Vec<TokenRecord> = role.jwt_tokens.iter().filter_map(read).collect();
        let items = value["status"]["jwtTokensByRole"][&role.name]["items"].as_array();
        for record in items.into_iter().flatten().filter_map(read) {
            if !known.contains(&record) {
                known.push(record);
            }
        }
        tokens.insert(role.name.clone(), known);
    }
    let problems = lines.iter().map(|line| format!("AppProject {name}: {line}")).collect();
    Some(Arc::new(ProjectAccess { policy, tokens, problems }))
}
