//! A judge without a model, and a pump without a network.

use std::sync::{Arc, LazyLock};

use countersign_classifiers::PatternDetector;
use countersign_classifiers::view::{ViewLimits, views};
use countersign_record::Span;
use countersign_wire::{Dialect, Edit, Framing, Refusal, RefusalKind};
use serde_json::{Value, json};

use super::super::super::transcript::Stride;
use super::super::{Engine, Step};
use crate::limits::Limits;
use crate::route::StreamMode;

/// A dialect and the framing it streams in.
pub(super) type Kind = (Dialect, Framing);

/// What came of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Outcome {
    /// What the caller got, our comment left out.
    pub(super) released: Vec<u8>,
    /// Whether it ended in block frames.
    pub(super) denied: bool,
    /// Text released before the verdict that would have withheld it, in bytes.
    pub(super) exposed: u64,
    /// Everything that was read, channel by channel.
    pub(super) scanned: Vec<String>,
    /// What was judged together, in order.
    pub(super) strides: Vec<Vec<String>>,
    /// Why it could not be carried on.
    pub(super) fault: Option<String>,
}

struct Verdict {
    denied: bool,
    edits: Vec<Edit>,
    places: Vec<(usize, Span)>,
}

fn verdict(stride: &Stride) -> Verdict {
    static PATTERNS: LazyLock<PatternDetector> = LazyLock::new(PatternDetector::new);
    let mut verdict = Verdict {
        denied: false,
        edits: Vec::new(),
        places: Vec::new(),
    };
    for (channel, text) in stride.texts.iter().enumerate() {
        for (label, span) in found(&PATTERNS, text) {
            if label.starts_with("secret.") {
                verdict.denied = true;
                verdict.places.push((channel, span));
            } else {
                let replacement = format!("[redacted:{label}]");
                verdict.edits.push(Edit {
                    channel,
                    span,
                    replacement,
                });
            }
        }
    }
    verdict
}

/// What the patterns find in a text and in the views that take its disguise off, at its place in
/// the text.
fn found(patterns: &PatternDetector, text: &str) -> Vec<(String, Span)> {
    let mut all = patterns.find(text);
    for view in views(text, &ViewLimits::default()).list {
        let inside = patterns.find(&view.text).into_iter();
        all.extend(inside.map(|(label, span)| (label, view.to_original(span))));
    }
    all
}

/// Carries a stream that arrives in `chunks` to its end.
pub(super) fn carry<'c>(
    kind: Kind,
    mode: StreamMode,
    chunks: impl IntoIterator<Item = &'c [u8]>,
) -> Outcome {
    carry_with_glances(kind, mode, chunks, |_| false)
}

/// The same with a glance after the chunks that `glances` names.
pub(super) fn carry_with_glances<'c>(
    kind: Kind,
    mode: StreamMode,
    chunks: impl IntoIterator<Item = &'c [u8]>,
    glances: impl Fn(usize) -> bool,
) -> Outcome {
    static PATTERNS: LazyLock<Arc<PatternDetector>> = LazyLock::new(Arc::default);
    let mut engine = Engine::new(kind, mode, Arc::clone(&PATTERNS), &Limits::default());
    let mut outcome = Outcome::default();
    let mut ended = false;
    for (index, chunk) in chunks.into_iter().enumerate() {
        if let Err(fault) = engine.feed(chunk) {
            outcome.fault = Some(fault.to_string());
            return outcome;
        }
        ended = advance(&mut engine, &mut outcome);
        if !ended && glances(index) && engine.waits_for_a_look() {
            if let Some(glance) = engine.glance() {
                ended = judge(&mut engine, &mut outcome, &glance, false);
            }
            ended = ended || advance(&mut engine, &mut outcome);
        }
        if ended {
            break;
        }
    }
    if !ended && engine.feed_end().is_ok() {
        advance(&mut engine, &mut outcome);
    }
    if !outcome.denied && outcome.fault.is_none() {
        let look = engine.whole();
        if !judge(&mut engine, &mut outcome, &look, false) {
            let (before, terminal) = engine.drain();
            outcome.released.extend([before, terminal].concat());
        }
    }
    outcome.scanned = engine.whole().texts.to_vec();
    outcome
}

