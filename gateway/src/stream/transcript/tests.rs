use bytes::Bytes;
use countersign_classifiers::PatternDetector;
use countersign_record::Span;
use countersign_wire::{Dialect, Edit, Framing, Limits, StreamEvent, StreamReader};
use serde_json::json;

use super::Transcript;

fn chunk(text: &str) -> StreamEvent {
    let data = json!({ "choices": [{ "index": 0, "delta": { "content": text } }] }).to_string();
    StreamEvent {
        raw: Bytes::from(format!("data: {data}\n\n")),
        event: None,
        data,
    }
}

fn transcript(reader: &mut StreamReader, texts: &[&str]) -> Transcript {
    let mut transcript = Transcript::new();
    for text in texts {
        transcript.take_in(reader.read(chunk(text)).unwrap());
    }
    transcript
}

fn released(transcript: &mut Transcript) -> String {
    let patterns = PatternDetector::new();
    let frames = transcript.releasable(|text| patterns.live_from(text));
    frames
        .into_iter()
        .map(|(_, bytes)| String::from_utf8(bytes).unwrap())
        .collect()
}

#[test]
fn nothing_leaves_before_it_is_judged() {
    let mut reader = StreamReader::new(Dialect::OpenAiChat, Framing::Sse, &Limits::default());
    let mut transcript = transcript(&mut reader, &["Good ", "morning ", "to you. "]);
    assert_eq!(released(&mut transcript), "");
    transcript.judged([]);
    assert!(released(&mut transcript).contains("morning"));
    assert_eq!(transcript.held_bytes(), 0);
}

#[test]
fn a_card_number_in_the_making_is_held_back_although_it_is_judged() {
    let mut reader = StreamReader::new(Dialect::OpenAiChat, Framing::Sse, &Limits::default());
    let mut transcript = transcript(&mut reader, &["The card is ", "4111 1111 ", "1111"]);
    transcript.judged([]);
    let out = released(&mut transcript);
    assert!(out.contains("The card"), "{out}");
    assert!(!out.contains("4111"), "{out}");
}

#[test]
fn an_edit_of_a_stride_lands_at_its_place_in_the_whole_channel() {
    let mut reader = StreamReader::new(Dialect::OpenAiChat, Framing::Sse, &Limits::default());
    let filler = "word ".repeat(300);
    let mut transcript = transcript(&mut reader, &[&filler]);
    transcript.judged([]);
    transcript.take_in(reader.read(chunk("secret end. ")).unwrap());
    let stride = transcript.next_stride();
    let (channel, text) = stride
        .texts
        .iter()
        .enumerate()
        .find(|(_, text)| text.contains("secret"))
        .unwrap();
    let start = text.find("secret").unwrap();
    let span = Span {
        start,
        end: start + 6,
    };
    let edit = stride
        .locate(Edit {
            channel,
            span,
            replacement: "[x]".to_owned(),
        })
        .unwrap();
    assert_eq!(edit.span.start, filler.len());
    transcript.judged([edit]);
    let (before, terminal) = transcript.drain();
    let out = String::from_utf8(before).unwrap();
    assert!(
        out.contains("[x] end. ") && !out.contains("secret"),
        "{out}"
    );
    assert!(terminal.is_empty());
}
