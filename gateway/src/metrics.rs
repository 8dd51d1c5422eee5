//! What the gateway counts. Low cardinality, base units; names are part of the contract.
//!
//! Nothing that a caller chooses freely becomes a label: paths are told by route, methods not at
//! all, and model names only as far as [`names`] admits them.

mod labels;
mod names;
#[cfg(test)]
mod tests;

use std::fmt;
use std::hash::Hash;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;

use countersign_record::{DetectorRun, Evaluation, Unscanned, Usage};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::exchange::Exchange;
pub use labels::{
    DecisionLabels, GapLabels, ModelLabels, NotEvaluatedLabels, RequestLabels, TokenLabels,
};
use names::Names;

/// Most model names that become labels; further ones are told as `other`.
pub const MODELS_MAX: usize = 64;
/// Most reasons for a missing evaluation that become labels; further ones are told as `other`.
pub const REASONS_MAX: usize = 32;
/// The route label of requests that no route served.
pub(crate) const UNROUTED: &str = "none";
/// The detector label of parts that no detector can read.
const EVERY_DETECTOR: &str = "all";

const SECONDS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
/// Models think longer than a gateway does.
const LONG_SECONDS: [f64; 14] = [
    0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0,
];

type Histograms = Family<ModelLabels, Histogram, fn() -> Histogram>;

/// All metrics of the data plane.
pub struct Metrics {
    registry: Registry,
    /// Requests answered.
    pub requests: Family<RequestLabels, Counter>,
    /// Decisions recorded.
    pub decisions: Family<DecisionLabels, Counter>,
    /// Detectors that did not answer.
    pub not_evaluated: Family<NotEvaluatedLabels, Counter>,
    /// Time added by the gateway to plain exchanges.
    pub overhead: Histogram,
    /// Time detectors took per side or stride.
    pub classifier: Histograms,
    /// Time until an append was durable.
    pub append: Histogram,
    /// Time a stream's first release waited.
    pub hold: Histogram,
    /// Bytes released before a late deny.
    pub exposure: Counter,
    /// Exchanges open now.
    pub open: Gauge,
    /// Exchanges accepted.
    pub accepted: AtomicU64,
    /// Records in the ledger.
    pub ledger_size: Gauge,
    /// Seconds since the last checkpoint was signed.
    pub checkpoint_age: Gauge<f64, AtomicU64>,
    /// Gap records written.
    pub gaps: Family<GapLabels, Counter>,
    /// Tokens as vendors stated them, per model asked for.
    pub tokens: Family<TokenLabels, Counter>,
    /// Time from sending a request on to the head of its answer, per model asked for.
    pub upstream: Histograms,
    /// Time from a request's head to the first byte of its answer, per model asked for.
    pub first_byte: Histograms,
    queue_depth: Gauge,
    queue: OnceLock<Box<dyn Fn() -> usize + Send + Sync>>,
    models: Names,
    reasons: Names,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// Registers every metric. `version` is that of the running software.
    pub fn new(version: &str) -> Self {
        let mut registry = Registry::with_prefix("countersign");
        let build = Info::new(vec![("version", version.to_owned())]);
        registry.register("build", "The running software", build);
        let into = &mut registry;
        Self {
            requests: counters(into, "requests", "Requests answered"),
            decisions: counters(into, "decisions", "Decisions recorded"),
            not_evaluated: counters(into, "not_evaluated", "Detectors without an answer"),
            gaps: counters(into, "gap_records", "Gap records written"),
            tokens: counters(into, "tokens", "Tokens as vendors stated them"),
            exposure: bytes(into, "exposure", "Bytes released before a late deny"),
            overhead: seconds(into, "overhead", "Time added to plain exchanges"),
            append: seconds(into, "ledger_append", "Time until a record was durable"),
            hold: seconds(into, "stream_hold", "Time until a stream's first release"),
            classifier: by_model(
                into,
                "classifier",
                "Time of a detector per side or stride",
                short,
            ),
            upstream: by_model(
                into,
                "upstream",
                "Time to the head of the upstream's answer",
                long,
            ),
            first_byte: by_model(
                into,
                "time_to_first_byte",
                "Time to the answer's first byte",
                long,
            ),
            open: gauge(into, "open_exchanges", "Exchanges open now"),
            queue_depth: gauge(
                into,
                "classifier_queue_depth",
                "Inspections waiting or in progress",
            ),
            ledger_size: gauge(into, "ledger_size", "Records in the ledger"),
            checkpoint_age: age(into, "checkpoint_age", "Age of the last signed checkpoint"),
            accepted: AtomicU64::new(0),
            queue: OnceLock::new(),
            models: Names::at_most(MODELS_MAX),
            reasons: Names::at_most(REASONS_MAX),
            registry,
        }
    }

    /// Says where the depth of the classifiers' queue can be read; asked at each scrape. Only the
    /// first call counts.
    pub fn watch_queue(&self, depth: impl Fn() -> usize + Send + Sync + 'static) {
        drop(self.queue.set(Box::new(depth)));
    }

