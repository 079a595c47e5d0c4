//! A pass that has nothing to look at: since the last one found nothing to do, nothing changed that it would read.
//!
//! A push to a repository wakes every application that reads it, and most of them read nothing of what changed. For those a
//! pass is a comparison of a few counters and of what their sources render to: no comparison, no status, no write.
//!
//! Guarantee: what is skipped would have come to the same end. Everything that a pass depends on is in [`Quiet`], but for
//! the date, so a pass that waits for a moment is never remembered.

use std::sync::Arc;

use landfall_model::annotations::REFRESH;
use landfall_model::application::Application;
use landfall_model::status::ApplicationStatus;
use landfall_ports::cluster::Discovery;

use super::sources::{Capabilities, Refresh};
use super::{Controller, Memory};
use crate::home::{AppKey, Known};
use crate::render::Rendered;

/// What a pass that found nothing to do had read.
#[derive(Clone)]
pub(super) struct Quiet {
    seen: Seen,
    resource_version: String,
    rendered: Vec<Arc<Rendered>>,
    discovery: Arc<Discovery>,
    capabilities: Capabilities,
}

/// Counters of what may change beside the Application and its sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    live: u64,
    schemas: u64,
    home: u64,
}

/// What a pass found, to be remembered if it found nothing to do.
pub(super) struct Found<'a> {
    pub(super) application: &'a Application,
    pub(super) status: &'a ApplicationStatus,
    pub(super) rendered: Vec<Arc<Rendered>>,
    pub(super) discovery: Arc<Discovery>,
    pub(super) capabilities: Capabilities,
}

impl Controller {
    /// Reads the counters. Call it before anything else is read: what changes afterwards then counts as news.
    pub(super) fn seen(&self, application: &Application, instance: &str) -> Option<Seen> {
        let cluster = self.destinations.find(&application.spec.destination).ok()?;
        let (_, schemas) = cluster.live.schemas();
        Some(Seen { live: cluster.live.changes_of(instance), schemas, home: self.home.changes() })
    }

    /// Says whether a pass would find what the last one found.
    pub(super) async fn is_quiet(&self, seen: Seen, known: &Known, application: &Application, memory: &Memory) -> bool {
        let Some(quiet) = memory.quiet.as_ref().filter(|quiet| quiet.seen == seen) else { return false };
        if quiet.resource_version != known.resource_version {
            return false;
        }
        let Ok(cluster) = self.destinations.find(&application.spec.destination) else { return false };
        let Ok(discovery) = cluster.live.discovery().await else { return false };
        if !Arc::ptr_eq(&discovery, &quiet.discovery) {
            return false;
        }
        let sources = application.spec.sources();
        let revisions = vec![None; sources.len()];
        let observed =
            self.observe_sources(application, sources, &revisions, &quiet.capabilities, Refresh::Polled).await;
        let is_same = |(now, then): (&Arc<Rendered>, &Arc<Rendered>)| {
            Arc::ptr_eq(now, then) || (now.objects.is_empty() && now == then)
        };
        observed.is_ok_and(|observed| {
            observed.rendered.len() == quiet.rendered.len()
                && observed.rendered.iter().zip(&quiet.rendered).all(is_same)
        })
    }

    /// What a pass that found nothing to do had read, with the Application as it stands after it; `None` if it is not the
    /// one that the pass had read, but for what the pass itself wrote.
    pub(super) fn rest(&self, key: &AppKey, seen: Seen, found: Found<'_>) -> Option<Quiet> {
        let Found { application: read, status, rendered, discovery, capabilities } = found;
        let known = self.home.application(key)?;
        let now = known.application.as_ref().ok()?;
        let is_as_read = now.spec == read.spec
            && now.status == *status
            && now.operation.is_none()
            && now.metadata.labels == read.metadata.labels
            && now.metadata.deletion_timestamp == read.metadata.deletion_timestamp
            && without_refresh(now).eq(without_refresh(read));
        let resource_version = known.resource_version.clone();
        is_as_read.then_some(Quiet { seen, resource_version, rendered, discovery, capabilities })
    }
}

/// The annotations, but for the one that asks for a refresh: it is no part of what an application is.
fn without_refresh(application: &Application) -> impl Iterator<Item = (&String, &String)> {
    application.metadata.annotations.iter().filter(|(name, _)| *name != REFRESH)
}
