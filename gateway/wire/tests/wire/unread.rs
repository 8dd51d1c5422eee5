//! What no detector reads is listed, and what only looks so is read.

use countersign_record::Unscanned;
use countersign_wire::{Dialect, Document, Framing, Limits};
use serde_json::{Value, json};

use crate::canaries::{BODIES, document};
use crate::recordings::{GEMINI, LOGPROBS, channels, frames};
use crate::splitting::edits;

fn listed(document: &Document) -> Vec<(&str, &str)> {
    document
        .unscanned()
        .iter()
        .map(|u| (u.reason.as_str(), u.kind.as_str()))
        .collect()
}

fn body(stem: &str) -> Document {
    let (dialect, _, body) = BODIES.into_iter().find(|(_, s, _)| *s == stem).unwrap();
    Document::parse(body.into(), dialect, &Limits::default()).unwrap()
}

#[test]
fn media_and_references_of_every_dialect_are_listed_in_order() {
    let (media, reference) = ("media_type", "media_reference");
    let table: [(&str, &[(&str, &str)]); 8] = [
        (
            "openai_chat.request",
            &[
                (reference, "image"),
                (media, "image/png"),
                (media, "audio/wav"),
                (media, "application/pdf"),
                (reference, "file"),
            ],
        ),
        ("openai_chat.response", &[(media, "audio/unknown")]),
        (
            "openai_responses.request",
            &[
                (media, "image/png"),
                (reference, "image"),
                (media, "application/pdf"),
                (reference, "file"),
                (reference, "file"),
            ],
        ),
        ("openai_moderations.request", &[(reference, "image")]),
        (
            "anthropic_messages.request",
            &[
                (media, "image/png"),
                (reference, "remote"),
                (media, "application/pdf"),
                (reference, "file"),
            ],
        ),
        (
            "gemini.request",
            &[(media, "image/png"), (reference, "video/mp4")],
        ),
        ("ollama_chat.request", &[(media, "image/unknown")]),
        (
            "ollama_generate.request",
            &[(media, "image/unknown"), ("token_ids", "context")],
        ),
    ];
    for (stem, expected) in table {
        assert_eq!(listed(&body(stem)), expected, "{stem}");
    }
}

#[test]
fn references_are_text_all_the_same() {
    let texts = body("gemini.request");
    let seen = |text: &str| texts.texts().iter().any(|t| t == text);
    assert!(seen("https://example.com/f.mp4"));
}

#[test]
fn base64_that_holds_text_is_text_and_is_redacted_as_text() {
    let note = "the note says hi";
    let data = "dGhlIG5vdGUgc2F5cyBoaQ==";
    let table: [(Dialect, Value); 4] = [
        (
            Dialect::Gemini,
            json!({ "inlineData": { "mimeType": "text/plain", "data": data } }),
        ),
        (Dialect::KserveV1, json!({ "instances": [{ "b64": data }] })),
        (
            Dialect::AnthropicMessages,
            json!({ "source": { "type": "base64",
            "media_type": "text/csv; charset=utf-8", "data": data } }),
        ),
        (
            Dialect::OpenAiResponses,
            json!({ "file_data": format!("data:text/plain;base64,{data}") }),
        ),
    ];
    for (dialect, body) in table {
        let document = document(dialect, &body);
        assert!(document.unscanned().is_empty(), "{body}");
        let text = document.texts().iter().find(|t| t.contains(note));
        assert!(text.is_some(), "{body}");
        let redacted = document.redacted(&edits(document.texts(), "note says"));
        let again = Document::parse(redacted.into(), dialect, &Limits::default()).unwrap();
        let said = again.texts().iter().find(|t| t.contains("the [gone] hi"));
        assert!(said.is_some(), "{:?}", again.texts());
    }
}

#[test]
fn base64_that_holds_no_text_is_media_whatever_it_claims() {
    let body = json!({ "inlineData": { "mimeType": "text/plain", "data": "/+8=" } });
    assert_eq!(
        listed(&document(Dialect::Gemini, &body)),
        [("media_type", "text/plain")]
    );
    let body = json!({ "instances": [{ "b64": "/+8=" }] });
    assert_eq!(
        listed(&document(Dialect::KserveV1, &body)),
        [("media_type", "text/unknown")]
    );
}

