//! Asking other servers: admission webhooks and conversion webhooks, over HTTPS.
//!
//! Addresses below `sandbox.landfall.io` are answered by the sandbox itself, so that a webhook that refuses, changes or is down
//! needs no server: `https://deny.sandbox.landfall.io/SENTENCE`, `https://label.sandbox.landfall.io/KEY/VALUE`,
//! `https://annotate.sandbox.landfall.io/KEY/VALUE`, `https://move.sandbox.landfall.io/VERSION/PATH/VERSION/PATH`, `https://down.sandbox.landfall.io/`, `https://slow.sandbox.landfall.io/`, `https://allow.sandbox.landfall.io/`.
//! A Service can be told to be elsewhere by its annotation `sandbox.landfall.io/forward: https://127.0.0.1:9443`.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Request, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::http::path::percent_decoded;
use crate::json;
use crate::operations::Core;
use crate::operations::memory::Asked;

/// A question to another server.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Call {
    /// The name under which the answer is remembered.
    pub(crate) question: String,
    /// `clientConfig`: `url` or `service`, and `caBundle`.
    pub(crate) client: Value,
    /// What is sent.
    pub(crate) body: Value,
    /// How long to wait.
    pub(crate) timeout: Duration,
}

/// What another server may answer at most.
const ANSWER_BYTES_MAX: usize = 3 * 1024 * 1024;
/// The domain that the sandbox answers itself.
const OWN_DOMAIN: &str = ".sandbox.landfall.io";

/// Asks, and waits for the answer on this thread.
pub(crate) fn ask_now(core: &Core, call: &Call) -> Asked {
    let address = address(core, call)?;
    let call = call.clone();
    // A thread of its own: the one that waits may be the only one of its runtime.
    let asked = std::thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|why| why.to_string())?
            .block_on(send(&address, &call))
    });
    asked.join().unwrap_or_else(|_| Err("the question could not be asked".into()))
}

/// Asks.
pub(crate) async fn ask(core: &Core, call: &Call) -> Asked {
    let address = address(core, call)?;
    send(&address, call).await
}

/// Where a call goes: its URL, and the address of a Service that was told to be elsewhere.
fn address(core: &Core, call: &Call) -> Result<String, String> {
    let url = json::text(&call.client, "/url");
    if !url.is_empty() {
        return Ok(url.to_string());
    }
    let (namespace, name) = (json::text(&call.client, "/service/namespace"), json::text(&call.client, "/service/name"));
    let path = json::text(&call.client, "/service/path");
    let port = json::integer(&call.client, "/service/port").unwrap_or(443);
    let shown = format!("https://{name}.{namespace}.svc:{port}{path}?timeout={}s", call.timeout.as_secs());
    let Some(service) = core.store.get(&"services".into(), namespace, name) else {
        return Err(format!("failed to call webhook: Post {shown:?}: service {name:?} not found"));
    };
    match json::annotation(&service.value, "sandbox.landfall.io/forward") {
        Some(elsewhere) => Ok(format!("{}{path}", elsewhere.trim_end_matches('/'))),
        None => Err(format!(
            "failed to call webhook: Post {shown:?}: Services of this server carry no packets; annotate the Service with \
             sandbox.landfall.io/forward: https://ADDRESS, or give the webhook a url"
        )),
    }
}

async fn send(address: &str, call: &Call) -> Asked {
    let shown =
        format!("{address}{}timeout={}s", if address.contains('?') { "&" } else { "?" }, call.timeout.as_secs());
    let failed = |why: String| format!("failed to call webhook: Post {shown:?}: {why}");
    let uri: Uri = address.parse().map_err(|_| failed("the address is not readable".into()))?;
    let host = uri.host().unwrap_or_default().to_string();
    if let Some(what) = host.strip_suffix(OWN_DOMAIN) {
        return own(what, uri.path(), call).await.map_err(failed);
    }
    match tokio::time::timeout(call.timeout, post(&uri, &host, call)).await {
        Ok(answer) => answer.map_err(failed),
        Err(_) => Err(failed("context deadline exceeded".into())),
    }
}