/// Steps until more bytes are needed; says whether the stream is over.
fn advance(engine: &mut Engine, outcome: &mut Outcome) -> bool {
    loop {
        match engine.step() {
            Ok(Step::Judge(stride)) => {
                if judge(engine, outcome, &stride, true) {
                    return true;
                }
            }
            Ok(Step::Release(bytes)) => outcome.released.extend(bytes),
            Ok(Step::Starved) => return false,
            Ok(Step::Ended) => return true,
            Err(fault) => {
                outcome.fault = Some(fault.to_string());
                return true;
            }
        }
    }
}

/// Says whether the judgement withholds.
fn judge(engine: &mut Engine, outcome: &mut Outcome, stride: &Stride, on_grid: bool) -> bool {
    if on_grid {
        outcome.strides.push(stride.texts.to_vec());
    }
    let verdict = verdict(stride);
    if !verdict.denied {
        let wary = stride.texts.iter().any(|text| text.contains("mill"));
        engine.judged(stride, verdict.edits, wary);
        return false;
    }
    outcome.denied = true;
    outcome.exposed = engine.exposed(stride, &verdict.places);
    let rules = vec!["no-secrets".to_owned()];
    let refusal = Refusal {
        kind: RefusalKind::Blocked { rules },
        message: "Withheld.",
        exchange: "exchange",
        policy: None,
    };
    outcome.released.extend(engine.block_frames(&refusal));
    true
}

fn event(data: &Value) -> String {
    format!("data: {data}\n\n")
}

fn named(data: &Value) -> String {
    format!("event: {}\n{}", data["type"].as_str().unwrap(), event(data))
}

fn line(data: &Value) -> String {
    format!("{data}\n")
}

