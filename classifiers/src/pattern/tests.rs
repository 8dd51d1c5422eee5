mod examples;

use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use self::examples::{FOUND, KEY_TEXT, QUIET};
use super::PatternDetector;
use crate::Detector;
use countersign_record::{Evaluation, Score};

fn find(text: &str) -> Vec<(String, String)> {
    let covered = |(label, span): (String, countersign_record::Span)| {
        (label, text[span.start..span.end].to_owned())
    };
    PatternDetector::new()
        .find(text)
        .into_iter()
        .map(covered)
        .collect()
}

#[test]
fn every_label_is_found_where_it_stands_and_nothing_else_is() {
    for (label, text, place) in FOUND {
        assert_eq!(
            find(text),
            [((*label).to_owned(), (*place).to_owned())],
            "in {text:?}"
        );
    }
}

#[test]
fn hashes_versions_dates_and_order_numbers_are_quiet() {
    for text in QUIET {
        assert_eq!(find(text), [], "in {text:?}");
    }
}

#[test]
fn a_private_key_that_the_text_cuts_off_is_found_as_far_as_it_goes() {
    let cut = &KEY_TEXT[..KEY_TEXT.len() - 50];
    assert_eq!(
        find(cut),
        [(
            "secret.private_key".to_owned(),
            cut["Here:\n".len()..].to_owned()
        )]
    );
}

#[test]
fn a_text_with_several_findings_yields_them_in_order_without_overlap() {
    let text = FOUND
        .iter()
        .map(|(_, text, _)| *text)
        .collect::<Vec<_>>()
        .join("\n");
    let found = PatternDetector::new().find(&text);
    assert_eq!(found.len(), FOUND.len(), "{found:?}");
    assert!(
        found
            .windows(2)
            .all(|pair| pair[0].1.end <= pair[1].1.start)
    );
}

/// For every split: what is released holds only whole matches that were already known then.
fn assert_never_released_in_part(text: &str) {
    let detector = PatternDetector::new();
    let whole = detector.find(text);
    for split in (0..=text.len()).filter(|at| text.is_char_boundary(*at)) {
        let prefix = &text[..split];
        let live = detector.live_from(prefix);
        assert!(prefix.is_char_boundary(live), "{live} in {prefix:?}");
        let known = detector.find(prefix);
        for found in whole.iter().filter(|(_, span)| span.start < live) {
            assert!(
                found.1.end <= live,
                "split at {split} releases a part of {found:?} in {text:?}"
            );
            assert!(
                known.contains(found),
                "split at {split}: {found:?} unknown in {text:?}"
            );
        }
    }
}

#[test]
fn no_split_of_a_known_example_releases_a_part_of_a_match() {
    for (_, text, _) in FOUND {
        assert_never_released_in_part(text);
        assert_never_released_in_part(&format!("Well, {text} And so on. {text}"));
    }
    for text in QUIET {
        assert_never_released_in_part(text);
    }
}

#[test]
fn a_long_token_is_not_released_before_it_ends() {
    let jwt = format!(
        "eyJ{}.eyJ{}.{}",
        "a1B2".repeat(200),
        "c3D4".repeat(300),
        "e5_-".repeat(100)
    );
    assert_never_released_in_part(&format!("token {jwt} end"));
    let body = "MIIEowIBAAKCAQEA2Z3qX2BTLS4e0aDvVq3w7TDkq83vEjRWeA".repeat(60);
    let key = format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----");
    let detector = PatternDetector::new();
    for split in (0..=key.len()).step_by(97) {
        assert_eq!(detector.live_from(&key[..split]), 0, "at {split}");
    }
    assert_eq!(detector.live_from(&format!("{key} ")), key.len() + 1);
}

#[test]
fn prose_is_held_for_no_more_than_its_last_word() {
    let prose = "Most texts hold nothing at all, in 2024 as before. Thus the hold must be short";
    let detector = PatternDetector::new();
    for split in 0..prose.len() {
        let prefix = &prose[..split];
        let word = prefix.rfind(' ').map_or(0, |at| at + 1);
        let held_number = prefix.ends_with("2024 ");
        assert!(
            held_number || detector.live_from(prefix) >= word,
            "at {split}"
        );
    }
    assert_eq!(detector.live_from("你好，世界"), "你好，世界".len());
}

#[test]
fn an_endless_word_or_number_is_held_for_512_bytes_only() {
    let detector = PatternDetector::new();
    for unit in [
        "a", "1", "1 ", "@", "-", "+", "(", "a.", "eyJ", "DE89", "4111 ",
    ] {
        let text = unit.repeat(20_000 / unit.len());
        let held = text.len() - detector.live_from(&text);
        assert!(held <= 512, "{held} bytes for {unit:?}");
    }
}

