//! Watches: a stream of lines, one change each.
//!
//! A watch is a cursor into the change log of its resource. It sleeps until the store wakes its scope (a resource in one
//! namespace, or everywhere), reads what came after its cursor and writes it. A client that reads slowly holds only
//! its own cursor back; when the log no longer reaches back that far, the watch ends with 410, as the protocol wants.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::body::SandboxBody;
use super::conversion::outgoing_one;
use super::negotiate::{Form, Negotiated};
use super::{Handler, Request, respond};
use crate::convert;
use crate::error::ApiError;
use crate::json;
use crate::operations::{Core, ListQuery};
use crate::registry::Resource;
use crate::store::{Change, ChangeKind, Compacted, Stored};
use crate::table;

/// How often a quiet watch tells its revision. Source: kube-apiserver's bookmark period.
const BOOKMARK_PERIOD: Duration = Duration::from_secs(60);
/// How long before its end a watch tells its revision a last time. Source: `bookmarkTimer` of the watch cache.
const BOOKMARK_BEFORE_END: Duration = Duration::from_secs(2);
/// How long a watch lasts when the client does not say. Source: `--min-request-timeout`.
const WATCH_DURATION: Duration = Duration::from_secs(1800);
/// Lines are sent together up to this size.
const CHUNK_BYTES: usize = 64 * 1024;
/// Chunks that may wait for a slow client.
const CHUNKS_WAITING_MAX: usize = 8;

/// The annotation of the bookmark that ends the initial events.
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

struct Watcher {
    core: Arc<Core>,
    resource: Arc<Resource>,
    query: ListQuery,
    form: Form,
    include: table::Include,
    bookmarks: bool,
    sender: mpsc::Sender<Bytes>,
    columns_sent: bool,
    pending: Vec<u8>,
}

/// The client is gone.
struct Closed;

impl Handler {
    /// Starts a watch.
    pub(super) fn watch(
        &self,
        request: &Request<'_>,
        resource: &Arc<Resource>,
        mut query: ListQuery,
        negotiated: Negotiated,
    ) -> Result<Response<SandboxBody>, ApiError> {
        let params = &request.params;
        let send_initial = match params.text("sendInitialEvents") {
            "" => None,
            _ => Some(params.flag("sendInitialEvents")),
        };
        let how = params.text("resourceVersionMatch");
        let refuse = |why: &str| {
            let cause = crate::error::Cause::forbidden("resourceVersionMatch", why);
            Err(ApiError::invalid("meta.k8s.io", "ListOptions", "", vec![cause]))
        };
        match (send_initial, how) {
            (Some(_), "NotOlderThan") | (None, "") => {}
            (Some(_), other) => {
                let why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
                let mut causes = vec![crate::error::Cause::forbidden("resourceVersionMatch", why)];
                if !other.is_empty() {
                    causes.push(crate::error::Cause::not_supported(
                        "resourceVersionMatch",
                        &json!(other),
                        &["NotOlderThan"],
                    ));
                }
                return Err(ApiError::bad_options("ListOptions", causes));
            }
            (None, _) => {
                return refuse("resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided");
            }
        }
        let bookmarks = params.flag("allowWatchBookmarks");
        let lasts =
            params.number("timeoutSeconds")?.filter(|seconds| *seconds > 0).map_or(WATCH_DURATION, Duration::from_secs);
        let dropped_after = self.core.faults.rules(&self.core.store).watch_lasts(resource.key.as_str());
        let (lasts, bookmarks) = match dropped_after {
            // A connection that breaks off says nothing at its end.
            Some(dropped) if dropped < lasts => (dropped, false),
            _ => (lasts, bookmarks),
        };
        let from = query.revision.take().filter(|revision| *revision > 0);
        let initial = match (send_initial, from) {
            (Some(true), _) | (None, None) => Initial::State { end: send_initial == Some(true) && bookmarks },
            (Some(false), None) => Initial::From(self.core.store.revision()),
            (_, Some(revision)) => Initial::From(revision),
        };
        let (sender, receiver) = mpsc::channel(CHUNKS_WAITING_MAX);
        let watcher = Watcher {
            core: Arc::clone(&self.core),
            resource: Arc::clone(resource),
            query,
            form: negotiated.form,
            include: table::Include::parse(params.text("includeObject")),
            bookmarks,
            sender,
            columns_sent: false,
            pending: Vec::new(),
        };
        let stop = self.stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                // A client that has gone away is the usual end of a watch.
                _ = watcher.run(initial, lasts) => {}
            }
        });
        let mut response = Response::new(SandboxBody::lines(receiver));
        *response.status_mut() = StatusCode::OK;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Ok(response)
    }
}

enum Initial {
    /// Begin with everything that exists; then, if wanted, the bookmark that ends it.
    State { end: bool },
    /// Begin after a revision.
    From(u64),
}

