//! `landfall login`, `logout`, `relogin`, `context`: as `argocd`'s, on the same config file.
//! Source: Argo CD 3.5 `cmd/argocd/commands/{login,logout,relogin,context}.go`.

use std::sync::Arc;

use anyhow::bail;
use clap::Args;
use serde_json::json;

use super::SUCCESS;
use super::single_sign_on;
use crate::output::table::Table;
use crate::remote::client::Client;
use crate::remote::config::{Server, User};
use crate::remote::{self, Target};
use crate::{Connection, Outside};

/// Arguments of `landfall login`.
#[derive(Debug, Args)]
pub struct LoginArguments {
    #[command(flatten)]
    connection: Connection,
    /// The server, as HOST or HOST:PORT; not needed with --core.
    #[arg(value_name = "SERVER")]
    address: Option<String>,
    /// The account.
    #[arg(long)]
    username: Option<String>,
    /// The password; asked for if it is left out.
    #[arg(long, allow_hyphen_values = true)]
    password: Option<String>,
    /// A name for the context; else the server's address.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Sign in at the OpenID provider, with a browser.
    #[arg(long)]
    sso: bool,
    /// The port on this machine to which the provider sends the browser back.
    #[arg(long, default_value_t = single_sign_on::PORT)]
    sso_port: u16,
    /// Whether to open the browser.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", value_name = "BOOL")]
    sso_launch_browser: bool,
    /// Taken for `argocd`'s sake.
    #[arg(long, hide = true)]
    skip_test_tls: bool,
}

/// Arguments of `landfall relogin`.
#[derive(Debug, Args)]
pub struct ReloginArguments {
    #[command(flatten)]
    connection: Connection,
    /// The password of the account; asked for if it is left out.
    #[arg(long, allow_hyphen_values = true)]
    password: Option<String>,
    /// The port on this machine to which the provider sends the browser back.
    #[arg(long, default_value_t = single_sign_on::PORT)]
    sso_port: u16,
    /// Whether to open the browser.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true", value_name = "BOOL")]
    sso_launch_browser: bool,
}

/// Arguments of `landfall logout`.
#[derive(Debug, Args)]
pub struct LogoutArguments {
    #[command(flatten)]
    connection: Connection,
    /// The context.
    #[arg(value_name = "CONTEXT")]
    name: String,
}

/// Arguments of `landfall context`.
#[derive(Debug, Args)]
pub struct ContextArguments {
    #[command(flatten)]
    connection: Connection,
    /// The context to switch to, or `-` for the one before; all are listed if it is left out.
    #[arg(value_name = "CONTEXT")]
    name: Option<String>,
    /// Delete it instead.
    #[arg(long)]
    delete: bool,
}

/// How to come by a token.
struct Way {
    username: Option<String>,
    password: Option<String>,
    sso: bool,
    sso_port: u16,
    launches_browser: bool,
}

/// Signs in and remembers it.
pub(super) async fn login(arguments: LoginArguments, outside: &dyn Outside) -> anyhow::Result<u8> {
    let connection = &arguments.connection;
    if connection.core {
        let mut config = remote::read_config(connection, outside)?;
        let name = arguments.name.as_deref().unwrap_or("kubernetes");
        let server = Server { server: "kubernetes".to_owned(), is_core: true, ..Server::default() };
        config.put(name, server, User { name: "kubernetes".to_owned(), ..User::default() });
        remote::write_config(connection, outside, &config)?;
        outside.print(&format!("Context '{name}' updated\n"))?;
        return Ok(SUCCESS);
    }
    let address =
        arguments.address.clone().or_else(|| connection.server.clone()).or_else(|| outside.variable("ARGOCD_SERVER"));
    let Some(address) = address else {
        bail!("no server is named\nhint: `landfall login SERVER`, for example localhost:8080")
    };
    let way = Way {
        username: arguments.username,
        password: arguments.password,
        sso: arguments.sso,
        sso_port: arguments.sso_port,
        launches_browser: arguments.sso_launch_browser,
    };
    let entry = Server {
        server: bare(&address),
        insecure: connection.insecure,
        grpc_web: connection.grpc_web,
        root_path: connection.grpc_web_root_path.clone().unwrap_or_default(),
        plain_text: connection.plaintext || address.starts_with("http://"),
        ..Server::default()
    };
    let name = arguments.name.clone().unwrap_or_else(|| entry.server.clone());
    sign_in(connection, outside, entry, &name, way).await?;
    outside.print(&format!("Context '{name}' updated\n"))?;
    Ok(SUCCESS)
}

