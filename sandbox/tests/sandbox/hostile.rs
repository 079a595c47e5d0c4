//! Clients that mean harm or know no better: they are refused or bounded, and the others are served.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::common::config_map;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ListParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use landfall_sandbox::{Sandbox, Serving};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[expect(clippy::unwrap_used, reason = "a helper of tests: what is missing fails them")]
async fn served() -> (Sandbox, Serving, kube::Client) {
    let sandbox = Sandbox::builder().body_patience(Duration::from_millis(400)).start().await.unwrap();
    let serving = sandbox.serve_tls(([127, 0, 0, 1], 0).into()).await.unwrap();
    let kubeconfig = Kubeconfig::from_yaml(&serving.kubeconfig_yaml).unwrap();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    let client = kube::Client::try_from(config).unwrap();
    (sandbox, serving, client)
}

async fn is_well(client: &kube::Client) {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "default");
    let listed = tokio::time::timeout(Duration::from_secs(20), maps.list(&ListParams::default())).await;
    assert!(listed.is_ok_and(|listed| listed.is_ok()), "others are still served");
}

#[expect(clippy::unwrap_used, reason = "a helper of tests: what is missing fails them")]
async fn post(client: &kube::Client, body: Vec<u8>) -> (u16, String) {
    let request = http::Request::post("/api/v1/namespaces/default/configmaps")
        .header("content-type", "application/json")
        .body(kube::client::Body::from(body))
        .unwrap();
    let response = client.send(request).await.unwrap();
    let status = response.status().as_u16();
    let body = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test]
async fn huge_and_deep_bodies_are_refused() {
    let (_sandbox, _serving, client) = served().await;
    let large = format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"large"}},"data":{{"a":"{}"}}}}"#,
        "x".repeat(4 << 20)
    );
    let (status, told) = post(&client, large.into_bytes()).await;
    assert_eq!(status, 413, "{}", &told[..told.len().min(300)]);
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!(
            r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"deep"}},"data":{}1{}}}"#,
            open.repeat(100_000),
            close.repeat(100_000)
        );
        let (status, told) = post(&client, deep.into_bytes()).await;
        assert_eq!(status, 400, "{}", &told[..told.len().min(300)]);
    }
    let (status, _) = post(&client, vec![0xff; 1000]).await;
    assert_eq!(status, 400);
    is_well(&client).await;
}

/// A TLS connection as the administrator, below HTTP.
#[expect(clippy::unwrap_used, reason = "a helper of tests: what is missing fails them")]
async fn raw(serving: &Serving, addr: SocketAddr) -> tokio_rustls::client::TlsStream<tokio::net::TcpStream> {
    use base64::Engine as _;
    use rustls::pki_types::pem::PemObject as _;
    let yaml = Kubeconfig::from_yaml(&serving.kubeconfig_yaml).unwrap();
    let user = yaml.auth_infos[0].auth_info.clone().unwrap();
    let decode = |text: &str| base64::engine::general_purpose::STANDARD.decode(text).unwrap();
    let chain =
        rustls::pki_types::CertificateDer::pem_slice_iter(&decode(user.client_certificate_data.as_deref().unwrap()))
            .map(Result::unwrap)
            .collect();
    let key_text = kube::config::Kubeconfig::from_yaml(&serving.kubeconfig_yaml).unwrap();
    let key_data = serde_json::to_value(&key_text).unwrap();
    // Keys are hidden in the typed form; the text has them.
    let key_line =
        serving.kubeconfig_yaml.lines().find_map(|line| line.trim().strip_prefix("client-key-data: ")).unwrap();
    assert!(key_data.is_object());
    let key = rustls::pki_types::PrivateKeyDer::from_pem_slice(&decode(key_line.trim_matches('"'))).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    let authority = yaml.clusters[0].cluster.clone().unwrap().certificate_authority_data.unwrap();
    for certificate in rustls::pki_types::CertificateDer::pem_slice_iter(&decode(&authority)) {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .unwrap();
    let stream = tokio::net::TcpStream::connect(addr).await.unwrap();
    let name = rustls::pki_types::ServerName::IpAddress(addr.ip().into());
    tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

#[tokio::test]
async fn a_body_that_never_comes_is_not_waited_for() {
    let (_sandbox, serving, client) = served().await;
    let mut stream = raw(&serving, serving.addr).await;
    let head = "POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    let begun = Instant::now();
    let mut answer = vec![0; 4096];
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read(&mut answer)).await.unwrap().unwrap();
    let answer = String::from_utf8_lossy(&answer[..read]);
    assert!(answer.starts_with("HTTP/1.1 408") || answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(begun.elapsed() < Duration::from_secs(15));
    is_well(&client).await;
}

#[tokio::test]
async fn many_large_bodies_at_once_are_taken_one_after_the_other() {
    let (_sandbox, _serving, client) = served().await;
    // Together they are more than there is room for: those that wait too long are told to come again.
    let body = |index: usize| {
        let text = "x".repeat((5 << 20) / 2);
        format!(
            r#"{{"apiVersion":"v1","kind":"Secret","metadata":{{"name":"large-{index}"}},"data":{{"a":"{text}"}}}}"#
        )
        .into_bytes()
    };
    let sent = (0..150).map(|index| post(&client, body(index)));
    for (status, told) in futures::future::join_all(sent).await {
        assert!(matches!(status, 400 | 408 | 422 | 429), "{status}: {}", &told[..told.len().min(300)]);
    }
    is_well(&client).await;
}

#[tokio::test]
async fn many_silent_connections_and_many_requests_at_once_leave_room_for_others() {
    let (_sandbox, serving, client) = served().await;
    let count: usize =
        std::env::var("SANDBOX_HOSTILE_CONNECTIONS").ok().and_then(|count| count.parse().ok()).unwrap_or(300);
    let mut silent = Vec::new();
    for _ in 0..count {
        match tokio::net::TcpStream::connect(serving.addr).await {
            Ok(stream) => silent.push(stream),
            // This process may have no more file handles.
            Err(_) => break,
        }
    }
    assert!(silent.len() >= 100, "{}", silent.len());
    is_well(&client).await;
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "default");
    let writes = (0..300).map(|index| {
        let maps = maps.clone();
        async move { maps.create(&PostParams::default(), &config_map(&format!("many-{index}"), "a", "b")).await }
    });
    let made = futures::future::join_all(writes).await;
    assert!(made.iter().all(Result::is_ok), "{:?}", made.iter().find(|made| made.is_err()));
    is_well(&client).await;
}