impl Watcher {
    async fn run(mut self, initial: Initial, lasts: Duration) -> Result<(), Closed> {
        let namespace = self.query.namespace.clone();
        let mut woken = self.core.store.subscribe(&self.resource.key, namespace.as_deref());
        let mut cursor = match initial {
            Initial::From(revision) => revision,
            Initial::State { end } => {
                let Ok(listing) = self.core.store.list(&self.resource.key, namespace.as_deref(), None) else {
                    return Err(Closed);
                };
                for stored in &listing.items {
                    if !self.query.selects(&stored.value) {
                        continue;
                    }
                    self.line("ADDED", stored).await?;
                    self.flush_if_large().await?;
                }
                if end {
                    self.bookmark(listing.revision, true);
                }
                self.flush().await?;
                listing.revision
            }
        };
        let deadline = Instant::now() + lasts;
        // A last bookmark comes shortly before the end, if there is time for one.
        let last_bookmark = lasts.checked_sub(BOOKMARK_BEFORE_END).map(|before| Instant::now() + before);
        let soon = |now: Instant| match last_bookmark {
            Some(last) if last > now => Some(last.min(now + BOOKMARK_PERIOD)),
            _ => None,
        };
        let mut next_bookmark = soon(Instant::now());
        loop {
            match self.core.store.changes(&self.resource.key, namespace.as_deref(), cursor) {
                Ok(changes) => {
                    for change in &changes.events {
                        self.change(change).await?;
                        self.flush_if_large().await?;
                    }
                    self.flush().await?;
                    cursor = cursor.max(changes.revision);
                }
                Err(Compacted { oldest }) => {
                    let error = ApiError::expired(format!("too old resource version: {cursor} ({oldest})"));
                    self.push("ERROR", error.to_status().to_string().as_bytes());
                    return self.flush().await;
                }
            }
            tokio::select! {
                changed = woken.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                }
                () = tokio::time::sleep_until(next_bookmark.unwrap_or(deadline)), if self.bookmarks && next_bookmark.is_some() => {
                    next_bookmark = soon(Instant::now());
                    self.bookmark_after(&mut cursor, namespace.as_deref()).await?;
                }
                () = tokio::time::sleep_until(deadline) => return Ok(()),
                () = self.sender.closed() => return Err(Closed),
            }
        }
    }

    /// Tells what is new and then the revision that has been reached by that.
    async fn bookmark_after(&mut self, cursor: &mut u64, namespace: Option<&str>) -> Result<(), Closed> {
        if let Ok(changes) = self.core.store.changes(&self.resource.key, namespace, *cursor) {
            for change in &changes.events {
                self.change(change).await?;
            }
            *cursor = (*cursor).max(changes.revision);
            self.bookmark(*cursor, false);
        }
        self.flush().await
    }

    /// Writes a change as this watch sees it: objects come and go as they begin and cease to be selected.
    async fn change(&mut self, change: &Change) -> Result<(), Closed> {
        let before = change.previous.as_ref().is_some_and(|previous| self.query.selects(&previous.value));
        match change.kind {
            ChangeKind::Added | ChangeKind::Modified => {
                let now = self.query.selects(&change.object.value);
                match (before, now) {
                    (true, true) => self.line("MODIFIED", &change.object).await,
                    (false, true) => self.line("ADDED", &change.object).await,
                    (true, false) => {
                        let Some(previous) = &change.previous else { return Ok(()) };
                        let last = Stored::new(Value::clone(&previous.value), change.revision());
                        self.line("DELETED", &Arc::new(last)).await
                    }
                    (false, false) => Ok(()),
                }
            }
            ChangeKind::Deleted => {
                if before {
                    self.line("DELETED", &change.object).await
                } else {
                    Ok(())
                }
            }
        }
    }

    async fn line(&mut self, kind: &str, stored: &Arc<Stored>) -> Result<(), Closed> {
        let stored = match outgoing_one(&self.core, &self.resource, Arc::clone(stored)).await {
            Ok(stored) => stored,
            Err(error) => {
                // What cannot be told ends the watch.
                self.push("ERROR", error.to_status().to_string().as_bytes());
                self.flush().await?;
                return Err(Closed);
            }
        };
        let stored = &*stored;
        match self.form {
            Form::Whole => {
                let object = respond::object_json(&self.resource, stored);
                self.push(kind, &object);
            }
            Form::Metadata => self.push(kind, respond::partial(&stored.value).to_string().as_bytes()),
            Form::Table => {
                let shown = convert::shown(&self.resource, &stored.value);
                let mut whole = table::table(
                    &self.resource,
                    std::iter::once(shown.as_ref()),
                    self.include,
                    !self.columns_sent,
                    self.core.clock.now(),
                );
                self.columns_sent = true;
                json::set(&mut whole, &["metadata", "resourceVersion"], stored.revision.to_string());
                self.push(kind, whole.to_string().as_bytes());
            }
        }
        Ok(())
    }

    fn bookmark(&mut self, revision: u64, ends_initial_events: bool) {
        let mut metadata = json!({"resourceVersion": revision.to_string()});
        if ends_initial_events {
            json::set(&mut metadata, &["annotations"], json!({INITIAL_EVENTS_END: "true"}));
        }
        let object = match self.form {
            Form::Whole => {
                json!({"kind": self.resource.kind, "apiVersion": self.resource.api_version(), "metadata": metadata})
            }
            Form::Metadata => {
                json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata})
            }
            Form::Table => json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1",
                "metadata": {"resourceVersion": revision.to_string()}, "columnDefinitions": [],
                "rows": [{"cells": [], "object": {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1",
                    "metadata": metadata}}]}),
        };
        self.push("BOOKMARK", object.to_string().as_bytes());
    }

    fn push(&mut self, kind: &str, object: &[u8]) {
        self.pending.extend_from_slice(b"{\"type\":\"");
        self.pending.extend_from_slice(kind.as_bytes());
        self.pending.extend_from_slice(b"\",\"object\":");
        self.pending.extend_from_slice(object);
        self.pending.extend_from_slice(b"}\n");
    }

    async fn flush_if_large(&mut self) -> Result<(), Closed> {
        if self.pending.len() >= CHUNK_BYTES { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), Closed> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::take(&mut self.pending);
        self.sender.send(chunk.into()).await.map_err(|_| Closed)
    }
}
