//! `landfall account`: accounts and their tokens, as `argocd account`. Source: Argo CD 3.5 `cmd/argocd/commands/account.go`.

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{MachineFormat, SUCCESS};
use crate::output::format;
use crate::output::table::Table;
use crate::remote::client::{Client, encoded};
use crate::{Connection, Outside, remote};

/// Arguments of `landfall account`.
#[derive(Debug, Args)]
pub struct AccountArguments {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    verb: AccountVerb,
}

#[derive(Debug, Subcommand)]
enum AccountVerb {
    /// List accounts.
    List {
        /// The format: wide, name, json or yaml.
        #[arg(short, long, default_value = "wide", value_name = "FORMAT")]
        output: String,
    },
    /// Show an account.
    Get {
        /// The account; your own if it is left out.
        #[arg(short, long, value_name = "NAME")]
        account: Option<String>,
        /// The format: wide, name, json or yaml.
        #[arg(short, long, default_value = "wide", value_name = "FORMAT")]
        output: String,
    },
    /// Show who you are to the server.
    #[command(alias = "whoami")]
    GetUserInfo {
        /// JSON or YAML.
        #[arg(short, long, value_enum)]
        output: Option<MachineFormat>,
    },
    /// Ask whether you may: `account can-i sync applications team/shop`.
    CanI {
        /// What, as `sync`.
        action: String,
        /// To what kind, as `applications`.
        resource: String,
        /// To which one, as `team/*`.
        subresource: String,
    },
    /// Change a password.
    UpdatePassword {
        /// The account; your own if it is left out.
        #[arg(long, value_name = "NAME")]
        account: Option<String>,
        /// Your own password now; asked for if it is left out.
        #[arg(long, allow_hyphen_values = true)]
        current_password: Option<String>,
        /// The new password; asked for if it is left out.
        #[arg(long, allow_hyphen_values = true)]
        new_password: Option<String>,
    },
    /// Make a token of an account.
    GenerateToken {
        /// The account; your own if it is left out.
        #[arg(short, long, value_name = "NAME")]
        account: Option<String>,
        /// How long it lasts, as 24h or 30d; for ever if it is left out.
        #[arg(short, long, default_value = "0s", value_name = "DURATION")]
        expires_in: String,
        /// An id of your own.
        #[arg(long, default_value = "")]
        id: String,
        /// Narrow it, as `applications:sync:team/*`; may come more than once. Landfall's servers only.
        #[arg(long = "scope", value_name = "RESOURCE:ACTION[:OBJECT]")]
        scopes: Vec<String>,
    },
    /// Delete a token of an account.
    DeleteToken {
        /// Its id.
        id: String,
        /// The account; your own if it is left out.
        #[arg(short, long, value_name = "NAME")]
        account: Option<String>,
    },
    /// Print the token of the current context.
    SessionToken,
}

/// Does what was asked.
pub(super) async fn run(arguments: AccountArguments, outside: &dyn Outside) -> anyhow::Result<u8> {
    let client = remote::server(&arguments.connection, outside)?;
    let outcome = perform(arguments.verb, &client, &arguments.connection, outside).await;
    super::keep_tokens(&client, &arguments.connection, outside)?;
    outcome
}

