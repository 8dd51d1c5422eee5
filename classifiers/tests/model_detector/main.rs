//! The queue in front of models: bounds, deadlines, cancellation, failure.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod views;
mod words;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use countersign_classifiers::{Backend, Detector, Inspection, Limits, ModelDetector};
use countersign_record::{Evaluation, Score, Span};

use self::words::{Controls, ppm, words};

fn detector(limits: Limits) -> (Arc<ModelDetector>, Controls) {
    let (words, controls) = words("words");
    (
        ModelDetector::start(vec![Box::new(words)], limits),
        controls,
    )
}

fn limits(queue: usize, batch: usize) -> Limits {
    Limits {
        queue,
        batch,
        windows_max: 100,
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_mins(1)
}

async fn inspect(detector: &ModelDetector, texts: &[&str]) -> Inspection {
    let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
    detector.inspect(texts.into(), soon()).await
}

fn skipped(reason: &str) -> Evaluation {
    Evaluation::Skipped {
        reason: reason.to_owned(),
    }
}

fn failed(reason: &str) -> Evaluation {
    Evaluation::Failed {
        reason: reason.to_owned(),
    }
}

/// Waits until the backend is inside a window with `wait`.
async fn entered(controls: Controls) -> Controls {
    tokio::task::spawn_blocking(move || {
        controls
            .entered
            .recv_timeout(Duration::from_mins(1))
            .unwrap();
        controls
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn the_highest_score_counts_and_the_narrowest_place_is_named() {
    let (detector, _controls) = detector(limits(4, 1));
    let inspection = inspect(&detector, &["all is well", "this is bad really"]).await;
    assert_eq!(inspection.run.evaluation, Evaluation::Scored);
    assert_eq!(inspection.run.windows, 4 + 5);
    let [badness, nothing] = inspection.labels.as_slice() else {
        panic!("two labels")
    };
    assert_eq!((badness.score, badness.hits), (ppm(900_000), 2));
    assert_eq!((nothing.score, nothing.hits), (Score::ZERO, 0));
    let places: Vec<_> = inspection
        .spans
        .iter()
        .map(|s| (s.channel, s.span))
        .collect();
    assert_eq!(places, [(1, Span { start: 8, end: 11 })]);
}

#[tokio::test]
async fn equal_windows_are_scored_once_and_named_everywhere() {
    let (detector, controls) = detector(limits(4, 8));
    let inspection = inspect(&detector, &["bad", "bad", "bad bad"]).await;
    assert_eq!(controls.calls.load(Ordering::SeqCst), 2);
    let places: Vec<_> = inspection
        .spans
        .iter()
        .map(|s| (s.channel, s.span.start))
        .collect();
    assert_eq!(places, [(0, 0), (1, 0), (2, 0), (2, 4)]);
}

#[tokio::test]
async fn empty_texts_are_scored_without_a_window() {
    let (detector, _controls) = detector(limits(4, 8));
    for texts in [&[][..], &["", " "][..]] {
        let inspection = inspect(&detector, texts).await;
        assert_eq!(
            (inspection.run.evaluation, inspection.run.windows),
            (Evaluation::Scored, 0)
        );
        assert_eq!(inspection.labels.len(), 2);
    }
}

#[tokio::test]
async fn failures_of_a_backend_are_values_and_the_next_inspection_works() {
    let (detector, _controls) = detector(limits(4, 1));
    for (text, reason) in [
        ("error", "out of order"),
        ("panic", "backend panicked"),
        ("wide", "backend answered in another shape"),
        ("unplannable", "no tokens"),
    ] {
        let inspection = inspect(&detector, &[text]).await;
        assert_eq!(inspection.run.evaluation, failed(reason));
        assert_eq!(inspection.labels.len(), 2);
    }
    assert_eq!(
        inspect(&detector, &["fine"]).await.run.evaluation,
        Evaluation::Scored
    );
}

#[tokio::test]
async fn too_many_windows_are_refused_before_any_is_scored() {
    let (detector, controls) = detector(limits(4, 8));
    let text = (0..101)
        .map(|n| "n".repeat(n + 1))
        .collect::<Vec<_>>()
        .join(" ");
    let inspection = inspect(&detector, &[&text]).await;
    assert_eq!(inspection.run.evaluation, skipped("too_many_windows"));
    assert_eq!(controls.calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_full_queue_is_overloaded_and_has_room_again_afterwards() {
    let (detector, controls) = detector(limits(2, 1));
    let spawn = |text: &str| {
        let (theirs, text) = (Arc::clone(&detector), text.to_owned());
        tokio::spawn(async move { inspect(&theirs, &[&text]).await })
    };
    let first = spawn("wait");
    let controls = entered(controls).await;
    let second = spawn("fine");
    while detector.queued() < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(
        inspect(&detector, &["third"]).await.run.evaluation,
        skipped("overloaded")
    );
    controls.open.send(()).unwrap();
    assert_eq!(first.await.unwrap().run.evaluation, Evaluation::Scored);
    assert_eq!(second.await.unwrap().run.evaluation, Evaluation::Scored);
    assert_eq!(detector.queued(), 0);
    assert_eq!(
        inspect(&detector, &["third"]).await.run.evaluation,
        Evaluation::Scored
    );
}

#[tokio::test]
async fn at_the_deadline_what_was_found_until_then_is_kept() {
    let (detector, controls) = detector(limits(2, 1));
    let texts: Arc<[String]> = ["bad", "wait", "fine"].map(str::to_owned).into();
    let inspection = detector
        .inspect(texts, Instant::now() + Duration::from_secs(2))
        .await;
    assert_eq!(inspection.run.evaluation, Evaluation::TimedOut);
    assert_eq!(inspection.run.windows, 1);
    assert_eq!(inspection.labels[0].score, ppm(900_000));
    drop(controls);
}

#[tokio::test]
async fn a_passed_deadline_is_timed_out_without_work() {
    let (detector, controls) = detector(limits(2, 1));
    let inspection = detector
        .inspect(Arc::new(["bad".to_owned()]), Instant::now())
        .await;
    assert_eq!(inspection.run.evaluation, Evaluation::TimedOut);
    assert_eq!(controls.calls.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn dropping_an_inspection_cancels_its_remaining_windows() {
    let (detector, controls) = detector(limits(1, 1));
    let theirs = Arc::clone(&detector);
    let task = tokio::spawn(async move { inspect(&theirs, &["wait", "a", "b", "c", "d"]).await });
    let controls = entered(controls).await;
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    controls.open.send(()).unwrap();
    assert_eq!(
        inspect(&detector, &["fine"]).await.run.evaluation,
        Evaluation::Scored
    );
    assert_eq!(controls.calls.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_short_text_overtakes_the_rest_of_a_long_one() {
    let (detector, controls) = detector(limits(2, 1));
    let theirs = Arc::clone(&detector);
    let long =
        tokio::spawn(
            async move { inspect(&theirs, &["wait", "a", "c", "d", "e", "wait b"]).await },
        );
    let controls = entered(controls).await;
    let theirs = Arc::clone(&detector);
    let short = tokio::spawn(async move { inspect(&theirs, &["fine"]).await });
    while detector.queued() < 2 {
        tokio::task::yield_now().await;
    }
    controls.open.send(()).unwrap();
    // The long one still has a closed gate before it.
    assert_eq!(short.await.unwrap().run.evaluation, Evaluation::Scored);
    assert!(!long.is_finished());
    controls.open.send(()).unwrap();
    assert_eq!(long.await.unwrap().run.evaluation, Evaluation::Scored);
}

#[tokio::test]
async fn several_backends_share_one_inspection() {
    let (words, controls) = words("words");
    let backends: Vec<Box<dyn Backend>> = vec![Box::new(words.clone()), Box::new(words)];
    let detector = ModelDetector::start(backends, limits(2, 1));
    let theirs = Arc::clone(&detector);
    let task = tokio::spawn(async move { inspect(&theirs, &["wait", "wait x"]).await });
    // Both gates are waited for at the same time, by a thread each.
    let controls = entered(entered(controls).await).await;
    for _ in 0..3 {
        controls.open.send(()).unwrap();
    }
    assert_eq!(task.await.unwrap().run.evaluation, Evaluation::Scored);
}

#[tokio::test]
async fn stopping_refuses_what_waits_and_ends_the_threads() {
    let (detector, controls) = detector(limits(4, 1));
    let first = detector.inspect(Arc::new(["wait".to_owned()]), soon());
    let second = detector.inspect(Arc::new(["fine".to_owned()]), soon());
    let (first, second) = (tokio::spawn(first), tokio::spawn(second));
    let controls = entered(controls).await;
    while detector.queued() < 2 {
        tokio::task::yield_now().await;
    }
    controls.open.send(()).unwrap();
    tokio::task::spawn_blocking(move || drop(detector))
        .await
        .unwrap();
    let second = second.await.unwrap().run.evaluation;
    assert!(
        second == skipped("stopped") || second == Evaluation::Scored,
        "{second:?}"
    );
    assert_eq!(first.await.unwrap().run.evaluation, Evaluation::Scored);
}

#[tokio::test]
async fn an_inspection_that_starts_after_the_stop_is_refused() {
    let (detector, _controls) = detector(limits(4, 1));
    let late = detector.inspect(Arc::new(["fine".to_owned()]), soon());
    drop(detector);
    assert_eq!(late.await.run.evaluation, skipped("stopped"));
}

#[tokio::test]
async fn a_detector_without_usable_backends_fails_every_inspection() {
    let none = ModelDetector::start(Vec::new(), Limits::default());
    assert_eq!(
        inspect(&none, &["fine"]).await.run.evaluation,
        failed("no backend")
    );
    let backends: Vec<Box<dyn Backend>> = vec![Box::new(words("a").0), Box::new(words("b").0)];
    let unlike = ModelDetector::start(backends, Limits::default());
    assert_eq!(
        inspect(&unlike, &["fine"]).await.run.evaluation,
        failed("backends differ")
    );
}
