//! Certificates of TLS servers and known SSH hosts. Source: Argo CD 3.5 `util/db/certificate.go`.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use landfall_access::pattern::Pattern;
use landfall_api::error::ApiError;
use landfall_flow::home::HomeKind;
use landfall_flow::informer::Observation;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::api::call::{Call, Outcome, flag, lean, refused, text};
use crate::api::dispatch::unknown;

const HOSTS: &str = "argocd-ssh-known-hosts-cm";
const HOSTS_KEY: &str = "ssh_known_hosts";
const TLS: &str = "argocd-tls-certs-cm";

/// Carries out a method about certificates.
pub(crate) async fn perform(call: &Call, name: &str, request: Value) -> Outcome {
    match name {
        "ListCertificates" => {
            call.enforce("certificates", "get", text(&request, "hostNamePattern"))?;
            let found: Vec<Value> =
                all(call).await?.into_iter().filter(|one| matches(&request, one)).map(|one| one.shown()).collect();
            Ok(json!({"metadata": {}, "items": found}).into())
        }
        "CreateCertificate" => create(call, &request).await,
        "DeleteCertificate" => delete(call, &request).await,
        _ => Err(unknown(name)),
    }
}

/// One certificate of a server, or one key of an SSH host.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Certificate {
    server: String,
    kind: &'static str,
    subtype: String,
    data: String,
}

impl Certificate {
    /// As it is listed: what it is, not its content.
    fn shown(&self) -> Value {
        let info = match self.kind {
            "ssh" => ssh_fingerprint(&self.data),
            _ => subject(&self.data),
        };
        lean(json!({
            "serverName": self.server, "certType": self.kind, "certSubType": self.subtype, "certInfo": info,
        }))
    }
}

fn matches(request: &Value, one: &Certificate) -> bool {
    let (pattern, kind, subtype) =
        (text(request, "hostNamePattern"), text(request, "certType"), text(request, "certSubType"));
    (pattern.is_empty() || Pattern::read(pattern, None).matches(&one.server))
        && (kind.is_empty() || kind == "*" || kind == one.kind)
        && (subtype.is_empty() || subtype == "*" || subtype == one.subtype)
}

async fn all(call: &Call) -> Result<Vec<Certificate>, ApiError> {
    let mut found = Vec::new();
    let hosts = call.config_map(HOSTS).await?;
    for line in hosts.get(HOSTS_KEY).into_iter().flat_map(|text| text.lines()) {
        found.extend(known_host(line));
    }
    for (server, pem) in call.config_map(TLS).await? {
        for block in pem_blocks(&pem) {
            found.push(Certificate { server: server.clone(), kind: "https", subtype: key_kind(&block), data: block });
        }
    }
    found.sort_by(|a, b| (&a.server, a.kind, &a.subtype).cmp(&(&b.server, b.kind, &b.subtype)));
    Ok(found)
}

/// A line of known_hosts: several hosts, the kind of key, the key.
fn known_host(line: &str) -> Vec<Certificate> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Vec::new();
    }
    let mut parts = line.split_whitespace();
    let (Some(hosts), Some(subtype), Some(key)) = (parts.next(), parts.next(), parts.next()) else { return Vec::new() };
    let one = |host: &str| Certificate {
        server: host.to_owned(),
        kind: "ssh",
        subtype: subtype.to_owned(),
        data: key.to_owned(),
    };
    hosts.split(',').map(one).collect()
}

fn ssh_fingerprint(key: &str) -> String {
    match STANDARD.decode(key) {
        Ok(bytes) => format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(bytes))),
        Err(_) => "the key is no base64".to_owned(),
    }
}

/// The certificates of a text, each with its frame.
fn pem_blocks(text: &str) -> Vec<String> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(BEGIN) {
        let Some(end) = rest[start..].find(END) else { break };
        found.push(rest[start..start + end + END.len()].to_owned());
        rest = &rest[start + end + END.len()..];
    }
    found
}

