//! What the server answers, without a socket.

#![expect(clippy::unwrap_used, reason = "a test that finds nothing to unwrap has failed")]

mod support;

use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use base64::Engine as _;
use hmac::{Hmac, KeyInit, Mac};
use http_body_util::BodyExt as _;
use landfall_flow::home::HomeKind;
use landfall_flow::informer::Observation;
use landfall_flow::metrics::OfApplication;
use landfall_flow::reconcile::Controller;
use landfall_server::router;
use serde_json::{Value, json};
use support::{controller, fill, forbidden};
use tower::ServiceExt as _;

fn application(name: &str, url: &str) -> Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": name, "namespace": "argocd", "uid": name, "resourceVersion": "1"},
        "spec": {
            "project": "default", "source": {"repoURL": url, "path": "k8s"},
            "destination": {"server": "https://kubernetes.default.svc", "namespace": "shop"},
            "syncPolicy": {"automated": {}},
        },
        "status": {"sync": {"status": "Synced"}, "health": {"status": "Healthy"},
                   "conditions": [{"type": "ComparisonError", "message": "no"}]},
    })
}

fn three() -> [Value; 3] {
    [
        application("web", "https://user@github.com/Team/shop.git"),
        application("api", "ssh://git@github.com:2222/team/shop"),
        application("other", "https://github.com/team/other"),
    ]
}

