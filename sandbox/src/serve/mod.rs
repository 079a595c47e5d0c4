//! The API server on a TLS socket, for kubectl and every other client.
//!
//! Clients are known by a certificate of the sandbox' own authority or by a bearer token that the sandbox gave out
//! (TokenRequest). Who shows neither may do what roles allow to nobody: ask for health and version. Connections are bounded in number and time.

mod identity;
mod pki;

pub(crate) use pki::Pki;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::http::{Handler, SandboxBody};
use crate::service::answer;
use crate::tokens::{AUTHENTICATED, Identity};

/// More connections than this wait until one ends; fewer where the system gives fewer file handles.
const CONNECTIONS_MAX: usize = 8192;
/// How long a connection may have no request, while there is room for others and when there is little.
const IDLE_MAX: Duration = Duration::from_secs(300);
const IDLE_CROWDED_MAX: Duration = Duration::from_secs(5);
/// How long a client may take for the handshake and for the head of a request.
const PATIENCE: Duration = Duration::from_secs(20);
/// Requests in flight on one HTTP/2 connection; watches count. Source: Go's default of 250 in kube-apiserver.
const STREAMS_MAX: u32 = 1000;

/// Why the sandbox cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be listened on.
    #[error("cannot listen on {addr}: {why}; choose another address, or port 0 for any free one")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// What the system said.
        why: std::io::Error,
    },
    /// Keys or certificates cannot be made.
    #[error("cannot make the server's certificates: {0}")]
    Certificates(String),
}

/// A sandbox that is being served; serving ends when this is dropped.
#[derive(Debug)]
pub struct Serving {
    /// Where it listens.
    pub addr: SocketAddr,
    /// A kubeconfig for the administrator, with everything inline.
    pub kubeconfig_yaml: String,
    stop: CancellationToken,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Begins to serve.
pub(crate) async fn serve(
    handler: Handler,
    pki: &Pki,
    addr: SocketAddr,
    stop: CancellationToken,
) -> Result<Serving, ServeError> {
    let listener = TcpListener::bind(addr).await.map_err(|why| ServeError::Listen { addr, why })?;
    let addr = listener.local_addr().map_err(|why| ServeError::Listen { addr, why })?;
    let config = pki.server_config(addr.ip()).map_err(ServeError::Certificates)?;
    let kubeconfig_yaml = pki.kubeconfig(addr).map_err(ServeError::Certificates)?;
    let stop = stop.child_token();
    tokio::spawn(accept(listener, TlsAcceptor::from(Arc::new(config)), handler, stop.clone()));
    Ok(Serving { addr, kubeconfig_yaml, stop })
}

/// How many connections are served at once: half of the file handles that this process may have, so that others of its parts have some too.
fn connections_max() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let handles = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files")?.split_whitespace().next()?.parse::<usize>().ok());
    handles.map_or(CONNECTIONS_MAX, |handles| (handles / 2).clamp(16, CONNECTIONS_MAX))
}

/// The requests of one connection that are being answered, and when the last one ended.
#[derive(Debug)]
struct Activity {
    running: AtomicUsize,
    quiet_since: Mutex<Instant>,
}

impl Activity {
    fn new() -> Self {
        Self { running: AtomicUsize::new(0), quiet_since: Mutex::new(Instant::now()) }
    }

    /// How long nothing has been asked.
    fn quiet_for(&self) -> Duration {
        if self.running.load(Ordering::Acquire) > 0 {
            return Duration::ZERO;
        }
        self.quiet_since.lock().expect("no holder of this lock panics").elapsed()
    }

    fn begin(self: &Arc<Self>) -> Running {
        self.running.fetch_add(1, Ordering::AcqRel);
        Running { activity: Arc::clone(self) }
    }
}

/// One request until its answer was sent whole.
#[derive(Debug)]
pub(crate) struct Running {
    activity: Arc<Activity>,
}

impl Drop for Running {
    fn drop(&mut self) {
        *self.activity.quiet_since.lock().expect("no holder of this lock panics") = Instant::now();
        self.activity.running.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Waits until a connection has been quiet for too long.
async fn idle(activity: Arc<Activity>, places: Arc<Semaphore>, places_max: usize) {
    loop {
        tokio::time::sleep(IDLE_CROWDED_MAX).await;
        let is_crowded = places.available_permits() < places_max / 4;
        if activity.quiet_for() >= if is_crowded { IDLE_CROWDED_MAX } else { IDLE_MAX } {
            return;
        }
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, handler: Handler, stop: CancellationToken) {
    let places_max = connections_max();
    let places = Arc::new(Semaphore::new(places_max));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let stream = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(why) => {
                    // Out of file handles, most likely: others must end first.
                    tracing::warn!(%why, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        let (acceptor, handler, stop) = (acceptor.clone(), handler.clone(), stop.clone());
        let activity = Arc::new(Activity::new());
        let is_crowded = places.available_permits() < places_max / 4;
        let patience = if is_crowded { IDLE_CROWDED_MAX } else { PATIENCE };
        let idle = idle(Arc::clone(&activity), Arc::clone(&places), places_max);
        tokio::spawn(async move {
            let _place = place;
            tokio::select! {
                () = stop.cancelled() => {}
                () = idle => tracing::debug!("a connection was quiet for too long"),
                () = connection(stream, acceptor, handler, activity, patience) => {}
            }
        });
    }
}

async fn connection(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    handler: Handler,
    activity: Arc<Activity>,
    patience: Duration,
) {
    // Small answers shall not wait for more; a socket that cannot do that works all the same.
    let _ = stream.set_nodelay(true);
    let stream = match tokio::time::timeout(patience, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(why)) => {
            tracing::debug!(%why, "a TLS handshake failed");
            return;
        }
        Err(_) => return,
    };
    let certificate =
        stream.get_ref().1.peer_certificates().and_then(|chain| chain.first()).and_then(|first| identity::of(first));
    let service = hyper::service::service_fn(move |request| {
        let handler = handler.clone();
        let certificate = certificate.clone();
        let running = activity.begin();
        async move {
            let mut response = respond(&handler, request, certificate).await;
            response.body_mut().hold(running);
            Ok::<_, Infallible>(response)
        }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(patience);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(STREAMS_MAX).max_header_list_size(64 * 1024);
    if let Err(why) = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await {
        tracing::debug!(%why, "a connection broke off");
    }
}

async fn respond(
    handler: &Handler,
    request: Request<Incoming>,
    certificate: Option<identity::Subject>,
) -> Response<SandboxBody> {
    let proved = certificate.map(|subject| {
        let mut groups = subject.organizations;
        groups.push(AUTHENTICATED.to_string());
        let mut identity = Identity { name: subject.common_name, groups, ..Identity::default() };
        let shown = format!("X509SHA256={}", subject.fingerprint);
        identity.extra.insert("authentication.kubernetes.io/credential-id".to_string(), vec![shown]);
        identity
    });
    answer(handler, request, proved).await
}
