//! The admin port: health, metrics, receipts, records and the ledger's C2SP read API.

use std::convert::Infallible;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use countersign_ledger::{Ledger, ReadError};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::body::Body;
use crate::exchange::Gateway;
use crate::limits::Limits;
use crate::server::{self, Bounds};
use crate::tls::Tls;

/// Connections to the admin port at once.
const CONNECTIONS_MAX: usize = 256;
/// Most records on one page.
const PAGE_MAX: u64 = 500;

/// What the admin port serves.
#[derive(Debug, Clone)]
pub struct Admin {
    /// The gateway spoken of.
    pub gateway: Arc<Gateway>,
    /// The tile directory (`ledger/` of the data directory).
    pub tiles: PathBuf,
    /// The C2SP verifier key.
    pub verifier_key: String,
}

/// Serves the admin port until `stop` turns true. With `tls` nothing is served in the clear.
pub async fn serve(
    listener: TcpListener,
    admin: Admin,
    tls: Option<Arc<Tls>>,
    stop: watch::Receiver<bool>,
) {
    let admin = Arc::new(admin);
    let limits = Limits {
        connections_max: CONNECTIONS_MAX,
        connections_per_address_max: CONNECTIONS_MAX,
        ..admin.gateway.limits.clone()
    };
    let shed = Arc::clone(&admin.gateway.shed);
    let bounds = Bounds { limits, tls, shed };
    let service = tower::service_fn(move |request: Request<Incoming>| {
        let admin = Arc::clone(&admin);
        async move { Ok::<_, Infallible>(admin.answer(&request).await) }
    });
    server::accept(listener, service, bounds, stop).await;
}

