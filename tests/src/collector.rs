//! An OTLP collector on the loopback: takes protobuf over HTTP and keeps it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Wire;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// A running collector; ends with the runtime.
#[derive(Debug, Clone)]
pub struct Collector {
    /// Where it listens.
    pub address: SocketAddr,
    taken: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
}

impl Collector {
    /// Starts one.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let taken = Arc::default();
        let collector = Self { address, taken };
        let serving = collector.clone();
        tokio::spawn(async move {
            while let Ok((socket, _from)) = listener.accept().await {
                let serving = serving.clone();
                let service = service_fn(move |request| {
                    let serving = serving.clone();
                    async move { Ok::<_, Infallible>(serving.take(request).await) }
                });
                tokio::spawn(async move {
                    let http = hyper::server::conn::http1::Builder::new();
                    let _ended = http.serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        collector
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    async fn take(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let fits = request.uri().path() == "/v1/traces"
            && request.headers()["content-type"] == "application/x-protobuf";
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        self.taken.lock().unwrap().push((head.headers, body));
        let mut response = Response::new(Full::default());
        if !fits {
            *response.status_mut() = StatusCode::NOT_FOUND;
        }
        response
    }

    /// Every delivery as it came.
    pub fn deliveries(&self) -> Vec<(HeaderMap, Bytes)> {
        self.taken.lock().unwrap().clone()
    }

    fn requests(&self) -> Vec<ExportTraceServiceRequest> {
        let deliveries = self.deliveries();
        let bodies = deliveries.iter().map(|(_head, body)| body.as_ref());
        bodies
            .map(|body| ExportTraceServiceRequest::decode(body).unwrap())
            .collect()
    }

    /// The attributes of who sent the spans.
    pub fn resource(&self) -> Value {
        let requests = self.requests();
        let resource = requests[0].resource_spans[0].resource.clone().unwrap();
        attributes(&resource.attributes)
    }

    /// Every span delivered so far.
    pub fn spans(&self) -> Vec<Told> {
        let requests = self.requests();
        let resources = requests.iter().flat_map(|request| &request.resource_spans);
        let scopes = resources.flat_map(|resource| &resource.scope_spans);
        let spans = scopes.flat_map(|scope| &scope.spans);
        spans.map(Told::of).collect()
    }
}

/// A span as it was delivered.
#[derive(Debug, Clone)]
pub struct Told {
    /// Its name.
    pub name: String,
    /// 2 for a server's, 3 for a client's, 1 for others.
    pub kind: i32,
    /// Hexadecimal.
    pub trace: String,
    /// Hexadecimal.
    pub id: String,
    /// The parent's id, or empty.
    pub parent: String,
    /// Nanoseconds since 1970.
    pub began: u64,
    /// Nanoseconds since 1970.
    pub ended: u64,
    /// Attributes as one JSON object.
    pub attributes: Value,
    /// Names and attributes of its events.
    pub events: Vec<(String, Value)>,
    /// Whether it failed.
    pub failed: bool,
}

impl Told {
    fn of(span: &Span) -> Self {
        let hex = |bytes: &[u8]| -> String {
            let digits = bytes.iter().map(|byte| format!("{byte:02x}"));
            digits.collect()
        };
        let events = span.events.iter();
        Self {
            name: span.name.clone(),
            kind: span.kind,
            trace: hex(&span.trace_id),
            id: hex(&span.span_id),
            parent: hex(&span.parent_span_id),
            began: span.start_time_unix_nano,
            ended: span.end_time_unix_nano,
            attributes: attributes(&span.attributes),
            events: events
                .map(|event| (event.name.clone(), attributes(&event.attributes)))
                .collect(),
            failed: span.status.as_ref().is_some_and(|status| status.code == 2),
        }
    }
}

fn attributes(given: &[KeyValue]) -> Value {
    let members = given
        .iter()
        .map(|pair| (pair.key.clone(), value(pair.value.as_ref())));
    Value::Object(members.collect())
}

fn value(given: Option<&AnyValue>) -> Value {
    match given.and_then(|given| given.value.as_ref()) {
        Some(Wire::StringValue(text)) => json!(text),
        Some(Wire::BoolValue(flag)) => json!(flag),
        Some(Wire::IntValue(number)) => json!(number),
        Some(Wire::DoubleValue(number)) => json!(number),
        Some(Wire::ArrayValue(array)) => {
            array.values.iter().map(|item| value(Some(item))).collect()
        }
        other => json!(format!("{other:?}")),
    }
}
