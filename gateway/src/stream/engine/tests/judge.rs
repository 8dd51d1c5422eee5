//! A judge without a model, and a pump without a network.

use std::sync::{Arc, LazyLock};

use countersign_classifiers::PatternDetector;
use countersign_record::Span;
use countersign_wire::{Dialect, Edit, Refusal, RefusalKind};
use serde_json::{Value, json};

use super::super::super::transcript::Stride;
use super::super::{Engine, Step};
use crate::limits::Limits;
use crate::route::StreamMode;

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
        for (label, span) in PATTERNS.find(text) {
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

/// Carries a stream that arrives in `chunks` to its end.
pub(super) fn carry<'c>(
    dialect: Dialect,
    mode: StreamMode,
    chunks: impl IntoIterator<Item = &'c [u8]>,
) -> Outcome {
    carry_with_glances(dialect, mode, chunks, |_| false)
}

/// The same with a glance after the chunks that `glances` names.
pub(super) fn carry_with_glances<'c>(
    dialect: Dialect,
    mode: StreamMode,
    chunks: impl IntoIterator<Item = &'c [u8]>,
    glances: impl Fn(usize) -> bool,
) -> Outcome {
    static PATTERNS: LazyLock<Arc<PatternDetector>> = LazyLock::new(Arc::default);
    let mut engine = Engine::new(dialect, mode, Arc::clone(&PATTERNS), &Limits::default());
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

fn chunk(delta: &Value, finish: &Value) -> String {
    event(
        &json!({ "id": "chatcmpl-x", "object": "chat.completion.chunk", "model": "m",
        "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }] }),
    )
}

/// A whole stream of `dialect` whose answer comes in `pieces`.
pub(super) fn whole(dialect: Dialect, pieces: &[&str]) -> Vec<u8> {
    let (first, last): (String, String) = match dialect {
        Dialect::OpenAiChat => (
            chunk(&json!({ "role": "assistant" }), &Value::Null),
            chunk(&json!({}), &json!("stop")) + "data: [DONE]\n\n",
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
        _ => (String::new(), String::new()),
    };
    let deltas = pieces.iter().map(|text| match dialect {
        Dialect::OpenAiChat => chunk(&json!({ "content": text }), &Value::Null),
        Dialect::AnthropicMessages => named(&json!({ "type": "content_block_delta", "index": 0,
            "delta": { "type": "text_delta", "text": text } })),
        _ => event(&json!({ "answer": text })),
    });
    let deltas: String = deltas.collect();
    [first, deltas, last].concat().into_bytes()
}

/// The text of the answer in `bytes`, as a client puts it together; block frames have none.
pub(super) fn answer(dialect: Dialect, bytes: &[u8]) -> String {
    let stream = String::from_utf8(bytes.to_vec()).unwrap();
    let events = stream.lines().filter_map(|l| l.strip_prefix("data: "));
    let texts = events.filter_map(|data| {
        let event: Value = serde_json::from_str(data).ok()?;
        let text = match dialect {
            Dialect::OpenAiChat => &event["choices"][0]["delta"]["content"],
            Dialect::AnthropicMessages => &event["delta"]["text"],
            _ => &event["answer"],
        };
        text.as_str().map(str::to_owned)
    });
    texts.collect()
}
