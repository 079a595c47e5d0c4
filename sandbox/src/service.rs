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
use crate::tokens::Identity;

/// The API server in process, for `kube::Client::new(service, "default")` and any other client that speaks `tower`.
///
/// Requests come as a cluster administrator, unless the service was made for somebody else. Cloning is cheap. Watches
/// need a tokio runtime, as the rest of the sandbox does.
#[derive(Clone)]
pub struct ClientService {
    handler: Handler,
    identity: Option<Identity>,
}

impl ClientService {
    pub(crate) fn new(handler: Handler, identity: Option<Identity>) -> Self {
        Self { handler, identity }
    }
}

impl std::fmt::Debug for ClientService {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ClientService").field("identity", &self.identity).finish_non_exhaustive()
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
        let identity = self.identity.clone();
        Box::pin(async move { Ok(answer(&handler, request, identity).await) })
    }
}

/// Reads the body within its limit and answers. `identity` is what the connection itself proved.
pub(crate) async fn answer<B>(
    handler: &Handler,
    request: Request<B>,
    identity: Option<Identity>,
) -> Response<SandboxBody>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (parts, body) = request.into_parts();
    let patience = handler.core.settings.body_patience;
    // Bodies that are being read take their room from one store, so that many at once cannot fill the memory.
    let kibibytes = body.size_hint().upper().unwrap_or(u64::MAX).min(BODY_BYTES_MAX as u64).div_ceil(1024);
    let wanted = u32::try_from(kibibytes).unwrap_or(u32::MAX);
    let Ok(Ok(_room)) = tokio::time::timeout(patience, handler.room.acquire_many(wanted)).await else {
        return handler.refuse(&parts, &ApiError::too_many_bodies());
    };
    let read = tokio::time::timeout(patience, read(body)).await;
    match read.unwrap_or_else(|_| Err(ApiError::body_too_slow())) {
        Ok(body) => handler.handle(&parts, body, identity).await,
        Err(error) => handler.refuse(&parts, &error),
    }
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
