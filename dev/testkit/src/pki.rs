//! A throw-away PKI: nothing of it outlives the control plane it is for.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

/// Files of a PKI in one folder.
#[derive(Debug, Clone)]
pub struct Pki {
    /// The folder.
    pub directory: PathBuf,
}

impl Pki {
    /// Makes a certificate authority, the API server's certificate, the service accounts' key and a client certificate
    /// for each of `clients` (name, groups).
    pub fn make(directory: &Path, clients: &[(&str, &[&str])]) -> anyhow::Result<Self> {
        let pki = Self { directory: directory.to_owned() };
        let authority_key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "landfall-testbed");
        params.key_usages =
            vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::CrlSign];
        pki.write("ca.crt", &params.self_signed(&authority_key)?.pem())?;
        let authority = Issuer::new(params, authority_key);

        let names =
            ["127.0.0.1", "10.96.0.1", "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"];
        let mut serving = CertificateParams::new(names.map(str::to_owned).to_vec())?;
        serving.distinguished_name.push(DnType::CommonName, "kube-apiserver");
        serving.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        pki.sign("apiserver", &serving, &authority)?;
        let service_accounts = KeyPair::generate()?;
        pki.write("service-accounts.key", &service_accounts.serialize_pem())?;
        pki.write("service-accounts.pub", &service_accounts.public_key_pem())?;
        for (name, groups) in clients {
            let mut client = CertificateParams::new(Vec::new())?;
            client.distinguished_name.push(DnType::CommonName, *name);
            for group in *groups {
                client.distinguished_name.push(DnType::OrganizationName, *group);
            }
            client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            pki.sign(name, &client, &authority)?;
        }
        Ok(pki)
    }

    /// The path of a file of this PKI.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Writes a kubeconfig for a client, with everything embedded.
    pub fn kubeconfig(&self, client: &str, server: &str) -> anyhow::Result<PathBuf> {
        let path = |name: String| self.file(&name).display().to_string();
        let config = serde_json::json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "testbed",
            "clusters": [{"name": "testbed", "cluster": {"server": server, "certificate-authority": path("ca.crt".to_owned())}}],
            "users": [{"name": client, "user": {"client-certificate": path(format!("{client}.crt")), "client-key": path(format!("{client}.key"))}}],
            "contexts": [{"name": "testbed", "context": {"cluster": "testbed", "user": client}}],
        });
        self.write(&format!("{client}.kubeconfig"), &config.to_string())?;
        Ok(self.file(&format!("{client}.kubeconfig")))
    }

    fn sign(&self, name: &str, params: &CertificateParams, authority: &Issuer<'_, KeyPair>) -> anyhow::Result<()> {
        let key = KeyPair::generate()?;
        self.write(&format!("{name}.crt"), &params.signed_by(&key, authority)?.pem())?;
        self.write(&format!("{name}.key"), &key.serialize_pem())
    }

    fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let path = self.file(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}
