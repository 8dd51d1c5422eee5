//! A witness's HTTP server. TLS is a front end's business.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use countersign_ledger::witness::{Answer, MAX_REQUEST, Store, Witness};
use http::{Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
};
use tokio::{net::TcpListener, sync::Semaphore, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use super::path_name;

/// Bounds of a witness server.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// Most connections at a time; further ones are closed at once.
    pub connections_max: usize,
    /// Most requests that are worked on at a time; further ones are answered 503.
    pub requests_max: usize,
    /// How long a request may take to arrive, head and body each.
    pub arrival_max: Duration,
    /// How long open requests may go on once the server stops.
    pub stop_max: Duration,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            connections_max: 256,
            requests_max: 64,
            arrival_max: Duration::from_secs(10),
            stop_max: Duration::from_secs(5),
        }
    }
}

/// A running server. Dropping it stops it without waiting.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops: no new connections, open requests are finished for a bounded time.
    pub async fn stop(mut self) {
        self.stop.cancel();
        let _ended = (&mut self.task).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

struct Service<S> {
    /// Held for check and store together; waiters are bounded by `room`.
    witness: Mutex<Witness<S>>,
    /// Origin by the name in paths.
    origins: BTreeMap<String, String>,
    room: Semaphore,
    settings: ServerSettings,
}

/// Serves `POST /add-checkpoint` and `GET /<hex SHA-256 of the origin>/checkpoint` on the listener.
///
/// # Errors
/// When the listener has no address.
pub fn serve<S: Store + 'static>(
    listener: TcpListener,
    witness: Witness<S>,
    settings: ServerSettings,
) -> io::Result<Running> {
    let address = listener.local_addr()?;
    let stop = CancellationToken::new();
    let origins = witness.origins();
    let service = Arc::new(Service {
        origins: origins.map(|o| (path_name(o), o.to_owned())).collect(),
        witness: Mutex::new(witness),
        room: Semaphore::new(settings.requests_max),
        settings,
    });
    let task = tokio::spawn(accept(listener, service, stop.clone()));
    Ok(Running {
        address,
        stop,
        task,
    })
}

async fn accept<S: Store + 'static>(
    listener: TcpListener,
    service: Arc<Service<S>>,
    stop: CancellationToken,
) {
    let connections = Arc::new(Semaphore::new(service.settings.connections_max));
    let graceful = GracefulShutdown::new();
    loop {
        let Some(accepted) = stop.run_until_cancelled(listener.accept()).await else {
            break;
        };
        let socket = match accepted {
            Ok((socket, _)) => socket,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                // Out of files, most likely: it passes when connections end.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&connections).try_acquire_owned() else {
            tracing::debug!("too many connections");
            continue;
        };
        let serving = Arc::clone(&service);
        let answer = service_fn(move |request| {
            let service = Arc::clone(&serving);
            async move { Ok::<_, Infallible>(service.answer(request).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(service.settings.arrival_max)
            .serve_connection(TokioIo::new(socket), answer);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(place);
        });
    }
    drop(listener);
    let _ended = timeout(service.settings.stop_max, graceful.shutdown()).await;
}

impl<S: Store + 'static> Service<S> {
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let Ok(_place) = self.room.try_acquire() else {
            return plain(StatusCode::SERVICE_UNAVAILABLE, "too many requests\n");
        };
        let path = request.uri().path();
        match (request.method(), path) {
            (&Method::POST, "/add-checkpoint") => Arc::clone(&self).add(request).await,
            (_, "/add-checkpoint") => plain(StatusCode::METHOD_NOT_ALLOWED, "POST only\n"),
            (&Method::GET, _) => {
                let name = path
                    .strip_prefix('/')
                    .and_then(|p| p.strip_suffix("/checkpoint"));
                let origin = name.and_then(|name| self.origins.get(name)).cloned();
                match origin {
                    Some(origin) => Arc::clone(&self).latest(origin).await,
                    None => plain(StatusCode::NOT_FOUND, "not found\n"),
                }
            }
            _ => plain(StatusCode::NOT_FOUND, "not found\n"),
        }
    }

    async fn add(self: Arc<Self>, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let arriving = Limited::new(request.into_body(), MAX_REQUEST).collect();
        let body = match timeout(self.settings.arrival_max, arriving).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                return plain(StatusCode::PAYLOAD_TOO_LARGE, "too large\n");
            }
            Ok(Err(_)) => return plain(StatusCode::BAD_REQUEST, "the body broke off\n"),
            Err(_elapsed) => return plain(StatusCode::REQUEST_TIMEOUT, "too slow\n"),
        };
        // Signing and syncing block.
        let decided = tokio::task::spawn_blocking(move || {
            let mut witness = self.witness.lock().unwrap_or_else(PoisonError::into_inner);
            witness.add_checkpoint(&body, now())
        });
        let answer = decided
            .await
            .unwrap_or_else(|_| Answer::Unavailable("the witness failed".to_owned()));
        if !matches!(answer, Answer::Cosigned(_) | Answer::Conflict(_)) {
            tracing::info!(status = answer.status(), "a checkpoint was not cosigned");
        }
        respond(answer.status(), answer.content_type(), answer.body())
    }

    async fn latest(self: Arc<Self>, origin: String) -> Response<Full<Bytes>> {
        let read = tokio::task::spawn_blocking(move || {
            let witness = self.witness.lock().unwrap_or_else(PoisonError::into_inner);
            witness.latest(&origin)
        });
        match read.await {
            Ok(Ok(Some(note))) => respond(200, "text/plain; charset=utf-8", note),
            Ok(Ok(None)) => plain(StatusCode::NOT_FOUND, "nothing cosigned yet\n"),
            Ok(Err(_)) | Err(_) => plain(StatusCode::SERVICE_UNAVAILABLE, "unreadable\n"),
        }
    }
}

fn plain(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    respond(status.as_u16(), "text/plain; charset=utf-8", text)
}

fn respond(
    status: u16,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let value = http::HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, value);
    response
}

/// Seconds since the epoch; 0 before it, which a witness that ever signed takes for a clock behind.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |duration| duration.as_secs())
}
