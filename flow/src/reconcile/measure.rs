//! What a pass leaves behind in the metrics. It decides nothing.

use std::sync::Arc;

use jiff::Timestamp;
use landfall_model::application::Application;
use landfall_model::status::{ApplicationStatus, OperationState};
use landfall_ports::cluster::Cluster;
use landfall_repository::refs::CommitId;

use super::Controller;
use crate::destinations::KnownCluster;
use crate::home::Known;
use crate::metrics::OfApplication;
use crate::metrics::cluster::MeasuredCluster;

impl Controller {
    /// Times a pass that began at a moment.
    pub(super) fn measure_pass(&self, known: &Known, began: Timestamp) {
        if let Ok(application) = &known.application {
            let took = self.clock.now().duration_since(began);
            let server = self.server_of(application);
            self.metrics.reconciled(&application.metadata.namespace, &server, took.as_secs_f64());
        }
    }

    /// Counts an operation that ended in this pass, and times how long its commits took to get here.
    pub(super) async fn measure_operation(&self, before: &Application, after: &ApplicationStatus) {
        let Some(ended) = after.operation_state.as_ref().filter(|state| state.phase.is_completed()) else { return };
        let identity = |state: &OperationState| (state.phase, state.started_at.0, state.finished_at.map(|at| at.0));
        // Times are whole seconds: of two operations in one second the history tells them apart.
        let last = |status: &ApplicationStatus| status.history.last().map(|entry| entry.id);
        let was = before.status.operation_state.as_ref().map(identity);
        if was == Some(identity(ended)) && last(&before.status) == last(after) {
            return;
        }
        let server = self.server_of(before);
        let of = OfApplication::of(before);
        let until = ended.finished_at.map_or_else(|| self.clock.now(), |at| at.0);
        let took = until.duration_since(ended.started_at.0).as_secs_f64();
        let dry_run = ended.operation.sync.as_ref().is_some_and(|sync| sync.dry_run);
        self.metrics.synced(&of, &server, ended.phase.as_str(), dry_run, took);
        if ended.phase.is_successful() {
            for age in self.ages_of_new_commits(before, after).await {
                self.metrics.commit_applied(&of, age);
            }
        }
    }

    /// How long ago the commits that were applied now were committed, in seconds. Only those that replace another in
    /// the history and were never in it: the age of a first sync's or a rollback's commit is no latency.
    async fn ages_of_new_commits(&self, before: &Application, after: &ApplicationStatus) -> Vec<f64> {
        let history = &before.status.history;
        let (Some(last), Some(newest)) = (history.last(), after.history.last()) else { return Vec::new() };
        if newest.id <= last.id {
            return Vec::new();
        }
        let revisions = |single: &str, several: &[String]| match several.is_empty() {
            true => vec![single.to_owned()],
            false => several.to_vec(),
        };
        let known: Vec<String> =
            history.iter().flat_map(|entry| revisions(&entry.revision, &entry.revisions)).collect();
        let sources = if newest.sources.is_empty() { newest.source.as_slice() } else { &newest.sources };
        let mut ages = Vec::new();
        for (source, revision) in sources.iter().zip(revisions(&newest.revision, &newest.revisions)) {
            let Ok(id) = CommitId::parse(&revision) else { continue };
            if known.contains(&revision) {
                continue;
            }
            let commit = self.repositories.commit(&source.repo_url, before.spec.project(), &id).await;
            // It was rendered a moment ago, so it is here; if not, there is one measurement less.
            if let Ok(commit) = commit {
                ages.push(self.clock.now().duration_since(commit.committed_at).as_secs_f64().max(0.0));
            }
        }
        ages
    }

    /// A cluster whose requests are counted for an application.
    pub(super) fn measured(&self, application: &Application, cluster: &KnownCluster) -> Arc<dyn Cluster> {
        Arc::new(MeasuredCluster {
            cluster: cluster.live.cluster().clone(),
            metrics: self.metrics.clone(),
            of: OfApplication::of(application),
            server: cluster.server.clone(),
        })
    }

    /// The URL of the cluster that an application goes to; what it says itself if there is no such cluster.
    pub(crate) fn server_of(&self, application: &Application) -> String {
        let destination = &application.spec.destination;
        self.destinations.find(destination).map_or_else(|_| destination.server.clone(), |cluster| cluster.server)
    }
}