/// Signs in again to the server of the current context.
pub(super) async fn relogin(arguments: ReloginArguments, outside: &dyn Outside) -> anyhow::Result<u8> {
    let connection = &arguments.connection;
    let config = remote::read_config(connection, outside)?;
    let name = connection.argocd_context.clone().unwrap_or(config.current_context.clone());
    let Some((entry, user)) = config.resolve(&name) else {
        bail!("no context is current\nhint: sign in with `landfall login SERVER`")
    };
    let claims = claims(&user.auth_token);
    let is_local = claims["iss"] == "argocd";
    let username = claims["sub"].as_str().and_then(|subject| subject.split(':').next()).map(str::to_owned);
    let way = Way {
        username: username.filter(|_| is_local),
        password: arguments.password,
        sso: !is_local && !user.auth_token.is_empty(),
        sso_port: arguments.sso_port,
        launches_browser: arguments.sso_launch_browser,
    };
    sign_in(connection, outside, entry, &name, way).await?;
    outside.print(&format!("Context '{name}' updated\n"))?;
    Ok(SUCCESS)
}

async fn sign_in(
    connection: &Connection,
    outside: &dyn Outside,
    entry: Server,
    name: &str,
    way: Way,
) -> anyhow::Result<()> {
    let asked = Connection {
        server: Some(entry.server.clone()),
        insecure: connection.insecure || entry.insecure,
        plaintext: connection.plaintext || entry.plain_text,
        grpc_web_root_path: connection.grpc_web_root_path.clone().or(Some(entry.root_path.clone())),
        auth_token: None,
        ..connection.clone()
    };
    let found = remote::target(&asked, outside)?;
    let target = Target { token: String::new(), refresh_token: String::new(), ..found.unwrap_or_default() };
    let client = Arc::new(Client::of(outside.web()?, target));
    let (token, refresh_token) = match way.sso {
        true => {
            let tokens = single_sign_on::sign_in(&client, outside, way.sso_port, way.launches_browser).await?;
            let claims = claims(&tokens.0);
            let who = claims["email"].as_str().or(claims["name"].as_str()).or(claims["sub"].as_str()).unwrap_or("you");
            outside.print(&format!("Authentication successful\n'{who}' logged in successfully\n"))?;
            tokens
        }
        false => {
            let username = match way.username {
                Some(username) => username,
                None => outside.ask("Username", false)?,
            };
            let password = match way.password {
                Some(password) => password,
                None => outside.ask("Password", true)?,
            };
            let tokens = with_password(&client, &username, &password).await?;
            outside.print(&format!("'{username}:login' logged in successfully\n"))?;
            tokens
        }
    };
    let mut config = remote::read_config(connection, outside)?;
    let user = User { name: name.to_owned(), auth_token: token, refresh_token, ..User::default() };
    config.put(name, entry, user);
    remote::write_config(connection, outside, &config)
}

