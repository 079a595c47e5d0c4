//! A watch: one JSON event per line, read as the lines come.

use bytes::{Bytes, BytesMut};
use futures::stream::{BoxStream, StreamExt as _};
use http::StatusCode;
use http_body_util::BodyExt as _;
use kube::client::Body;
use landfall_model::object;
use landfall_ports::cluster::{Cause, Change, ClusterError, ServedKind};
use serde_json::Value;

use crate::request::cause;

/// After how long the server is asked to end a watch, so that a connection that died unseen is noticed.
pub(crate) const TIMEOUT_S: u32 = 290;

/// A line longer than this is not an event of an API server, whose objects are under 3 MiB.
const LINE_BYTES_MAX: usize = 16 << 20;

struct Lines {
    body: Body,
    buffer: BytesMut,
    scanned: usize,
    has_ended: bool,
}

impl Lines {
    /// Returns the next line without its end; `None` at the end of the body.
    async fn next(&mut self) -> Option<Result<Bytes, String>> {
        loop {
            if let Some(found) = self.buffer[self.scanned..].iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(self.scanned + found + 1).freeze();
                self.scanned = 0;
                return Some(Ok(line.slice(..line.len() - 1)));
            }
            self.scanned = self.buffer.len();
            if self.has_ended {
                return None;
            }
            if self.buffer.len() > LINE_BYTES_MAX {
                self.has_ended = true;
                return Some(Err(format!("an event is longer than {LINE_BYTES_MAX} bytes")));
            }
            match self.body.frame().await {
                None => self.has_ended = true,
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        self.buffer.extend_from_slice(data);
                    }
                }
                Some(Err(error)) => {
                    self.has_ended = true;
                    return Some(Err(error.to_string()));
                }
            }
        }
    }
}

/// Reads a watch's body as changes.
pub(crate) fn changes(
    body: Body,
    kind: ServedKind,
    action: String,
) -> BoxStream<'static, Result<Change, ClusterError>> {
    let lines = Lines { body, buffer: BytesMut::new(), scanned: 0, has_ended: false };
    let events = futures::stream::unfold((lines, kind, action), |(mut lines, kind, action)| async {
        loop {
            let event = match lines.next().await? {
                Ok(line) if line.is_empty() => continue,
                Ok(line) => change(&line, &kind, &action),
                Err(message) => Err(broken(&action, message)),
            };
            return Some((event, (lines, kind, action)));
        }
    });
    events.boxed()
}

/// Reads a body as lines of text, as they come.
pub(crate) fn lines(body: Body, action: String) -> BoxStream<'static, Result<String, ClusterError>> {
    let lines = Lines { body, buffer: BytesMut::new(), scanned: 0, has_ended: false };
    let texts = futures::stream::unfold((lines, action), |(mut lines, action)| async {
        let text = match lines.next().await {
            Some(Ok(line)) => Ok(String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned()),
            Some(Err(message)) => Err(broken(&action, message)),
            // The last line may lack its end.
            None if !lines.buffer.is_empty() => {
                let rest = lines.buffer.split();
                lines.scanned = 0;
                Ok(String::from_utf8_lossy(&rest).into_owned())
            }
            None => return None,
        };
        Some((text, (lines, action)))
    });
    texts.boxed()
}

fn broken(action: &str, message: String) -> ClusterError {
    ClusterError { cause: Cause::Unreachable, action: action.to_owned(), message, retry_after: None }
}

fn change(line: &[u8], kind: &ServedKind, action: &str) -> Result<Change, ClusterError> {
    let mut event: Value =
        serde_json::from_slice(line).map_err(|error| broken(action, format!("an event is no JSON: {error}")))?;
    let content = event.get_mut("object").map(Value::take).unwrap_or_default();
    match object::text(&event, &["type"]) {
        "ADDED" | "MODIFIED" => Ok(Change::Applied(crate::with_kind(content, kind))),
        "DELETED" => Ok(Change::Deleted(crate::with_kind(content, kind))),
        "BOOKMARK" => Ok(Change::Bookmark(object::resource_version(&content).to_owned())),
        _ => {
            let code = content.get("code").and_then(Value::as_u64).unwrap_or(500) as u16;
            let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            Err(ClusterError {
                cause: cause(status, object::text(&content, &["reason"]), &content),
                action: action.to_owned(),
                message: object::text(&content, &["message"]).to_owned(),
                retry_after: None,
            })
        }
    }
}
