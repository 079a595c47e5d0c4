//! The listener: HTTP/1 and HTTP/2 without TLS, bounded in connections, time and size.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt, Limited};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{Answer, BODY_BYTES_MAX, Front};
use crate::serve::ServeError;

/// More connections than this wait until one ends.
const CONNECTIONS_MAX: usize = 1024;
/// How long a client may take for the head and for the body of a request.
const PATIENCE: Duration = Duration::from_secs(20);

/// The plain HTTP port of a sandbox; closed when this is dropped.
#[derive(Debug)]
pub struct HttpServing {
    /// Where it listens.
    pub addr: SocketAddr,
    stop: CancellationToken,
}

impl Drop for HttpServing {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Begins to serve.
pub(crate) async fn serve(front: Front, addr: SocketAddr, stop: CancellationToken) -> Result<HttpServing, ServeError> {
    let listener = TcpListener::bind(addr).await.map_err(|why| ServeError::Listen { addr, why })?;
    let addr = listener.local_addr().map_err(|why| ServeError::Listen { addr, why })?;
    let stop = stop.child_token();
    tokio::spawn(accept(listener, front, stop.clone()));
    Ok(HttpServing { addr, stop })
}

async fn accept(listener: TcpListener, front: Front, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let stream = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(why) => {
                    tracing::warn!(%why, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        let (front, stop) = (front.clone(), stop.clone());
        tokio::spawn(async move {
            let _place = place;
            // Small answers shall not wait for more; a socket that cannot do that works all the same.
            let _ = stream.set_nodelay(true);
            let service = hyper::service::service_fn(move |request: http::Request<hyper::body::Incoming>| {
                let front = front.clone();
                async move {
                    let (parts, body) = request.into_parts();
                    let read = Limited::new(body, BODY_BYTES_MAX).collect();
                    let body = match tokio::time::timeout(PATIENCE, read).await {
                        Ok(Ok(body)) => body.to_bytes(),
                        Ok(Err(_)) => {
                            let refusal =
                                Answer::text(StatusCode::PAYLOAD_TOO_LARGE, "the body is larger than 256 KiB\n");
                            return Ok::<_, Infallible>(refusal.into_response());
                        }
                        Err(_) => Bytes::new(),
                    };
                    Ok(front.answer(&parts, body).await)
                }
            });
            let mut builder = auto::Builder::new(TokioExecutor::new());
            builder.http1().timer(TokioTimer::new()).header_read_timeout(PATIENCE);
            tokio::select! {
                () = stop.cancelled() => {}
                served = builder.serve_connection(TokioIo::new(stream), service) => {
                    if let Err(why) = served {
                        tracing::debug!(%why, "a connection broke off");
                    }
                }
            }
        });
    }
}
