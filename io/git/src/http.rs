//! Git over http(s): the two requests of the smart protocol on our own client, so that TLS options, proxies,
//! credentials, deadlines and size limits are the repository's.

use std::io::{self, BufRead, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use gix_transport::client::blocking_io::http::{GetResponse, Http, PostBodyDataKind, PostResponse};
use landfall_http::Clients;
use landfall_repository::problem::{SourceError, SourceProblem};
use landfall_repository::repository::Repository;
use reqwest::{Client, RequestBuilder, Response};

use crate::work::Work;

/// The most bytes of a request: what we want and have, never a pack.
const REQUEST_BYTES_MAX: usize = 64 << 20;

/// Speaks HTTP for one operation on one repository.
pub(crate) struct HttpTransport {
    client: Client,
    repository: Repository,
    work: Work,
    response_bytes_max: u64,
    redirected: Option<String>,
}

impl HttpTransport {
    /// Prepares requests to `repository`; nothing is sent yet.
    pub(crate) fn to(
        repository: &Repository,
        clients: &Clients,
        work: &Work,
        response_bytes_max: u64,
    ) -> Result<Self, SourceError> {
        let client = clients.client(repository)?;
        Ok(Self { client, repository: repository.clone(), work: work.clone(), response_bytes_max, redirected: None })
    }

    fn prepared(&self, request: RequestBuilder, headers: impl IntoIterator<Item = impl AsRef<str>>) -> RequestBuilder {
        let mut request = landfall_http::authorized(request, &self.repository);
        for header in headers {
            // Our own user agent is set by the client, and credentials only by us.
            match header.as_ref().split_once(": ") {
                Some((name, _)) if name.eq_ignore_ascii_case("user-agent") => {}
                Some((name, _)) if name.eq_ignore_ascii_case("authorization") => {}
                Some((name, value)) => request = request.header(name, value),
                None => {}
            }
        }
        request
    }

    fn exchange(&self, request: RequestBuilder, kind: Kind) -> Exchange {
        let state = State {
            request: Some(request),
            body: Vec::new(),
            response: None,
            headers: Bytes::new(),
            received_bytes: 0,
        };
        Exchange {
            state: Arc::new(Mutex::new(state)),
            work: self.work.clone(),
            kind,
            repository: self.repository.clone(),
            response_bytes_max: self.response_bytes_max,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Advertisement,
    Result,
}

/// One request and its answer, shared by the writer of the one and the readers of the other.
#[derive(Clone)]
struct Exchange {
    state: Arc<Mutex<State>>,
    work: Work,
    kind: Kind,
    repository: Repository,
    response_bytes_max: u64,
}

struct State {
    request: Option<RequestBuilder>,
    body: Vec<u8>,
    response: Option<Response>,
    headers: Bytes,
    received_bytes: u64,
}

impl Exchange {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends the request if that has not happened yet, and checks that a Git server answered with success.
    fn send(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        let Some(request) = state.request.take() else { return Ok(state) };
        let body = std::mem::take(&mut state.body);
        let request = if self.kind == Kind::Result { request.body(body) } else { request };
        let url = &self.repository.url;
        let response =
            self.work.wait(request.send())?.map_err(|error| self.work.fail(landfall_http::failure(url, &error)))?;
        let status = response.status();
        if !status.is_success() {
            let is_login_sent = landfall_http::login(&self.repository.credentials, url).is_some();
            return Err(self.work.fail(landfall_http::refusal(url, status, is_login_sent)));
        }
        let content_type = response.headers().get("content-type").and_then(|value| value.to_str().ok()).unwrap_or("");
        let expected = match self.kind {
            Kind::Advertisement => "application/x-git-upload-pack-advertisement",
            Kind::Result => "application/x-git-upload-pack-result",
        };
        if content_type != expected {
            let found = if content_type.is_empty() { "no content type" } else { content_type };
            let reason = format!("the server answered with {found}, so there is no Git repository at this address");
            let hint = "Check the address: it must be the one that `git clone` takes, not that of a web page.";
            return Err(self.work.fail(SourceError::of(SourceProblem::NotFound, url, reason).hinting(hint)));
        }
        state.headers = Bytes::from(format!("content-type: {content_type}\n"));
        state.response = Some(response);
        Ok(state)
    }

    /// Receives the next piece of the answer; empty at its end.
    fn receive(&self) -> io::Result<Bytes> {
        let mut state = self.send()?;
        let Some(response) = state.response.as_mut() else { return Ok(Bytes::new()) };
        let url = &self.repository.url;
        let chunk =
            self.work.wait(response.chunk())?.map_err(|error| self.work.fail(landfall_http::failure(url, &error)))?;
        let Some(chunk) = chunk else {
            state.response = None;
            return Ok(Bytes::new());
        };
        state.received_bytes += chunk.len() as u64;
        if state.received_bytes > self.response_bytes_max {
            return Err(self.work.fail(too_large(url, self.response_bytes_max)));
        }
        Ok(chunk)
    }
}

/// Says that a fetch is over the limit.
pub(crate) fn too_large(url: &str, bytes_max: u64) -> SourceError {
    let reason = format!("the fetch is larger than the limit of {} MiB", bytes_max >> 20);
    SourceError::of(SourceProblem::TooLarge, url, reason)
        .hinting("Raise the limit for packs, or set `depth` in the repository Secret to fetch less history.")
}

impl Http for HttpTransport {
    type Headers = Headers;
    type ResponseBody = Body;
    type PostBody = RequestBody;

    fn get(
        &mut self,
        url: &str,
        base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<GetResponse<Headers, Body>, gix::Error> {
        let exchange = self.exchange(self.prepared(self.client.get(url), headers), Kind::Advertisement);
        let answered_at =
            exchange.send().map_err(gix::Error::from_error)?.response.as_ref().map(|r| r.url().to_string());
        // After a redirect every further request goes to where the first one ended.
        let tail = url.strip_prefix(base_url).unwrap_or_default();
        self.redirected = answered_at.and_then(|at| at.strip_suffix(tail).map(str::to_owned));
        Ok(GetResponse { headers: Headers::of(&exchange), body: Body::of(&exchange) })
    }

    fn post(
        &mut self,
        url: &str,
        _base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
        _body: PostBodyDataKind,
    ) -> Result<PostResponse<Headers, Body, RequestBody>, gix::Error> {
        let exchange = self.exchange(self.prepared(self.client.post(url), headers), Kind::Result);
        Ok(PostResponse {
            headers: Headers::of(&exchange),
            body: Body::of(&exchange),
            post_body: RequestBody { exchange },
        })
    }

    fn configure(&mut self, _config: &dyn std::any::Any) -> Result<(), gix::Error> {
        Ok(())
    }

    fn redirected_base_url(&self) -> Option<String> {
        self.redirected.clone()
    }
}

/// Collects what is asked; it is sent when somebody reads the answer.
pub(crate) struct RequestBody {
    exchange: Exchange,
}

impl Write for RequestBody {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.exchange.state();
        if state.body.len() + bytes.len() > REQUEST_BYTES_MAX {
            return Err(io::Error::other("the negotiation with the server grew out of bounds"));
        }
        state.body.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads the header lines that the protocol code looks at.
pub(crate) struct Headers {
    exchange: Exchange,
    rest: Option<Bytes>,
}

impl Headers {
    fn of(exchange: &Exchange) -> Self {
        Self { exchange: exchange.clone(), rest: None }
    }
}

impl BufRead for Headers {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.rest.is_none() {
            self.rest = Some(self.exchange.send()?.headers.clone());
        }
        Ok(self.rest.as_deref().unwrap_or_default())
    }

    fn consume(&mut self, amount: usize) {
        if let Some(rest) = &mut self.rest {
            bytes::Buf::advance(rest, amount);
        }
    }
}

impl Read for Headers {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        read_buffered(self, buffer)
    }
}

/// Reads the answer as it arrives.
pub(crate) struct Body {
    exchange: Exchange,
    rest: Bytes,
}

impl Body {
    fn of(exchange: &Exchange) -> Self {
        Self { exchange: exchange.clone(), rest: Bytes::new() }
    }
}

impl BufRead for Body {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.rest.is_empty() {
            self.rest = self.exchange.receive()?;
        }
        Ok(&self.rest)
    }

    fn consume(&mut self, amount: usize) {
        bytes::Buf::advance(&mut self.rest, amount);
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        read_buffered(self, buffer)
    }
}

fn read_buffered(reader: &mut impl BufRead, buffer: &mut [u8]) -> io::Result<usize> {
    let available = reader.fill_buf()?;
    let count = available.len().min(buffer.len());
    buffer[..count].copy_from_slice(&available[..count]);
    reader.consume(count);
    Ok(count)
}
