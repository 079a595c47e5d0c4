//! Listening: HTTP/1, HTTP/2 and TLS on one port, bounded in what any one client may take.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

/// How many connections are held at the same time. One more waits until another ends.
const CONNECTIONS_MAX: usize = 4096;
/// How long a client may take for the handshake, and for the head of a request.
const HEAD_LIMIT: Duration = Duration::from_secs(10);
/// How many calls one HTTP/2 connection may have under way.
const STREAMS_MAX: u32 = 256;
/// The largest head.
const HEAD_BYTES_MAX: u32 = 64 << 10;
/// How often a quiet HTTP/2 connection is asked whether it still lives, and how long it has for the answer.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_LIMIT: Duration = Duration::from_secs(20);
/// How long nobody can be accepted when the process has run out of files.
const EXHAUSTED_WAIT: Duration = Duration::from_millis(100);

/// Serves until dropped. With `tls`, HTTP/2 and HTTP/1.1 are agreed on in its handshake; without, by the first bytes.
pub async fn serve(router: Router, listener: TcpListener, tls: Option<Arc<ServerConfig>>) -> std::io::Result<()> {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let acceptor = tls.map(TlsAcceptor::from);
    loop {
        let slot = slots.clone().acquire_owned().await.expect("the semaphore is never closed");
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection cannot be accepted");
                tokio::time::sleep(EXHAUSTED_WAIT).await;
                continue;
            }
        };
        // Small answers are not held back for more.
        let _unsupported = stream.set_nodelay(true);
        let (router, acceptor) = (router.clone(), acceptor.clone());
        tokio::spawn(async move {
            let _slot = slot;
            match acceptor {
                None => talk(router, stream, peer).await,
                Some(acceptor) => match tokio::time::timeout(HEAD_LIMIT, acceptor.accept(stream)).await {
                    Ok(Ok(stream)) => talk(router, stream, peer).await,
                    Ok(Err(error)) => tracing::debug!(%peer, %error, "a TLS handshake failed"),
                    Err(_) => tracing::debug!(%peer, "a TLS handshake took too long"),
                },
            }
        });
    }
}

async fn talk(router: Router, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, peer: SocketAddr) {
    let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().oneshot(request)
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_LIMIT).max_buf_size(128 << 10);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(HEAD_BYTES_MAX)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_LIMIT)
        .adaptive_window(true);
    if let Err(error) = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await {
        tracing::debug!(%peer, %error, "a connection ended early");
    }
}
