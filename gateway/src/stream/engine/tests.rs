//! The engine against a judge that can be understood at a glance: it denies credentials, redacts
//! personal data, and is wary of one word. What is checked is what the caller gets.

mod judge;
mod secrets;
mod splits;

use std::sync::Arc;

use countersign_classifiers::PatternDetector;
use countersign_wire::{Dialect, Framing};

use self::judge::{Outcome, carry, framing, whole};
use super::{Engine, Step, StreamFault};
use crate::limits::Limits;
use crate::route::StreamMode;

/// Every dialect that streams.
const DIALECTS: [Dialect; 9] = [
    Dialect::OpenAiChat,
    Dialect::OpenAiCompletions,
    Dialect::OpenAiResponses,
    Dialect::AnthropicMessages,
    Dialect::Gemini,
    Dialect::OllamaChat,
    Dialect::OllamaGenerate,
    Dialect::KserveV2,
    Dialect::Raw,
];
const PROSE: &str = "The river runs past the old mill, and in spring the meadow is under water. ";

fn engine(mode: StreamMode, limits: &Limits) -> Engine {
    let patterns = Arc::new(PatternDetector::new());
    Engine::new((Dialect::OpenAiChat, Framing::Sse), mode, patterns, limits)
}

fn chat(texts: &[&str]) -> Vec<u8> {
    whole(Dialect::OpenAiChat, texts)
}

fn carried(mode: StreamMode, bytes: &[u8]) -> Outcome {
    carry((Dialect::OpenAiChat, Framing::Sse), mode, [bytes])
}

/// Judges as harmless whatever is asked; gives the lengths of what was judged, and what left.
fn advance(engine: &mut Engine, wary: bool) -> (Vec<usize>, String) {
    let (mut lengths, mut out) = (Vec::new(), Vec::new());
    loop {
        match engine.step().unwrap() {
            Step::Judge(stride) => {
                lengths.push(stride.texts.iter().map(String::len).sum());
                engine.judged(&stride, Vec::new(), wary);
            }
            Step::Release(bytes) => out.extend(bytes),
            Step::Starved | Step::Ended => return (lengths, String::from_utf8(out).unwrap()),
        }
    }
}

#[test]
fn a_harmless_stream_leaves_byte_for_byte_in_every_mode() {
    let texts: Vec<&str> = PROSE.split_inclusive(' ').cycle().take(300).collect();
    for mode in [
        StreamMode::Hold,
        StreamMode::Optimistic,
        StreamMode::Buffer,
        StreamMode::Observe,
    ] {
        for dialect in DIALECTS {
            let stream = whole(dialect, &texts);
            let outcome = carry((dialect, framing(dialect)), mode, [stream.as_slice()]);
            assert!(!outcome.denied, "{mode:?}");
            assert_eq!(outcome.released, stream, "{mode:?}");
        }
    }
}

#[test]
fn a_buffered_stream_leaves_nothing_before_its_end() {
    let mut engine = engine(StreamMode::Buffer, &Limits::default());
    engine.feed(&chat(&[PROSE, PROSE])).unwrap();
    assert!(matches!(engine.step().unwrap(), Step::Ended));
}

#[test]
fn an_optimistic_stream_leaves_before_it_is_judged() {
    let mut engine = engine(StreamMode::Optimistic, &Limits::default());
    engine.feed(&chat(&[PROSE, PROSE])).unwrap();
    assert!(matches!(engine.step().unwrap(), Step::Release(_)));
}

#[test]
fn strides_grow_and_start_small_again_where_a_score_comes_near() {
    let texts: Vec<&str> = PROSE.split_inclusive(' ').cycle().take(600).collect();
    let strides = |wary: bool| {
        let mut engine = engine(StreamMode::Hold, &Limits::default());
        engine.feed(&chat(&texts)).unwrap();
        advance(&mut engine, wary).0
    };
    let (grown, wary) = (strides(false), strides(true));
    assert!(
        grown.len() < wary.len() / 4,
        "{} {}",
        grown.len(),
        wary.len()
    );
}

#[test]
fn a_glance_lets_settled_words_go_and_keeps_a_number_that_may_grow() {
    let mut engine = engine(StreamMode::Hold, &Limits::default());
    let stream = chat(&["Card: ", "4539 ", "5787 "]);
    let end = stream.len() - 200;
    engine.feed(&stream[..end]).unwrap();
    let (_, before) = advance(&mut engine, false);
    assert!(!before.contains("Card"), "{before}");
    assert!(engine.waits_for_a_look());
    let glance = engine.glance().unwrap();
    engine.judged(&glance, Vec::new(), false);
    let (_, out) = advance(&mut engine, false);
    assert!(out.contains("Card: ") && !out.contains("4539"), "{out}");
    assert!(engine.glance().is_none(), "nothing new has settled");
}

#[test]
fn what_an_optimistic_stream_exposed_is_counted_from_where_the_passage_began() {
    let before = PROSE.repeat(2);
    let stream = chat(&[&before, "Key: AKIAQ3EGXKZ7WLP5TVRN. ", PROSE, PROSE]);
    let outcome = carried(StreamMode::Optimistic, &stream);
    assert!(outcome.denied);
    let text = ["AKIAQ3EGXKZ7WLP5TVRN. ", PROSE].concat();
    assert_eq!(outcome.exposed, text.len() as u64, "{outcome:?}");
    assert_eq!(carried(StreamMode::Hold, &stream).exposed, 0);
}

#[test]
fn a_stride_says_which_passages_of_the_text_it_is() {
    let mut engine = engine(StreamMode::Hold, &Limits::default());
    let texts: Vec<&str> = PROSE.split_inclusive(' ').cycle().take(300).collect();
    engine.feed(&chat(&texts)).unwrap();
    let mut seen = Vec::new();
    loop {
        match engine.step().unwrap() {
            Step::Judge(stride) => {
                seen.push((stride.passages(), stride.texts.to_vec()));
                engine.judged(&stride, Vec::new(), false);
            }
            Step::Release(_) => {}
            Step::Starved | Step::Ended => break,
        }
    }
    assert!(seen.len() > 3, "{seen:?}");
    let whole = engine.whole();
    assert!(whole.passages().is_empty(), "all of it needs no telling");
    for (passages, texts) in seen {
        for (passage, text) in passages.iter().zip(texts) {
            let channel = &whole.texts[passage.channel as usize];
            let (start, end) = (passage.start as usize, passage.end as usize);
            assert_eq!(channel[start..end], text);
        }
    }
}

#[test]
fn a_stream_beyond_its_bounds_is_a_typed_fault() {
    let limits = Limits {
        stream_held_bytes_max: 500,
        ..Limits::default()
    };
    let mut held = engine(StreamMode::Buffer, &limits);
    held.feed(&chat(&[PROSE, PROSE, PROSE, PROSE])).unwrap();
    assert_eq!(held.step().unwrap_err(), StreamFault::Held { limit: 500 });

    let limits = Limits {
        body_bytes_max: 100,
        ..Limits::default()
    };
    let mut long = engine(StreamMode::Hold, &limits);
    let fault = long.feed(&chat(&[PROSE])).unwrap_err();
    assert_eq!(fault, StreamFault::TooLong { limit: 100 });
}