async fn perform(
    verb: AccountVerb,
    client: &Client,
    connection: &Connection,
    outside: &dyn Outside,
) -> anyhow::Result<u8> {
    match verb {
        AccountVerb::List { output } => {
            let answer = client.get("/api/v1/account", &[]).await?;
            let items = answer["items"].as_array().cloned().unwrap_or_default();
            let text = match output.as_str() {
                "name" => items.iter().map(|item| format!("{}\n", text(item, "name"))).collect(),
                "wide" | "" => {
                    let mut table = Table::with_head(&["NAME", "ENABLED", "CAPABILITIES"]);
                    for item in &items {
                        table.row([text(item, "name").to_owned(), enabled(item), capabilities(item)]);
                    }
                    table.text()
                }
                other => machine(&Value::Array(items), other)?,
            };
            outside.print(&text)?;
        }
        AccountVerb::Get { account, output } => {
            let name = named(client, account).await?;
            let item = client.get(&format!("/api/v1/account/{}", encoded(&name)), &[]).await?;
            let text = match output.as_str() {
                "name" => format!("{}\n", text(&item, "name")),
                "wide" | "" => details(&item),
                other => machine(&item, other)?,
            };
            outside.print(&text)?;
        }
        AccountVerb::GetUserInfo { output } => {
            let info = client.get("/api/v1/session/userinfo", &[]).await?;
            let groups: Vec<&str> = info["groups"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let is_in = info["loggedIn"] == true;
            let text = match output {
                Some(output) => format::text(&info, output.into()),
                None if !is_in => "Logged In: false\n".to_owned(),
                None => format!(
                    "Logged In: true\nUsername: {}\nIssuer: {}\nGroups: {}\n",
                    text(&info, "username"),
                    text(&info, "iss"),
                    groups.join(",")
                ),
            };
            outside.print(&text)?;
        }
        AccountVerb::CanI { action, resource, subresource } => {
            // Globs and slashes belong to the object: it is the rest of the path.
            let object: Vec<String> = subresource.split('/').map(encoded).collect();
            let path =
                format!("/api/v1/account/can-i/{}/{}/{}", encoded(&resource), encoded(&action), object.join("/"));
            let answer = client.get(&path, &[]).await?;
            outside.print(&format!("{}\n", text(&answer, "value")))?;
        }
        AccountVerb::UpdatePassword { account, current_password, new_password } => {
            update_password(client, connection, outside, account, current_password, new_password).await?;
        }
        AccountVerb::GenerateToken { account, expires_in, id, scopes } => {
            let name = named(client, account).await?;
            let seconds = seconds(&expires_in)?;
            let path = match scopes.is_empty() {
                true => format!("/api/v1/account/{}/token", encoded(&name)),
                false => format!("/api/v1/landfall/account/{}/token", encoded(&name)),
            };
            let mut body = json!({"name": name, "id": id, "expiresIn": seconds});
            if !scopes.is_empty() {
                body["scopes"] = json!(scopes);
            }
            let answer = client.post(&path, body).await?;
            outside.print(&format!("{}\n", text(&answer, "token")))?;
        }
        AccountVerb::DeleteToken { id, account } => {
            let name = named(client, account).await?;
            let path = format!("/api/v1/account/{}/token/{}", encoded(&name), encoded(&id));
            client.call("DELETE", &path, &[], None).await?;
        }
        AccountVerb::SessionToken => outside.print(&format!("{}\n", client.token()))?,
    }
    Ok(SUCCESS)
}

async fn update_password(
    client: &Client,
    connection: &Connection,
    outside: &dyn Outside,
    account: Option<String>,
    current: Option<String>,
    new: Option<String>,
) -> anyhow::Result<()> {
    let info = client.get("/api/v1/session/userinfo", &[]).await?;
    let own = text(&info, "username").to_owned();
    let current = match current {
        Some(current) => current,
        None if text(&info, "iss") == "argocd" => {
            outside.ask(&format!("Password of {own}, which is signed in"), true)?
        }
        None => String::new(),
    };
    let name = account.unwrap_or_else(|| own.clone());
    let new = match new {
        Some(new) => new,
        None => {
            let first = outside.ask(&format!("New password of {name}"), true)?;
            if outside.ask("The new password again", true)? != first {
                bail!("the two new passwords differ");
            }
            first
        }
    };
    let body = json!({"name": name, "currentPassword": current, "newPassword": new});
    client.call("PUT", "/api/v1/account/password", &[], Some(body)).await?;
    outside.print("Password updated\n")?;
    if name == own && !client.target().user.is_empty() {
        // The tokens that were there are of no use any more.
        let pair = client.post("/api/v1/landfall/session", json!({"username": own, "password": new})).await;
        let (token, refresh) = match pair {
            Ok(pair) => (text(&pair, "accessToken").to_owned(), text(&pair, "refreshToken").to_owned()),
            Err(_no_pairs) => {
                let answer = client.post("/api/v1/session", json!({"username": own, "password": new})).await?;
                (text(&answer, "token").to_owned(), String::new())
            }
        };
        let mut config = remote::read_config(connection, outside)?;
        config.keep_tokens(&client.target().user, &token, &refresh);
        remote::write_config(connection, outside, &config)?;
        outside.print(&format!("Context '{}' updated\n", config.current_context))?;
    }
    Ok(())
}

/// The account that is named, else the caller's own.
async fn named(client: &Client, account: Option<String>) -> anyhow::Result<String> {
    match account {
        Some(account) => Ok(account),
        None => {
            let info = client.get("/api/v1/session/userinfo", &[]).await?;
            match text(&info, "username") {
                "" => bail!("you are not signed in\nhint: `landfall login SERVER`, or name an --account"),
                own => Ok(own.to_owned()),
            }
        }
    }
}

fn details(item: &Value) -> String {
    let mut text_of = format!(
        "Name:               {}\nEnabled:            {}\nCapabilities:       {}\n\nTokens:\n",
        text(item, "name"),
        enabled(item),
        capabilities(item)
    );
    let tokens = item["tokens"].as_array().cloned().unwrap_or_default();
    if tokens.is_empty() {
        text_of.push_str("NONE\n");
        return text_of;
    }
    let mut table = Table::with_head(&["ID", "ISSUED AT", "EXPIRING AT"]);
    for token in &tokens {
        let end = moment(&token["expiresAt"]).unwrap_or_else(|| "never".to_owned());
        table.row([text(token, "id").to_owned(), moment(&token["issuedAt"]).unwrap_or_default(), end]);
    }
    text_of.push_str(&table.text());
    text_of
}

/// A second as text; `None` for 0. Numbers of 64 bits may come as texts.
pub(super) fn moment(seconds: &Value) -> Option<String> {
    let second = seconds.as_i64().or_else(|| seconds.as_str()?.parse().ok()).filter(|second| *second != 0)?;
    Timestamp::from_second(second).ok().map(|moment| moment.to_string())
}

fn enabled(item: &Value) -> String {
    (item["enabled"] == true).to_string()
}

fn capabilities(item: &Value) -> String {
    let words: Vec<&str> = item["capabilities"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    words.join(", ")
}

/// A text field; `""` if it is not there.
pub(super) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// Writes a value as JSON or YAML.
pub(super) fn machine(value: &Value, format: &str) -> anyhow::Result<String> {
    match format {
        "json" => Ok(format::text(value, format::Format::Json)),
        "yaml" => Ok(format::text(value, format::Format::Yaml)),
        other => bail!("unknown output format: {other}\nhint: wide, name, json or yaml"),
    }
}

/// Reads a duration with days: `30d`, `24h`, `90m`, `0s`.
pub(super) fn seconds(text: &str) -> anyhow::Result<i64> {
    let failed = || format!("{text:?} is no duration\nhint: write 30d, 24h, 90m or 0s for ever");
    let mut total = 0_i64;
    let mut rest = text.trim();
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit()).with_context(failed)?;
        let number: i64 = rest[..digits].parse().ok().with_context(failed)?;
        let unit = match rest[digits..].chars().next() {
            Some('d') => 86_400,
            Some('h') => 3_600,
            Some('m') => 60,
            Some('s') => 1,
            _ => bail!(failed()),
        };
        total = number.checked_mul(unit).and_then(|part| total.checked_add(part)).with_context(failed)?;
        rest = &rest[digits + 1..];
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_days_and_nonsense_is_refused() {
        for (text, wanted) in [("0s", 0), ("24h", 86_400), ("30d", 2_592_000), ("1h30m", 5_400), ("", 0)] {
            assert_eq!(seconds(text).unwrap(), wanted, "{text}");
        }
        for text in ["x", "10", "1y", "99999999999999999999d", "-1h"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
