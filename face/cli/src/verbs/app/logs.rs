//! `app logs`: what an Application's Pods say, through a server. Source: Argo CD 3.5 `cmd/argocd/commands/app.go`
//! (NewApplicationLogsCommand).

use anyhow::bail;
use clap::Args;
use futures::StreamExt as _;
use serde_json::Value;

use super::Session;
use crate::verbs::SUCCESS;
use crate::verbs::account::text;

/// The longest line that is waited for.
const LINE_BYTES_MAX: usize = 4 << 20;

/// Arguments of `app logs`.
#[derive(Debug, Args)]
pub(crate) struct LogsArguments {
    /// The Application.
    name: String,
    /// Only Pods below objects of this group.
    #[arg(long, default_value = "")]
    group: String,
    /// Only Pods below objects of this kind.
    #[arg(long, default_value = "")]
    kind: String,
    /// Only Pods below the object of this name.
    #[arg(long = "name", value_name = "NAME", default_value = "")]
    resource_name: String,
    /// Only Pods of this namespace.
    #[arg(long = "namespace", value_name = "NAMESPACE", default_value = "")]
    of_namespace: String,
    /// Only this container.
    #[arg(short, long, default_value = "")]
    container: String,
    /// Go on as more is said.
    #[arg(short, long)]
    follow: bool,
    /// Only the last lines.
    #[arg(long, default_value_t = 0)]
    tail: i64,
    /// Only what was said in the last seconds.
    #[arg(long, default_value_t = 0)]
    since_seconds: i64,
    /// Only what was said until this moment, as 2026-01-31T12:00:00Z.
    #[arg(long, default_value = "")]
    until_time: String,
    /// Only lines that hold this; with ! before it, those that do not.
    #[arg(long, default_value = "")]
    filter: String,
    /// Tell small letters from large ones in --filter.
    #[arg(short = 'm', long)]
    match_case: bool,
    /// What the containers said in their last run.
    #[arg(short, long)]
    previous: bool,
}

/// Prints lines until there are no more.
pub(super) async fn logs(session: &Session<'_>, arguments: &LogsArguments) -> anyhow::Result<u8> {
    let server = session.server("logs")?;
    let (path, namespace) = session.address(&arguments.name);
    let number = |value: i64| if value == 0 { String::new() } else { value.to_string() };
    let flag = |value: bool| if value { "true" } else { "" };
    let (tail, since) = (number(arguments.tail), number(arguments.since_seconds));
    let query = [
        ("appNamespace", namespace.as_str()),
        ("namespace", &arguments.of_namespace),
        ("group", &arguments.group),
        ("kind", &arguments.kind),
        ("resourceName", &arguments.resource_name),
        ("container", &arguments.container),
        ("follow", flag(arguments.follow)),
        ("tailLines", &tail),
        ("sinceSeconds", &since),
        ("untilTime", &arguments.until_time),
        ("filter", &arguments.filter),
        ("matchCase", flag(arguments.match_case)),
        ("previous", flag(arguments.previous)),
    ];
    let mut answer = server.open("GET", &format!("{path}/logs"), &query, None).await?;
    let mut rest = Vec::new();
    while let Some(piece) = answer.body.next().await {
        rest.extend_from_slice(&piece?);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            if is_last(session, &line)? {
                return Ok(SUCCESS);
            }
        }
        if rest.len() > LINE_BYTES_MAX {
            bail!("a line of the log is longer than {LINE_BYTES_MAX} bytes");
        }
    }
    is_last(session, &rest)?;
    Ok(SUCCESS)
}

/// Prints one line of the answer; `true` if it is the last.
fn is_last(session: &Session<'_>, line: &[u8]) -> anyhow::Result<bool> {
    if line.iter().all(u8::is_ascii_whitespace) {
        return Ok(false);
    }
    let Ok(entry) = serde_json::from_slice::<Value>(line) else {
        bail!("the server sends a log that is none: {}", String::from_utf8_lossy(line).trim());
    };
    if let Some(error) = entry.get("error") {
        bail!("{}", text(error, "message"));
    }
    let entry = &entry["result"];
    if entry["last"] == true {
        return Ok(true);
    }
    session.outside.print(&format!("{}\n", text(entry, "content")))?;
    Ok(false)
}
