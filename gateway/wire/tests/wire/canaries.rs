//! A canary in any string of any body or event is in a text that the detectors get.

use bytes::Bytes;
use countersign_wire::{Dialect, Document, Frame, Framing, Limits, StreamEvent};
use serde_json::{Value, json};

use crate::recordings::{ALL, channels, decode, reader};
use crate::values::{byte_paths, string_paths};

/// Not base64, and with characters that JSON escapes.
const CANARY: &str = "the canary \"sings\" né 😀";

macro_rules! bodies {
    ($($dialect:ident $stem:literal),+ $(,)?) => {
        [$((
            Dialect::$dialect,
            $stem,
            include_str!(concat!("bodies/", $stem, ".json")),
        )),+]
    };
}

pub(crate) const BODIES: [(Dialect, &str, &str); 29] = bodies![
    OpenAiChat "openai_chat.request",
    OpenAiChat "openai_chat.response",
    OpenAiCompletions "openai_completions.request",
    OpenAiCompletions "openai_completions.response",
    OpenAiResponses "openai_responses.request",
    OpenAiResponses "openai_responses.response",
    OpenAiEmbeddings "openai_embeddings.request",
    OpenAiEmbeddings "openai_embeddings.response",
    OpenAiModerations "openai_moderations.request",
    OpenAiModerations "openai_moderations.response",
    AnthropicMessages "anthropic_messages.request",
    AnthropicMessages "anthropic_messages.response",
    AnthropicCountTokens "anthropic_count_tokens.request",
    AnthropicCountTokens "anthropic_count_tokens.response",
    AnthropicBatches "anthropic_batches.request",
    AnthropicBatches "anthropic_batches.response",
    Gemini "gemini.request",
    Gemini "gemini.response",
    Gemini "gemini_stream_array",
    OllamaChat "ollama_chat.request",
    OllamaChat "ollama_chat.response",
    OllamaGenerate "ollama_generate.request",
    OllamaGenerate "ollama_generate.response",
    KserveV1 "kserve_v1.request",
    KserveV1 "kserve_v1.response",
    KserveV2 "kserve_v2.request",
    KserveV2 "kserve_v2.response",
    Raw "raw.request",
    Raw "raw.response",
];

pub(crate) fn document(dialect: Dialect, body: &Value) -> Document {
    let bytes = Bytes::from(body.to_string());
    Document::parse(bytes, dialect, &Limits::default()).unwrap()
}

/// `value` with a canary at `path`: in place of the string or after it, or spelt by the numbers.
fn planted(value: &Value, path: &str, after: bool) -> Value {
    let mut value = value.clone();
    let place = value.pointer_mut(path).unwrap();
    *place = match place.as_str() {
        Some(old) if after => format!("{old} {CANARY}").into(),
        Some(_) => CANARY.into(),
        None => json!(CANARY.as_bytes()),
    };
    value
}

fn paths(value: &Value) -> Vec<String> {
    let mut paths = Vec::new();
    string_paths(value, "", &mut paths);
    byte_paths(value, "", &mut paths);
    paths
}

#[test]
fn a_canary_in_any_string_of_any_body_of_any_dialect_is_seen_and_can_be_redacted() {
    let mut tried = 0;
    for (dialect, stem, body) in BODIES {
        let body: Value = serde_json::from_str(body).unwrap();
        for path in paths(&body) {
            for after in [false, true] {
                let document = document(dialect, &planted(&body, &path, after));
                let texts = document.texts();
                let seen: Vec<usize> = (0..texts.len())
                    .filter(|i| texts[*i].contains(CANARY))
                    .collect();
                assert_eq!(seen.len(), 1, "{stem} {path}: {texts:#?}");
                let redacted = document.redacted(&crate::splitting::edits(texts, CANARY));
                let redacted = Document::parse(redacted.into(), dialect, &Limits::default());
                let left = redacted.unwrap();
                assert!(
                    !left.texts().iter().any(|t| t.contains("canary")),
                    "{stem} {path}"
                );
                tried += 1;
            }
        }
    }
    assert!(tried > 1000, "{tried}");
}

#[test]
fn a_canary_in_any_key_of_any_body_is_seen() {
    for (dialect, stem, body) in BODIES {
        let body: Value = serde_json::from_str(body).unwrap();
        let mut objects = Vec::new();
        crate::values::object_paths(&body, "", &mut objects);
        for path in objects {
            let mut body = body.clone();
            let object = body.pointer_mut(&path).unwrap().as_object_mut().unwrap();
            object.insert(CANARY.to_owned(), json!(1));
            let seen = document(dialect, &body).texts().iter().any(|t| t == CANARY);
            assert!(seen, "{stem} {path}");
        }
    }
}

/// The frames of a recording with the data of one event replaced.
fn frames_with(
    dialect: Dialect,
    framing: Framing,
    events: &[StreamEvent],
    (nth, data): (usize, &Value),
) -> Vec<Frame> {
    let mut reader = reader(dialect, framing);
    let mut events = events[..=nth].to_vec();
    events[nth].data = data.to_string();
    let read = |event| reader.read(event).unwrap();
    events.into_iter().map(read).collect()
}

#[test]
fn a_canary_in_any_string_of_any_event_of_any_dialect_is_seen() {
    let mut tried = 0;
    for (dialect, framing, recording) in ALL {
        let events = decode(framing, [recording.as_bytes()]).unwrap();
        for (nth, event) in events.iter().enumerate() {
            let Ok(data) = serde_json::from_str::<Value>(&event.data) else {
                continue;
            };
            for path in paths(&data) {
                for after in [false, true] {
                    let data = planted(&data, &path, after);
                    let frames = frames_with(dialect, framing, &events, (nth, &data));
                    let seen = channels(&frames).iter().any(|t| t.contains(CANARY));
                    // What follows the end is not forwarded.
                    let forwarded = !frames[nth].bytes().is_empty();
                    assert!(seen || !forwarded, "{dialect:?} event {nth} {path}");
                    tried += usize::from(forwarded);
                }
            }
        }
    }
    println!("{tried} canaries");
    assert!(tried > 1600, "{tried}");
}

#[test]
fn a_gemini_stream_that_comes_as_one_array_says_what_its_events_say() {
    let array = include_str!("bodies/gemini_stream_array.json");
    let document = Document::parse(array.into(), Dialect::Gemini, &Limits::default()).unwrap();
    assert_eq!(document.finish().as_deref(), Some("STOP"));
    assert_eq!(document.model(), Some("gemini-2.5-flash"));
    assert_eq!(document.usage().unwrap().output_tokens, 17);
    assert!(document.texts().iter().any(|t| t == "The card"));
}
