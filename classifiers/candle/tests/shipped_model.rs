//! The model that ships with the product: it loads, and scores as the program that trained it did.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use countersign_classifiers::{Backend, Detector, Limits, ModelDetector, Window};
use countersign_classifiers_candle::{CandleBackend, Device, load_set};
use countersign_record::{Evaluation, Score};
use serde::Deserialize;

/// Between two ways of computing the same sums in f32.
const TOLERANCE_PPM: u32 = 2_000;
const TOLERANCE_LOGIT: f32 = 0.01;

#[derive(Deserialize)]
struct Reference {
    labels: Vec<String>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    text: String,
    token_count: usize,
    logits: Vec<f32>,
    scores_ppm: Vec<u32>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/countersign-minilm-1")
}

fn model() -> CandleBackend {
    static MODEL: OnceLock<CandleBackend> = OnceLock::new();
    MODEL
        .get_or_init(|| CandleBackend::load(&folder(), Device::Cpu).unwrap())
        .clone()
}

fn reference() -> Reference {
    let bytes = std::fs::read(folder().join("reference.json")).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

fn score(windows: &[Window]) -> Vec<Vec<Score>> {
    model().score(&windows.iter().collect::<Vec<_>>()).unwrap()
}

#[test]
fn scores_agree_with_the_reference() {
    let reference = reference();
    let labels: Vec<String> = model().labels().into_iter().map(|l| l.name).collect();
    assert_eq!(labels, reference.labels);
    assert!(reference.cases.len() >= 10);
    let (mut worst_ppm, mut worst_logit) = (0, 0.0_f32);
    for case in &reference.cases {
        let windows = model().plan(&case.text).unwrap();
        let whole = &windows[..1];
        assert_eq!(
            whole[0].ids.len(),
            case.token_count,
            "tokens of {:?}",
            case.text
        );
        let logits = model().logits(&whole[0]).unwrap();
        assert_eq!(logits.len(), case.logits.len());
        for (ours, theirs) in logits.iter().zip(&case.logits) {
            worst_logit = worst_logit.max((ours - theirs).abs());
        }
        for (ours, theirs) in score(whole)[0].iter().zip(&case.scores_ppm) {
            worst_ppm = worst_ppm.max(ours.ppm().abs_diff(*theirs));
        }
    }
    println!("largest difference: {worst_ppm} ppm, {worst_logit} in a logit");
    assert!(
        worst_ppm <= TOLERANCE_PPM,
        "a score differs by {worst_ppm} ppm"
    );
    assert!(
        worst_logit <= TOLERANCE_LOGIT,
        "a logit differs by {worst_logit}"
    );
}

#[test]
fn a_window_of_full_length_takes_no_more_than_its_share_of_a_second() {
    let window = model().plan(&prose(40)).unwrap().swap_remove(0);
    assert_eq!(window.ids.len(), 128);
    model().logits(&window).unwrap();
    let fastest = (0..8)
        .map(|_| {
            let began = Instant::now();
            model().logits(&window).unwrap();
            began.elapsed()
        })
        .min()
        .unwrap();
    println!("{fastest:?} for a window of 128 tokens");
    assert!(fastest < Duration::from_secs(1));
}

fn prose(sentences: usize) -> String {
    const SUBJECTS: [&str; 5] = [
        "The gardener",
        "A neighbour",
        "My aunt",
        "The baker",
        "Our teacher",
    ];
    const DOINGS: [&str; 4] = [
        "watered the young tomatoes before breakfast",
        "wrote down what the seeds had cost last spring",
        "carried two baskets of apples to the market",
        "mended the old gate beside the orchard",
    ];
    let sentence = |n: usize| {
        format!(
            "{} {} on day {n}. ",
            SUBJECTS[n % SUBJECTS.len()],
            DOINGS[n % DOINGS.len()]
        )
    };
    (0..sentences).map(sentence).collect()
}

const HARM: &str = "I will find you and kill you.";

/// A harmless text of about `bytes` bytes with `sentence` at so many percent of it.
fn hidden(sentence: &str, bytes: usize, percent: usize) -> String {
    let mut text = String::new();
    let mut is_placed = false;
    for line in prose(bytes / 70).split_inclusive(". ") {
        if !is_placed && text.len() * 100 >= percent * bytes {
            text.push_str(sentence);
            text.push(' ');
            is_placed = true;
        }
        text.push_str(line);
    }
    if !is_placed {
        text.push_str(sentence);
    }
    text
}

#[test]
fn a_text_of_twenty_thousand_characters_is_read_whole() {
    let text = hidden(HARM, 22_000, 50);
    assert!(text.len() > 20_000);
    let windows = model().plan(&text).unwrap();
    let mut covered = vec![false; text.len()];
    for window in &windows {
        assert!(window.ids.len() <= 128);
        covered[window.span.start..window.span.end].fill(true);
    }
    let missed = text
        .bytes()
        .zip(covered)
        .filter(|(byte, covered)| !covered && *byte != b' ');
    assert_eq!(missed.count(), 0);
    let alone = model().plan(HARM).unwrap().swap_remove(0).ids;
    assert!(windows.iter().any(|window| window.ids == alone));
}

#[tokio::test]
async fn a_harmful_sentence_keeps_its_verdict_anywhere_in_a_long_text() {
    const BYTES: usize = 4_000;
    let mut texts: Vec<String> = [0, 50, 100].map(|at| hidden(HARM, BYTES, at)).into();
    texts.push(prose(BYTES / 70));
    let texts: Arc<[String]> = texts.into();
    assert!(texts[0].starts_with(HARM) && texts[2].ends_with(HARM));
    let detector = ModelDetector::start(load_set(&folder(), 2).unwrap(), Limits::default());
    let deadline = Instant::now() + Duration::from_mins(4);
    let inspection = detector.inspect(Arc::clone(&texts), deadline).await;
    assert_eq!(inspection.run.evaluation, Evaluation::Scored);
    let violence = inspection
        .labels
        .iter()
        .find(|l| l.label == "violence")
        .unwrap();
    let alone = score(&model().plan(HARM).unwrap())[0].clone();
    let place = inspection
        .labels
        .iter()
        .position(|l| l.label == "violence")
        .unwrap();
    assert!(violence.score >= violence.block && violence.score >= alone[place]);
    for (channel, text) in texts.iter().enumerate() {
        let found: Vec<&str> = inspection
            .spans
            .iter()
            .filter(|s| s.label == "violence" && s.channel == channel)
            .map(|s| &text[s.span.start..s.span.end])
            .collect();
        let expected: &[&str] = if channel < 3 { &[HARM] } else { &[] };
        assert_eq!(found, expected, "in channel {channel}");
    }
}
