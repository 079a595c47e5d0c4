//! `landfall gpg`: public keys that commits may be signed with, as `argocd gpg`. Source: Argo CD 3.5
//! `cmd/argocd/commands/gpg.go`.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::SUCCESS;
use super::account::{machine, text};
use crate::output::table::Table;
use crate::remote::client::{Client, encoded};
use crate::{Connection, Outside, remote};

/// Arguments of `landfall gpg`.
#[derive(Debug, Args)]
pub struct KeyArguments {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    verb: KeyVerb,
}

#[derive(Debug, Subcommand)]
enum KeyVerb {
    /// List them.
    List {
        /// The format: wide, json or yaml.
        #[arg(short, long, default_value = "wide", value_name = "FORMAT")]
        output: String,
    },
    /// Show one.
    Get {
        /// Its id.
        id: String,
        /// The format: wide, json or yaml.
        #[arg(short, long, default_value = "wide", value_name = "FORMAT")]
        output: String,
    },
    /// Trust those of a file.
    Add {
        /// Armoured public keys; - for standard input.
        #[arg(short, long, value_name = "FILE")]
        from: PathBuf,
    },
    /// Trust one no longer.
    Rm {
        /// Its id.
        id: String,
    },
}

/// Does what was asked.
pub(super) async fn run(arguments: KeyArguments, outside: &dyn Outside) -> anyhow::Result<u8> {
    let client = remote::server(&arguments.connection, outside)?;
    let outcome = perform(arguments.verb, &client, outside).await;
    super::keep_tokens(&client, &arguments.connection, outside)?;
    outcome
}

async fn perform(verb: KeyVerb, client: &Client, outside: &dyn Outside) -> anyhow::Result<u8> {
    match verb {
        KeyVerb::List { output } => {
            let answer = client.get("/api/v1/gpgkeys", &[]).await?;
            let items = answer["items"].as_array().cloned().unwrap_or_default();
            let shown = match output.as_str() {
                "wide" | "" => table(&items),
                other => machine(&Value::Array(items), other)?,
            };
            outside.print(&shown)?;
        }
        KeyVerb::Get { id, output } => {
            let key = client.get(&format!("/api/v1/gpgkeys/{}", encoded(&id)), &[]).await?;
            let shown = match output.as_str() {
                "wide" | "" => details(&key),
                other => machine(&key, other)?,
            };
            outside.print(&shown)?;
        }
        KeyVerb::Add { from } => {
            let armoured = outside.read(&from)?;
            let armoured = String::from_utf8(armoured).with_context(|| format!("{} is no text", from.display()))?;
            if !armoured.contains("BEGIN PGP PUBLIC KEY BLOCK") {
                bail!("{} holds no armoured public key\nhint: gpg --armor --export ID writes one", from.display());
            }
            let body = json!({"keyData": armoured});
            let answer = client.post("/api/v1/gpgkeys", body).await?;
            let created = answer["created"]["items"].as_array().map_or(&[][..], Vec::as_slice);
            for key in created {
                outside.print(&format!("Created PGP public key {}\n", text(key, "keyID")))?;
            }
            for id in answer["skipped"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                outside.tell(&format!("{id} is trusted already"));
            }
        }
        KeyVerb::Rm { id } => {
            client.call("DELETE", "/api/v1/gpgkeys", &[("keyID", &id)], None).await?;
            outside.print(&format!("Deleted key with key ID {id}\n"))?;
        }
    }
    Ok(SUCCESS)
}

fn table(items: &[Value]) -> String {
    let mut table = Table::with_head(&["KEYID", "TYPE", "IDENTITY"]);
    for item in items {
        table.row([
            text(item, "keyID").to_owned(),
            text(item, "subType").to_uppercase(),
            text(item, "owner").to_owned(),
        ]);
    }
    table.text()
}

fn details(key: &Value) -> String {
    let rows = [
        ("Key ID:", text(key, "keyID").to_owned()),
        ("Key fingerprint:", text(key, "fingerprint").to_owned()),
        ("Key subtype:", text(key, "subType").to_uppercase()),
        ("Key owner:", text(key, "owner").to_owned()),
    ];
    let rows: String = rows.iter().map(|(name, value)| format!("{name:<17} {value}\n")).collect();
    format!("{rows}Key data follows until EOF:\n{}\n", text(key, "keyData").trim_end())
}
