//! `POST /api/webhook`: who pushed where, and whom that wakes.
//!
//! A webhook carries nothing that is believed beyond "look again": woken applications ask the repository themselves. So
//! all references of a repository wake everybody who reads it, and who finds nothing new does nothing.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use landfall_flow::reconcile::Controller;
use landfall_repository::address::normalized;
use landfall_webhook::place::Place;
use landfall_webhook::push::{PushEvent, Refusal};
use landfall_webhook::read::read;
use serde::Serialize;

use crate::Server;

/// The answer to a webhook that was taken.
#[derive(Serialize)]
struct Woken {
    /// How many applications look again.
    applications: usize,
    /// The references that moved.
    references: Vec<String>,
    /// The same for people.
    message: String,
}

pub(crate) async fn receive(State(server): State<Server>, headers: HeaderMap, body: Bytes) -> Response {
    let metrics = &server.controller.metrics;
    let keys = match server.keys.now(&server.controller).await {
        Ok(keys) => keys,
        Err(reason) => {
            metrics.webhook("", "unavailable");
            return refuse(StatusCode::SERVICE_UNAVAILABLE, &reason);
        }
    };
    match read(&texts(&headers), &body, &keys) {
        Ok(pushes) => {
            let applications = wake(&server.controller, &pushes);
            let sender = pushes.first().map(|push| push.sender.to_string()).unwrap_or_default();
            metrics.webhook(&sender, if pushes.is_empty() { "ignored" } else { "taken" });
            let references: Vec<String> = pushes.iter().map(|push| push.reference.clone()).collect();
            let message = match (pushes.first(), applications) {
                (None, _) => "this event is no push; nothing to do".to_owned(),
                (Some(push), 0) => format!("no Application reads {}", push.repository_urls.join(" or ")),
                (Some(_), count) => format!("{count} of the Applications look again"),
            };
            tracing::info!(%sender, ?references, applications, "a webhook");
            Json(Woken { applications, references, message }).into_response()
        }
        Err(refusal) => {
            let (status, sender, answer) = match &refusal {
                Refusal::UnknownSender => (StatusCode::BAD_REQUEST, String::new(), "malformed"),
                Refusal::Malformed { sender, .. } => (StatusCode::BAD_REQUEST, sender.to_string(), "malformed"),
                Refusal::NotProven { sender, .. } => (StatusCode::UNAUTHORIZED, sender.to_string(), "refused"),
            };
            metrics.webhook(&sender, answer);
            refuse(status, &refusal.to_string())
        }
    }
}

/// Makes the applications look again that read one of the repositories. Returns how many.
fn wake(controller: &Controller, pushes: &[PushEvent]) -> usize {
    let places: BTreeSet<Place> =
        pushes.iter().flat_map(|push| &push.repository_urls).filter_map(|url| Place::of(url)).collect();
    // Addresses that are no places on the network, folders say, are compared as they are.
    let addresses: BTreeSet<String> =
        pushes.iter().flat_map(|push| &push.repository_urls).map(|url| normalized(url)).collect();
    let (mut woken, mut urls) = (BTreeSet::new(), BTreeSet::new());
    for (key, known) in controller.home.applications() {
        let Ok(application) = &known.application else { continue };
        for source in application.spec.sources() {
            let is_at_place = Place::of(&source.repo_url).is_some_and(|place| places.contains(&place));
            if is_at_place || addresses.contains(&normalized(&source.repo_url)) {
                woken.insert(key.clone());
                urls.insert(source.repo_url.clone());
            }
        }
    }
    for url in urls {
        controller.repository_changed(&url);
    }
    woken.len()
}

/// The headers that are text; names are in lower case already.
fn texts(headers: &HeaderMap) -> BTreeMap<String, String> {
    let text = |value: &axum::http::HeaderValue| value.to_str().ok().map(str::to_owned);
    headers.iter().filter_map(|(name, value)| Some((name.as_str().to_owned(), text(value)?))).collect()
}

fn refuse(status: StatusCode, reason: &str) -> Response {
    (status, format!("{reason}\n")).into_response()
}
