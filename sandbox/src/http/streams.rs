//! Streams into a simulated pod: exec and attach over WebSocket, canned; port-forward is refused.
//!
//! The protocol is `v5.channel.k8s.io` (and v4): the first byte of every message says which stream it is of.
//! Nothing runs in the pods, so commands are played: what the command plainly says is done (`echo`, `true`, `false`, `exit`, `hostname`, `env`, `cat` of standard input and of files in volumes),
//! anything else says on standard error that there is no process.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONNECTION, HeaderValue, UPGRADE};
use http::{Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use sha1::Digest as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::body::SandboxBody;
use super::{Handler, Request, files};
use crate::error::ApiError;
use crate::json;

/// What RFC 6455 adds to the client's key.
const KEY_SUFFIX: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const ERROR: u8 = 3;
/// Tells, in v5, that a stream has ended.
const CLOSE: u8 = 255;
/// The largest message that is read.
const MESSAGE_BYTES_MAX: u64 = 1024 * 1024;

/// What a played command writes and ends with.
struct Played {
    stdout: String,
    stderr: String,
    code: i32,
    reads_stdin: bool,
}

/// Answers a request for a stream: the switch of protocols, after which the command is played.
pub(super) fn open(
    handler: &Handler,
    request: &Request<'_>,
    pod: &Value,
    subresource: &str,
) -> Result<Response<SandboxBody>, ApiError> {
    if subresource == "portforward" {
        return Err(ApiError::bad_request(
            "port-forward is not served: the pods of this server are simulated, so nothing listens on their ports; \
             their Services answer on loopback where the sandbox was told to serve them",
        ));
    }
    let container = container(request, pod)?;
    let header = |name: &str| request.parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let protocols: Vec<&str> = header("sec-websocket-protocol").split(',').map(str::trim).collect();
    let protocol = ["v5.channel.k8s.io", "v4.channel.k8s.io"].into_iter().find(|known| protocols.contains(known));
    let (Some(protocol), true) = (protocol, header("upgrade").eq_ignore_ascii_case("websocket")) else {
        return Err(ApiError::bad_request(format!(
            "{subresource} is served over WebSocket with v5.channel.k8s.io or v4.channel.k8s.io: use kubectl 1.30 or newer"
        )));
    };
    let Some(upgrade) = request.parts.extensions.get::<OnUpgrade>().cloned() else {
        return Err(ApiError::bad_request(format!(
            "{subresource} needs a connection of HTTP/1.1: it cannot be upgraded otherwise"
        )));
    };
    let commands: Vec<String> = request.params.all("command");
    let played = if subresource == "attach" {
        Played {
            stdout: format!("{container} is simulated; `kubectl logs` shows what it says\n"),
            stderr: String::new(),
            code: 0,
            reads_stdin: false,
        }
    } else {
        // Tokens among them are made anew, so only who reads files has them.
        let reads = commands.iter().any(|word| word.split_whitespace().any(|word| word == "cat"));
        let files = if reads { files::of(handler, pod, &container) } else { BTreeMap::new() };
        play(pod, &files, &commands)
    };
    let is_v5 = protocol.starts_with("v5");
    let takes_stdin = request.params.flag_given("stdin");
    tokio::spawn(async move {
        match upgrade.await {
            Ok(upgraded) => {
                // A client that went away needs no answer.
                let _ = talk(TokioIo::new(upgraded), played, is_v5, takes_stdin).await;
            }
            Err(why) => tracing::debug!(%why, "a stream was not opened"),
        }
    });
    let accept = STANDARD.encode(sha1::Sha1::digest(format!("{}{KEY_SUFFIX}", header("sec-websocket-key"))));
    let mut response = Response::new(SandboxBody::whole(bytes::Bytes::new()));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert("sec-websocket-protocol", HeaderValue::from_static(protocol));
    if let Ok(accept) = HeaderValue::from_str(&accept) {
        headers.insert("sec-websocket-accept", accept);
    }
    Ok(response)
}

fn container(request: &Request<'_>, pod: &Value) -> Result<String, ApiError> {
    let name = json::name(pod);
    let containers = json::list(pod, "/spec/containers");
    let wanted = request.params.text("container");
    let found = if wanted.is_empty() {
        containers.first()
    } else {
        containers.iter().find(|container| json::text(container, "/name") == wanted)
    };
    let Some(found) = found else {
        return Err(ApiError::bad_request(format!("container {wanted} is not valid for pod {name}")));
    };
    let container = json::text(found, "/name");
    let phase = json::text(pod, "/status/phase");
    if matches!(phase, "Succeeded" | "Failed") {
        return Err(ApiError::internal(format!(
            "cannot exec into a container in a completed pod; current phase is {phase}"
        )));
    }
    let runs = json::list(pod, "/status/containerStatuses")
        .iter()
        .any(|status| json::text(status, "/name") == container && status.pointer("/state/running").is_some());
    if json::text(pod, "/spec/nodeName").is_empty() {
        return Err(ApiError::bad_request(format!("pod {name} does not have a host assigned")));
    }
    if !runs {
        return Err(ApiError::internal(format!("unable to upgrade connection: container not found (\"{container}\")")));
    }
    Ok(container.to_string())
}

/// Plays a command.
fn play(pod: &Value, files: &BTreeMap<String, String>, command: &[String]) -> Played {
    let quiet = |code: i32| Played { stdout: String::new(), stderr: String::new(), code, reads_stdin: false };
    let says = |text: String| Played { stdout: text, stderr: String::new(), code: 0, reads_stdin: false };
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    match words.as_slice() {
        [shell, "-c" | "-ec" | "-lc", script] if shell.ends_with("sh") => script_of(pod, files, script),
        ["true" | "/bin/true"] => quiet(0),
        ["false" | "/bin/false"] => quiet(1),
        ["exit", code] => quiet(code.parse().unwrap_or(0)),
        ["echo", words @ ..] => says(format!("{}\n", words.join(" "))),
        ["hostname"] => says(format!("{}\n", json::name(pod))),
        ["date"] => says(format!("{}\n", json::text(pod, "/status/startTime"))),
        ["env" | "printenv"] => says(environment(pod)),
        ["printenv", name] => {
            let all = environment(pod);
            let held = all.lines().find_map(|line| line.strip_prefix(&format!("{name}=")));
            held.map_or_else(|| quiet(1), |held| says(format!("{held}\n")))
        }
        ["cat"] => Played { reads_stdin: true, ..quiet(0) },
        ["cat", paths @ ..] => {
            let mut all = quiet(0);
            for path in paths {
                match files.get(*path) {
                    Some(text) => all.stdout.push_str(text),
                    None => {
                        all.stderr.push_str(&format!("cat: can't open '{path}': No such file or directory\n"));
                        all.code = 1;
                    }
                }
            }
            all
        }
        ["sleep", ..] => quiet(0),
        [program, ..] => Played {
            stderr: format!("{program}: this container is simulated, so there is no process to run it\n"),
            code: 127,
            ..quiet(127)
        },
        [] => Played { stderr: "you must specify at least one command for the container\n".into(), ..quiet(1) },
    }
}

fn script_of(pod: &Value, files: &BTreeMap<String, String>, script: &str) -> Played {
    let mut whole = Played { stdout: String::new(), stderr: String::new(), code: 0, reads_stdin: false };
    for part in
        script.split([';', '\n']).flat_map(|part| part.split("&&")).map(str::trim).filter(|part| !part.is_empty())
    {
        let words: Vec<String> =
            part.split_whitespace().map(|word| word.trim_matches(['"', '\'']).to_string()).collect();
        let one = play(pod, files, &words);
        whole.stdout.push_str(&one.stdout);
        whole.stderr.push_str(&one.stderr);
        whole.code = one.code;
        if words.first().is_some_and(|word| word == "exit") {
            break;
        }
    }
    whole
}

fn environment(pod: &Value) -> String {
    let mut lines = vec![format!("HOSTNAME={}", json::name(pod))];
    for variable in json::list(pod, "/spec/containers/0/env") {
        if let Some(value) = variable.get("value").and_then(Value::as_str) {
            lines.push(format!("{}={value}", json::text(variable, "/name")));
        }
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

async fn talk<S>(mut stream: S, played: Played, is_v5: bool, takes_stdin: bool) -> std::io::Result<()>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    if takes_stdin && played.reads_stdin {
        while let Some((opcode, payload)) = read_message(&mut stream).await? {
            match (opcode, payload.split_first()) {
                (8, _) => break,
                (_, Some((&STDIN, text))) => write_message(&mut stream, STDOUT, text).await?,
                (_, Some((&CLOSE, _))) if is_v5 => break,
                _ => {}
            }
        }
    }
    for (channel, text) in [(STDOUT, &played.stdout), (STDERR, &played.stderr)] {
        if !text.is_empty() {
            write_message(&mut stream, channel, text.as_bytes()).await?;
        }
    }
    let status = if played.code == 0 {
        json!({"metadata": {}, "status": "Success"})
    } else {
        let message = format!("command terminated with non-zero exit code: exit status {}", played.code);
        json!({"metadata": {}, "status": "Failure", "message": message, "reason": "NonZeroExitCode",
            "details": {"causes": [{"reason": "ExitCode", "message": played.code.to_string()}]}})
    };
    write_message(&mut stream, ERROR, status.to_string().as_bytes()).await?;
    // A normal closure: code 1000.
    stream.write_all(&[0x88, 2, 0x03, 0xE8]).await?;
    stream.flush().await?;
    // The client closes in turn; it does not have to.
    let closing = read_message(&mut stream);
    let _ = tokio::time::timeout(std::time::Duration::from_secs(1), closing).await;
    stream.shutdown().await
}

async fn write_message<S: tokio::io::AsyncWrite + Unpin>(
    stream: &mut S,
    channel: u8,
    text: &[u8],
) -> std::io::Result<()> {
    let length = text.len() + 1;
    let mut frame = vec![0x82];
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short), _) if short < 126 => frame.push(short),
        (_, Ok(middle)) => {
            frame.push(126);
            frame.extend_from_slice(&middle.to_be_bytes());
        }
        _ => {
            frame.push(127);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    frame.push(channel);
    frame.extend_from_slice(text);
    stream.write_all(&frame).await?;
    stream.flush().await
}

/// Reads one frame: its opcode and payload; `None` at the end or when it is too large.
async fn read_message<S: tokio::io::AsyncRead + Unpin>(stream: &mut S) -> std::io::Result<Option<(u8, Vec<u8>)>> {
    let mut head = [0_u8; 2];
    if stream.read_exact(&mut head).await.is_err() {
        return Ok(None);
    }
    let length = match head[1] & 0x7F {
        126 => u64::from(stream.read_u16().await?),
        127 => stream.read_u64().await?,
        short => u64::from(short),
    };
    if length > MESSAGE_BYTES_MAX {
        return Ok(None);
    }
    let mut mask = [0_u8; 4];
    if head[1] & 0x80 != 0 {
        stream.read_exact(&mut mask).await?;
    }
    let mut payload = vec![0_u8; usize::try_from(length).unwrap_or(0)];
    stream.read_exact(&mut payload).await?;
    for (index, byte) in payload.iter_mut().enumerate() {
        *byte ^= mask[index % 4];
    }
    Ok(Some((head[0] & 0x0F, payload)))
}
