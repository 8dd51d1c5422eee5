//! Disguised texts: found, named where they stand, held back while they grow; and harmless texts
//! left alone.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod benign;
mod disguise;
mod growing;

use std::sync::Arc;
use std::time::Duration;

use countersign_classifiers::view::ViewLimits;
use countersign_classifiers::{Assessment, Inspector, PatternDetector};
use countersign_record::{Evaluation, Score, Span};

use self::disguise::{DISGUISES, base64};

pub(crate) const SECRETS: [(&str, &str); 3] = [
    ("pii.card", "4111111111111111"),
    ("secret.aws_access_key", "AKIAIOSFODNN7EXAMPLE"),
    ("pii.email", "jane.doe@example.com"),
];

pub(crate) async fn inspect(texts: &[&str]) -> Assessment {
    inspect_within(texts, ViewLimits::default()).await
}

async fn inspect_within(texts: &[&str], limits: ViewLimits) -> Assessment {
    let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
    Inspector::with_limits(vec![Arc::new(PatternDetector::new())], limits)
        .inspect(texts.into(), Duration::from_mins(1))
        .await
}

/// Texts with a disguised secret: what it is, its label, the text, and where it stands.
pub(crate) fn disguised() -> Vec<(String, &'static str, String, Span)> {
    let mut texts = Vec::new();
    for (way, disguise) in DISGUISES {
        for (label, secret) in SECRETS {
            let Some(written) = disguise(secret) else {
                continue;
            };
            let start = "Take this: ".len();
            let span = Span {
                start,
                end: start + written.len(),
            };
            let text = format!("Take this: {written}, and go on.");
            texts.push((format!("{label} as {way}"), label, text, span));
        }
    }
    texts
}

#[tokio::test]
async fn every_disguise_of_every_secret_is_found_and_named_where_it_stands() {
    for (what, label, text, place) in disguised() {
        let assessment = inspect(&["nothing here", &text]).await;
        assert_eq!(
            assessment.score(label),
            Some(Score::MAX),
            "{what}: {text:?}"
        );
        let places: Vec<_> = assessment
            .spans
            .iter()
            .filter(|s| s.label == label)
            .map(|s| (s.channel, s.span.start..s.span.end))
            .collect();
        assert!(!places.is_empty(), "{what}");
        for (channel, span) in places {
            assert_eq!(channel, 1, "{what}");
            // A stroke after the last character may stay.
            let rest = text.get(span.end..place.end).unwrap();
            assert_eq!(span.start, place.start, "{what}: {text:?}");
            assert!(
                rest.chars().all(|c| c == '\u{336}'),
                "{what}: {rest:?} stays"
            );
            assert!(span.end <= place.end, "{what}: {text:?}");
        }
    }
}

#[tokio::test]
async fn what_several_readings_name_counts_once() {
    let text = "jane.doe@example.com, and in full width ｊａｎｅ＠example.com";
    let assessment = inspect(&[text]).await;
    let spans: Vec<&str> = assessment
        .spans
        .iter()
        .map(|s| text.get(s.span.start..s.span.end).unwrap())
        .collect();
    assert_eq!(spans, ["jane.doe@example.com", "ｊａｎｅ＠example.com"]);
    let email = assessment.labels.iter().find(|l| l.label == "pii.email");
    assert_eq!(email.unwrap().hits, 2);
}

#[tokio::test]
async fn a_text_as_it_stands_is_read_once_and_the_record_names_the_views_in_force() {
    let assessment = inspect(&["mail jane.doe@example.com", "and nothing"]).await;
    let [patterns, views] = assessment.runs.as_slice() else {
        panic!("two runs")
    };
    assert_eq!(patterns.windows, 2);
    assert_eq!(views.detector.id, "countersign-views");
    assert!(views.detector.digest.starts_with("sha256:"));
    assert_eq!((&views.evaluation, views.windows), (&Evaluation::Scored, 0));
}

#[tokio::test]
async fn a_view_that_a_bound_keeps_from_being_made_is_told() {
    let deep = (0..4).fold("harmless words in plain text".to_owned(), |text, _| {
        base64(&text, true)
    });
    let much = "several kilobytes of harmless text, ".repeat(3000);
    let many = ViewLimits {
        views_max: 0,
        ..ViewLimits::default()
    };
    let small = ViewLimits {
        memory_max: 100,
        ..ViewLimits::default()
    };
    let wide = "ｆｕｌｌ ｗｉｄｔｈ ｔｅｘｔ ".repeat(20);
    for (what, text, limits) in [
        ("four encodings", deep, ViewLimits::default()),
        (
            "too much decoded",
            base64(&much, true),
            ViewLimits::default(),
        ),
        ("too many views", "%41".to_owned(), many),
        ("too much memory", wide, small),
    ] {
        let assessment = inspect_within(&[&text], limits).await;
        let expected = ("countersign-views".to_owned(), "views_limit".to_owned());
        assert_eq!(assessment.not_evaluated(), [expected], "{what}");
    }
    let three = (0..3).fold("harmless words in plain text".to_owned(), |text, _| {
        base64(&text, true)
    });
    assert_eq!(inspect(&[&three]).await.not_evaluated(), []);
}

#[tokio::test]
async fn a_secret_in_a_large_text_is_found_too() {
    let (before, after) = (
        "Words and words. ".repeat(20_000),
        " more words".repeat(5_000),
    );
    let text = format!("{before}４１１１ １１１１ １１１１ １１１１{after}");
    let assessment = inspect(&[&text]).await;
    assert_eq!(assessment.not_evaluated(), []);
    let [found] = assessment.spans.as_slice() else {
        panic!("one place: {:?}", assessment.spans)
    };
    assert_eq!(
        text.get(found.span.start..found.span.end),
        Some("４１１１ １１１１ １１１１ １１１１")
    );
}
