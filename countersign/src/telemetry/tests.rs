use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use opentelemetry::trace::TracerProvider;
use serde_json::Value;
use tracing::{error, info, info_span};

use super::*;

/// A place for log lines that a test can read.
#[derive(Debug, Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Written {
    fn lines(&self) -> Vec<Value> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// A subscriber that logs here what `filter` lets through.
    fn subscriber(&self, filter: EnvFilter, tracer: Option<Tracer>) -> Dispatch {
        let written = self.clone();
        let logs = logs(Some(LogFormat::Json), filter, move || written.clone());
        subscriber(logs, tracer)
    }
}

fn everything() -> EnvFilter {
    let never = format!("{}=off", countersign_gateway::trace::TARGET);
    EnvFilter::new("trace").add_directive(never.parse().unwrap())
}

#[test]
fn without_a_collector_no_span_is_made_whatever_is_logged() {
    let subscriber = Written::default().subscriber(everything(), None);
    tracing::dispatcher::with_default(&subscriber, || {
        let span = info_span!(target: countersign_gateway::trace::TARGET, "exchange");
        assert!(span.is_disabled());
    });
}

#[test]
fn a_line_is_one_object_with_its_fields_typed() {
    let written = Written::default();
    tracing::dispatcher::with_default(&written.subscriber(everything(), None), || {
        info!(target: "countersign::access", code = 200_u16, duration_ms = 1.5, "exchange");
    });
    let lines = written.lines();
    let [line] = lines.as_slice() else {
        panic!("one line was expected: {lines:?}");
    };
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["target"], "countersign::access");
    assert_eq!(line["message"], "exchange");
    assert_eq!(line["code"], 200);
    assert_eq!(line["duration_ms"], 1.5);
    assert!(
        line["timestamp"]
            .as_str()
            .unwrap()
            .parse::<jiff::Timestamp>()
            .is_ok()
    );
    assert!(line.get("trace_id").is_none(), "nothing is traced: {line}");
}

#[test]
fn a_line_inside_a_trace_names_it() {
    let written = Written::default();
    let provider = SdkTracerProvider::builder().build();
    let tracer = provider.tracer("test");
    tracing::dispatcher::with_default(&written.subscriber(everything(), Some(tracer)), || {
        let span = info_span!(target: countersign_gateway::trace::TARGET, "exchange");
        span.in_scope(|| error!("no record, no release"));
        error!("outside");
    });
    let lines = written.lines();
    let length = |line: &Value, name: &str| line[name].as_str().map(str::len);
    assert_eq!(length(&lines[0], "trace_id"), Some(32), "{lines:?}");
    assert_eq!(length(&lines[0], "span_id"), Some(16), "{lines:?}");
    assert_eq!(length(&lines[1], "trace_id"), None, "{lines:?}");
}

#[test]
fn a_long_text_is_clipped_between_characters() {
    let written = Written::default();
    tracing::dispatcher::with_default(&written.subscriber(everything(), None), || {
        info!(text = "ä".repeat(5000), "long");
    });
    let lines = written.lines();
    let text = lines[0]["text"].as_str().unwrap();
    assert!(
        text.len() <= 2048 && text.chars().all(|c| c == 'ä'),
        "{}",
        text.len()
    );
}