    /// All metrics in the `OpenMetrics` text format.
    pub fn render(&self) -> String {
        if let Some(depth) = self.queue.get() {
            self.queue_depth
                .set(i64::try_from(depth()).unwrap_or(i64::MAX));
        }
        let mut text = String::new();
        match prometheus_client::encoding::text::encode(&mut text, &self.registry) {
            Ok(()) => text,
            Err(_) => "# EOF\n".to_owned(),
        }
    }

    /// Counts a request that became no exchange. Its path is no label.
    pub(crate) fn unserved(&self, dialect: &'static str, code: u16) {
        let route = UNROUTED.to_owned();
        let labels = RequestLabels {
            route,
            dialect,
            code,
        };
        self.requests.get_or_create(&labels).inc();
    }

    /// Counts an exchange whose answer, or its beginning, is ready with status `code`.
    pub(crate) fn answered(&self, exchange: &Exchange, code: u16) {
        let (route, dialect) = (exchange.route.name.clone(), exchange.dialect.name());
        let labels = RequestLabels {
            route,
            dialect,
            code,
        };
        self.requests.get_or_create(&labels).inc();
        let total = exchange.began.elapsed();
        if !exchange.stream {
            let waited = exchange.upstream_began.map(|began| began.elapsed());
            let upstream = exchange.upstream_took.or(waited).unwrap_or_default();
            self.overhead
                .observe(total.saturating_sub(upstream).as_secs_f64());
        }
        if exchange.times.first_byte.is_some() {
            let model = self.model(exchange, false);
            self.first_byte
                .get_or_create(&model)
                .observe(total.as_secs_f64());
        }
    }

    /// Times the upstream's head. Only models that an upstream serves get names of their own.
    pub(crate) fn head_arrived(&self, exchange: &Exchange, status: http::StatusCode) {
        let model = self.model(exchange, status.is_success());
        if let Some(began) = exchange.upstream_began {
            self.upstream
                .get_or_create(&model)
                .observe(began.elapsed().as_secs_f64());
        }
    }

    /// Counts the tokens that the upstream stated for an answer.
    pub(crate) fn used(&self, exchange: &Exchange, usage: Usage) {
        let ModelLabels { model } = self.model(exchange, false);
        let sides = [
            ("input", usage.input_tokens),
            ("output", usage.output_tokens),
        ];
        for (kind, tokens) in sides {
            let model = model.clone();
            self.tokens
                .get_or_create(&TokenLabels { model, kind })
                .inc_by(tokens);
        }
    }

    /// Times a detector's run, and counts it when it gave no answer.
    pub(crate) fn ran(&self, run: &DetectorRun) {
        let model = run.detector.id.clone();
        let seconds = std::time::Duration::from_micros(run.elapsed_us).as_secs_f64();
        self.classifier
            .get_or_create(&ModelLabels { model })
            .observe(seconds);
        if run.evaluation != Evaluation::Scored {
            let reason = run.evaluation.reason().unwrap_or_default();
            self.unanswered(&run.detector.id, reason);
        }
    }

    /// Counts a part of a body that no detector can read.
    pub(crate) fn unread(&self, part: &Unscanned) {
        self.unanswered(EVERY_DETECTOR, &part.reason);
    }

    fn unanswered(&self, detector: &str, reason: &str) {
        let (detector, reason) = (detector.to_owned(), self.reasons.label(reason, true));
        let labels = NotEvaluatedLabels { detector, reason };
        self.not_evaluated.get_or_create(&labels).inc();
    }

    fn model(&self, exchange: &Exchange, admit: bool) -> ModelLabels {
        let requested = exchange.model.requested.as_deref();
        let model = requested.map_or_else(|| UNROUTED.to_owned(), |m| self.models.label(m, admit));
        ModelLabels { model }
    }
}

fn counters<L>(into: &mut Registry, name: &str, help: &str) -> Family<L, Counter>
where
    L: Clone + Eq + Hash + EncodeLabelSet + fmt::Debug + Send + Sync + 'static,
{
    let family = Family::default();
    into.register(name, help, family.clone());
    family
}

fn bytes(into: &mut Registry, name: &str, help: &str) -> Counter {
    let counter = Counter::default();
    into.register_with_unit(name, help, Unit::Bytes, counter.clone());
    counter
}

fn seconds(into: &mut Registry, name: &str, help: &str) -> Histogram {
    let histogram = short();
    into.register_with_unit(name, help, Unit::Seconds, histogram.clone());
    histogram
}

fn by_model(into: &mut Registry, name: &str, help: &str, make: fn() -> Histogram) -> Histograms {
    let family = Family::new_with_constructor(make);
    into.register_with_unit(name, help, Unit::Seconds, family.clone());
    family
}

fn gauge(into: &mut Registry, name: &str, help: &str) -> Gauge {
    let gauge = Gauge::default();
    into.register(name, help, gauge.clone());
    gauge
}

fn age(into: &mut Registry, name: &str, help: &str) -> Gauge<f64, AtomicU64> {
    let gauge = Gauge::default();
    into.register_with_unit(name, help, Unit::Seconds, gauge.clone());
    gauge
}

fn short() -> Histogram {
    Histogram::new(SECONDS)
}

fn long() -> Histogram {
    Histogram::new(LONG_SECONDS)
}
