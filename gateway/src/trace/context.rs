//! The W3C trace context that comes in with a request and goes on to the upstream.
//!
//! Which headers that are is for the composition root to say: it sets the global propagator. By
//! default there is none, and the caller's headers pass untouched.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::global::get_text_map_propagator;
use opentelemetry::propagation::{Extractor, Injector};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::TARGET;

/// Makes `span` a child of the span that `headers` name, if they name one.
pub(super) fn adopt(span: &Span, headers: &HeaderMap) {
    if !span.is_disabled() {
        let parent = get_text_map_propagator(|propagator| propagator.extract(&Incoming(headers)));
        // Fails only where no exporter listens, and then there is no trace to continue.
        drop(span.set_parent(parent));
    }
}

/// Puts the current span into `headers` in place of the caller's.
pub(crate) fn propagate(headers: &mut HeaderMap) {
    let span = Span::current();
    if span
        .metadata()
        .is_some_and(|metadata| metadata.target() == TARGET)
    {
        let context = span.context();
        get_text_map_propagator(|propagator| {
            propagator.inject_context(&context, &mut Outgoing(headers));
        });
    }
}

struct Incoming<'a>(&'a HeaderMap);

impl Extractor for Incoming<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

struct Outgoing<'a>(&'a mut HeaderMap);

impl Injector for Outgoing<'_> {
    /// An empty value, as of a trace without state, is no header.
    fn set(&mut self, key: &str, value: String) {
        let Ok(name) = HeaderName::try_from(key) else {
            return;
        };
        self.0.remove(&name);
        if let (false, Ok(value)) = (value.is_empty(), HeaderValue::try_from(value)) {
            self.0.insert(name, value);
        }
    }
}
