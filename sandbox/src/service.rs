//! The API server as a `tower` service: requests in, answers out, no socket.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use crate::error::ApiError;
use crate::http::body::SandboxBody;
use crate::http::{BODY_BYTES_MAX, Handler};
use crate::operations::Caller;

/// The API server in process, for `kube::Client::new(service, "default")` and any other client that speaks `tower`.
///
/// Requests come as a cluster administrator, unless the service was made for somebody else. Cloning is cheap. Watches
/// need a tokio runtime, as the rest of the sandbox does.
#[derive(Clone)]
pub struct ClientService {
    handler: Handler,
    caller: Caller,
}

impl ClientService {
    pub(crate) fn new(handler: Handler, caller: Caller) -> Self {
        Self { handler, caller }
    }
}

impl std::fmt::Debug for ClientService {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ClientService").field("user", &self.caller.user).finish_non_exhaustive()
    }
}

/// The answer that is being made.
pub type ResponseFuture = Pin<Box<dyn Future<Output = Result<Response<SandboxBody>, Infallible>> + Send>>;

impl<B> tower::Service<Request<B>> for ClientService
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
{
    type Response = Response<SandboxBody>;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        let handler = self.handler.clone();
        let mut caller = self.caller.clone();
        Box::pin(async move { Ok(answer(&handler, request, &mut caller).await) })
    }
}

/// Reads the body within its limit and answers.
pub(crate) async fn answer<B>(handler: &Handler, request: Request<B>, caller: &mut Caller) -> Response<SandboxBody>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (parts, body) = request.into_parts();
    if let Some(agent) = parts.headers.get(http::header::USER_AGENT).and_then(|agent| agent.to_str().ok()) {
        caller.user_agent = agent.to_string();
    }
    let read = tokio::time::timeout(handler.core.settings.body_patience, read(body)).await;
    let body = match read.unwrap_or_else(|_| Err(ApiError::body_too_slow())) {
        Ok(body) => body,
        Err(error) => return handler.refuse(&parts, caller.clone(), &error),
    };
    handler.handle(&parts, body, caller.clone()).await
}

async fn read<B>(body: B) -> Result<Bytes, ApiError>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    match Limited::new(body, BODY_BYTES_MAX).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(ApiError::body_too_large(BODY_BYTES_MAX)),
        Err(error) => Err(ApiError::bad_request(format!("the body of the request broke off: {error}"))),
    }
}
