//! The API as OpenAPI 3.1, made from the same tables that answer it.

use std::sync::OnceLock;

use landfall_api::openapi;
use serde_json::{Value, json};

/// The document.
pub fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(|| {
        let mut document = openapi::document();
        for (path, verb, operation) in own() {
            document["paths"][path][verb] = operation;
        }
        document
    })
}

/// What has no method in proto/.
fn own() -> Vec<(&'static str, &'static str, Value)> {
    let query = |name: &str, kind: &str, says: &str| json!({"name": name, "in": "query", "schema": {"type": kind}, "description": says});
    let list = |name: &str, says: &str| json!({"name": name, "in": "query", "schema": {"type": "array", "items": {"type": "string"}}, "explode": true, "description": says});
    let name = json!({"name": "name", "in": "path", "required": true, "schema": {"type": "string"}});
    let chosen = vec![
        list("projects", "only applications of these projects"),
        query("selector", "string", "only applications with these labels"),
        query("repo", "string", "only applications that read this repository"),
        query("appNamespace", "string", "only applications of this namespace"),
    ];
    let answers = |says: &str, kind: &str| {
        json!({
            "200": {"description": says, "content": {kind: {"schema": {"type": if kind == "text/event-stream" { "string" } else { "object" }}}}},
            "default": {"description": "a refusal", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}},
        })
    };
    let mut of_pages = chosen.clone();
    of_pages.extend([
        query("search", "string", "words that must all stand somewhere in what is known of an application"),
        list("sync", "only with these sync statuses"),
        list("health", "only with these health statuses"),
        query(
            "sort",
            "string",
            "name, project, namespace, sync, health, syncedAt or createdAt; with - before it the other way round",
        ),
        query("limit", "integer", "rows of a page, 100 if left out, 1000 at most"),
        query("offset", "integer", "rows to leave out"),
    ]);
    let mut of_changes = chosen;
    of_changes.push(query("after", "string", "go on after this event; Last-Event-ID means the same"));
    let namespace = query("appNamespace", "string", "the application's namespace");
    let project = query("project", "string", "the application's project");
    let by_name = json!([name, namespace, project]);
    vec![
        (
            "/api/v1/application-pages",
            "get",
            json!({
                "operationId": "Landfall_ApplicationPages", "summary": "Rows of applications, sorted, searched and paged.",
                "tags": ["landfall"], "parameters": of_pages, "responses": answers("rows, how many there are, and how to go on", "application/json"),
            }),
        ),
        (
            "/api/v1/stream/application-changes",
            "get",
            json!({
                "operationId": "Landfall_ApplicationChanges", "summary": "Rows of applications as they change.",
                "tags": ["landfall"], "parameters": of_changes, "responses": answers("events reset, changed and deleted", "text/event-stream"),
            }),
        ),
        (
            "/api/v1/applications/{name}/explain",
            "get",
            json!({
                "operationId": "Landfall_Explain", "summary": "Why an application is OutOfSync, Degraded or waiting.",
                "tags": ["landfall"], "parameters": by_name, "responses": answers("words, and the same as data", "application/json"),
            }),
        ),
        (
            "/api/v1/applications/{name}/plan",
            "post",
            json!({
                "operationId": "Landfall_Plan", "summary": "The steps of a sync before it runs.",
                "tags": ["landfall"], "parameters": by_name,
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/application.ApplicationSyncRequest"}}}},
                "responses": answers("groups of steps", "application/json"),
            }),
        ),
        (
            "/api/v1/openapi.json",
            "get",
            json!({
                "operationId": "Landfall_OpenApi", "summary": "This document.", "tags": ["landfall"], "security": [],
                "responses": answers("OpenAPI 3.1", "application/json"),
            }),
        ),
    ]
}
