//! Clients for clusters that are described by Secrets. The description is written as a kubeconfig, so that what
//! `kube::Client` knows (programs that print credentials, proxies, client certificates) works here too.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use landfall_ports::cluster::{Cluster, ClusterConnector};
use landfall_repository::cluster::ClusterAccess;
use serde_json::{Value, json};

use crate::KubeCluster;

/// How long the way to a server may take to open. Source: Argo CD `ARGOCD_K8S_TCP_TIMEOUT` (30 s); a cluster that is down
/// is told sooner here.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// Makes clients over HTTPS.
#[derive(Debug, Clone, Copy, Default)]
pub struct Connector;

#[async_trait]
impl ClusterConnector for Connector {
    async fn connect(&self, server: &str, access: &ClusterAccess) -> Result<Arc<dyn Cluster>, String> {
        let text = kubeconfig(server, access).to_string();
        // Errors of these name places and programs, never what is in the credentials.
        let kubeconfig = Kubeconfig::from_yaml(&text).map_err(|error| error.to_string())?;
        let options = KubeConfigOptions::default();
        let loaded = Config::from_custom_kubeconfig(kubeconfig, &options).await;
        let mut config = loaded.map_err(|error| chain(&error))?;
        config.connect_timeout = Some(CONNECT_LIMIT);
        let client = Client::try_from(config).map_err(|error| chain(&error))?;
        Ok(Arc::new(KubeCluster::of(client)))
    }
}

/// Writes how a cluster is reached as a kubeconfig.
fn kubeconfig(server: &str, access: &ClusterAccess) -> Value {
    let filled = |text: &str| (!text.is_empty()).then(|| json!(text)).unwrap_or(Value::Null);
    let mut cluster = json!({
        "server": server,
        "insecure-skip-tls-verify": access.tls_insecure,
        "certificate-authority-data": filled(&access.authorities),
        "tls-server-name": filled(&access.tls_server_name),
        "proxy-url": filled(&access.proxy),
    });
    let mut user = json!({
        "username": filled(&access.username),
        "password": filled(access.password.reveal()),
        "token": filled(access.bearer_token.reveal()),
        "client-certificate-data": filled(&access.certificate),
        "client-key-data": filled(access.key.reveal()),
    });
    if let Some(program) = &access.program {
        let environment: Vec<Value> =
            program.environment.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
        user["exec"] = json!({
            "apiVersion": program.api_version, "command": program.command, "args": program.arguments,
            "env": environment, "installHint": program.install_hint, "interactiveMode": "Never",
            "provideClusterInfo": false,
        });
    }
    for part in [&mut cluster, &mut user] {
        if let Some(fields) = part.as_object_mut() {
            fields.retain(|_, value| !value.is_null());
        }
    }
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "it",
        "clusters": [{"name": "it", "cluster": cluster}],
        "users": [{"name": "it", "user": user}],
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
    })
}

/// An error with everything behind it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(&format!(": {next}"));
        cause = next.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use landfall_repository::secret::Confidential;

    use super::*;

    #[tokio::test]
    async fn clusters_are_reached_by_token_and_by_basic_authentication() {
        let _already_set = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let token = ClusterAccess { bearer_token: Confidential::of("t"), ..ClusterAccess::default() };
        let basic = ClusterAccess {
            username: "u".to_owned(),
            password: Confidential::of("p"),
            tls_insecure: true,
            ..ClusterAccess::default()
        };
        for access in [token, basic] {
            assert!(Connector.connect("https://127.0.0.1:1", &access).await.is_ok());
        }
    }

    #[tokio::test]
    async fn authorities_that_cannot_be_read_are_said() {
        let _already_set = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let access = ClusterAccess { authorities: "!".to_owned(), ..ClusterAccess::default() };
        let refused = Connector.connect("https://127.0.0.1:1", &access).await;
        assert!(refused.is_err_and(|why| why.contains("ertificate")), "names the certificate");
    }
}