fn der(pem: &str) -> Option<Vec<u8>> {
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).map(str::trim).collect();
    STANDARD.decode(body).ok()
}

/// One element of DER: its tag, its content, and what follows it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, mut rest) = rest.split_first()?;
    let length = if first & 0x80 == 0 {
        usize::from(*first)
    } else {
        let count = usize::from(first & 0x7f);
        let (digits, after) = rest.split_at_checked(count).filter(|_| count <= 4)?;
        rest = after;
        digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit))
    };
    let (content, after) = rest.split_at_checked(length)?;
    Some((*tag, content, after))
}

/// The elements of a certificate's first part, without its version.
fn certificate_parts(der: &[u8]) -> Option<Vec<&[u8]>> {
    let (_, certificate, _) = element(der)?;
    let (_, mut rest, _) = element(certificate)?;
    let mut parts = Vec::new();
    while let Some((tag, content, after)) = element(rest) {
        if tag != 0xa0 {
            parts.push(content);
        }
        rest = after;
    }
    Some(parts)
}

/// The subject, as `CN=example.com,O=Example`. Order of a certificate: serial, algorithm, issuer, validity, subject, key.
fn subject(pem: &str) -> String {
    let read = || {
        let bytes = der(pem)?;
        let parts = certificate_parts(&bytes)?;
        let mut names = Vec::new();
        let mut rest = *parts.get(4)?;
        while let Some((_, set, after)) = element(rest) {
            let (_, pair, _) = element(set)?;
            let (_, kind, value) = element(pair)?;
            let (_, value, _) = element(value)?;
            let name = match kind {
                [0x55, 0x04, 0x03] => "CN",
                [0x55, 0x04, 0x0a] => "O",
                [0x55, 0x04, 0x0b] => "OU",
                [0x55, 0x04, 0x06] => "C",
                [0x55, 0x04, 0x07] => "L",
                [0x55, 0x04, 0x08] => "ST",
                _ => "",
            };
            if !name.is_empty() {
                names.push(format!("{name}={}", String::from_utf8_lossy(value)));
            }
            rest = after;
        }
        names.reverse();
        Some(names.join(","))
    };
    read().unwrap_or_else(|| "the certificate cannot be read".to_owned())
}

fn key_kind(pem: &str) -> String {
    let read = || {
        let bytes = der(pem)?;
        let parts = certificate_parts(&bytes)?;
        let (_, algorithm, _) = element(parts.get(5)?)?;
        let (_, id, _) = element(algorithm)?;
        Some(match id {
            [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, ..] => "rsa",
            [0x2a, 0x86, 0x48, 0xce, 0x3d, ..] => "ecdsa",
            [0x2b, 0x65, 0x70] => "ed25519",
            _ => "unknown",
        })
    };
    read().unwrap_or("unknown").to_owned()
}

