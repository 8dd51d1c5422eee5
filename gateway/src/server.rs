//! Accepts connections, bounds them, and drains them at shutdown.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use countersign_wire::{Dialect, RefusalKind};
use http::header::{CONNECTION, HeaderValue, UPGRADE};
use http::{Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::load_shed::error::Overloaded;
use tower::{Service, ServiceBuilder, ServiceExt};

use crate::body::{Body, BoxError};
use crate::clock::new_exchange_id;
use crate::connection::{Crowd, Guarded, Peer, Pulse, Served};
use crate::exchange::Gateway;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::refusal::Fault;
use crate::shed::{Cause, Shed};
use crate::tls::{self, Tls};

/// How often the other end of an HTTP/2 connection must show that it is there.
const HTTP2_PING_EVERY: Duration = Duration::from_secs(30);
/// Most streams that the peer has reset and that are not yet forgotten (rapid reset).
const HTTP2_PENDING_RESETS_MAX: usize = 20;
/// Most streams that were reset because the peer broke the protocol, before the connection ends.
const HTTP2_LOCAL_RESETS_MAX: usize = 256;

/// Serves the data port until `stop` turns true, then drains for at most `limits.drain_max`. With
/// `tls` nothing is served in the clear.
pub async fn serve(
    listener: TcpListener,
    gateway: Arc<Gateway>,
    tls: Option<Arc<Tls>>,
    stop: watch::Receiver<bool>,
) {
    let stack = ServiceBuilder::new()
        // Full means a refusal now, not a queue without bound.
        .load_shed()
        .concurrency_limit(gateway.limits.exchanges_max)
        .service(tower::service_fn({
            let gateway = Arc::clone(&gateway);
            move |request| detached(Arc::clone(&gateway), request)
        }));
    let shed = Arc::clone(&gateway.shed);
    let metrics = Arc::clone(&gateway.metrics);
    let service = tower::service_fn({
        let shed = Arc::clone(&shed);
        move |request: Request<Incoming>| {
            let (stack, shed) = (stack.clone(), Arc::clone(&shed));
            let metrics = Arc::clone(&metrics);
            let dialect = Dialect::of_path(request.uri().path());
            async move {
                let served = stack.oneshot(request).await;
                Ok::<_, Infallible>(served.unwrap_or_else(|error| {
                    shed.count(Cause::Overloaded);
                    overloaded(&metrics, dialect, &error)
                }))
            }
        }
    });
    let (drained, told) = watch::channel(false);
    let telling = tokio::spawn({
        let gateway = Arc::clone(&gateway);
        async move {
            let evidence = &gateway.evidence;
            let shed = gateway.shed.report(evidence, told.clone());
            tokio::join!(shed, evidence.open().report(evidence, told));
        }
    });
    let limits = gateway.limits.clone();
    let bounds = Bounds { limits, tls, shed };
    accept(listener, service, bounds, stop).await;
    let drain_max = gateway.limits.drain_max;
    gateway.under_way.drain(drain_max).await;
    gateway.tunnels.drain(drain_max).await;
    drained.send_replace(true);
    if let Err(error) = telling.await {
        tracing::error!(%error, "what was turned away or is missing may not be recorded");
    }
}

/// Runs the exchange as a task of its own: a caller that leaves cannot prevent its record.
async fn detached(
    gateway: Arc<Gateway>,
    request: Request<Incoming>,
) -> Result<Response<Body>, BoxError> {
    let dialect = Dialect::of_path(request.uri().path());
    let caller_gone = CancellationToken::new();
    // Dropped with this future, which hyper drops when the connection ends.
    let _present = caller_gone.clone().drop_guard();
    let exchange = Arc::clone(&gateway).exchange(request, caller_gone);
    let task = gateway.under_way.spawn(exchange);
    Ok(task.await.unwrap_or_else(|error| {
        // A panic's message may quote what the code was looking at; its place is logged by the hook.
        let panicked = error.is_panic();
        tracing::error!(panicked, "an exchange ended abnormally");
        let fault = Fault::new(RefusalKind::Internal, "The gateway failed on this request.");
        fault.response(dialect, new_exchange_id(), None)
    }))
}

fn overloaded(metrics: &Metrics, dialect: Dialect, error: &BoxError) -> Response<Body> {
    let kind = if error.is::<Overloaded>() {
        RefusalKind::Overloaded
    } else {
        RefusalKind::Internal
    };
    let mut fault = Fault::new(
        kind,
        "The gateway serves as many requests as it may. Try again later.",
    );
    crate::trace::unserved(metrics, dialect.name(), fault.kind.status());
    let soon = (http::header::RETRY_AFTER, HeaderValue::from_static("1"));
    fault.headers.push(soon);
    fault.response(dialect, new_exchange_id(), None)
}

/// What bounds the connections of a listener.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// How many, how long, how large.
    pub limits: Limits,
    /// Without it connections are in the clear.
    pub tls: Option<Arc<Tls>>,
    /// Where what is turned away is counted.
    pub shed: Arc<Shed>,
}

