//! A model reads disguised texts through their views.

use std::sync::atomic::Ordering;
use std::time::Duration;

use countersign_classifiers::{Assessment, Inspector};
use countersign_record::{Evaluation, Score};

use super::words::{Controls, ppm};
use super::{detector, limits};

async fn assess(texts: &[&str]) -> (Assessment, Controls) {
    let (detector, controls) = detector(limits(4, 8));
    let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
    let assessment = Inspector::new(vec![detector])
        .inspect(texts.into(), Duration::from_mins(1))
        .await;
    (assessment, controls)
}

#[tokio::test]
async fn a_disguised_word_scores_as_the_word_and_is_named_where_it_stands() {
    for (text, place) in [
        ("this is b\u{200b}a\u{200b}d really", "b\u{200b}a\u{200b}d"),
        ("this is ｂａｄ really", "ｂａｄ"),
        ("this is bаd really", "bаd"),
        ("this is b%61d really", "b%61d"),
        ("this is &#98;ad really", "&#98;ad"),
        (
            "this is YWxsIHRoaXMgaXMgYmFkIHJlYWxseQ== really",
            "YWxsIHRoaXMgaXMgYmFkIHJlYWxseQ==",
        ),
    ] {
        let (assessment, _controls) = assess(&["all is well", text]).await;
        assert_eq!(assessment.score("badness"), Some(ppm(900_000)), "{text:?}");
        assert_eq!(assessment.score("nothing"), Some(Score::ZERO));
        let places: Vec<_> = assessment
            .spans
            .iter()
            .map(|s| (s.channel, text.get(s.span.start..s.span.end).unwrap()))
            .collect();
        assert_eq!(places, [(1, place)], "{text:?}");
    }
}

#[tokio::test]
async fn a_view_costs_only_the_windows_that_differ_in_it() {
    let (plain, controls) = assess(&["one two three four bad"]).await;
    let scored = controls.calls.load(Ordering::SeqCst);
    assert_eq!((scored, plain.runs[0].windows), (6, 6));
    let (wide, controls) = assess(&["one two three ｆｏｕｒ bad"]).await;
    // Each word is known but the wide one; so is no whole sentence.
    let scored = controls.calls.load(Ordering::SeqCst);
    assert_eq!((scored, wide.runs[0].windows), (6 + 2, 6 + 6));
    assert_eq!(wide.runs[1].windows, 1);
    let badness = &wide.labels[0];
    assert_eq!((badness.score, wide.spans.len()), (ppm(900_000), 1));
}

#[tokio::test]
async fn a_detector_that_fails_is_named_and_the_views_beside_it_are_not() {
    let (assessment, _controls) = assess(&["unplannable"]).await;
    assert_eq!(
        assessment.not_evaluated(),
        [("words".to_owned(), "no tokens".to_owned())]
    );
    assert_eq!(assessment.runs[1].evaluation, Evaluation::Scored);
}
