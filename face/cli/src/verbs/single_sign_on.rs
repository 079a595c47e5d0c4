//! Signing in at the OpenID provider from a command line: the browser goes there and comes back to this machine with a
//! code, which becomes a token (PKCE, no secret). Source: Argo CD 3.5 `cmd/argocd/commands/login.go` (oauth2Login);
//! RFC 8252.

use std::time::Duration;

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use landfall_ports::web::WebRequest;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::Outside;
use crate::remote::client::{Client, encoded};

/// The port to which providers are told to send the browser back. Source: Argo CD's own.
pub(super) const PORT: u16 = 8085;
/// How long somebody may take at the provider.
const WAIT: Duration = Duration::from_secs(300);
/// How much of the browser's request is read.
const REQUEST_BYTES_MAX: usize = 64 * 1024;

/// Signs in; returns the id token and the refresh token, if there is one.
pub(super) async fn sign_in(
    client: &Client,
    outside: &dyn Outside,
    port: u16,
    launches_browser: bool,
) -> anyhow::Result<(String, String)> {
    let settings = client.get("/api/v1/settings", &[]).await?;
    let oidc = &settings["oidcConfig"];
    let text = |name: &str| oidc[name].as_str().unwrap_or_default();
    if text("issuer").is_empty() {
        bail!(
            "this server has no OpenID provider\nhint: sign in with --username, or have oidc.config set in argocd-cm"
        );
    }
    let client_id = if text("cliClientID").is_empty() { text("clientID") } else { text("cliClientID") };
    let endpoints = ask(
        client,
        outside,
        "GET",
        &format!("{}/.well-known/openid-configuration", text("issuer").trim_end_matches('/')),
        Vec::new(),
    )
    .await?;
    let endpoint =
        |name: &str| endpoints[name].as_str().with_context(|| format!("the OpenID provider names no {name}"));
    let listener = TcpListener::bind(("127.0.0.1", port))
        .await
        .with_context(|| format!("port {port} of this machine cannot be used\nhint: choose another with --sso-port, and have the provider permit it"))?;
    let port = listener.local_addr()?.port();
    let redirect = format!("http://localhost:{port}/auth/callback");
    let random = || -> anyhow::Result<String> { Ok(URL_SAFE_NO_PAD.encode(outside.random()?)) };
    let (state, nonce, verifier) = (random()?, random()?, random()?);
    let scopes: Vec<&str> = oidc["scopes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let scopes = if scopes.is_empty() { "openid profile email groups".to_owned() } else { scopes.join(" ") };
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()));
    let pairs = [
        ("response_type", "code"),
        ("client_id", client_id),
        ("redirect_uri", redirect.as_str()),
        ("scope", scopes.as_str()),
        ("state", state.as_str()),
        ("nonce", nonce.as_str()),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
    ];
    let authorization = endpoint("authorization_endpoint")?;
    let mark = if authorization.contains('?') { '&' } else { '?' };
    let url = format!("{authorization}{mark}{}", form(&pairs));
    if !launches_browser || !outside.open_browser(&url) {
        outside.tell(&format!("To sign in, open this address in a browser:\n\n{url}\n"));
    }
    let query = match tokio::time::timeout(WAIT, callback(&listener)).await {
        Ok(query) => query?,
        Err(_ran_out) => bail!("nobody signed in within {} s", WAIT.as_secs()),
    };
    let parameter = |name: &str| query.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str());
    if parameter("state") != state {
        bail!("the browser came back with another login than the one that was begun here");
    }
    if !parameter("error").is_empty() {
        bail!("the OpenID provider refused: {} {}", parameter("error"), parameter("error_description"));
    }
    let body = form(&[
        ("grant_type", "authorization_code"),
        ("code", parameter("code")),
        ("redirect_uri", &redirect),
        ("client_id", client_id),
        ("code_verifier", &verifier),
    ]);
    let answer = ask(client, outside, "POST", endpoint("token_endpoint")?, body.into_bytes()).await?;
    let token = answer["id_token"].as_str().context("the OpenID provider gave no id token")?;
    if super::sign_in::claims(token)["nonce"] != nonce {
        bail!("the OpenID provider's token is of another login");
    }
    Ok((token.to_owned(), answer["refresh_token"].as_str().unwrap_or_default().to_owned()))
}

async fn ask(client: &Client, outside: &dyn Outside, method: &str, url: &str, body: Vec<u8>) -> anyhow::Result<Value> {
    let mut headers = vec![("accept".to_owned(), "application/json".to_owned())];
    if !body.is_empty() {
        headers.push(("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned()));
    }
    let trust = client.target().trust.clone();
    let request = WebRequest { method: method.to_owned(), url: url.to_owned(), headers, body, trust };
    let answer = outside.web()?.send(request).await?;
    let status = answer.status;
    let content = answer.read(url, 1 << 20).await?;
    let value: Value = serde_json::from_slice(&content).unwrap_or_default();
    if status != 200 {
        let reason = value["error_description"].as_str().or(value["error"].as_str()).unwrap_or("no reason given");
        bail!("the OpenID provider answers with status {status} at {url}: {reason}");
    }
    Ok(value)
}

fn form(pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    pairs.join("&")
}

/// Waits for the browser to come back and returns the parameters that it brings.
async fn callback(listener: &TcpListener) -> anyhow::Result<Vec<(String, String)>> {
    loop {
        let (mut stream, _) = listener.accept().await?;
        let mut request = Vec::new();
        let mut chunk = [0; 4096];
        while !request.windows(4).any(|window| window == b"\r\n\r\n") && request.len() < REQUEST_BYTES_MAX {
            match tokio::time::timeout(Duration::from_secs(10), stream.read(&mut chunk)).await {
                Ok(Ok(count)) if count > 0 => request.extend_from_slice(&chunk[..count]),
                _ => break,
            }
        }
        let line = String::from_utf8_lossy(&request).lines().next().unwrap_or_default().to_owned();
        let target = line.split(' ').nth(1).unwrap_or_default();
        let Some(query) = target.strip_prefix("/auth/callback?") else {
            // A browser also asks for an icon.
            let _gone =
                stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
            continue;
        };
        let page = "<!doctype html><title>Landfall</title><p>You are signed in. This page can be closed.</p>";
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-8\r\ncontent-length: {}\r\nreferrer-policy: no-referrer\r\nconnection: close\r\n\r\n{page}",
            page.len()
        );
        let _gone = stream.write_all(head.as_bytes()).await;
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        return Ok(pairs.map(|(name, value)| (decoded(name), decoded(value))).collect());
    }
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits: Vec<u8> = rest.by_ref().take(2).collect();
                let digits = String::from_utf8_lossy(&digits).into_owned();
                bytes.push(u8::from_str_radix(&digits, 16).unwrap_or(b'%'));
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
