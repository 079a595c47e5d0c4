//! Applications in a cluster: found, written, and followed until something comes true.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{anyhow, bail};
use futures::StreamExt as _;
use landfall_model::annotations::REFRESH;
use landfall_model::application::Application;
use landfall_model::key::GroupVersionKind;
use landfall_model::object;
use landfall_ports::cluster::{
    Cause, Change, Cluster, ClusterError, Delete, Detail, ListRequest, Patch, Selection, ServedKind, Write,
};
use serde_json::{Value, json};

/// The field manager of what a person does by command line. Source: Argo CD's API server writes as `argocd-server`; this
/// name tells hand-made changes apart.
const MANAGER: &str = "landfall-cli";
/// How many Applications one page of a list holds.
const PAGE_SIZE: u32 = 500;

/// The Applications of a cluster.
pub(crate) struct Applications {
    /// The cluster that holds them.
    pub(crate) cluster: Arc<dyn Cluster>,
    namespace: String,
    kind: ServedKind,
}

/// One Application: as it stands, and as it reads.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) value: Value,
    pub(crate) application: Application,
}

/// How Applications are served.
pub(crate) fn application_kind() -> ServedKind {
    ServedKind {
        gvk: GroupVersionKind::of("argoproj.io/v1alpha1", "Application"),
        plural: "applications".to_owned(),
        is_namespaced: true,
        verbs: ["get", "list", "watch", "create", "patch", "delete"].map(str::to_owned).to_vec(),
        is_preferred: true,
    }
}

impl Found {
    fn of(value: Value) -> anyhow::Result<Self> {
        let application = Application::read(&value)?;
        Ok(Self { value, application })
    }

    /// `NAMESPACE/NAME`.
    pub(crate) fn qualified_name(&self) -> String {
        qualified_name(&self.value)
    }
}

/// `NAMESPACE/NAME` of an object.
pub(crate) fn qualified_name(value: &Value) -> String {
    format!("{}/{}", object::namespace(value), object::name(value))
}

/// What a list brought.
#[derive(Debug, Default)]
pub(crate) struct Listed {
    /// Those that can be read, by name.
    pub(crate) found: Vec<Found>,
    /// Those that cannot, and why.
    pub(crate) unreadable: Vec<(Value, String)>,
}

impl Listed {
    /// A line for each that cannot be read.
    pub(crate) fn complaints(&self) -> impl Iterator<Item = String> {
        self.unreadable.iter().map(|(value, reason)| {
            format!(
                "{} cannot be read: {reason}\nhint: correct it where it comes from, or with kubectl edit",
                qualified_name(value)
            )
        })
    }
}

/// What a follower saw.
#[derive(Debug, Clone)]
pub(crate) enum Seen {
    /// The Application as it is.
    There(Box<Found>),
    /// It is not there, or no more.
    Gone,
}

impl Applications {
    /// Takes the Applications of `namespace`.
    pub(crate) fn of(cluster: Arc<dyn Cluster>, namespace: &str) -> Self {
        Self { cluster, namespace: namespace.to_owned(), kind: application_kind() }
    }

