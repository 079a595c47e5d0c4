//! Argo CD's cluster Secrets (`argocd.argoproj.io/secret-type: cluster`): a cluster that applications may go to, and how it
//! is reached. Source: Argo CD 3.5 `util/db/cluster.go`, `pkg/apis/application/v1alpha1/types.go` (Cluster, ClusterConfig),
//! `docs/operator-manual/declarative-setup.md` (Clusters).

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::secret::Confidential;

/// The value of the label that makes a Secret a cluster.
pub const SECRET_TYPE: &str = "cluster";

/// One cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClusterConfig {
    /// The Secret's name, for messages.
    pub secret: String,
    /// The URL of the API server, without a `/` at its end.
    pub server: String,
    /// The name that destinations know it by; the URL if none is written.
    pub name: String,
    /// The only namespaces that are looked at; empty is all of the cluster.
    pub namespaces: Vec<String>,
    /// With `namespaces`: whether cluster-scoped objects are looked at too.
    pub cluster_resources: bool,
    /// The only project that may use it; `""` for all.
    pub project: String,
    /// The Secret's labels, but for the one that says what it is.
    pub labels: BTreeMap<String, String>,
    /// The Secret's annotations.
    pub annotations: BTreeMap<String, String>,
    /// How it is reached.
    pub access: ClusterAccess,
}

/// Who we are for an API server, and how it is trusted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClusterAccess {
    /// For basic authentication.
    pub username: String,
    /// For basic authentication.
    pub password: Confidential,
    /// For bearer authentication.
    pub bearer_token: Confidential,
    /// Whether the server's certificate is not checked.
    pub tls_insecure: bool,
    /// The name that the server's certificate is checked for, if it is not the host's.
    pub tls_server_name: String,
    /// The authorities that the server's certificate is checked with, base64 of PEM.
    pub authorities: String,
    /// Our certificate, base64 of PEM.
    pub certificate: String,
    /// The key of our certificate, base64 of PEM.
    pub key: Confidential,
    /// A program that is asked for credentials.
    pub program: Option<CredentialProgram>,
    /// A proxy to go through.
    pub proxy: String,
}

/// A program that prints credentials, as kubeconfig files have it under `exec`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CredentialProgram {
    /// The program.
    pub command: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Variables of its environment.
    pub environment: BTreeMap<String, String>,
    /// The version of the protocol, as `client.authentication.k8s.io/v1beta1`.
    pub api_version: String,
    /// What to tell people when the program is not there.
    pub install_hint: String,
}

