//! Clusters: the one that the API runs in; and on a real control plane, one that is added with a service account of its
//! own, serves Applications, gets new credentials and is removed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use landfall_e2e::plane::{Kind, Plane};
use serde_json::{Value, json};

use crate::has;
use crate::stock::{Desk, Tongue};

over_both_tongues!(the_cluster_that_the_api_runs_in_can_be_named_and_labelled);

async fn the_cluster_that_the_api_runs_in_can_be_named_and_labelled(tongue: Tongue) -> anyhow::Result<()> {
    let desk = Desk::start(tongue).await?;
    let argocd = &desk.argocd;
    has(&argocd.ok(&["cluster", "list"]).await?, &["https://kubernetes.default.svc", "in-cluster"]);
    has(&argocd.ok(&["cluster", "get", "in-cluster"]).await?, &["server: https://kubernetes.default.svc"]);
    argocd.ok(&["cluster", "set", "in-cluster", "--name", "home", "--label", "stage=test"]).await?;
    let cluster = argocd.json(&["cluster", "get", "home"]).await?;
    assert_eq!((&cluster["name"], &cluster["labels"]["stage"]), (&json!("home"), &json!("test")), "{cluster}");
    argocd.ok(&["cluster", "set", "home", "--name", "in-cluster"]).await?;
    has(&argocd.ok(&["cluster", "list"]).await?, &["in-cluster"]);
    has(&argocd.fails(&["cluster", "rotate-auth", "in-cluster"]).await?, &["bearer token"]);
    has(&argocd.fails(&["cluster", "get", "elsewhere"]).await?, &["PermissionDenied"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_is_added_used_given_new_credentials_and_removed() {
    added_used_rotated_removed().await.unwrap();
}

async fn added_used_rotated_removed() -> anyhow::Result<()> {
    let desk = Desk::start_on(Kind::Testbed, Tongue::Grpc).await?;
    let argocd = &desk.argocd;
    let Plane::Testbed(testbed) = &desk.world.plane else { anyhow::bail!("this is no real control plane") };
    let kubeconfig = kubeconfig_with_token(&desk, &testbed.admin_kubeconfig).await?;
    let add =
        ["cluster", "add", "testbed", "--kubeconfig", &kubeconfig, "--name", "testbed", "--label", "tier=edge", "-y"];
    argocd.ok(&add).await?;
    let secrets = cluster_secrets(&desk).await?;
    assert_eq!(secrets.len(), 1);
    let token = token(&secrets[0])?;
    assert_eq!(secrets[0]["metadata"]["labels"]["tier"], "edge");
    let shown = argocd.json(&["cluster", "get", "testbed"]).await?;
    assert_eq!(shown["name"], "testbed");
    assert!(!shown.to_string().contains(&token), "a token left: {shown}");

    let (repository, _) = desk.shop()?;
    let url = repository.url();
    let create = [
        "app",
        "create",
        "shop",
        "--repo",
        &url,
        "--path",
        "app",
        "--dest-name",
        "testbed",
        "--dest-namespace",
        "shop",
    ];
    argocd.ok(&[&create[..], &["--sync-option", "CreateNamespace=true"]].concat()).await?;
    argocd.ok(&["app", "sync", "shop", "--timeout", "80"]).await?;
    desk.until_color("blue").await?;
    has(&argocd.ok(&["cluster", "get", "testbed"]).await?, &["Successful"]);

    argocd.ok(&["cluster", "rotate-auth", "testbed"]).await?;
    let rotated = self::token(&cluster_secrets(&desk).await?[0])?;
    assert_ne!(rotated, token, "the credentials are those of before");
    let green = crate::stock::SETTINGS.replace("blue", "green");
    repository.commit(&[("app/settings.yaml", Some(&green))])?;
    argocd.ok(&["app", "sync", "shop", "--timeout", "80"]).await?;
    desk.until_color("green").await?;

    argocd.ok(&["app", "delete", "shop", "-y", "--wait"]).await?;
    let removed = argocd.run_with(&["cluster", "rm", "testbed", "-y"], &[("KUBECONFIG", &kubeconfig)]).await?;
    assert_eq!(removed.code, 0, "{}", removed.said());
    assert!(cluster_secrets(&desk).await?.is_empty());
    assert!(!argocd.ok(&["cluster", "list"]).await?.contains("testbed"));
    Ok(())
}

/// A kubeconfig with a token: with a client certificate `cluster add` would keep that, and no token.
async fn kubeconfig_with_token(desk: &Desk, admin: &std::path::Path) -> anyhow::Result<String> {
    let world = &desk.world;
    let account = json!({"name": "person", "namespace": "kube-system"});
    world.apply(json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account})).await?;
    world
        .apply(json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "person"},
            "subjects": [{"kind": "ServiceAccount", "name": "person", "namespace": "kube-system"}],
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        }))
        .await?;
    world
        .apply(json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
            "metadata": {"name": "person-token", "namespace": "kube-system",
                         "annotations": {"kubernetes.io/service-account.name": "person"}},
        }))
        .await?;
    let secret = ("v1", "Secret", "kube-system", "person-token");
    let is_filled = |found: Option<&Value>| found.is_some_and(|secret| secret["data"]["token"].is_string());
    world.until_object(secret, "filled", is_filled).await?;
    let secret = desk.object(("v1", "Secret"), "kube-system", "person-token").await?;
    let token = String::from_utf8(STANDARD.decode(secret["data"]["token"].as_str().unwrap_or_default())?)?;
    let mut config: Value = serde_json::from_str(&std::fs::read_to_string(admin)?)?;
    config["users"][0]["user"] = json!({"token": token});
    desk.file("with-token.kubeconfig", &config.to_string())
}

async fn cluster_secrets(desk: &Desk) -> anyhow::Result<Vec<Value>> {
    use landfall_ports::cluster::{Detail, ListRequest, Selection};
    let kind = desk.world.kind("v1", "Secret").await?;
    let selection = Selection {
        namespace: "argocd".to_owned(),
        label_selector: "argocd.argoproj.io/secret-type=cluster".to_owned(),
        field_selector: String::new(),
    };
    let asked = ListRequest { selection, page_size_max: 0, from: String::new() };
    Ok(desk.world.cluster.list(&kind, Detail::Full, &asked).await?.objects)
}

fn token(secret: &Value) -> anyhow::Result<String> {
    let encoded = secret["data"]["config"].as_str().unwrap_or_default();
    let config: Value = serde_json::from_slice(&STANDARD.decode(encoded)?)?;
    let token = config["bearerToken"].as_str().unwrap_or_default();
    assert!(!token.is_empty(), "there is no token in {}", secret["metadata"]["name"]);
    Ok(token.to_owned())
}
