//! The way to an OTLP collector: protobuf over HTTP, with the HTTP and TLS that the gateway has.
//!
//! The standard variables say where and how (`OTEL_EXPORTER_OTLP_*`, `OTEL_SERVICE_NAME`,
//! `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_TRACES_SAMPLER*`, `OTEL_BSP_*`); without an endpoint nothing
//! is exported.

use std::env;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracerProvider, Tracer};
use tokio::runtime::{Builder, Runtime};

use crate::exit::{BAD_CONFIG, UNAVAILABLE, fail};

const ENDPOINTS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
];
const PROTOCOLS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
];
const PROTOCOL: &str = "http/protobuf";
/// In milliseconds.
const TIMEOUTS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
    "OTEL_EXPORTER_OTLP_TIMEOUT",
];
const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);
/// Longest answer of a collector that is read.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// The exporter that the environment asks for, with the W3C trace context as propagator; `None`
/// when it asks for none.
pub(super) fn exporter() -> anyhow::Result<Option<SdkTracerProvider>> {
    let named = set(&ENDPOINTS).is_some();
    let refused = is("OTEL_SDK_DISABLED", "true") || is("OTEL_TRACES_EXPORTER", "none");
    if !named || refused {
        return Ok(None);
    }
    if let Some(other) = set(&PROTOCOLS).filter(|protocol| protocol != PROTOCOL) {
        let message = format!("OTLP protocol {other:?} is not spoken here, only {PROTOCOL}");
        return Err(fail(BAD_CONFIG, message));
    }
    let client = Courier::new()?;
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .build()
        .map_err(|e| fail(BAD_CONFIG, format!("OTLP exporter: {e}")))?;
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource())
        .build();
    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
    Ok(Some(provider))
}

/// The tracer whose spans `provider` exports.
pub(super) fn tracer(provider: &SdkTracerProvider) -> Tracer {
    provider.tracer("countersign")
}

fn set(names: &[&str]) -> Option<String> {
    let values = names.iter().filter_map(|name| env::var(name).ok());
    values.map(|v| v.trim().to_owned()).find(|v| !v.is_empty())
}

fn is(name: &str, value: &str) -> bool {
    env::var(name).is_ok_and(|given| given.trim().eq_ignore_ascii_case(value))
}

/// Who speaks: what the environment says, else `countersign`.
fn resource() -> Resource {
    let named = set(&["OTEL_SERVICE_NAME"]).is_some()
        || set(&["OTEL_RESOURCE_ATTRIBUTES"]).is_some_and(|a| a.contains("service.name="));
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let mut builder = Resource::builder().with_attribute(version);
    if !named {
        builder = builder.with_service_name("countersign");
    }
    builder.build()
}

/// Takes spans to the collector. It is called on the exporter's own thread, so it has a runtime of
/// its own, and no exchange ever waits for it.
#[derive(Debug)]
struct Courier {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    runtime: Runtime,
    timeout: Duration,
}

impl Courier {
    fn new() -> anyhow::Result<Self> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| fail(UNAVAILABLE, format!("no runtime for the exporter: {e}")))?;
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new())
            // Between two deliveries nobody drives the runtime, so no connection could be kept.
            .pool_max_idle_per_host(0)
            .build(connector);
        let timeout = set(&TIMEOUTS).and_then(|ms| ms.parse().ok());
        let timeout = timeout.map_or(TIMEOUT_DEFAULT, Duration::from_millis);
        Ok(Self {
            client,
            runtime,
            timeout,
        })
    }

    async fn deliver(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let response = self.client.request(request.map(Full::new)).await?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await?;
        Ok(Response::from_parts(head, body.to_bytes()))
    }
}

impl HttpClient for Courier {
    // The trait is made by `async_trait`; this is what it makes of an async function.
    fn send_bytes<'a, 'b>(
        &'a self,
        request: Request<Bytes>,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'b>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(async move {
            let delivery =
                async { tokio::time::timeout(self.timeout, self.deliver(request)).await };
            self.runtime.block_on(delivery)?
        })
    }
}
