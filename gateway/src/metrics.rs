//! What the gateway counts. Low cardinality, base units; names are part of the contract.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

/// Labels of `countersign_requests`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabels {
    /// Route name.
    pub route: String,
    /// Dialect name.
    pub dialect: &'static str,
    /// HTTP status sent to the caller.
    pub code: u16,
}

/// Labels of `countersign_decisions`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct DecisionLabels {
    /// Input or output.
    pub side: &'static str,
    /// The decision's effect.
    pub effect: &'static str,
    /// What was done.
    pub action: &'static str,
}

/// Labels of `countersign_not_evaluated`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct NotEvaluatedLabels {
    /// Detector id.
    pub detector: String,
    /// Why.
    pub reason: String,
}

/// Labels of `countersign_classifier_seconds`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ModelLabels {
    /// Detector id.
    pub model: String,
}

/// All metrics of the data plane.
#[derive(Debug)]
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
    pub classifier: Family<ModelLabels, Histogram>,
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
}

/// Labels of `countersign_gap_records`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct GapLabels {
    /// Why something may be missing.
    pub cause: String,
}

const SECONDS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

impl Metrics {
    /// Registers every metric.
    #[allow(
        clippy::too_many_lines,
        reason = "one registration per metric, in the contract's order"
    )]
    pub fn new(version: &str) -> Self {
        let mut registry = Registry::with_prefix("countersign");
        let requests = Family::default();
        registry.register("requests", "Requests answered", requests.clone());
        let decisions = Family::default();
        registry.register("decisions", "Decisions recorded", decisions.clone());
        let not_evaluated = Family::default();
        registry.register(
            "not_evaluated",
            "Detectors without an answer",
            not_evaluated.clone(),
        );
        let overhead = Histogram::new(SECONDS);
        let help = "Time added to plain exchanges";
        registry.register_with_unit("overhead", help, Unit::Seconds, overhead.clone());
        let classifier = Family::new_with_constructor(seconds as fn() -> Histogram);
        let help = "Time of a detector per side or stride";
        registry.register_with_unit("classifier", help, Unit::Seconds, classifier.clone());
        let append = Histogram::new(SECONDS);
        let help = "Time until a record was durable";
        registry.register_with_unit("ledger_append", help, Unit::Seconds, append.clone());
        let hold = Histogram::new(SECONDS);
        let help = "Time until a stream's first release";
        registry.register_with_unit("stream_hold", help, Unit::Seconds, hold.clone());
        let exposure = Counter::default();
        let help = "Bytes released before a late deny";
        registry.register_with_unit("exposure", help, Unit::Bytes, exposure.clone());
        let open = Gauge::default();
        registry.register("open_exchanges", "Exchanges open now", open.clone());
        let ledger_size = Gauge::default();
        registry.register("ledger_size", "Records in the ledger", ledger_size.clone());
        let checkpoint_age = Gauge::<f64, AtomicU64>::default();
        let help = "Age of the last signed checkpoint";
        registry.register_with_unit(
            "checkpoint_age",
            help,
            Unit::Seconds,
            checkpoint_age.clone(),
        );
        let gaps = Family::default();
        registry.register("gap_records", "Gap records written", gaps.clone());
        let build = Info::new(vec![("version", version.to_owned())]);
        registry.register("build", "The running software", build);
        let accepted = AtomicU64::new(0);
        Self {
            registry,
            requests,
            decisions,
            not_evaluated,
            overhead,
            classifier,
            append,
            hold,
            exposure,
            open,
            accepted,
            ledger_size,
            checkpoint_age,
            gaps,
        }
    }

    /// All metrics in the `OpenMetrics` text format.
    pub fn render(&self) -> String {
        let mut text = String::new();
        match prometheus_client::encoding::text::encode(&mut text, &self.registry) {
            Ok(()) => text,
            Err(_) => "# EOF\n".to_owned(),
        }
    }
}

fn seconds() -> Histogram {
    Histogram::new(SECONDS)
}
