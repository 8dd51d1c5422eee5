use super::names::Names;
use super::*;

/// Name as the contract has it, type, and labels of a sample.
const CONTRACT: [(&str, &str, &[&str]); 17] = [
    (
        "countersign_requests_total",
        "counter",
        &["route", "dialect", "code"],
    ),
    (
        "countersign_decisions_total",
        "counter",
        &["side", "effect", "action"],
    ),
    (
        "countersign_not_evaluated_total",
        "counter",
        &["detector", "reason"],
    ),
    ("countersign_overhead_seconds", "histogram", &[]),
    ("countersign_classifier_seconds", "histogram", &["model"]),
    ("countersign_classifier_queue_depth", "gauge", &[]),
    ("countersign_stream_hold_seconds", "histogram", &[]),
    ("countersign_exposure_bytes_total", "counter", &[]),
    ("countersign_ledger_append_seconds", "histogram", &[]),
    ("countersign_ledger_size", "gauge", &[]),
    ("countersign_checkpoint_age_seconds", "gauge", &[]),
    ("countersign_gap_records_total", "counter", &["cause"]),
    ("countersign_build_info", "info", &["version"]),
    ("countersign_tokens_total", "counter", &["model", "kind"]),
    ("countersign_upstream_seconds", "histogram", &["model"]),
    (
        "countersign_time_to_first_byte_seconds",
        "histogram",
        &["model"],
    ),
    ("countersign_open_exchanges", "gauge", &[]),
];

/// One sample of every metric that has labels.
fn sampled() -> Metrics {
    let metrics = Metrics::new("1.2.3");
    metrics.unserved("raw", 404);
    let (side, effect, action) = ("input", "permit", "forwarded");
    metrics
        .decisions
        .get_or_create(&DecisionLabels {
            side,
            effect,
            action,
        })
        .inc();
    metrics.unanswered("words", "timed_out");
    let model = "m".to_owned();
    metrics
        .tokens
        .get_or_create(&TokenLabels {
            model,
            kind: "input",
        })
        .inc_by(7);
    let model = ModelLabels {
        model: "m".to_owned(),
    };
    for family in [&metrics.classifier, &metrics.upstream, &metrics.first_byte] {
        family.get_or_create(&model).observe(0.2);
    }
    let cause = "unclean_stop".to_owned();
    metrics.gaps.get_or_create(&GapLabels { cause }).inc();
    metrics
}

/// The labels of the first sample whose name is `sample`, in order, without those of buckets.
fn labels_of<'a>(text: &'a str, sample: &str) -> Vec<&'a str> {
    let line = text
        .lines()
        .find(|line| {
            line.starts_with(&format!("{sample} ")) || line.starts_with(&format!("{sample}{{"))
        })
        .unwrap_or_else(|| panic!("{sample} is missing in\n{text}"));
    let Some((_, labels)) = line.split_once('{') else {
        return Vec::new();
    };
    let labels = labels.rsplit_once('}').unwrap().0;
    let names = labels
        .split(',')
        .map(|label| label.split_once('=').unwrap().0);
    names.filter(|name| *name != "le").collect()
}

#[test]
fn every_metric_of_the_contract_is_rendered_with_its_type_unit_and_labels() {
    let text = sampled().render();
    for (name, kind, labels) in CONTRACT {
        let family = match kind {
            "counter" => name.strip_suffix("_total").unwrap(),
            "info" => name.strip_suffix("_info").unwrap(),
            _ => name,
        };
        assert!(
            text.contains(&format!("# TYPE {family} {kind}\n")),
            "{name}:\n{text}"
        );
        assert!(
            text.contains(&format!("# HELP {family} ")),
            "{name}:\n{text}"
        );
        for unit in ["seconds", "bytes"] {
            let stated = text.contains(&format!("# UNIT {family} {unit}\n"));
            assert_eq!(stated, family.ends_with(unit), "{name} and {unit}:\n{text}");
        }
        let sample = if kind == "histogram" {
            format!("{name}_bucket")
        } else {
            name.to_owned()
        };
        assert_eq!(labels_of(&text, &sample), labels, "{name}");
    }
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn nothing_is_rendered_that_the_contract_does_not_know() {
    let text = sampled().render();
    let families = text
        .lines()
        .filter(|line| line.starts_with("# TYPE "))
        .count();
    assert_eq!(families, CONTRACT.len(), "{text}");
}

#[test]
fn the_queue_is_read_at_every_scrape() {
    let metrics = Metrics::new("1");
    assert!(
        metrics
            .render()
            .contains("countersign_classifier_queue_depth 0\n")
    );
    let depth = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(3));
    let read = std::sync::Arc::clone(&depth);
    metrics.watch_queue(move || read.load(std::sync::atomic::Ordering::Relaxed));
    assert!(
        metrics
            .render()
            .contains("countersign_classifier_queue_depth 3\n")
    );
    depth.store(5, std::sync::atomic::Ordering::Relaxed);
    assert!(
        metrics
            .render()
            .contains("countersign_classifier_queue_depth 5\n")
    );
}

#[test]
fn more_names_than_there_is_room_for_are_told_as_other() {
    let names = Names::at_most(MODELS_MAX);
    let labels: std::collections::BTreeSet<String> = (0..10_000)
        .map(|n| names.label(&format!("model-{n}"), true))
        .collect();
    assert_eq!(labels.len(), MODELS_MAX + 1);
    assert_eq!(names.label("model-9999", true), "other");
    assert_eq!(
        names.label("model-0", false),
        "model-0",
        "a known name keeps its label"
    );
}

#[test]
fn a_name_that_was_not_admitted_takes_no_room() {
    let names = Names::at_most(1);
    for n in 0..100 {
        assert_eq!(names.label(&format!("made-up-{n}"), false), "other");
    }
    assert_eq!(names.label("served", true), "served");
}

#[test]
fn reasons_of_detectors_are_bounded_too() {
    let metrics = Metrics::new("1");
    for n in 0..1000 {
        metrics.unanswered("words", &format!("shape {n} is not what was expected"));
    }
    let text = metrics.render();
    let series = text
        .lines()
        .filter(|l| l.starts_with("countersign_not_evaluated_total{"));
    assert_eq!(series.count(), REASONS_MAX + 1);
}
