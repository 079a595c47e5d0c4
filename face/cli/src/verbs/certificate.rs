//! `landfall cert`: certificates of servers and known SSH hosts that repositories are believed by, as `argocd cert`. Source:
//! Argo CD 3.5 `cmd/argocd/commands/cert.go`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::SUCCESS;
use super::account::{machine, text};
use crate::output::table::Table;
use crate::remote::client::{Client, encoded};
use crate::{Connection, Outside, remote};

/// Arguments of `landfall cert`.
#[derive(Debug, Args)]
pub struct CertificateArguments {
    #[command(flatten)]
    connection: Connection,
    #[command(subcommand)]
    verb: CertificateVerb,
}

#[derive(Debug, Subcommand)]
enum CertificateVerb {
    /// List them.
    List {
        /// Only those of this type.
        #[arg(long, value_enum)]
        cert_type: Option<Kind>,
        /// Only those of hosts that match, as *.example.com.
        #[arg(long, default_value = "")]
        hostname_pattern: String,
        /// The format: wide, json or yaml.
        #[arg(short, long, default_value = "wide", value_name = "FORMAT")]
        output: String,
    },
    /// Believe a server's certificates.
    AddTls {
        /// The server.
        #[arg(value_name = "SERVER")]
        host: String,
        /// The certificates in PEM; standard input if left out.
        #[arg(long, value_name = "FILE")]
        from: Option<PathBuf>,
        /// Take the place of those that are there.
        #[arg(long)]
        upsert: bool,
    },
    /// Believe keys of SSH hosts.
    AddSsh {
        /// Read them as known_hosts holds them (there is no other way).
        #[arg(long)]
        batch: bool,
        /// The lines; standard input if left out.
        #[arg(long, value_name = "FILE")]
        from: Option<PathBuf>,
        /// Take the place of those that are there.
        #[arg(long)]
        upsert: bool,
    },
    /// Believe a server no longer.
    Rm {
        /// The server.
        #[arg(value_name = "SERVER")]
        host: String,
        /// Only what is of this type.
        #[arg(long, value_enum)]
        cert_type: Option<Kind>,
        /// Only keys of this type, as ssh-rsa.
        #[arg(long, default_value = "")]
        cert_sub_type: String,
    },
}

/// What is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// A key of an SSH host.
    Ssh,
    /// A certificate of a server.
    Https,
}

impl Kind {
    fn name(this: Option<Self>) -> &'static str {
        match this {
            None => "",
            Some(Self::Ssh) => "ssh",
            Some(Self::Https) => "https",
        }
    }
}

/// Does what was asked.
pub(super) async fn run(arguments: CertificateArguments, outside: &dyn Outside) -> anyhow::Result<u8> {
    let client = remote::server(&arguments.connection, outside)?;
    let outcome = perform(arguments.verb, &client, outside).await;
    super::keep_tokens(&client, &arguments.connection, outside)?;
    outcome
}

async fn perform(verb: CertificateVerb, client: &Client, outside: &dyn Outside) -> anyhow::Result<u8> {
    match verb {
        CertificateVerb::List { cert_type, hostname_pattern, output } => {
            let query = [("hostNamePattern", hostname_pattern.as_str()), ("certType", Kind::name(cert_type))];
            let answer = client.get("/api/v1/certificates", &query).await?;
            let items = answer["items"].as_array().cloned().unwrap_or_default();
            let shown = match output.as_str() {
                "wide" | "" => table(&items),
                other => machine(&Value::Array(items), other)?,
            };
            outside.print(&shown)?;
        }
        CertificateVerb::AddTls { host, from, upsert } => {
            let certificates = input(from.as_deref(), outside)?;
            let one = json!({"serverName": host, "certType": "https", "certData": coded(&certificates)});
            add(client, vec![one], upsert).await?;
            outside.print(&format!("Created entry with certificates for repository server {host}\n"))?;
        }
        CertificateVerb::AddSsh { batch, from, upsert } => {
            if !batch {
                bail!("keys are read as known_hosts holds them\nhint: say --batch, with --from FILE or standard input");
            }
            let lines = input(from.as_deref(), outside)?;
            let keys = known_hosts(&lines)?;
            let count = keys.len();
            add(client, keys, upsert).await?;
            outside.print(&format!("Successfully created {count} SSH known host entries\n"))?;
        }
        CertificateVerb::Rm { host, cert_type, cert_sub_type } => {
            if host.is_empty() || host == "*" {
                bail!("this would remove everything\nhint: name a server");
            }
            let query = [
                ("hostNamePattern", host.as_str()),
                ("certType", Kind::name(cert_type)),
                ("certSubType", &cert_sub_type),
            ];
            let answer = client.call("DELETE", "/api/v1/certificates", &query, None).await?;
            let gone = answer["items"].as_array().map_or(&[][..], Vec::as_slice);
            if gone.is_empty() {
                outside.print("No certificates were removed (none matched the given pattern)\n")?;
            }
            for one in gone {
                let (server, kind) = (text(one, "serverName"), text(one, "certType"));
                outside.print(&format!("Removed cert for '{server}' of type '{kind}'\n"))?;
            }
        }
    }
    Ok(SUCCESS)
}

async fn add(client: &Client, items: Vec<Value>, upsert: bool) -> anyhow::Result<()> {
    let path = format!("/api/v1/certificates?upsert={}", encoded(&upsert.to_string()));
    client.call("POST", &path, &[], Some(json!({"items": items}))).await?;
    Ok(())
}

fn input(from: Option<&Path>, outside: &dyn Outside) -> anyhow::Result<String> {
    let from = from.unwrap_or(Path::new("-"));
    String::from_utf8(outside.read(from)?).with_context(|| format!("{} is no text", from.display()))
}

/// Bytes as JSON carries them.
fn coded(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

/// Takes lines of known_hosts apart: hosts, type, key.
fn known_hosts(lines: &str) -> anyhow::Result<Vec<Value>> {
    let mut keys = Vec::new();
    for (at, line) in lines.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        let [hosts, subtype, key, ..] = words.as_slice() else {
            bail!("line {} is no line of known_hosts\nhint: it has a host, a type and a key", at + 1);
        };
        if hosts.starts_with('@') || hosts.starts_with('|') {
            bail!(
                "line {} has a marker or a hashed name, which are not understood\nhint: write the host's name",
                at + 1
            );
        }
        for host in hosts.split(',') {
            let data = coded(key);
            keys.push(json!({"serverName": host, "certType": "ssh", "certSubType": subtype, "certData": data}));
        }
    }
    if keys.is_empty() {
        bail!("there is no key to believe\nhint: ssh-keyscan HOST prints those of a host");
    }
    Ok(keys)
}

fn table(items: &[Value]) -> String {
    let mut table = Table::with_head(&["HOSTNAME", "TYPE", "SUBTYPE", "INFO"]);
    for item in items {
        table.row(["serverName", "certType", "certSubType", "certInfo"].map(|field| text(item, field).to_owned()));
    }
    table.text()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_known_hosts_become_keys_and_others_are_refused_by_their_number() {
        let keys = known_hosts("# a comment\na.test,b.test ssh-ed25519 AAAA me@here\n").unwrap();
        assert_eq!(keys.len(), 2);
        assert_eq!((&keys[1]["serverName"], &keys[1]["certSubType"]), (&json!("b.test"), &json!("ssh-ed25519")));
        assert!(known_hosts("\nnonsense\n").unwrap_err().to_string().starts_with("line 2"));
        assert!(known_hosts("").is_err());
    }
}
