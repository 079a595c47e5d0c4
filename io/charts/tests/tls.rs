//! TLS as the repository's settings say: authorities, client certificates, and nothing unverified unless told so.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use landfall_charts::client::ChartClient;
use landfall_charts::settings::Settings;
use landfall_ports::charts::ChartRepo;
use landfall_repository::problem::SourceProblem;
use landfall_repository::repository::Repository;
use landfall_repository::secret::Confidential;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self { issuer: CertifiedIssuer::self_signed(params, key).expect("a certificate") }
    }

    fn issue(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        (params.signed_by(&key, &self.issuer).expect("a certificate"), key)
    }
}

/// Serves an index over TLS, for clients with a certificate of `clients` if given.
async fn serve(authority: &Authority, clients: Option<&Authority>) -> (u16, tokio::task::JoinHandle<()>) {
    let (certificate, key) = authority.issue("localhost");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("protocol versions");
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(clients) => {
            let mut roots = RootCertStore::empty();
            roots.add(clients.issuer.der().clone()).expect("an authority");
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.expect("a verifier"))
        }
    };
    let chain: Vec<CertificateDer<'static>> = vec![certificate.der().clone()];
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let config = Arc::new(builder.with_single_cert(chain, key).expect("a certificate"));
    let acceptor = tokio_rustls::TlsAcceptor::from(config);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let app = Router::new().fallback(async || "apiVersion: v1\nentries:\n  app:\n  - name: app\n    version: 1.0.0\n");
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, app) = (acceptor.clone(), app.clone());
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let service = hyper_util::service::TowerToHyperService::new(app);
                let io = hyper_util::rt::TokioIo::new(stream);
                let builder = hyper_util::server::conn::auto::Builder::new(hyper_util::rt::TokioExecutor::new());
                builder.serve_connection(io, service).await.ok();
            });
        }
    });
    (port, task)
}

fn client() -> (ChartClient, tempfile::TempDir) {
    let directory = tempfile::tempdir().expect("a temporary folder");
    let settings = Settings { index_age_max: Duration::ZERO, ..Settings::in_directory(directory.path()) };
    (ChartClient::with_settings(settings), directory)
}

#[tokio::test]
async fn an_unknown_authority_is_refused_unless_trusted_or_told_to_be_insecure() {
    let authority = Authority::new();
    let (port, task) = serve(&authority, None).await;
    let (client, _directory) = client();
    let mut repository = Repository::public(format!("https://localhost:{port}"));
    let error = client.index(&repository).await.unwrap_err();
    assert_eq!(error.problem, SourceProblem::CertificateUntrusted, "{error}");
    assert!(error.hint.contains("argocd-tls-certs-cm"), "{error}");
    repository.connection.tls_authorities = Some(Authority::new().issuer.pem());
    assert_eq!(client.index(&repository).await.unwrap_err().problem, SourceProblem::CertificateUntrusted);
    repository.connection.tls_authorities = Some(authority.issuer.pem());
    client.index(&repository).await.unwrap();
    // The name must fit too.
    repository.url = format!("https://127.0.0.1:{port}");
    assert_eq!(client.index(&repository).await.unwrap_err().problem, SourceProblem::CertificateUntrusted);
    repository.connection.tls_authorities = None;
    repository.connection.tls_insecure = true;
    client.index(&repository).await.unwrap();
    task.abort();
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_a_server_that_wants_one() {
    let (authority, people) = (Authority::new(), Authority::new());
    let (port, task) = serve(&authority, Some(&people)).await;
    let (client, _directory) = client();
    let mut repository = Repository::public(format!("https://localhost:{port}"));
    repository.connection.tls_authorities = Some(authority.issuer.pem());
    assert!(client.index(&repository).await.is_err());
    let (certificate, key) = people.issue("robot");
    repository.credentials.tls_client_certificate = Some(certificate.pem());
    repository.credentials.tls_client_key = Some(Confidential::of(key.serialize_pem()));
    client.index(&repository).await.unwrap();
    task.abort();
}
