//! Server-side apply: ownership, conflicts, force, and writes that change nothing.

use crate::common::{client, deployment, sandbox};
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;

#[tokio::test]
async fn two_appliers_conflict_over_a_field_until_one_forces() {
    let sandbox = sandbox().await;
    let deployments: Api<Deployment> = Api::default_namespaced(client(&sandbox));
    let first = deployment("web", 2, "web:1");
    deployments.patch("web", &PatchParams::apply("first"), &Patch::Apply(&first)).await.unwrap();
    let second = deployment("web", 3, "web:1");
    let error = deployments.patch("web", &PatchParams::apply("second"), &Patch::Apply(&second)).await.unwrap_err();
    let kube::Error::Api(status) = error else { panic!("{error}") };
    assert_eq!((status.code, status.reason.as_str()), (409, "Conflict"));
    assert!(status.message.contains("conflict with \"first\": .spec.replicas"), "{}", status.message);
    let cause = &status.details.as_ref().unwrap().causes[0];
    assert_eq!((cause.reason.as_str(), cause.field.as_str()), ("FieldManagerConflict", ".spec.replicas"));
    let taken = deployments.patch("web", &PatchParams::apply("second").force(), &Patch::Apply(&second)).await.unwrap();
    assert_eq!(taken.spec.unwrap().replicas, Some(3));
    // What nobody applies any more goes.
    let without = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "labels": {"a": "b"}},
        "spec": first["spec"]});
    let labelled =
        deployments.patch("web", &PatchParams::apply("third").force(), &Patch::Apply(&without)).await.unwrap();
    assert_eq!(labelled.metadata.labels.unwrap()["a"], "b");
    let mut bare = without.clone();
    bare["metadata"]["labels"] = json!({});
    let unlabelled =
        deployments.patch("web", &PatchParams::apply("third").force(), &Patch::Apply(&bare)).await.unwrap();
    assert_eq!(unlabelled.metadata.labels, None);
}

#[tokio::test]
async fn applying_the_same_again_writes_nothing() {
    let sandbox = sandbox().await;
    let deployments: Api<Deployment> = Api::default_namespaced(client(&sandbox));
    let wanted = deployment("web", 0, "web:1");
    let apply = Patch::Apply(&wanted);
    deployments.patch("web", &PatchParams::apply("gitops").force(), &apply).await.unwrap();
    sandbox.advance(std::time::Duration::from_secs(60)).await;
    let before = deployments.get("web").await.unwrap().metadata;
    let after = deployments.patch("web", &PatchParams::apply("gitops").force(), &apply).await.unwrap().metadata;
    assert_eq!(after.resource_version, before.resource_version);
    assert_eq!(after.generation, before.generation);
    let managers: Vec<(String, String)> = after
        .managed_fields
        .unwrap()
        .into_iter()
        .map(|entry| {
            (entry.manager.unwrap(), format!("{}{}", entry.operation.unwrap(), entry.subresource.unwrap_or_default()))
        })
        .collect();
    assert!(managers.contains(&("gitops".to_string(), "Apply".to_string())), "{managers:?}");
    assert!(managers.contains(&("deployment-controller".to_string(), "Updatestatus".to_string())), "{managers:?}");
}
