//! The sandbox' own certificate authority, and what it signs.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;

/// An authority: its certificate and key.
#[derive(Debug)]
pub(crate) struct Pki {
    certificate_pem: String,
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
    key_pem: String,
}

fn words(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "landfall-sandbox");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    params
}

impl Pki {
    /// A new authority.
    pub(crate) fn generate() -> Result<Self, String> {
        let key = KeyPair::generate().map_err(words)?;
        let params = authority_params();
        let certificate = params.self_signed(&key).map_err(words)?;
        let key_pem = key.serialize_pem();
        Ok(Self {
            certificate_pem: certificate.pem(),
            certificate: certificate.der().clone(),
            issuer: Issuer::new(params, key),
            key_pem,
        })
    }

    /// The authority of an earlier process, from what it kept.
    pub(crate) fn restore(certificate_pem: &str, key_pem: &str) -> Result<Self, String> {
        let key = KeyPair::from_pem(key_pem).map_err(words)?;
        let inside: String = certificate_pem.lines().filter(|line| !line.starts_with("-----")).map(str::trim).collect();
        let der = STANDARD.decode(inside).map_err(words)?;
        Ok(Self {
            certificate_pem: certificate_pem.to_string(),
            certificate: CertificateDer::from(der),
            issuer: Issuer::new(authority_params(), key),
            key_pem: key_pem.to_string(),
        })
    }

    /// The authority's certificate, PEM.
    pub(crate) fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The authority's key, PEM.
    pub(crate) fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// TLS for a server that listens on an address.
    pub(super) fn server_config(&self, listens_on: IpAddr) -> Result<rustls::ServerConfig, String> {
        let names = [
            "localhost",
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
        ];
        let mut params = CertificateParams::new(names.map(str::to_string)).map_err(words)?;
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "kube-apiserver");
        let mut addresses =
            vec![IpAddr::from([127, 0, 0, 1]), IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]), IpAddr::from([10, 96, 0, 1])];
        if !addresses.contains(&listens_on) && !listens_on.is_unspecified() {
            addresses.push(listens_on);
        }
        params.subject_alt_names.extend(addresses.into_iter().map(SanType::IpAddress));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().map_err(words)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(words)?;
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).map_err(words)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .allow_unauthenticated()
            .build()
            .map_err(words)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(words)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![certificate.der().clone(), self.certificate.clone()], key)
            .map_err(words)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }

    /// A kubeconfig for the administrator of a server at an address.
    pub(super) fn kubeconfig(&self, addr: SocketAddr) -> Result<String, String> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "system:masters");
        params.distinguished_name.push(DnType::CommonName, "kubernetes-admin");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().map_err(words)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(words)?;
        // "Everywhere" is no address to connect to.
        let host = if addr.ip().is_unspecified() { IpAddr::from([127, 0, 0, 1]) } else { addr.ip() };
        let server = SocketAddr::new(host, addr.port());
        Ok(format!(
            "apiVersion: v1\nkind: Config\nclusters:\n- name: sandbox\n  cluster:\n    certificate-authority-data: {authority}\n    \
             server: https://{server}\ncontexts:\n- name: sandbox\n  context:\n    cluster: sandbox\n    user: sandbox-admin\n\
             current-context: sandbox\nusers:\n- name: sandbox-admin\n  user:\n    client-certificate-data: {certificate}\n    \
             client-key-data: {key}\n",
            authority = STANDARD.encode(&self.certificate_pem),
            certificate = STANDARD.encode(certificate.pem()),
            key = STANDARD.encode(key.serialize_pem()),
        ))
    }
}
