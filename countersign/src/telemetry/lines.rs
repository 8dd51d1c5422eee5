//! Log lines as JSON, one object each.

use std::fmt::{self, Debug};

use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt;
use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;

/// Longest text of one field, in bytes; what is longer is clipped.
const TEXT_MAX: usize = 2048;

/// `timestamp`, `level`, `target`, the event's own fields (`message` among them), and `trace_id`
/// and `span_id` where a trace is going on.
#[derive(Debug, Clone, Copy)]
pub(super) struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        let mut line = Line(Map::new());
        line.text("timestamp", &jiff::Timestamp::now().to_string());
        line.text("level", metadata.level().as_str());
        line.text("target", metadata.target());
        event.record(&mut line);
        Context::map_current(|context| {
            let span = context.span();
            let known = span.span_context();
            if known.is_valid() {
                line.text("trace_id", &known.trace_id().to_string());
                line.text("span_id", &known.span_id().to_string());
            }
        });
        writeln!(writer, "{}", Value::Object(line.0))
    }
}

struct Line(Map<String, Value>);

impl Line {
    fn text(&mut self, name: &str, text: &str) {
        let mut end = text.len().min(TEXT_MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let text = text.get(..end).unwrap_or_default();
        self.0.insert(name.to_owned(), json!(text));
    }

    /// Records of the `log` crate come with the place they were made in, and the target apart.
    fn put(&mut self, field: &Field, value: Value) {
        if !field.name().starts_with("log.") {
            self.0.insert(field.name().to_owned(), value);
        }
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "log.target" => self.text("target", value),
            name if name.starts_with("log.") => {}
            name => self.text(name, value),
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, json!(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, json!(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, json!(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, json!(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}