impl Admin {
    async fn answer(&self, request: &Request<Incoming>) -> Response<Body> {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            return problem(StatusCode::METHOD_NOT_ALLOWED, "Only GET is served here.");
        }
        let path = request.uri().path();
        match path {
            "/livez" => text(StatusCode::OK, "ok\n"),
            "/readyz" | "/healthz" => self.readiness(),
            "/metrics" => self.metrics(),
            "/version" => json_answer(&json!({
                "name": "countersign",
                "version": env!("CARGO_PKG_VERSION"),
                "verifier_key": self.verifier_key,
            })),
            "/checkpoint" => self.file(Path::new("checkpoint"), false).await,
            "/records" => self.records(request.uri().query().unwrap_or_default()),
            _ => match (path.strip_prefix("/receipts/"), path.strip_prefix('/')) {
                (Some(id), _) => self.receipt(id),
                (None, Some(tile)) if tile.starts_with("tile/") => {
                    self.file(Path::new(tile), true).await
                }
                _ => problem(StatusCode::NOT_FOUND, "Nothing is served under this path."),
            },
        }
    }

    fn ledger(&self) -> &Ledger {
        self.gateway.evidence.ledger()
    }

    /// One line per check; 503 when any fails.
    fn readiness(&self) -> Response<Body> {
        let writable = self.ledger().poisoned().is_none();
        let detectors = self.gateway.judge.inspector().detectors();
        let routes = self.gateway.routes.load();
        let checks = [
            ("ledger", writable),
            ("signer", writable),
            ("models", !detectors.is_empty()),
            ("policy", !routes.is_empty()),
        ];
        let ready = checks.iter().all(|(_name, ok)| *ok);
        let line =
            |(name, ok): &(&str, bool)| format!("{name} {}\n", if *ok { "ok" } else { "failed" });
        let body: String = checks.iter().map(line).collect();
        text(
            if ready {
                StatusCode::OK
            } else {
                StatusCode::SERVICE_UNAVAILABLE
            },
            &body,
        )
    }

    fn metrics(&self) -> Response<Body> {
        let head = self.ledger().head();
        let metrics = &self.gateway.metrics;
        metrics
            .ledger_size
            .set(i64::try_from(head.size).unwrap_or(i64::MAX));
        if let Some(published) = head.published {
            let age = jiff::Timestamp::now().duration_since(published.time);
            metrics.checkpoint_age.set(age.as_secs_f64());
        }
        let mut response = text(StatusCode::OK, &metrics.render());
        let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        response
    }

    /// Receipts of a record id, or of all records of an exchange id.
    fn receipt(&self, id: &str) -> Response<Body> {
        let found = match find(self.ledger(), id) {
            Ok(found) => found,
            Err(error) => {
                let detail = format!("The index cannot be read: {error}.");
                return problem(StatusCode::SERVICE_UNAVAILABLE, &detail);
            }
        };
        if found.is_empty() {
            return problem(StatusCode::NOT_FOUND, "No record has this id.");
        }
        let receipts: Option<Vec<Value>> = found
            .into_iter()
            .map(|index| one_receipt(self.ledger(), index))
            .collect();
        match receipts {
            Some(receipts) => json_answer(&json!({ "id": id, "records": receipts })),
            None => problem(
                StatusCode::INTERNAL_SERVER_ERROR,
                "The ledger cannot be read.",
            ),
        }
    }

    /// A page of records: `?from=INDEX&limit=N`.
    fn records(&self, query: &str) -> Response<Body> {
        let number = |name: &str| {
            query
                .split('&')
                .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
        };
        let from: u64 = number("from").unwrap_or(0);
        let limit: u64 = number("limit").unwrap_or(100).min(PAGE_MAX);
        let size = self.ledger().head().size;
        let until = from.saturating_add(limit).min(size);
        let mut records = Vec::new();
        for index in from..until {
            match self.ledger().read(index) {
                Ok(Some(entry)) => {
                    let record: Value = serde_json::from_slice(&entry).unwrap_or(Value::Null);
                    records.push(json!({ "index": index, "record": record }));
                }
                _ => {
                    return problem(
                        StatusCode::INTERNAL_SERVER_ERROR,
                        "The ledger cannot be read.",
                    );
                }
            }
        }
        let next = (until < size).then_some(until);
        json_answer(&json!({ "size": size, "from": from, "next": next, "records": records }))
    }

    async fn file(&self, relative: &Path, immutable: bool) -> Response<Body> {
        let plain = relative
            .components()
            .all(|c| matches!(c, Component::Normal(_)));
        if !plain {
            return problem(StatusCode::NOT_FOUND, "Nothing is served under this path.");
        }
        match tokio::fs::read(self.tiles.join(relative)).await {
            Err(_) => problem(StatusCode::NOT_FOUND, "The ledger has no such file."),
            Ok(bytes) => {
                let mut response = Response::new(Body::whole(bytes));
                let (kind, cache) = if immutable {
                    (
                        "application/octet-stream",
                        "public, max-age=31536000, immutable",
                    )
                } else {
                    ("text/plain; charset=utf-8", "no-cache")
                };
                response
                    .headers_mut()
                    .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
                response
                    .headers_mut()
                    .insert(CACHE_CONTROL, HeaderValue::from_static(cache));
                response
            }
        }
    }
}

fn find(ledger: &Ledger, id: &str) -> Result<Vec<u64>, ReadError> {
    let by_exchange = ledger.find("exchange", id)?;
    if by_exchange.is_empty() {
        ledger.find("id", id)
    } else {
        Ok(by_exchange)
    }
}

/// `receipt` is null while the record is sequenced but not yet under a checkpoint.
fn one_receipt(ledger: &Ledger, index: u64) -> Option<Value> {
    let entry = ledger.read(index).ok()??;
    let receipt = ledger.receipt(index).ok()?;
    let state = if receipt.is_some() {
        "published"
    } else {
        "sequenced"
    };
    let entry = String::from_utf8(entry).ok()?;
    Some(json!({ "index": index, "state": state, "entry": entry, "receipt": receipt }))
}

fn text(status: StatusCode, body: &str) -> Response<Body> {
    let mut response = Response::new(Body::whole(body.to_owned()));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn json_answer(value: &Value) -> Response<Body> {
    let mut response = text(StatusCode::OK, &format!("{value}\n"));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// RFC 9457 problem details.
fn problem(status: StatusCode, detail: &str) -> Response<Body> {
    let title = status.canonical_reason().unwrap_or("Error");
    let body = json!({ "title": title, "status": status.as_u16(), "detail": detail });
    let mut response = text(status, &format!("{body}\n"));
    let kind = HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