fn chat(delta: &Value, finish: &Value) -> String {
    event(
        &json!({ "id": "chatcmpl-x", "object": "chat.completion.chunk", "model": "m",
        "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }] }),
    )
}

fn completion(text: &str, finish: &Value) -> String {
    event(
        &json!({ "id": "cmpl-x", "object": "text_completion", "model": "m",
        "choices": [{ "index": 0, "text": text, "finish_reason": finish }] }),
    )
}

fn candidate(text: &str, finish: Option<&str>) -> String {
    let mut candidate = json!({ "index": 0,
        "content": { "role": "model", "parts": [{ "text": text }] } });
    if let Some(reason) = finish {
        candidate["finishReason"] = reason.into();
    }
    event(&json!({ "candidates": [candidate], "modelVersion": "m" }))
}

/// A response's item as it is when it says `text` and nothing follows.
fn item(text: &str, status: &str) -> Value {
    json!({ "id": "msg_x", "type": "message", "role": "assistant", "status": status,
        "content": [{ "type": "output_text", "text": text, "annotations": [] }] })
}

fn response(kind: &str, output: &[Value]) -> String {
    named(
        &json!({ "type": kind, "response": { "id": "resp_x", "object": "response",
        "model": "m", "status": "in_progress", "output": output } }),
    )
}

/// What comes before the answer, and after it.
fn around(dialect: Dialect, text: &str) -> (String, String) {
    match dialect {
        Dialect::OpenAiChat => (
            chat(&json!({ "role": "assistant" }), &Value::Null),
            chat(&json!({}), &json!("stop")) + "data: [DONE]\n\n",
        ),
        Dialect::OpenAiCompletions => (
            String::new(),
            completion("", &json!("stop")) + "data: [DONE]\n\n",
        ),
        Dialect::OpenAiResponses => (
            response("response.created", &[]),
            // The API says the whole text three times more before it ends.
            named(
                &json!({ "type": "response.output_text.done", "item_id": "msg_x",
                "output_index": 0, "content_index": 0, "text": text }),
            ) + &named(
                &json!({ "type": "response.output_item.done", "output_index": 0,
                    "item": item(text, "completed") }),
            ) + &response("response.completed", &[item(text, "completed")]),
        ),
        Dialect::AnthropicMessages => (
            named(
                &json!({ "type": "message_start", "message": { "type": "message",
                "role": "assistant", "model": "m", "content": [] } }),
            ) + &named(&json!({ "type": "content_block_start", "index": 0,
                    "content_block": { "type": "text", "text": "" } })),
            named(&json!({ "type": "content_block_stop", "index": 0 }))
                + &named(&json!({ "type": "message_delta",
                    "delta": { "stop_reason": "end_turn" } }))
                + &named(&json!({ "type": "message_stop" })),
        ),
        Dialect::Gemini => (String::new(), candidate("", Some("STOP"))),
        Dialect::OllamaChat | Dialect::OllamaGenerate => (
            String::new(),
            line(&json!({ "model": "m", "done": true, "done_reason": "stop" })),
        ),
        _ => (String::new(), String::new()),
    }
}

fn delta(dialect: Dialect, text: &str) -> String {
    match dialect {
        Dialect::OpenAiChat => chat(&json!({ "content": text }), &Value::Null),
        Dialect::OpenAiCompletions => completion(text, &Value::Null),
        Dialect::OpenAiResponses => named(&json!({ "type": "response.output_text.delta",
            "item_id": "msg_x", "output_index": 0, "content_index": 0, "delta": text })),
        Dialect::AnthropicMessages => named(&json!({ "type": "content_block_delta", "index": 0,
            "delta": { "type": "text_delta", "text": text } })),
        Dialect::Gemini => candidate(text, None),
        Dialect::OllamaChat => line(&json!({ "model": "m", "done": false,
            "message": { "role": "assistant", "content": text } })),
        Dialect::OllamaGenerate => line(&json!({ "model": "m", "done": false, "response": text })),
        Dialect::KserveV2 => event(&json!({ "model_name": "m", "text_output": text })),
        _ => event(&json!({ "answer": text })),
    }
}

/// A whole stream of `dialect` whose answer comes in `pieces`.
pub(super) fn whole(dialect: Dialect, pieces: &[&str]) -> Vec<u8> {
    let (first, last) = around(dialect, &pieces.concat());
    let deltas = pieces.iter().map(|text| delta(dialect, text));
    let deltas: String = deltas.collect();
    [first, deltas, last].concat().into_bytes()
}

/// The framing in which `dialect` streams.
pub(super) fn framing(dialect: Dialect) -> Framing {
    match dialect {
        Dialect::OllamaChat | Dialect::OllamaGenerate => Framing::Lines,
        _ => Framing::Sse,
    }
}

/// Everything that `bytes` say of the answer, however often they say it; ids, types and the words
/// of block frames left out.
pub(super) fn answer(bytes: &[u8]) -> String {
    fn speech(value: &Value, key: &str, into: &mut String) {
        match value {
            Value::String(text) if SPEECH.contains(&key) => into.push_str(text),
            Value::Array(items) => items.iter().for_each(|item| speech(item, key, into)),
            Value::Object(members) => {
                members
                    .iter()
                    .for_each(|(key, value)| speech(value, key, into));
            }
            _ => {}
        }
    }
    let stream = String::from_utf8(bytes.to_vec()).unwrap();
    let mut all = String::new();
    for line in stream.lines() {
        let data = line.strip_prefix("data: ").unwrap_or(line);
        if let Ok(event) = serde_json::from_str::<Value>(data) {
            speech(&event, "", &mut all);
        }
    }
    all
}

const SPEECH: [&str; 7] = [
    "content",
    "text",
    "delta",
    "response",
    "text_output",
    "answer",
    "output",
];
