//! The API to other people's programs: the stock `argocd` over gRPC and gRPC-web, a client that another implementation
//! generated from our definitions, curl, a tester that is driven by the OpenAPI document, and clients that behave badly.

mod bad_clients;
mod others;
mod schema;
mod services;
mod stock;

/// Demands that a text holds one of these.
#[track_caller]
fn has_one(text: &str, parts: &[&str]) {
    assert!(parts.iter().any(|part| text.contains(part)), "none of {parts:?} is in:\n{text}");
}

/// Demands that a text holds all of these.
#[track_caller]
fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}
