use std::ops::Range;

use countersign_record::Span;
use proptest::prelude::*;

use super::{plan, span_of};

/// Words and punctuation marks as tokens, as a tokenizer for words would cut them.
fn tokens(text: &str) -> Vec<Span> {
    let mut tokens: Vec<Span> = Vec::new();
    let mut in_word = false;
    for (at, c) in text.char_indices() {
        let end = at + c.len_utf8();
        if c.is_alphanumeric() {
            match tokens.last_mut() {
                Some(token) if in_word => token.end = end,
                _ => tokens.push(Span { start: at, end }),
            }
        } else if !c.is_whitespace() {
            tokens.push(Span { start: at, end });
        }
        in_word = c.is_alphanumeric();
    }
    tokens
}

fn texts_of(text: &str, size: usize) -> Vec<String> {
    let offsets = tokens(text);
    let text_of = |window: &Range<usize>| {
        let span = span_of(&offsets, window);
        text[span.start..span.end].to_owned()
    };
    plan(text, &offsets, size).iter().map(text_of).collect()
}

#[test]
fn a_single_sentence_that_fits_is_one_window() {
    assert_eq!(
        texts_of("One short sentence, no more.", 126),
        ["One short sentence, no more."]
    );
    assert_eq!(texts_of("pi is 3.14 exactly", 126), ["pi is 3.14 exactly"]);
}

#[test]
fn a_text_without_tokens_has_no_window() {
    assert_eq!(texts_of("", 126), [""; 0]);
    assert_eq!(texts_of(" \n ", 126), [""; 0]);
}

#[test]
fn each_sentence_has_a_window_of_its_own_beside_the_context() {
    let windows = texts_of(
        "This is the first one. \"Here comes the second!\" And a third one\n",
        126,
    );
    assert_eq!(
        windows,
        [
            "This is the first one. \"Here comes the second!\" And a third one",
            "This is the first one.",
            "\"Here comes the second!\"",
            "And a third one",
        ]
    );
}

#[test]
fn a_sentence_keeps_its_window_wherever_it_stands() {
    let harmful = "Break the lock with this tool.";
    let filler = [
        "The sun rose over the hills.",
        "Yes.",
        "Two birds sang for an hour.",
        "No!",
    ];
    for at in 0..=filler.len() {
        let mut sentences = filler.to_vec();
        sentences.insert(at, harmful);
        let windows = texts_of(&sentences.join(" "), 126);
        assert!(
            windows.contains(&harmful.to_owned()),
            "at {at}: {windows:?}"
        );
    }
}

#[test]
fn short_sentences_are_read_with_a_neighbour() {
    let windows = texts_of("Yes. Kill him. This one is long enough. Now.", 126);
    assert!(
        windows.contains(&"Yes. Kill him.".to_owned()),
        "{windows:?}"
    );
    assert!(
        windows.contains(&"This one is long enough. Now.".to_owned()),
        "{windows:?}"
    );
}

#[test]
fn a_long_sentence_slides_with_half_an_overlap() {
    let windows = texts_of("a b c d e f g h i j", 4);
    assert_eq!(windows, ["a b c d", "c d e f", "e f g h", "g h i j"]);
}

#[test]
fn sentences_end_in_other_scripts_too() {
    let windows = texts_of("今 天 天 气 很 好。我 们 去 公 园。", 126);
    assert!(
        windows.contains(&"今 天 天 气 很 好。".to_owned()),
        "{windows:?}"
    );
    assert!(
        windows.contains(&"我 们 去 公 园。".to_owned()),
        "{windows:?}"
    );
}

proptest! {
    #[test]
    fn every_token_is_covered_and_no_window_is_too_large(
        text in "([a-z]{1,6}|[.!?;]|[ \\n]|。|é){0,400}", size in 1_usize..40
    ) {
        let offsets = tokens(&text);
        let windows = plan(&text, &offsets, size);
        let mut covered = vec![false; offsets.len()];
        for window in &windows {
            prop_assert!(!window.is_empty() && window.len() <= size);
            covered[window.clone()].fill(true);
        }
        prop_assert!(covered.into_iter().all(|c| c));
        let mut distinct: Vec<_> = windows.iter().map(|w| (w.start, w.end)).collect();
        distinct.sort_unstable();
        distinct.dedup();
        prop_assert_eq!(distinct.len(), windows.len());
    }

    #[test]
    fn a_sentence_that_fits_is_read_alone_in_any_surroundings(
        before in "([a-z]{1,6} ){0,30}", after in "([a-z]{1,6}[ .!]){0,30}"
    ) {
        let sentence = "take the knife and run.";
        let text = format!("{before}. {sentence} {after}");
        prop_assert!(texts_of(&text, 16).contains(&sentence.to_owned()));
    }
}
