//! `/api/badge`: how applications do, as a picture for a web page. It answers anybody, if `statusbadge.enabled` says so.
//! Source: Argo CD 3.5 `server/badge/badge.go`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use landfall_api::rest::pairs;
use landfall_flow::home::AppKey;
use landfall_model::application::Application;
use landfall_model::health::HealthStatus;
use landfall_model::status::SyncStatusCode;

use super::Api;

/// How wide a letter is, about, and what stands beside each text, in pixels.
const LETTER_PIXELS: usize = 7;
const PADDING_PIXELS: usize = 16;
/// The longest text of a part.
const TEXT_CHARS_MAX: usize = 80;

const GREEN: &str = "#18be52";
const BLUE: &str = "#0dadea";
const YELLOW: &str = "#f4c030";
const RED: &str = "#e96d76";
const PURPLE: &str = "#766f94";
const GREY: &str = "#9aa5ae";

/// Draws the badge that a query asks for.
pub(crate) async fn answer(State(api): State<Arc<Api>>, request: Request) -> Response {
    let config = api.controller.home.config_map("argocd-cm").unwrap_or_default();
    if config.get("statusbadge.enabled").is_none_or(|text| text != "true") {
        return drawn(&[("Badge", GREY), ("switched off", GREY)]);
    }
    let parameters: Vec<(String, String)> = pairs(request.uri().query().unwrap_or("")).collect();
    let all = |name: &str| -> Vec<&str> {
        parameters.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    };
    let one = |name: &str| all(name).first().copied().unwrap_or("");
    let is_on = |name: &str| one(name) == "true";
    let name = one("name");
    let projects = all("project");
    let mut parts: Vec<(String, &str)> = Vec::new();
    if !name.is_empty() {
        let namespace = match one("namespace") {
            "" => api.controller.settings.namespace.clone(),
            given => given.to_owned(),
        };
        let known = api.controller.home.application(&AppKey { namespace, name: name.to_owned() });
        let Some(application) = known.as_ref().and_then(|known| known.application.as_ref().ok()) else {
            return drawn(&[("Not Found", PURPLE)]);
        };
        if is_on("showAppName") {
            parts.push((name.to_owned(), GREY));
        }
        parts.extend(described(application));
        let revision = &application.status.sync.revision;
        if is_on("revision") && !revision.is_empty() {
            let length = if is_on("keepFullRevision") { revision.len() } else { 7 };
            parts.push((format!("({})", revision.chars().take(length).collect::<String>()), GREY));
        }
    } else if !projects.is_empty() {
        let all = api.controller.home.applications();
        let of_projects: Vec<&Application> = all
            .iter()
            .filter_map(|(_, known)| known.application.as_ref().ok())
            .filter(|application| projects.contains(&application.spec.project()))
            .collect();
        if of_projects.is_empty() {
            return drawn(&[("Not Found", PURPLE)]);
        }
        // The worst of them speaks for all.
        let health = of_projects.iter().map(|application| application.status.health.status).max();
        let synced = of_projects.iter().all(|application| application.status.sync.status == SyncStatusCode::Synced);
        parts.push(health_part(health.unwrap_or_default()));
        parts.push(sync_part(if synced { SyncStatusCode::Synced } else { SyncStatusCode::OutOfSync }));
    } else {
        return drawn(&[("Not Found", PURPLE)]);
    }
    let shown: Vec<(&str, &str)> = parts.iter().map(|(text, color)| (text.as_str(), *color)).collect();
    drawn(&shown)
}

fn described(application: &Application) -> [(String, &'static str); 2] {
    [health_part(application.status.health.status), sync_part(application.status.sync.status)]
}

fn health_part(health: HealthStatus) -> (String, &'static str) {
    let color = match health {
        HealthStatus::Healthy => GREEN,
        HealthStatus::Progressing => BLUE,
        HealthStatus::Suspended => PURPLE,
        HealthStatus::Missing => YELLOW,
        HealthStatus::Degraded => RED,
        HealthStatus::Unknown => GREY,
    };
    (health.as_str().to_owned(), color)
}

fn sync_part(sync: SyncStatusCode) -> (String, &'static str) {
    let color = match sync {
        SyncStatusCode::Synced => GREEN,
        SyncStatusCode::OutOfSync => YELLOW,
        SyncStatusCode::Unknown => GREY,
    };
    (sync.as_str().to_owned(), color)
}

/// Parts beside each other, as SVG.
fn drawn(parts: &[(&str, &str)]) -> Response {
    let mut boxes = String::new();
    let mut left = 0;
    for (text, color) in parts {
        let text: String = text.chars().take(TEXT_CHARS_MAX).collect();
        let width = text.chars().count() * LETTER_PIXELS + PADDING_PIXELS;
        let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
        let middle = left + width / 2;
        boxes.push_str(&format!(
            r##"<rect x="{left}" width="{width}" height="20" fill="{color}"/><text x="{middle}" y="14" fill="#fff" text-anchor="middle">{escaped}</text>"##
        ));
        left += width;
    }
    let svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{left}" height="20" role="img" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">{boxes}</svg>"#
    );
    let mut response = Response::new(Body::from(svg));
    *response.status_mut() = StatusCode::OK;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("image/svg+xml"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    response
}