#[test]
fn a_list_of_images_is_media_only_where_the_dialect_says_so() {
    let body = json!({ "images": ["killthemall"] });
    let words = |dialect| document(dialect, &body).texts().len();
    assert_eq!(words(Dialect::OllamaChat), 0);
    assert_eq!(words(Dialect::OpenAiChat), 2);
    assert_eq!(words(Dialect::Raw), 2);
    let text = json!({ "images": ["kill them all"] });
    assert_eq!(
        document(Dialect::OllamaChat, &text).texts(),
        ["kill them all"]
    );
}

#[test]
fn text_as_token_ids_is_listed_and_numbers_elsewhere_are_numbers() {
    let table = [
        (Dialect::OpenAiCompletions, json!({ "prompt": [1, 2] }), 1),
        (
            Dialect::OpenAiCompletions,
            json!({ "prompt": [[1, 2], [3]] }),
            1,
        ),
        (Dialect::OpenAiEmbeddings, json!({ "input": [1, 2] }), 1),
        (Dialect::OpenAiEmbeddings, json!({ "input": ["one"] }), 0),
        (Dialect::KserveV1, json!({ "input": [1, 2] }), 0),
        (Dialect::Raw, json!({ "prompt": [1, 2] }), 0),
    ];
    for (dialect, body, count) in table {
        assert_eq!(listed(&document(dialect, &body)).len(), count, "{body}");
    }
}

#[test]
fn token_ids_of_an_answer_go_when_any_of_its_text_does() {
    let answer = body("ollama_generate.response");
    assert!(answer.unscanned().is_empty());
    let redacted = answer.redacted(&edits(answer.texts(), "4111 1111 1111 1111"));
    let redacted: Value = serde_json::from_slice(&redacted).unwrap();
    assert_eq!(redacted["response"], "It is [gone]");
    assert!(redacted["context"].is_null());
    let kept: Value = serde_json::from_slice(&answer.redacted(&[])).unwrap();
    assert_eq!(kept["context"], json!([1, 2, 3]));
}

#[test]
fn media_in_a_stream_are_listed_with_their_event() {
    for (dialect, recording, kind) in [
        (Dialect::OpenAiChat, LOGPROBS, "audio/unknown"),
        (Dialect::Gemini, GEMINI, "image/png"),
    ] {
        let (frames, _) = frames(dialect, Framing::Sse, recording);
        let unread: Vec<&Unscanned> = frames.iter().flat_map(|f| &f.unscanned).collect();
        assert_eq!(unread.len(), 1);
        assert_eq!((&*unread[0].reason, &*unread[0].kind), ("media_type", kind));
        let texts = channels(&frames).concat();
        assert!(!texts.contains("UklGR") && !texts.contains("iVBOR"));
    }
}

#[test]
fn the_tokens_of_a_whole_answer_are_one_text_and_go_with_its_redaction() {
    for stem in [
        "openai_chat.response",
        "openai_completions.response",
        "openai_responses.response",
    ] {
        let answer = body(stem);
        let redacted = answer.redacted(&edits(answer.texts(), "4111 1111 1111 1111"));
        let redacted = String::from_utf8(redacted).unwrap();
        assert!(redacted.contains("[gone]"), "{stem}");
        assert!(
            !redacted.contains("\" 1111\"") && !redacted.contains("\" 4111\""),
            "{redacted}"
        );
        let packed = redacted.replace([' ', '\n'], "");
        assert!(!packed.contains("49,49,49"), "{stem}: {redacted}");
    }
}

#[test]
fn the_keys_around_a_redacted_token_stay() {
    let body = json!([{ "token": "secret", "logprob": -1, "bytes": [115] }]);
    let document = document(Dialect::Raw, &body);
    let redacted = document.redacted(&edits(document.texts(), "secret"));
    let expected = br#"[{"token":"[gone]","logprob":-1,"bytes":null}]"#;
    assert_eq!(redacted, expected);
}

#[test]
fn tokens_inside_tokens_cost_no_more_than_they_send() {
    let mut inner = json!(vec!["some text"; 2000]);
    for _ in 0..50 {
        inner = json!({ "token": "a", "bytes": [97], "x": inner,
            "chosenCandidates": [{ "a": 1 }], "topCandidates": [{ "b": 1 }] });
    }
    let body = inner.to_string();
    let started = std::time::Instant::now();
    let document = document(Dialect::OpenAiChat, &inner);
    let all = edits(document.texts(), "a");
    assert!(document.redacted(&all).len() < 2 * body.len());
    assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
}
