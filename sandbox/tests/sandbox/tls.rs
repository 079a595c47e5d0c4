//! The API over TLS: the kubeconfig works, and strangers are turned away.

use crate::common::sandbox;
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::api::{Api, ListParams};
use kube::config::{KubeConfigOptions, Kubeconfig};

#[tokio::test]
async fn the_kubeconfig_opens_the_api_and_strangers_are_turned_away() {
    let sandbox = sandbox().await;
    let serving = sandbox.serve_tls(([127, 0, 0, 1], 0).into()).await.unwrap();
    let kubeconfig = Kubeconfig::from_yaml(&serving.kubeconfig_yaml).unwrap();
    let connect = async |kubeconfig: Kubeconfig| {
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
        kube::Client::try_from(config).unwrap()
    };
    let namespaces: Api<Namespace> = Api::all(connect(kubeconfig.clone()).await);
    let names: Vec<String> = namespaces
        .list(&ListParams::default())
        .await
        .unwrap()
        .items
        .into_iter()
        .map(|n| n.metadata.name.unwrap())
        .collect();
    assert_eq!(names, ["default", "kube-node-lease", "kube-public", "kube-system"]);

    let mut nobody = kubeconfig.clone();
    for user in &mut nobody.auth_infos {
        user.auth_info = Some(Default::default());
    }
    let stranger = connect(nobody.clone()).await;
    assert!(stranger.apiserver_version().await.is_ok(), "the version is open to all");
    let error = Api::<Namespace>::all(stranger).list(&ListParams::default()).await.unwrap_err();
    // Nobody in particular is known to the server all the same, and may do what roles allow to nobody.
    assert!(matches!(error, kube::Error::Api(status) if status.code == 403));

    // A token of a service account is as good as a certificate.
    sandbox.settle().await;
    let administrator = connect(kubeconfig).await;
    let accounts: Api<ServiceAccount> = Api::default_namespaced(administrator.clone());
    let request =
        serde_json::from_value(serde_json::json!({"spec": {"audiences": [], "expirationSeconds": 3600}})).unwrap();
    let answer = accounts.create_token_request("default", &Default::default(), &request).await.unwrap();
    for user in &mut nobody.auth_infos {
        let info = user.auth_info.get_or_insert_default();
        info.token = Some(answer.status.as_ref().unwrap().token.clone().unwrap().into());
    }
    let account = connect(nobody).await;
    let error = Api::<Namespace>::all(account.clone()).list(&ListParams::default()).await.unwrap_err();
    assert!(matches!(error, kube::Error::Api(status) if status.code == 403), "no role lets it list namespaces yet");
    let binding: k8s_openapi::api::rbac::v1::ClusterRoleBinding = serde_json::from_value(serde_json::json!({
        "metadata": {"name": "reader"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": "default"}],
    }))
    .unwrap();
    let bindings: Api<k8s_openapi::api::rbac::v1::ClusterRoleBinding> = Api::all(administrator);
    bindings.create(&Default::default(), &binding).await.unwrap();
    assert!(Api::<Namespace>::all(account).list(&ListParams::default()).await.is_ok());
}