async fn answer(controller: &Arc<Controller>, request: Request<Body>) -> (StatusCode, String) {
    let response = router(controller.clone()).oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

async fn get(controller: &Arc<Controller>, path: &str) -> (StatusCode, String) {
    answer(controller, Request::get(path).body(Body::empty()).unwrap()).await
}

fn push() -> String {
    json!({
        "ref": "refs/heads/main", "before": "1a", "after": "2b",
        "repository": {"clone_url": "https://github.com/team/shop.git", "ssh_url": "git@github.com:team/shop.git"},
    })
    .to_string()
}

fn webhook(pairs: &[(&str, &str)], body: impl Into<Body>) -> Request<Body> {
    let mut request = Request::post("/api/webhook");
    for (name, value) in pairs {
        request = request.header(*name, *value);
    }
    request.body(body.into()).unwrap()
}

fn secret() -> Value {
    let key = base64::engine::general_purpose::STANDARD.encode("hub");
    json!({"metadata": {"name": "argocd-secret", "namespace": "argocd"}, "data": {"webhook.github.secret": key}})
}

#[tokio::test]
async fn alive_is_not_yet_ready() {
    let controller = controller(Ok(None));
    assert_eq!(get(&controller, "/healthz").await.0, StatusCode::OK);
    let (status, reason) = get(&controller, "/readyz").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(reason.contains("being read"), "{reason}");
    for kind in HomeKind::ALL {
        controller.home.observe(kind, Observation::Failed(forbidden()));
    }
    let (status, reason) = get(&controller, "/readyz").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(reason.contains("it is forbidden"), "{reason}");
    fill(&controller, &[]);
    assert_eq!(get(&controller, "/readyz").await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_push_wakes_who_reads_the_repository_however_its_address_is_written() {
    let controller = controller(Ok(None));
    fill(&controller, &three());
    assert_eq!(controller.queue.depth().0, 0);
    let (status, body) = answer(&controller, webhook(&[("X-GitHub-Event", "push")], push())).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&body["applications"], &body["references"]), (&json!(2), &json!(["refs/heads/main"])));
    assert_eq!(controller.queue.depth().0, 2);
}

#[tokio::test]
async fn a_push_to_a_repository_that_nobody_reads_wakes_nobody() {
    let controller = controller(Ok(None));
    fill(&controller, &three()[2..]);
    let (status, body) = answer(&controller, webhook(&[("X-GitHub-Event", "push")], push())).await;
    assert_eq!(status, StatusCode::OK);
    assert!(body.contains("no Application reads https://github.com/team/shop.git"), "{body}");
    assert_eq!(controller.queue.depth().0, 0);
}

#[tokio::test]
async fn who_does_not_know_the_key_of_argocd_secret_wakes_nobody() {
    let controller = controller(Ok(Some(secret())));
    fill(&controller, &three());
    let event = ("X-GitHub-Event", "push");
    let (status, reason) = answer(&controller, webhook(&[event], push())).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(reason.contains("webhook.github.secret"), "{reason}");
    assert_eq!(controller.queue.depth().0, 0);
    let mac = <Hmac<sha2::Sha256> as KeyInit>::new_from_slice(b"hub").unwrap();
    let digest = mac.chain_update(push()).finalize().into_bytes();
    let signature = digest.iter().fold("sha256=".to_owned(), |text, byte| format!("{text}{byte:02x}"));
    let signed = webhook(&[event, ("X-Hub-Signature-256", &signature)], push());
    assert_eq!(answer(&controller, signed).await.0, StatusCode::OK);
    assert_eq!(controller.queue.depth().0, 2);
}

#[tokio::test]
async fn nobody_is_believed_while_the_keys_cannot_be_read() {
    let controller = controller(Err(forbidden()));
    fill(&controller, &three());
    let (status, reason) = answer(&controller, webhook(&[("X-GitHub-Event", "push")], push())).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(reason.contains("argocd/argocd-secret"), "{reason}");
    assert_eq!(controller.queue.depth().0, 0);
}

#[tokio::test]
async fn what_is_no_webhook_is_answered_with_the_reason() {
    let controller = controller(Ok(None));
    let (status, reason) = answer(&controller, webhook(&[], push())).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(reason.contains("X-GitHub-Event"), "{reason}");
    let (status, reason) = answer(&controller, webhook(&[("X-GitHub-Event", "push")], "{")).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(reason.contains("no JSON"), "{reason}");
    let large = vec![b' '; (10 << 20) + 1];
    let (status, _) = answer(&controller, webhook(&[("X-GitHub-Event", "push")], large)).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(get(&controller, "/api/webhook").await.0, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn metrics_have_the_names_and_labels_of_argo_cd() {
    let controller = controller(Ok(None));
    fill(&controller, &three()[..1]);
    let known = controller.home.applications();
    let (key, known) = &known[0];
    let of = OfApplication::of(known.application.as_ref().unwrap());
    controller.metrics.synced(&of, "https://kubernetes.default.svc", "Succeeded", false, 1.5);
    controller.metrics.commit_applied(&of, 0.7);
    controller.metrics.reconciled("argocd", "https://kubernetes.default.svc", 0.03);
    let (status, text) = get(&controller, "/metrics").await;
    assert_eq!(status, StatusCode::OK);
    let of_web = "namespace=\"argocd\",name=\"web\",project=\"default\"";
    let server = "dest_server=\"https://kubernetes.default.svc\"";
    let lines = [
        format!(
            "argocd_app_info{{{of_web},autosync_enabled=\"true\",repo=\"https://github.com/Team/shop.git\",{server},dest_namespace=\"shop\",sync_status=\"Synced\",health_status=\"Healthy\",operation=\"\"}} 1"
        ),
        format!("argocd_app_condition{{{of_web},condition=\"ComparisonError\"}} 1"),
        format!("argocd_app_sync_total{{{of_web},{server},phase=\"Succeeded\",dry_run=\"false\"}} 1"),
        format!("argocd_app_sync_duration_seconds_total{{{of_web},{server}}} 1.5"),
        format!("argocd_app_reconcile_bucket{{le=\"0.05\",namespace=\"argocd\",{server}}} 1"),
        format!("landfall_commit_to_applied_seconds_bucket{{le=\"1.0\",{of_web}}} 1"),
        "workqueue_depth{name=\"app_reconciliation_queue\"} 0".to_owned(),
        "landfall_passes_total 0".to_owned(),
    ];
    for line in &lines {
        assert!(text.lines().any(|found| found == line), "{line}\nis not in\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
    assert!(!text.contains("user@"), "an address is told without who reads it");
    controller.metrics.forget(key);
    let (_, text) = get(&controller, "/metrics").await;
    assert!(!text.contains("argocd_app_sync_total{"), "what was counted of an application goes with it\n{text}");
}