/// A pair of tokens where the server gives them; Argo CD's own server gives one that lasts.
async fn with_password(client: &Client, username: &str, password: &str) -> anyhow::Result<(String, String)> {
    let body = json!({"username": username, "password": password});
    match client.post("/api/v1/landfall/session", body.clone()).await {
        Ok(pair) => {
            let text = |name: &str| pair[name].as_str().unwrap_or_default().to_owned();
            Ok((text("accessToken"), text("refreshToken")))
        }
        Err(failure) if matches!(failure.status, 404 | 405 | 501) => {
            let answer = client.post("/api/v1/session", body).await?;
            Ok((answer["token"].as_str().unwrap_or_default().to_owned(), String::new()))
        }
        Err(failure) if failure.status == 401 => bail!("{}", failure.message),
        Err(failure) => Err(failure.into()),
    }
}

/// Signs out: the server is told, and the tokens are forgotten.
pub(super) async fn logout(arguments: LogoutArguments, outside: &dyn Outside) -> anyhow::Result<u8> {
    let connection = &arguments.connection;
    let mut config = remote::read_config(connection, outside)?;
    let name = &arguments.name;
    let Some((_, user)) = config.resolve(name).or_else(|| config.of_server(name)) else {
        bail!("there is no context {name:?}\nhint: `landfall context` lists those that are known")
    };
    let named = Connection { argocd_context: Some(name.clone()), server: None, ..connection.clone() };
    if let Ok(Some(target)) = remote::target(&named, outside)
        && !target.token.is_empty()
    {
        let client = Client::of(outside.web()?, target);
        if let Err(failure) = client.call("DELETE", "/api/v1/session", &[], Some(json!({}))).await {
            outside.tell(&format!("warning: the server was not told: {}", failure.message));
        }
        if user.refresh_token.starts_with("lfr_") {
            let refresh_token = client.new_tokens().map_or(user.refresh_token.clone(), |(_, refresh)| refresh);
            let _ended_or_unknown =
                client.post("/api/v1/landfall/session/end", json!({"refreshToken": refresh_token})).await;
        }
    }
    if !config.forget_tokens(&user.name) {
        bail!("there are no tokens of {name:?}: nobody was signed in");
    }
    remote::write_config(connection, outside, &config)?;
    outside.print(&format!("Logged out from '{name}'\n"))?;
    Ok(SUCCESS)
}

/// Lists contexts, or switches to one, or deletes one.
pub(super) fn context(arguments: &ContextArguments, outside: &dyn Outside) -> anyhow::Result<u8> {
    let connection = &arguments.connection;
    let mut config = remote::read_config(connection, outside)?;
    match (&arguments.name, arguments.delete) {
        (None, true) => bail!("no context is named\nhint: `landfall context NAME --delete`"),
        (None, false) => {
            let mut table = Table::with_head(&["CURRENT", "NAME", "SERVER"]);
            for known in &config.contexts {
                let mark = if known.name == config.current_context { "*" } else { "" };
                table.row([mark, &known.name, &known.server]);
            }
            outside.print(&table.text())?;
        }
        (Some(name), true) => {
            if !config.remove(name) {
                bail!("there is no context {name:?}\nhint: `landfall context` lists those that are known");
            }
            remote::write_config(connection, outside, &config)?;
            outside.print(&format!("Context '{name}' deleted\n"))?;
        }
        (Some(name), false) => {
            if config.current_context == *name {
                outside.print(&format!("Already at context '{name}'\n"))?;
                return Ok(SUCCESS);
            }
            if config.resolve(name).is_none() {
                bail!("there is no context {name:?}\nhint: `landfall context` lists those that are known");
            }
            name.clone_into(&mut config.current_context);
            remote::write_config(connection, outside, &config)?;
            outside.print(&format!("Switched to context '{name}'\n"))?;
        }
    }
    Ok(SUCCESS)
}

fn bare(address: &str) -> String {
    let rest = address.strip_prefix("https://").or_else(|| address.strip_prefix("http://")).unwrap_or(address);
    rest.trim_end_matches('/').to_owned()
}

/// The claims of a token, unverified: they are shown, and nothing is decided by them.
pub(super) fn claims(token: &str) -> serde_json::Value {
    use base64::Engine as _;
    let payload = token.split('.').nth(1).unwrap_or_default();
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}
