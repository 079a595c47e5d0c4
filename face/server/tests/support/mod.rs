//! A controller that knows what a test puts into it, and reaches nothing but one Secret.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use jiff::Timestamp;
use landfall_flow::home::HomeKind;
use landfall_flow::informer::Observation;
use landfall_flow::reconcile::{Controller, Parts};
use landfall_flow::render::Renderer;
use landfall_flow::settings::Settings;
use landfall_ports::charts::{ChartArchive, ChartRepo, PassCredentials};
use landfall_ports::clock::Clock;
use landfall_ports::cluster::{
    Cause, Change, Cluster, ClusterError, Delete, Detail, Discovery, ListRequest, Page, Patch, Selection, ServedKind,
    Write,
};
use landfall_ports::git::{Change as GitChange, ChangedPath, Commit, GitRemote};
use landfall_ports::registry::{Artifact, Registry};
use landfall_repository::chart_index::{ChartVersion, Index};
use landfall_repository::problem::{SourceError, SourceProblem};
use landfall_repository::refs::{CommitId, Refs};
use landfall_repository::repository::Repository;
use landfall_tree::Tree;
use serde_json::Value;

/// Answers with one Secret and refuses everything else.
struct OneSecret(Result<Option<Value>, ClusterError>);

/// A refusal of the API server.
pub(crate) fn forbidden() -> ClusterError {
    let (action, message) = ("get Secret argocd/argocd-secret".to_owned(), "it is forbidden".to_owned());
    ClusterError { cause: Cause::Forbidden, action, message, retry_after: None }
}

#[async_trait]
impl Cluster for OneSecret {
    async fn discovery(&self) -> Result<Discovery, ClusterError> {
        Err(forbidden())
    }
    async fn get(&self, kind: &ServedKind, namespace: &str, name: &str) -> Result<Option<Value>, ClusterError> {
        assert_eq!((kind.gvk.kind.as_str(), namespace, name), ("Secret", "argocd", "argocd-secret"));
        self.0.clone()
    }
    async fn list(&self, _: &ServedKind, _: Detail, _: &ListRequest) -> Result<Page, ClusterError> {
        Err(forbidden())
    }
    async fn watch(
        &self,
        _: &ServedKind,
        _: Detail,
        _: &Selection,
        _: &str,
    ) -> Result<BoxStream<'static, Result<Change, ClusterError>>, ClusterError> {
        Err(forbidden())
    }
    async fn apply(&self, _: &ServedKind, _: &Value, _: &Write) -> Result<Value, ClusterError> {
        Err(forbidden())
    }
    async fn create(&self, _: &ServedKind, _: &Value, _: &Write) -> Result<Value, ClusterError> {
        Err(forbidden())
    }
    async fn replace(&self, _: &ServedKind, _: &Value, _: &Write) -> Result<Value, ClusterError> {
        Err(forbidden())
    }
    async fn patch(
        &self,
        _: &ServedKind,
        _: &str,
        _: &str,
        _: &str,
        _: &Patch,
        _: &Write,
    ) -> Result<Value, ClusterError> {
        Err(forbidden())
    }
    async fn delete(&self, _: &ServedKind, _: &str, _: &str, _: &Delete) -> Result<bool, ClusterError> {
        Err(forbidden())
    }
    async fn logs(&self, _: &str, _: &str, _: &str, _: Option<u32>, _: bool) -> Result<String, ClusterError> {
        Err(forbidden())
    }
}

/// There is no network.
struct Nowhere;

fn nowhere<T>() -> Result<T, SourceError> {
    Err(SourceError::of(SourceProblem::Unreachable, "https://git.example.com", "there is no network".to_owned()))
}

