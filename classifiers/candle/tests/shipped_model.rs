//! The model that ships with the product: it loads, and scores as the program that trained it did.

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
