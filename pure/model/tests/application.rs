//! Promises of the Application type: what users wrote is read, and what is written has Argo CD's shape.

use landfall_model::application::Application;
use landfall_model::key::ObjectKey;
use landfall_model::status::{OperationPhase, SyncStatusCode};
use landfall_model::sync_options::{Propagation, Removal, SyncOptions};
use landfall_model::tracking::{TrackingId, instance_name, owner};
use serde_json::json;

#[test]
fn an_application_of_an_argo_cd_user_is_read_and_unknown_fields_are_tolerated() {
    let value = json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
        "metadata": {"name": "blacklist", "namespace": "argocd", "finalizers": ["resources-finalizer.argocd.argoproj.io"]},
        "spec": {"project": "", "source": {"repoURL": "https://git.example.test/x.git", "path": "helm-chart", "targetRevision": "HEAD",
                 "helm": {"valueFiles": ["values.yaml"]}, "aFieldOfTheFuture": 1},
                 "destination": {"server": "https://kubernetes.default.svc", "namespace": "blacklist"},
                 "syncPolicy": {"automated": {"prune": true, "selfHeal": true, "allowEmpty": false},
                                "syncOptions": ["CreateNamespace=true", "PrunePropagationPolicy=foreground", "PruneLast=true"],
                                "retry": {"limit": 5, "backoff": {"duration": "5s", "factor": 2, "maxDuration": "3m"}}}},
        "status": {"sync": {"status": "Synced", "revision": "abc"}, "health": {"status": "Healthy"},
                   "operationState": {"operation": {"sync": {"revision": "abc", "prune": true}}, "phase": "Succeeded",
                                       "startedAt": "2026-01-02T03:04:05Z", "finishedAt": "2026-01-02T03:04:06Z"}}
    });
    let application = Application::read(&value).unwrap();
    assert_eq!(application.spec.project(), "default");
    assert_eq!(application.spec.sources().len(), 1);
    assert_eq!(application.spec.automated().unwrap().self_heal, Some(true));
    let options = application.spec.sync_options();
    assert_eq!((options.create_namespace, options.prune_last), (Some(true), Some(true)));
    assert_eq!(options.prune_propagation, Some(Propagation::Foreground));
    assert_eq!(application.status.sync.status, SyncStatusCode::Synced);
    let state = application.status.operation_state.as_ref().unwrap();
    assert_eq!(state.phase, OperationPhase::Succeeded);
    assert_eq!(serde_json::to_value(&application.status).unwrap()["operationState"], value["status"]["operationState"]);
}

#[test]
fn a_field_of_another_type_is_an_answer_that_names_the_application() {
    let error =
        Application::read(&json!({"metadata": {"name": "a", "namespace": "n"}, "spec": {"source": 5}})).unwrap_err();
    assert!(error.to_string().contains("Application n/a"), "{error}");
}

#[test]
fn an_objects_own_options_beat_the_applications() {
    let application = SyncOptions::parse(["Prune=true", "Validate=false", "Bogus=1"]);
    assert_eq!(application.unknown, ["Bogus=1"]);
    let object = json!({"metadata": {"annotations": {"argocd.argoproj.io/sync-options": "Prune=confirm, Force=true"}}});
    let both = application.with_object(&SyncOptions::of_object(&object));
    assert_eq!((both.prune, both.validate, both.force), (Some(Removal::Confirm), Some(false), Some(true)));
}

#[test]
fn a_copied_tracking_annotation_makes_nobody_an_owner() {
    let id = TrackingId { instance: "shop".into(), key: ObjectKey::of("apps", "Deployment", "ns", "web") };
    assert_eq!(id.to_string(), "shop:apps/Deployment:ns/web");
    assert_eq!(TrackingId::parse(&id.to_string()), Some(id.clone()));
    let live = |name: &str| {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": "ns",
               "annotations": {"argocd.argoproj.io/tracking-id": id.to_string()}}})
    };
    assert_eq!(owner(&live("web")).as_deref(), Some("shop"));
    assert_eq!(owner(&live("copy")), None);
    assert_eq!(instance_name("team", "shop", "argocd"), "team_shop");
    assert_eq!(instance_name("argocd", "shop", "argocd"), "shop");
}
