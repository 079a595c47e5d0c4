//! The server's certificate: that of the Secret `argocd-server-tls`, else `tls.crt` and `tls.key` of `argocd-secret`, else
//! one made here and kept there, as Argo CD does. A new one counts from the next connection on.
//! Source: Argo CD 3.5 `util/settings` (externalServerTLSCertificate), `server/server.go`.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;
use landfall_api::error::{ApiError, Code};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, SanType};
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::access::{Access, Snapshot};
use crate::settings::{SECRET, TLS_SECRET};

/// How long a made certificate lasts, in years.
const YEARS: i32 = 10;

/// The certificate that is served now.
pub struct ServerCertificate {
    current: RwLock<Arc<CertifiedKey>>,
}

impl fmt::Debug for ServerCertificate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("ServerCertificate")
    }
}

impl ResolvesServerCert for ServerCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

impl ServerCertificate {
    /// Takes the installation's certificate, making one where there is none.
    ///
    /// Errors: the one that is given cannot be read; the cluster refuses to keep a made one.
    pub async fn of(access: &Access) -> Result<Arc<Self>, ApiError> {
        let snapshot = access.snapshot();
        let (certificate, key) = match given(&snapshot) {
            Some(pair) => pair,
            None => {
                let made = self_made(access.namespace(), access.now())?;
                let keep = |key: &str, text: &str| (key.to_owned(), Some(text.to_owned()));
                let changes = BTreeMap::from([keep("tls.crt", &made.0), keep("tls.key", &made.1)]);
                access.write_secret(SECRET, &changes).await?;
                tracing::info!("no certificate is given: one was made, and nobody trusts it by itself");
                made
            }
        };
        Ok(Arc::new(Self { current: RwLock::new(Arc::new(read(&certificate, &key)?)) }))
    }

    /// Serves a new certificate from now on; for [`Self::follow`] and tests.
    ///
    /// Errors: it cannot be read; the old one is served on.
    pub fn replace(&self, certificate: &str, key: &str) -> Result<(), ApiError> {
        let next = Arc::new(read(certificate, key)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = next;
        Ok(())
    }

    /// Serves whatever certificate is given in the cluster, until dropped.
    pub async fn follow(self: Arc<Self>, access: Arc<Access>) {
        let mut changes = access.changes();
        let mut served = given(&access.snapshot());
        while changes.changed().await.is_ok() {
            let now = given(&access.snapshot());
            let Some((certificate, key)) = now.clone().filter(|_| now != served) else { continue };
            match self.replace(&certificate, &key) {
                Ok(()) => tracing::info!("a new certificate is served"),
                Err(error) => {
                    tracing::error!(reason = error.message, "the new certificate cannot be served: the old one is")
                }
            }
            served = now;
        }
    }

    /// How to serve with it, over HTTP/2 and HTTP/1.1.
    pub fn server_config(self: &Arc<Self>) -> Result<Arc<ServerConfig>, ApiError> {
        let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
        let builder =
            builder.map_err(|error| ApiError::of(Code::Internal, format!("TLS cannot be served: {error}")))?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(self.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// The certificate and key that are given, both in PEM form.
fn given(snapshot: &Snapshot) -> Option<(String, String)> {
    [TLS_SECRET, SECRET].into_iter().find_map(|name| {
        let texts = snapshot.secrets.get(name)?;
        Some((texts.get("tls.crt")?.clone(), texts.get("tls.key")?.clone()))
            .filter(|(certificate, _)| !certificate.trim().is_empty())
    })
}

fn read(certificate: &str, key: &str) -> Result<CertifiedKey, ApiError> {
    let wrong = |what: &str, reason: String| {
        ApiError::precondition(format!("the server's {what} cannot be read: {reason}"))
            .hint(format!("tls.crt and tls.key of the Secret {TLS_SECRET} or {SECRET} hold them in PEM form"))
    };
    let chain: Result<Vec<CertificateDer<'static>>, _> =
        CertificateDer::pem_slice_iter(certificate.as_bytes()).collect();
    let chain = chain.map_err(|error| wrong("certificate", error.to_string()))?;
    if chain.is_empty() {
        return Err(wrong("certificate", "there is none in it".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|error| wrong("key", error.to_string()))?;
    let certified = CertifiedKey::from_der(chain, key, &provider());
    certified.map_err(|error| wrong("certificate and key", error.to_string()))
}

/// Makes a certificate for the names under which the server is reached inside the cluster. It lasts ten years: nobody
/// trusts it for what it says, only for being the same as yesterday.
pub fn self_made(namespace: &str, now: Timestamp) -> Result<(String, String), ApiError> {
    let failed = |error: rcgen::Error| ApiError::of(Code::Internal, format!("no certificate can be made: {error}"));
    let names = ["argocd-server", "landfall"].into_iter().flat_map(|service| {
        [
            service.to_owned(),
            format!("{service}.{namespace}"),
            format!("{service}.{namespace}.svc"),
            format!("{service}.{namespace}.svc.cluster.local"),
        ]
    });
    let names: Vec<String> = std::iter::once("localhost".to_owned()).chain(names).collect();
    let mut params = CertificateParams::new(names).map_err(failed)?;
    params.subject_alt_names.push(SanType::IpAddress(std::net::Ipv4Addr::LOCALHOST.into()));
    params.subject_alt_names.push(SanType::IpAddress(std::net::Ipv6Addr::LOCALHOST.into()));
    let date = now.to_zoned(jiff::tz::TimeZone::UTC).date();
    let day = |years: i32| {
        let month = u8::try_from(date.month()).unwrap_or(1);
        // Not the 29th of February, which other years do not have.
        let day = u8::try_from(date.day()).unwrap_or(1).min(28);
        rcgen::date_time_ymd(i32::from(date.year()) + years, month, day)
    };
    (params.not_before, params.not_after) = (day(0), day(YEARS));
    params.distinguished_name.push(DnType::OrganizationName, "Landfall");
    params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
    let key = KeyPair::generate().map_err(failed)?;
    let certificate = params.self_signed(&key).map_err(failed)?;
    Ok((certificate.pem(), key.serialize_pem()))
}