impl ClusterAccess {
    /// Says whether nothing is known of who we are.
    pub fn is_anonymous(&self) -> bool {
        self.username.is_empty()
            && self.password.reveal().is_empty()
            && self.bearer_token.reveal().is_empty()
            && self.certificate.is_empty()
            && self.program.is_none()
    }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct WireConfig {
    username: String,
    password: String,
    bearer_token: String,
    tls_client_config: WireTls,
    aws_auth_config: Option<WireAws>,
    exec_provider_config: Option<WireExec>,
    proxy_url: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct WireTls {
    insecure: bool,
    server_name: String,
    ca_data: String,
    cert_data: String,
    key_data: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct WireAws {
    #[serde(rename = "clusterName")]
    cluster_name: String,
    #[serde(rename = "roleARN")]
    role_arn: String,
    profile: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct WireExec {
    command: String,
    args: Vec<String>,
    env: BTreeMap<String, String>,
    api_version: String,
    install_hint: String,
}

/// Reads a cluster Secret: its name, labels, annotations, and its `data` already decoded from base64. Errors: why the
/// Secret cannot be used, naming the key.
pub fn parse(
    secret: &str,
    labels: &BTreeMap<String, String>,
    annotations: &BTreeMap<String, String>,
    data: &BTreeMap<String, Vec<u8>>,
) -> Result<ClusterConfig, String> {
    let text = |key: &str| -> Result<String, String> {
        let bytes = data.get(key).map(Vec::as_slice).unwrap_or_default();
        let text = std::str::from_utf8(bytes).map_err(|_| format!("Secret {secret}: {key} is no UTF-8 text"))?;
        Ok(text.trim().to_owned())
    };
    let server = text("server")?.trim_end_matches('/').to_owned();
    if server.is_empty() {
        return Err(format!(
            "Secret {secret}: server is missing; write the URL of the API server, as https://host:6443"
        ));
    }
    if !server.starts_with("https://") && !server.starts_with("http://") {
        return Err(format!("Secret {secret}: server {server:?} is no URL; it has to begin with https:// or http://"));
    }
    let config = text("config")?;
    let wire: WireConfig = match config.is_empty() {
        true => WireConfig::default(),
        // The message says line and column only: the text itself holds credentials.
        false => serde_json::from_str(&config).map_err(|error| {
            format!("Secret {secret}: config is no valid JSON at line {} column {}", error.line(), error.column())
        })?,
    };
    let name = Some(text("name")?).filter(|name| !name.is_empty()).unwrap_or_else(|| server.clone());
    let namespaces = text("namespaces")?;
    let namespaces = namespaces.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let labels = labels.iter().filter(|(key, _)| *key != crate::config::SECRET_TYPE_LABEL);
    Ok(ClusterConfig {
        secret: secret.to_owned(),
        server,
        name,
        namespaces,
        cluster_resources: text("clusterResources")? == "true",
        project: text("project")?,
        labels: labels.map(|(key, value)| (key.clone(), value.clone())).collect(),
        annotations: annotations.clone(),
        access: access(wire),
    })
}

fn access(wire: WireConfig) -> ClusterAccess {
    let WireTls { insecure, server_name, ca_data, cert_data, key_data } = wire.tls_client_config;
    let aws = wire.aws_auth_config.map(|aws| {
        let mut arguments = vec!["aws".to_owned(), "--cluster-name".to_owned(), aws.cluster_name];
        for (flag, value) in [("--role-arn", aws.role_arn), ("--profile", aws.profile)] {
            if !value.is_empty() {
                arguments.extend([flag.to_owned(), value]);
            }
        }
        CredentialProgram {
            command: "argocd-k8s-auth".to_owned(),
            arguments,
            api_version: "client.authentication.k8s.io/v1beta1".to_owned(),
            install_hint: "awsAuthConfig needs the program argocd-k8s-auth on the path of the controller".to_owned(),
            ..CredentialProgram::default()
        }
    });
    let program = wire.exec_provider_config.map(|exec| CredentialProgram {
        command: exec.command,
        arguments: exec.args,
        environment: exec.env,
        api_version: exec.api_version,
        install_hint: exec.install_hint,
    });
    ClusterAccess {
        username: wire.username,
        password: Confidential::of(wire.password),
        bearer_token: Confidential::of(wire.bearer_token),
        tls_insecure: insecure,
        tls_server_name: server_name,
        authorities: ca_data,
        certificate: cert_data,
        key: Confidential::of(key_data),
        program: program.or(aws),
        proxy: wire.proxy_url,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(entries: &[(&str, &str)]) -> Result<ClusterConfig, String> {
        let data = entries.iter().map(|(key, text)| ((*key).to_owned(), text.as_bytes().to_vec())).collect();
        let labels = BTreeMap::from([
            (crate::config::SECRET_TYPE_LABEL.to_owned(), SECRET_TYPE.to_owned()),
            ("env".to_owned(), "prod".to_owned()),
        ]);
        parse("prod", &labels, &BTreeMap::new(), &data)
    }

    #[test]
    fn a_cluster_is_read_as_argo_cd_writes_it() {
        let config =
            r#"{"bearerToken": "t", "tlsClientConfig": {"insecure": false, "caData": "Q0E=", "serverName": "api"}}"#;
        let cluster = read(&[
            ("name", "prod"),
            ("server", "https://10.0.0.1:6443/"),
            ("namespaces", "shop, web"),
            ("clusterResources", "true"),
            ("project", "team"),
            ("config", config),
        ])
        .expect("valid");
        assert_eq!((cluster.server.as_str(), cluster.name.as_str()), ("https://10.0.0.1:6443", "prod"));
        assert_eq!(cluster.namespaces, ["shop", "web"]);
        assert!(cluster.cluster_resources);
        assert_eq!(cluster.project, "team");
        assert_eq!(cluster.labels, BTreeMap::from([("env".to_owned(), "prod".to_owned())]));
        assert_eq!(cluster.access.bearer_token.reveal(), "t");
        assert_eq!(cluster.access.authorities, "Q0E=");
        assert!(!cluster.access.is_anonymous());
    }

    #[test]
    fn a_cluster_without_a_name_is_known_by_its_address() {
        assert_eq!(read(&[("server", "https://a")]).expect("valid").name, "https://a");
    }

    #[test]
    fn credentials_of_programs_are_read() {
        let config = r#"{"awsAuthConfig": {"clusterName": "c", "roleARN": "r"}}"#;
        let program =
            read(&[("server", "https://a"), ("config", config)]).expect("valid").access.program.expect("there");
        assert_eq!(program.arguments, ["aws", "--cluster-name", "c", "--role-arn", "r"]);
        let config = r#"{"execProviderConfig": {"command": "gke", "env": {"A": "b"}, "apiVersion": "v1"}}"#;
        let program =
            read(&[("server", "https://a"), ("config", config)]).expect("valid").access.program.expect("there");
        assert_eq!((program.command.as_str(), program.environment["A"].as_str()), ("gke", "b"));
    }

    #[test]
    fn what_is_wrong_is_said_without_showing_credentials() {
        assert!(read(&[]).is_err_and(|why| why.contains("server is missing")));
        assert!(read(&[("server", "example")]).is_err_and(|why| why.contains("https://")));
        let broken = read(&[("server", "https://a"), ("config", "{\"bearerToken\": \"hush\", }")]);
        assert!(broken.is_err_and(|why| why.contains("config") && !why.contains("hush")));
    }
}
