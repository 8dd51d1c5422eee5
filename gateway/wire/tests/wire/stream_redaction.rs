//! Events to frames: redaction, also across frames.

use countersign_record::Span;
use countersign_wire::{Dialect, Edit, Frame, Framing};
use proptest::prelude::*;
use serde_json::json;

use crate::recordings::{ALL, ANTHROPIC, OPENAI, channels, frames};
use crate::streams::{read, read_as};

pub(crate) fn rewritten(frames: &[Frame], edits: &[Edit]) -> String {
    String::from_utf8(frames.iter().flat_map(|f| f.rewritten(edits)).collect()).unwrap()
}

/// An edit for each place where `needle` is in a channel.
pub(crate) fn edits_for(frames: &[Frame], needle: &str) -> Vec<Edit> {
    let texts = channels(frames);
    let in_channel = |(channel, text): (usize, &String)| -> Vec<Edit> {
        text.match_indices(needle)
            .map(|(start, found)| Edit {
                channel,
                span: Span {
                    start,
                    end: start + found.len(),
                },
                replacement: "[redacted:card]".to_owned(),
            })
            .collect()
    };
    texts.iter().enumerate().flat_map(in_channel).collect()
}

#[test]
fn a_redaction_across_frames_leaves_nothing_of_its_span() {
    for (dialect, framing, recording) in ALL {
        let (frames, _) = frames(dialect, framing, recording);
        let edits = edits_for(&frames, "4111 1111 1111 1111");
        assert!(!edits.is_empty());
        let out = rewritten(&frames, &edits);
        assert!(!out.contains("1111"), "{out}");
        let again = read_as(dialect, framing, &out).unwrap();
        let texts = channels(&again).join("\n");
        // Where the text was said once more token by token, a token is empty in place of it.
        let said = texts.matches("[redacted:card]").count();
        assert!(said > 0 && said <= edits.len(), "{texts}");
        assert!(!texts.contains("4111"));
    }
}

#[test]
fn a_redacted_stream_says_otherwise_what_it_said() {
    let (before, _) = frames(Dialect::OpenAiChat, Framing::Sse, OPENAI);
    let out = rewritten(&before, &edits_for(&before, "4111 1111 1111 1111"));
    let texts = channels(&read(Dialect::OpenAiChat, &out).unwrap());
    assert!(
        texts
            .iter()
            .any(|t| t == "My card is [redacted:card], keep it."),
        "{texts:#?}"
    );
    assert!(
        texts.iter().any(|t| t == r#"{"to":"ann@example.com"}"#),
        "{texts:#?}"
    );
    assert!(out.contains(": OPENROUTER PROCESSING\n\n") && out.ends_with("data: [DONE]\n\n"));
    assert_eq!(
        out.matches("data: ").count(),
        OPENAI.matches("data: ").count()
    );
}

#[test]
fn a_redaction_inside_split_tool_arguments_leaves_json() {
    let (before, _) = frames(Dialect::OpenAiChat, Framing::Sse, OPENAI);
    let out = rewritten(&before, &edits_for(&before, "ann@example.com"));
    let texts = channels(&read(Dialect::OpenAiChat, &out).unwrap());
    let arguments = texts.iter().find(|t| t.starts_with("{\"to\"")).unwrap();
    assert_eq!(arguments, r#"{"to":"[redacted:card]"}"#);
    let (before, _) = frames(Dialect::AnthropicMessages, Framing::Sse, ANTHROPIC);
    let out = rewritten(&before, &edits_for(&before, "1111 1111 1111"));
    let texts = channels(&read(Dialect::AnthropicMessages, &out).unwrap());
    let arguments = texts.iter().find(|t| t.starts_with("{\"card\"")).unwrap();
    // One digit's escape was cut by the event boundary; it is completed to another character.
    assert_eq!(arguments, r#"{"card": "4111 =[redacted:card]"}"#);
}

#[test]
fn a_value_scanned_once_is_redacted_each_time() {
    let (before, _) = frames(Dialect::OpenAiChat, Framing::Sse, OPENAI);
    let out = rewritten(&before, &edits_for(&before, "fp_51db84afab"));
    assert!(!out.contains("fp_51"), "{out}");
    assert_eq!(
        out.matches("[redacted:card]").count(),
        OPENAI.matches("fp_51").count()
    );
}

#[test]
fn a_redacted_comment_or_name_is_left_out() {
    let stream = ": call 4111 now\nid: 9\nevent: n 4111\ndata: {\"a\":\"b\"}\n\n";
    let frames = read(Dialect::Raw, stream).unwrap();
    let out = rewritten(&frames, &edits_for(&frames, "4111"));
    assert_eq!(out, "id: 9\ndata: {\"a\":\"b\"}\n\n");
}

#[test]
fn plain_text_data_is_redacted_as_text() {
    let frames = read(Dialect::Raw, "data: call 4111\ndata: now\n\n").unwrap();
    let out = rewritten(&frames, &edits_for(&frames, "4111\nnow"));
    assert_eq!(out, "data: call [redacted:card]\n\n");
}

proptest! {
    #[test]
    fn a_text_redacted_anywhere_is_the_text_with_the_span_replaced(
        deltas in prop::collection::vec("[a-zé😀\"\\\\]{0,5}", 1..6),
        a in any::<prop::sample::Index>(),
        b in any::<prop::sample::Index>(),
    ) {
        let chunk = |t: &String| {
            format!("data: {}\n\n", json!({ "choices": [{ "index": 0, "delta": { "content": t } }] }))
        };
        let stream: String = deltas.iter().map(chunk).collect();
        let frames = read(Dialect::OpenAiChat, &stream).unwrap();
        let text = deltas.concat();
        let places: Vec<usize> = (0..=text.len()).filter(|i| text.is_char_boundary(*i)).collect();
        let (a, b) = (*a.get(&places), *b.get(&places));
        let span = Span { start: a.min(b), end: a.max(b) };
        let edit = Edit { channel: 0, span, replacement: "<\"X\">".to_owned() };
        let out = rewritten(&frames, &[edit]);
        let mut expected = text.clone();
        if span.start < span.end {
            expected.replace_range(span.start..span.end, "<\"X\">");
        }
        prop_assert_eq!(channels(&read(Dialect::OpenAiChat, &out).unwrap()).concat(), expected);
    }
}