    /// Takes `NAMESPACE/NAME` or `NAME` apart.
    pub(crate) fn place<'a>(&'a self, name: &'a str) -> (&'a str, &'a str) {
        name.split_once('/').unwrap_or((&self.namespace, name))
    }

    /// Reads one; errors if it is not there.
    pub(crate) async fn get(&self, name: &str) -> anyhow::Result<Found> {
        match self.find(name).await? {
            Some(found) => Ok(found),
            None => Err(self.missing(name)),
        }
    }

    /// Reads one.
    pub(crate) async fn find(&self, name: &str) -> anyhow::Result<Option<Found>> {
        let (namespace, name) = self.place(name);
        let value = self.cluster.get(&self.kind, namespace, name).await.map_err(explained)?;
        value.map(Found::of).transpose()
    }

    fn missing(&self, name: &str) -> anyhow::Error {
        let (namespace, name) = self.place(name);
        anyhow!(
            "there is no Application {name:?} in the namespace {namespace:?}\nhint: `landfall app list` shows those that are there and that you may see; `-n NAMESPACE` looks in another namespace"
        )
    }

    /// Lists those of the namespace, or of all if it is `""`. One that cannot be read hides no other.
    pub(crate) async fn list(&self, label_selector: &str) -> anyhow::Result<Listed> {
        let selection = Selection {
            namespace: self.namespace.clone(),
            label_selector: label_selector.to_owned(),
            field_selector: String::new(),
        };
        let mut request = ListRequest { selection, page_size_max: PAGE_SIZE, from: String::new() };
        let mut listed = Listed::default();
        loop {
            let page = self.cluster.list(&self.kind, Detail::Full, &request).await.map_err(explained)?;
            for value in page.objects {
                match Application::read(&value) {
                    Ok(application) => listed.found.push(Found { value, application }),
                    Err(invalid) => listed.unreadable.push((value, invalid.to_string())),
                }
            }
            if page.next.is_empty() {
                break;
            }
            request.from = page.next;
        }
        listed.found.sort_by_cached_key(Found::qualified_name);
        listed.unreadable.sort_by_cached_key(|(value, _)| qualified_name(value));
        Ok(listed)
    }

    /// Merges `patch` into one.
    pub(crate) async fn merge(&self, name: &str, patch: Value) -> anyhow::Result<Found> {
        let (namespace, name) = self.place(name);
        let patch = Patch::Merge(patch);
        let value = self.cluster.patch(&self.kind, namespace, name, "", &patch, &write()).await.map_err(explained)?;
        Found::of(value)
    }

    /// Makes a new one.
    pub(crate) async fn create(&self, value: &Value) -> anyhow::Result<Found> {
        Found::of(self.cluster.create(&self.kind, value, &write()).await.map_err(explained)?)
    }

    /// Puts one in the place of the one that is there, which `value` names by its resource version.
    pub(crate) async fn replace(&self, value: &Value) -> anyhow::Result<Found> {
        Found::of(self.cluster.replace(&self.kind, value, &write()).await.map_err(explained)?)
    }

    /// Asks for one's deletion; errors if it is not there.
    pub(crate) async fn delete(&self, name: &str, uid: &str) -> anyhow::Result<()> {
        let (namespace, bare) = self.place(name);
        let how = Delete { uid: uid.to_owned(), ..Delete::default() };
        match self.cluster.delete(&self.kind, namespace, bare, &how).await.map_err(explained)? {
            true => Ok(()),
            false => Err(self.missing(name)),
        }
    }

    /// Starts an operation. Errors: another one runs.
    pub(crate) async fn start(&self, found: &Found, operation: Value) -> anyhow::Result<Found> {
        let application = &found.application;
        let state = application.status.operation_state.as_ref();
        if application.operation.is_some() || state.is_some_and(|state| !state.phase.is_completed()) {
            let name = &application.metadata.name;
            bail!(
                "another operation is already in progress for {name}\nhint: `landfall app wait {name} --operation` waits for it, `landfall app terminate-op {name}` ends it"
            );
        }
        // The resource version makes two people who start at once a conflict rather than a mixture.
        let version = &application.metadata.resource_version;
        let patch = json!({"metadata": {"resourceVersion": version}, "operation": operation});
        self.merge(&found.qualified_name(), patch).await
    }

    /// Asks for a comparison and returns the Application when it was made. `how` is `normal` or `hard`.
    pub(crate) async fn refresh(&self, name: &str, how: &str, limit: Duration) -> anyhow::Result<Found> {
        self.merge(name, json!({"metadata": {"annotations": {REFRESH: how}}})).await?;
        let answer = self.follow(name, Some(limit), |seen| match seen {
            Seen::There(found) => found.application.annotation(REFRESH).is_none().then(|| Some((**found).clone())),
            Seen::Gone => Some(None),
        });
        match answer.await? {
            Some(Some(found)) => Ok(found),
            Some(None) => Err(self.missing(name)),
            None => bail!(
                "{name} was not compared within {} s of asking\nhint: is a controller running? start one with `landfall controller`, or leave out --refresh",
                limit.as_secs()
            ),
        }
    }

    /// Follows one until `judge` answers; `None` when `limit` runs out first. `judge` sees the present state first.
    pub(crate) async fn follow<T>(
        &self,
        name: &str,
        limit: Option<Duration>,
        mut judge: impl FnMut(&Seen) -> Option<T>,
    ) -> anyhow::Result<Option<T>> {
        let following = self.follow_on(name, &mut judge);
        match limit {
            None => following.await.map(Some),
            Some(limit) => match tokio::time::timeout(limit, following).await {
                Ok(answer) => answer.map(Some),
                Err(_ran_out) => Ok(None),
            },
        }
    }

    async fn follow_on<T>(&self, name: &str, judge: &mut impl FnMut(&Seen) -> Option<T>) -> anyhow::Result<T> {
        let (namespace, name) = self.place(name);
        let selection = Selection {
            namespace: namespace.to_owned(),
            label_selector: String::new(),
            field_selector: format!("metadata.name={name}"),
        };
        let mut failures = 0;
        loop {
            let request = ListRequest { selection: selection.clone(), page_size_max: 0, from: String::new() };
            let page = match self.cluster.list(&self.kind, Detail::Full, &request).await {
                Ok(page) => page,
                Err(error) => {
                    pause_or_fail(error, &mut failures).await?;
                    continue;
                }
            };
            failures = 0;
            let present = page.objects.into_iter().find(|value| object::name(value) == name);
            if let Some(answer) = judge(&seen(present)?) {
                return Ok(answer);
            }
            let watch = self.cluster.watch(&self.kind, Detail::Full, &selection, &page.resource_version).await;
            let mut changes = match watch {
                Ok(changes) => changes,
                Err(error) => {
                    pause_or_fail(error, &mut failures).await?;
                    continue;
                }
            };
            while let Some(Ok(change)) = changes.next().await {
                let now = match change {
                    Change::Applied(value) if object::name(&value) == name => seen(Some(value))?,
                    Change::Deleted(value) if object::name(&value) == name => Seen::Gone,
                    Change::Applied(_) | Change::Deleted(_) | Change::Bookmark(_) => continue,
                };
                if let Some(answer) = judge(&now) {
                    return Ok(answer);
                }
            }
            // The server ended the watch, or it broke: look again.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

fn seen(value: Option<Value>) -> anyhow::Result<Seen> {
    Ok(match value {
        Some(value) => Seen::There(Box::new(Found::of(value)?)),
        None => Seen::Gone,
    })
}

/// How often a follower asks again before it gives up.
const FAILURES_MAX: u32 = 8;

async fn pause_or_fail(error: ClusterError, failures: &mut u32) -> anyhow::Result<()> {
    *failures += 1;
    if !error.cause.is_transient() || *failures > FAILURES_MAX {
        return Err(explained(error));
    }
    let pause = error.retry_after.unwrap_or(Duration::from_millis(100) * 2_u32.pow(*failures));
    tokio::time::sleep(pause).await;
    Ok(())
}

fn write() -> Write {
    Write { manager: MANAGER.to_owned(), force: false, dry_run: false, strict: true }
}

/// Adds what to do to an error of the cluster.
pub(crate) fn explained(error: ClusterError) -> anyhow::Error {
    // A server says itself what to do.
    if error.message.contains("\nhint: ") {
        return error.into();
    }
    let hint = match error.cause {
        Cause::Unreachable => {
            "is the cluster up? choose another with --kubeconfig or KUBECONFIG, or start one with `landfall up`"
        }
        Cause::Unauthorized => "the kubeconfig's credentials are not accepted; renew them",
        Cause::Forbidden => "ask for a role that permits this",
        Cause::NotFound | Cause::NotServed => {
            "does the cluster know Applications? `landfall crds | kubectl apply --server-side -f -` makes them known"
        }
        Cause::AlreadyExists => "--upsert changes the one that is there",
        Cause::Conflict => "somebody else changed it at the same time; try again",
        Cause::Invalid | Cause::TooLarge => "correct what the message names",
        Cause::Gone | Cause::TooManyRequests | Cause::Internal => "try again",
    };
    anyhow!("{error}\nhint: {hint}")
}
