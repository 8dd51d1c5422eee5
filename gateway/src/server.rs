//! Accepts connections, bounds them, and drains them at shutdown.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use countersign_wire::{Dialect, RefusalKind};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::load_shed::error::Overloaded;
use tower::{ServiceBuilder, ServiceExt};

use crate::body::{Body, BoxError};
use crate::clock::new_exchange_id;
use crate::exchange::Gateway;
use crate::metrics::Metrics;
use crate::refusal::Fault;

/// Serves the data port until `stop` turns true, then drains for at most `limits.drain_max`.
///
/// # Errors
/// None: a failed accept is logged and retried.
pub async fn serve(listener: TcpListener, gateway: Arc<Gateway>, stop: watch::Receiver<bool>) {
    let exchanges = TaskTracker::new();
    let stack = ServiceBuilder::new()
        // Full means a refusal now, not a queue without bound.
        .load_shed()
        .concurrency_limit(gateway.limits.exchanges_max)
        .service(tower::service_fn({
            let (gateway, exchanges) = (Arc::clone(&gateway), exchanges.clone());
            move |request| detached(Arc::clone(&gateway), exchanges.clone(), request)
        }));
    let metrics = Arc::clone(&gateway.metrics);
    let service = tower::service_fn(move |request: Request<Incoming>| {
        let stack = stack.clone();
        let metrics = Arc::clone(&metrics);
        let dialect = Dialect::of_path(request.uri().path());
        async move {
            let served = stack.oneshot(request).await;
            Ok::<_, Infallible>(
                served.unwrap_or_else(|error| overloaded(&metrics, dialect, &error)),
            )
        }
    });
    let limits = gateway.limits.clone();
    accept(
        listener,
        service,
        (limits.connections_max, limits.header_read_max),
        stop,
    )
    .await;
    exchanges.close();
    if tokio::time::timeout(limits.drain_max, exchanges.wait())
        .await
        .is_err()
    {
        tracing::warn!(
            open = exchanges.len(),
            "exchanges were still open when the drain ended"
        );
    }
}

/// Runs the exchange as a task of its own: a caller that leaves cannot prevent its record.
async fn detached(
    gateway: Arc<Gateway>,
    exchanges: TaskTracker,
    request: Request<Incoming>,
) -> Result<Response<Body>, BoxError> {
    let dialect = Dialect::of_path(request.uri().path());
    let caller_gone = CancellationToken::new();
    // Dropped with this future, which hyper drops when the connection ends.
    let _present = caller_gone.clone().drop_guard();
    let task = exchanges.spawn(gateway.exchange(request, caller_gone));
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
    let fault = Fault::new(
        kind,
        "The gateway serves as many requests as it may. Try again later.",
    );
    crate::trace::unserved(metrics, dialect.name(), fault.kind.status());
    fault.response(dialect, new_exchange_id(), None)
}

/// Accepts until told to stop, then lets open connections finish what they serve.
pub async fn accept<S>(
    listener: TcpListener,
    service: S,
    bounds: (usize, Duration),
    mut stop: watch::Receiver<bool>,
) where
    S: tower::Service<Request<Incoming>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
{
    let (connections_max, header_read_max) = bounds;
    let slots = Arc::new(Semaphore::new(connections_max));
    let graceful = GracefulShutdown::new();
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
            break;
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stopped| *stopped) => break,
        };
        let socket = match accepted {
            Ok((socket, _peer)) => socket,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        drop(socket.set_nodelay(true));
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(header_read_max);
        builder.http2().timer(TokioTimer::new());
        let hyper_service = TowerToHyperService::new(service.clone());
        let connection = builder.serve_connection(TokioIo::new(socket), hyper_service);
        let watched = graceful.watch(connection.into_owned());
        tokio::spawn(async move {
            if let Err(error) = watched.await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(slot);
        });
    }
    drop(listener);
    if tokio::time::timeout(Duration::from_secs(30), graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("connections were still open when the drain ended");
    }
}

/// Binds a listener.
///
/// # Errors
/// The operating system's, for example when the port is taken.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, std::io::Error> {
    TcpListener::bind(address).await
}