async fn create(call: &Call, request: &Value) -> Outcome {
    let list = request.get("certificates").cloned().unwrap_or_default();
    let is_upsert = flag(request, "upsert");
    let mut known = all(call).await?;
    let mut made = Vec::new();
    for item in list.get("items").and_then(Value::as_array).into_iter().flatten() {
        let server = text(item, "serverName").to_owned();
        call.enforce("certificates", "create", &server)?;
        let bytes = STANDARD.decode(text(item, "certData")).unwrap_or_default();
        let data = String::from_utf8(bytes).map_err(|_| ApiError::invalid("the certificate's data is no text"))?;
        if server.is_empty() || server.contains(char::is_whitespace) {
            return Err(ApiError::invalid(format!("Invalid hostname in request: {server}")));
        }
        let new = match text(item, "certType") {
            "ssh" => {
                let key = data.trim().to_owned();
                if STANDARD.decode(&key).is_err() {
                    return Err(ApiError::invalid("the key is no base64")
                        .hint("take it from known_hosts or ssh-keyscan, without host and kind"));
                }
                vec![Certificate {
                    server: server.clone(),
                    kind: "ssh",
                    subtype: text(item, "certSubType").to_owned(),
                    data: key,
                }]
            }
            "https" => {
                let blocks = pem_blocks(&data);
                if blocks.is_empty() || blocks.iter().any(|block| der(block).is_none()) {
                    return Err(ApiError::invalid("the data holds no certificate as PEM"));
                }
                let one = |data: String| Certificate {
                    server: server.clone(),
                    kind: "https",
                    subtype: key_kind(&data),
                    data,
                };
                blocks.into_iter().map(one).collect()
            }
            other => {
                return Err(
                    ApiError::invalid(format!("Unsupported certificate type: {other}")).hint("use ssh or https")
                );
            }
        };
        let is_same_place = |old: &Certificate| {
            old.server == server && old.kind == new[0].kind && (old.kind == "https" || old.subtype == new[0].subtype)
        };
        let old: Vec<Certificate> = known.iter().filter(|old| is_same_place(old)).cloned().collect();
        if old == new {
            continue;
        }
        if !old.is_empty() && !is_upsert {
            let what = if new[0].kind == "ssh" { "SSH known host entry" } else { "TLS certificate" };
            return Err(ApiError::invalid(format!(
                "{what} for {server} exists and has different data; use upsert to replace it"
            )));
        }
        known.retain(|old| !is_same_place(old));
        known.extend(new.iter().cloned());
        made.extend(new);
    }
    store(call, &known).await?;
    let items: Vec<Value> = made.iter().map(Certificate::shown).collect();
    Ok(json!({"metadata": {}, "items": items}).into())
}

async fn delete(call: &Call, request: &Value) -> Outcome {
    call.enforce("certificates", "delete", text(request, "hostNamePattern"))?;
    if text(request, "hostNamePattern").is_empty() {
        return Err(ApiError::invalid("name the hosts in hostNamePattern"));
    }
    let (gone, kept): (Vec<Certificate>, Vec<Certificate>) =
        all(call).await?.into_iter().partition(|one| matches(request, one));
    if !gone.is_empty() {
        store(call, &kept).await?;
    }
    let items: Vec<Value> = gone.iter().map(Certificate::shown).collect();
    Ok(json!({"metadata": {}, "items": items}).into())
}

/// Writes all of them. Comments of known_hosts stay.
async fn store(call: &Call, known: &[Certificate]) -> Result<(), ApiError> {
    let old_hosts = call.config_map(HOSTS).await?;
    let comments =
        old_hosts.get(HOSTS_KEY).into_iter().flat_map(|text| text.lines()).filter(|line| line.starts_with('#'));
    let mut text: Vec<String> = comments.map(str::to_owned).collect();
    text.extend(
        known.iter().filter(|one| one.kind == "ssh").map(|one| format!("{} {} {}", one.server, one.subtype, one.data)),
    );
    call.write_config_map(HOSTS, json!({HOSTS_KEY: format!("{}\n", text.join("\n"))})).await?;
    let mut data = serde_json::Map::new();
    for server in call.config_map(TLS).await?.into_keys() {
        data.insert(server, Value::Null);
    }
    for one in known.iter().filter(|one| one.kind == "https") {
        let entry = data.entry(one.server.clone()).or_insert(Value::Null);
        let joined = format!("{}{}\n", entry.as_str().unwrap_or(""), one.data);
        *entry = json!(joined);
    }
    if !data.is_empty() {
        call.write_config_map(TLS, Value::Object(data)).await?;
    }
    // What was written counts at once.
    for name in [HOSTS, TLS] {
        let kind = HomeKind::ConfigMap.served();
        let now =
            call.controller().home_cluster.get(&kind, call.namespace(), name).await.map_err(|error| refused(&error))?;
        if let Some(now) = now {
            call.controller().observed(HomeKind::ConfigMap, Observation::Applied(now));
        }
    }
    Ok(())
}
