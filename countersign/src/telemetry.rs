//! Logs and traces: where they go, and in which form.
//!
//! Logs go to standard error, as JSON lines when no terminal is there to read them. Traces go to an
//! OTLP collector when the environment names one. Neither holds content, and neither can hold up
//! traffic: both have a queue with a bound, and what does not fit is dropped and counted.

mod collector;
mod lines;

use std::io::IsTerminal;
use std::time::Duration;

use opentelemetry_sdk::trace::{SdkTracerProvider, Tracer};
use tracing::level_filters::LevelFilter;
use tracing::{Dispatch, Subscriber};
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, fmt};

use crate::cli::LogFormat;
use crate::exit::{BAD_CONFIG, fail};

/// What a gateway logs when `RUST_LOG` does not say: the access log too.
const SERVING: &str = "countersign=info,countersign_gateway=info,warn";
/// The same for commands that do one thing and print it.
const WORKING: &str = "warn";
/// Lines that may wait for standard error; further ones are dropped and counted.
const LINES_MAX: usize = 8192;
/// Longest wait at the end for a collector to take the last spans.
const FLUSH_MAX: Duration = Duration::from_secs(5);

/// Logging and tracing of this process; stops when told to.
pub(crate) struct Telemetry {
    exporter: Option<SdkTracerProvider>,
    dropped: ErrorCounter,
    /// Writes what waits when it is dropped.
    _lines: WorkerGuard,
}

impl Telemetry {
    /// Starts logging, and tracing where `serves` and the environment name a collector.
    ///
    /// # Errors
    /// A bad configuration when the environment asks for what cannot be: a filter or an endpoint
    /// that is none.
    pub(crate) fn start(format: Option<LogFormat>, serves: bool) -> anyhow::Result<Self> {
        let (writer, lines) = NonBlockingBuilder::default()
            .buffered_lines_limit(LINES_MAX)
            .thread_name("log-lines")
            .finish(std::io::stderr());
        let dropped = writer.error_counter();
        let default = if serves { SERVING } else { WORKING };
        let exporter = if serves { collector::exporter()? } else { None };
        let tracer = exporter.as_ref().map(collector::tracer);
        let logs = logs(format, filter(default)?, writer);
        subscriber(logs, tracer)
            .try_init()
            .map_err(|e| fail(BAD_CONFIG, format!("logging: {e}")))?;
        quiet_panics();
        Ok(Self {
            exporter,
            dropped,
            _lines: lines,
        })
    }

    /// Sends what is left, for a bounded time.
    pub(crate) fn stop(self) {
        if let Some(exporter) = &self.exporter
            && let Err(error) = exporter.shutdown_with_timeout(FLUSH_MAX)
        {
            tracing::warn!(%error, "the last spans may not have reached the collector");
        }
        let lines = self.dropped.dropped_lines();
        if lines > 0 {
            tracing::warn!(
                lines,
                "log lines were dropped because nobody read them in time"
            );
        }
    }
}

type BoxLayer<S> = Box<dyn Layer<S> + Send + Sync>;

/// All of it as one subscriber. Without a tracer no layer wants the spans, and none is made.
fn subscriber(logs: BoxLayer<Registry>, tracer: Option<Tracer>) -> Dispatch {
    let registry = tracing_subscriber::registry().with(logs);
    // An absent layer would count as one that wants every span.
    let Some(tracer) = tracer else {
        return Dispatch::new(registry);
    };
    let spans = tracing_opentelemetry::layer()
        .with_tracer(tracer)
        // Places in the source, threads and wake-ups are of no use to operators.
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_filter(only_spans());
    Dispatch::new(registry.with(spans))
}

fn only_spans() -> Targets {
    Targets::new().with_target(countersign_gateway::trace::TARGET, LevelFilter::INFO)
}

fn filter(default: &str) -> anyhow::Result<EnvFilter> {
    let asked = match std::env::var(EnvFilter::DEFAULT_ENV) {
        Ok(asked) if !asked.trim().is_empty() => asked,
        _ => default.to_owned(),
    };
    let filter = EnvFilter::try_new(&asked)
        .map_err(|e| fail(BAD_CONFIG, format!("{}: {e}", EnvFilter::DEFAULT_ENV)))?;
    // Spans are for the collector; in log lines they would only repeat what the line says.
    let never = format!("{}=off", countersign_gateway::trace::TARGET);
    let never = never
        .parse()
        .map_err(|e| fail(BAD_CONFIG, format!("log filter: {e}")))?;
    Ok(filter.add_directive(never))
}

fn logs<S, W>(format: Option<LogFormat>, filter: EnvFilter, writer: W) -> BoxLayer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let terminal = std::io::stderr().is_terminal();
    let format = format.unwrap_or(if terminal {
        LogFormat::Text
    } else {
        LogFormat::Json
    });
    let layer = fmt::layer().with_writer(writer);
    match format {
        LogFormat::Text => layer.with_ansi(terminal).with_filter(filter).boxed(),
        LogFormat::Json => layer
            .event_format(lines::JsonLines)
            .with_filter(filter)
            .boxed(),
    }
}

/// The message of a panic may quote the text that the code was looking at, unless it is a literal.
fn quiet_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        let place = place.as_deref().unwrap_or("unknown");
        let literal = panic.payload().downcast_ref::<&'static str>();
        let said = literal.copied().unwrap_or("(not told)");
        tracing::error!(place, said, "panicked");
    }));
}

#[cfg(test)]
mod tests;