#[async_trait]
impl GitRemote for Nowhere {
    async fn list_refs(&self, _: &Repository, _: &[String]) -> Result<Refs, SourceError> {
        nowhere()
    }
    async fn fetch(&self, _: &Repository, _: &[CommitId]) -> Result<(), SourceError> {
        nowhere()
    }
    async fn find_commit(&self, _: &Repository, _: &str) -> Result<CommitId, SourceError> {
        nowhere()
    }
    async fn tree(&self, _: &Repository, _: &CommitId) -> Result<Arc<dyn Tree>, SourceError> {
        nowhere()
    }
    async fn commit(&self, _: &Repository, _: &CommitId) -> Result<Commit, SourceError> {
        nowhere()
    }
    async fn is_ancestor(&self, _: &Repository, _: &CommitId, _: &CommitId) -> Result<bool, SourceError> {
        nowhere()
    }
    async fn changed_paths(&self, _: &Repository, _: &CommitId, _: &CommitId) -> Result<Vec<ChangedPath>, SourceError> {
        nowhere()
    }
    async fn commit_and_push(&self, _: &Repository, _: &GitChange) -> Result<CommitId, SourceError> {
        nowhere()
    }
}

#[async_trait]
impl ChartRepo for Nowhere {
    async fn index(&self, _: &Repository) -> Result<Arc<Index>, SourceError> {
        nowhere()
    }
    async fn resolve(&self, _: &Repository, _: &str, _: &str) -> Result<ChartVersion, SourceError> {
        nowhere()
    }
    async fn download(
        &self,
        _: &Repository,
        _: &str,
        _: &ChartVersion,
        _: PassCredentials,
    ) -> Result<ChartArchive, SourceError> {
        nowhere()
    }
    async fn file(&self, _: &Repository, _: &str) -> Result<bytes::Bytes, SourceError> {
        nowhere()
    }
}

#[async_trait]
impl Registry for Nowhere {
    async fn tags(&self, _: &Repository) -> Result<Vec<String>, SourceError> {
        nowhere()
    }
    async fn resolve(&self, _: &Repository, _: &str) -> Result<String, SourceError> {
        nowhere()
    }
    async fn digest(&self, _: &Repository, _: &str) -> Result<String, SourceError> {
        nowhere()
    }
    async fn pull(&self, _: &Repository, _: &str) -> Result<Artifact, SourceError> {
        nowhere()
    }
    async fn push(&self, _: &Repository, _: &str, _: &Artifact) -> Result<String, SourceError> {
        nowhere()
    }
}

#[async_trait]
impl landfall_ports::cluster::ClusterConnector for Nowhere {
    async fn connect(
        &self,
        _: &str,
        _: &landfall_repository::cluster::ClusterAccess,
    ) -> Result<Arc<dyn Cluster>, String> {
        Err("there are no other clusters".to_owned())
    }
}

/// Time stands still.
struct Still;

#[async_trait]
impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }
    async fn sleep(&self, _: Duration) {
        std::future::pending().await
    }
}

/// Makes a controller whose API server answers so when asked for `argocd-secret`.
pub(crate) fn controller(secret: Result<Option<Value>, ClusterError>) -> Arc<Controller> {
    Controller::of(Parts {
        home_cluster: Arc::new(OneSecret(secret)),
        connector: Arc::new(Nowhere),
        git: Arc::new(Nowhere),
        chart_repositories: Arc::new(Nowhere),
        registry: Arc::new(Nowhere),
        renderer: Renderer::of([7; 32], Arc::new(|| Box::new(|| Duration::ZERO))),
        clock: Arc::new(Still),
        settings: Settings::default(),
    })
}

/// Makes the controller's home complete, with these Applications in it.
pub(crate) fn fill(controller: &Controller, applications: &[Value]) {
    for kind in HomeKind::ALL {
        controller.home.observe(kind, Observation::Began);
        if kind == HomeKind::Application {
            for application in applications {
                controller.home.observe(kind, Observation::Listed(application.clone()));
            }
        }
        controller.home.observe(kind, Observation::Ended("1".to_owned()));
    }
}