/// The webhooks that the sandbox plays itself.
async fn own(what: &str, path: &str, call: &Call) -> Asked {
    let uid = call.body.pointer("/request/uid").cloned().unwrap_or_default();
    let parts: Vec<String> = path.split('/').filter(|part| !part.is_empty()).map(percent_decoded).collect();
    let answer =
        |response: Value| json!({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "response": response});
    match what {
        "allow" => Ok(answer(json!({"uid": uid, "allowed": true}))),
        "deny" => {
            let sentence = parts.first().cloned().unwrap_or_else(|| "it was told to refuse".to_string());
            Ok(answer(json!({"uid": uid, "allowed": false, "status": {"message": sentence, "code": 403}})))
        }
        "label" | "annotate" => {
            let key = if what == "label" { "labels" } else { "annotations" };
            let held = call.body.pointer(&format!("/request/object/metadata/{key}")).is_some();
            let (name, value) = (parts.first().cloned().unwrap_or_default(), parts.get(1).cloned().unwrap_or_default());
            let escaped = name.replace('~', "~0").replace('/', "~1");
            let patch = if held {
                json!([{"op": "add", "path": format!("/metadata/{key}/{escaped}"), "value": value}])
            } else {
                json!([{"op": "add", "path": format!("/metadata/{key}"), "value": {name: value}}])
            };
            let encoded = STANDARD.encode(patch.to_string());
            Ok(answer(json!({"uid": uid, "allowed": true, "patchType": "JSONPatch", "patch": encoded})))
        }
        "move" => moved(&parts, &call.body),
        "slow" => {
            tokio::time::sleep(call.timeout).await;
            Err("context deadline exceeded".into())
        }
        _ => Err("dial tcp: connect: connection refused".into()),
    }
}

/// A conversion that knows one field by another name in each version: `VERSION/PATH/VERSION/PATH/…`, e.g. `v1/spec.size/v2/spec.volume`.
fn moved(parts: &[String], review: &Value) -> Asked {
    let places: Vec<(&str, Vec<&str>)> =
        parts.chunks_exact(2).map(|pair| (pair[0].as_str(), pair[1].split('.').collect())).collect();
    let wanted = json::text(review, "/request/desiredAPIVersion");
    let place_in = |api_version: &str| {
        let version = api_version.rsplit('/').next().unwrap_or_default();
        places.iter().find(|(held, _)| *held == version).map(|(_, path)| path.as_slice())
    };
    let converted: Vec<Value> = json::list(review, "/request/objects")
        .iter()
        .map(|object| {
            let mut object = object.clone();
            let held = place_in(json::text(&object, "/apiVersion")).and_then(|path| {
                let held = json::take(&mut object, path)?;
                // What holds nothing any more goes too.
                for length in (1..path.len()).rev() {
                    let pointer = format!("/{}", path[..length].join("/"));
                    if json::object(&object, &pointer).is_some_and(serde_json::Map::is_empty) && length > 1 {
                        json::take(&mut object, &path[..length]);
                    }
                }
                Some(held)
            });
            if let (Some(held), Some(path)) = (held, place_in(wanted)) {
                json::set(&mut object, path, held);
            }
            json::set(&mut object, &["apiVersion"], wanted);
            object
        })
        .collect();
    Ok(json!({"kind": "ConversionReview", "apiVersion": review.get("apiVersion"), "response": {
        "uid": review.pointer("/request/uid"), "convertedObjects": converted, "result": {"status": "Success"}}}))
}

async fn post(uri: &Uri, host: &str, call: &Call) -> Asked {
    let port = uri.port_u16().unwrap_or(443);
    let stream = TcpStream::connect((host.trim_matches(['[', ']']), port)).await.map_err(|why| match why.kind() {
        std::io::ErrorKind::ConnectionRefused => format!("dial tcp {host}:{port}: connect: connection refused"),
        _ => format!("dial tcp {host}:{port}: {why}"),
    })?;
    let mut roots = RootCertStore::empty();
    let bundle = STANDARD.decode(json::text(&call.client, "/caBundle")).unwrap_or_default();
    for certificate in CertificateDer::pem_slice_iter(&bundle).flatten() {
        roots.add(certificate).map_err(|why| format!("the caBundle is not readable: {why}"))?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|why| why.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    // Services are known by their name in the cluster, wherever they are.
    let service = json::text(&call.client, "/service/name");
    let known_as = if service.is_empty() {
        host.trim_matches(['[', ']']).to_string()
    } else {
        format!("{service}.{}.svc", json::text(&call.client, "/service/namespace"))
    };
    let name = ServerName::try_from(known_as).map_err(|why| why.to_string())?;
    let stream = tokio_rustls::TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .map_err(|why| format!("tls: failed to verify certificate: {why}"))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|why| why.to_string())?;
    let running = tokio::spawn(connection);
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let joint = if path.contains('?') { '&' } else { '?' };
    let request = Request::post(format!("{path}{joint}timeout={}s", call.timeout.as_secs()))
        .header("host", format!("{host}:{port}"))
        .header("content-type", "application/json")
        .header("accept", "application/json")
        .body(Full::new(bytes::Bytes::from(call.body.to_string())))
        .map_err(|why| why.to_string())?;
    let response = sender.send_request(request).await.map_err(|why| why.to_string())?;
    let status = response.status();
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await.map_err(|why| why.to_string())?;
    running.abort();
    if !status.is_success() {
        return Err(format!("the server answered {status}"));
    }
    serde_json::from_slice(&body.to_bytes()).map_err(|why| format!("the answer is not JSON: {why}"))
}