/// Accepts until told to stop, then lets open connections finish what they serve.
pub async fn accept<S>(
    listener: TcpListener,
    service: S,
    bounds: Bounds,
    mut stop: watch::Receiver<bool>,
) where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
{
    let limits = &bounds.limits;
    let crowd = Crowd::new(limits.connections_max, limits.connections_per_address_max);
    let drain_max = limits.drain_max;
    let graceful = GracefulShutdown::new();
    let bounds = Arc::new(bounds);
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stopped| *stopped) => break,
        };
        let (socket, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                // The system may be out of files, which a silent connection need not have.
                crowd.make_room();
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let pulse = Arc::new(Pulse::default());
        let Some(place) = crowd.admit(address.ip(), &pulse) else {
            bounds.shed.count(Cause::Connections);
            continue;
        };
        let connection = Connection {
            bounds: Arc::clone(&bounds),
            address,
            pulse: Arc::clone(&pulse),
            watcher: graceful.watcher(),
        };
        let service = service.clone();
        connections.spawn(async move {
            tokio::select! {
                () = connection.serve(socket, service) => {}
                () = place.end.cancelled() => {}
            }
        });
    }
    drop(listener);
    connections.close();
    let ended = async {
        graceful.shutdown().await;
        connections.wait().await;
    };
    if tokio::time::timeout(drain_max, ended).await.is_err() {
        tracing::warn!("connections were still open when the drain ended");
    }
}

struct Connection {
    bounds: Arc<Bounds>,
    address: SocketAddr,
    pulse: Arc<Pulse>,
    watcher: hyper_util::server::graceful::Watcher,
}

impl Connection {
    async fn serve<S>(self, socket: TcpStream, service: S)
    where
        S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send + 'static,
    {
        drop(socket.set_nodelay(true));
        let Some(tls) = &self.bounds.tls else {
            return self.speak(socket, None, service).await;
        };
        let handshake = tls.acceptor().accept(socket);
        match tokio::time::timeout(self.bounds.limits.handshake_max, handshake).await {
            Ok(Ok(stream)) => {
                let shown = stream.get_ref().1.peer_certificates();
                let certificate = shown.and_then(<[_]>::first).map(tls::fingerprint);
                self.speak(stream, certificate, service).await;
            }
            Ok(Err(error)) => tracing::debug!(%error, "a handshake failed"),
            Err(_elapsed) => tracing::debug!("a handshake took too long"),
        }
    }

    async fn speak<T, S>(self, stream: T, certificate: Option<[u8; 32]>, service: S)
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send + 'static,
    {
        let (limits, pulse) = (&self.bounds.limits, &self.pulse);
        let guarded = Guarded::new(stream, Arc::clone(pulse), limits);
        let service = tower::service_fn({
            let (pulse, address) = (Arc::clone(pulse), self.address);
            move |request| {
                let service = service.clone();
                answer(service, request, (Arc::clone(&pulse), address, certificate))
            }
        });
        let service = TowerToHyperService::new(service);
        let builder = protocol(limits);
        let connection = builder.serve_connection_with_upgrades(TokioIo::new(guarded), service);
        let mut watched = pin!(self.watcher.watch(connection.into_owned()));
        tokio::select! {
            ended = &mut watched => if let Err(error) = ended {
                let parse = error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse);
                if parse {
                    self.bounds.shed.count(Cause::Unreadable);
                }
                tracing::debug!(%error, "a connection ended early");
            },
            () = pulse.outlived(limits) => tracing::debug!("a connection was silent for too long"),
        }
    }
}

/// One request of a connection, told apart from the others on it.
async fn answer<S>(
    service: S,
    request: Request<Incoming>,
    (pulse, address, certificate): (Arc<Pulse>, SocketAddr, Option<[u8; 32]>),
) -> Result<Response<Served>, Infallible>
where
    S: Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>,
{
    let (busy, flaw) = pulse.enter();
    let mut request = request;
    let http_1 = request.version() != Version::HTTP_2;
    // Behind either of these the bytes of the connection are no more requests.
    let last = flaw.is_some()
        || request.headers().contains_key(UPGRADE)
        || *request.method() == Method::CONNECT;
    request.extensions_mut().insert(Peer {
        address,
        certificate,
        flaw,
    });
    let mut response = service.oneshot(request).await?;
    if http_1 && last && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
    Ok(response.map(|body| Served::new(body, busy)))
}

fn protocol(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // The pulse bounds heads and idle connections alike, on both protocols.
        .header_read_timeout(None)
        .max_headers(limits.headers_max)
        .max_buf_size(limits.head_bytes_max.max(8 << 10));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.http2_streams_max)
        .max_header_list_size(u32::try_from(limits.head_bytes_max).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(HTTP2_PENDING_RESETS_MAX)
        .max_local_error_reset_streams(HTTP2_LOCAL_RESETS_MAX)
        .keep_alive_interval(HTTP2_PING_EVERY)
        .keep_alive_timeout(HTTP2_PING_EVERY);
    builder
}

/// Binds a listener.
///
/// # Errors
/// The operating system's, for example when the port is taken.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, std::io::Error> {
    TcpListener::bind(address).await
}