#[test]
fn hostile_texts_take_linear_time() {
    let detector = PatternDetector::new();
    for unit in [
        "eyJ.",
        "-----BEGIN PRIVATE KEY-----",
        "a@",
        "1 ",
        "sk-",
        "sk-ant-",
        "DE89 ",
        "(1",
        "+1 ",
        "1.",
        "a:",
        "-----END ",
        "xoxb-",
    ] {
        let text = unit.repeat(60_000 / unit.len());
        let began = Instant::now();
        detector.find(&text);
        detector.live_from(&text);
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "{unit:?}: {:?}",
            began.elapsed()
        );
    }
}

/// Pieces that rules are made of, so that random texts come near them.
fn piece() -> impl Strategy<Value = String> {
    let parts = prop::sample::select(vec![
        "+1",
        "415",
        "555",
        "0132",
        "4111",
        "1111",
        "-",
        " ",
        ".",
        ":",
        "@",
        "(",
        ")",
        "_",
        "/",
        "\n",
        "\u{a0}",
        "é",
        "界",
        "a",
        "Z",
        "sk-",
        "sk-ant-",
        "ghp_",
        "eyJ",
        "DE89",
        "3704 0044 0532 0130 00",
        "-----BEGIN ",
        "PRIVATE KEY",
        "-----",
        "-----END ",
        "MIIEowIBAAKCAQEA2Z3qX2BTLS4e0aDvVq3w7TDk",
        "example.com",
        "jane",
        "10.0.0.7",
        "2001:db8::1",
        "219-09-9999",
        "SSN ",
        "phone ",
        "AKIA",
        "IOSFODNN7EXAMPLE",
        "aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3x",
        "00",
        "7",
    ]);
    let example =
        prop::sample::select(FOUND.iter().map(|(_, _, place)| *place).collect::<Vec<_>>());
    prop_oneof![6 => parts.prop_map(str::to_owned), 1 => example.prop_map(str::to_owned)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_split_of_a_random_text_releases_a_part_of_a_match(
        pieces in prop::collection::vec(piece(), 1..12)
    ) {
        assert_never_released_in_part(&pieces.concat());
    }

    #[test]
    fn any_text_is_read_without_a_panic(text in "\\PC{0,200}") {
        let detector = PatternDetector::new();
        for (_, span) in detector.find(&text) {
            prop_assert!(text.get(span.start..span.end).is_some_and(|place| !place.is_empty()));
        }
        prop_assert!(text.is_char_boundary(detector.live_from(&text)));
    }
}

#[tokio::test]
async fn an_inspection_names_channel_label_and_place() {
    let detector = PatternDetector::new();
    let texts: Arc<[String]> = ["nothing", "mail a@b.example or c@d.example"]
        .map(str::to_owned)
        .into();
    let deadline = Instant::now() + Duration::from_mins(1);
    let inspection = detector.inspect(Arc::clone(&texts), deadline).await;
    assert_eq!(inspection.run.evaluation, Evaluation::Scored);
    assert_eq!(inspection.labels.len(), detector.labels().len());
    let email = inspection
        .labels
        .iter()
        .find(|l| l.label == "pii.email")
        .unwrap();
    assert_eq!((email.score, email.hits), (Score::MAX, 2));
    let places: Vec<_> = inspection
        .spans
        .iter()
        .map(|s| (s.channel, s.span.start))
        .collect();
    assert_eq!(places, [(1, 5), (1, 20)]);
    assert!(
        inspection
            .labels
            .iter()
            .all(|l| l.hits == 0 || l.label == "pii.email")
    );
}

#[tokio::test]
async fn a_large_inspection_finds_what_a_small_one_finds() {
    let text = format!("{} mail a@b.example", "word ".repeat(40_000));
    let deadline = Instant::now() + Duration::from_mins(1);
    let inspection = PatternDetector::new()
        .inspect(Arc::new([text]), deadline)
        .await;
    assert_eq!(inspection.run.evaluation, Evaluation::Scored);
    assert_eq!(inspection.spans.len(), 1);
}

#[tokio::test]
async fn an_inspection_after_its_deadline_is_timed_out() {
    let texts: Arc<[String]> = Arc::new(["a@b.example".to_owned()]);
    let inspection = PatternDetector::new().inspect(texts, Instant::now()).await;
    assert_eq!(inspection.run.evaluation, Evaluation::TimedOut);
}
