//! Events of the messages API.

use countersign_record::Usage;
use serde_json::{Value, json};

use crate::Refusal;
use crate::frame::Frame;
use crate::json::Node;
use crate::progress::{Heard, Mark, Progress};

/// Notes what an event says of the message as a whole.
pub(crate) fn note(heard: &mut Heard, event: &Node, frame: &mut Frame) {
    let index = event.number_at("index");
    match event.text_at("type").unwrap_or_default() {
        "message_start" => {
            frame.marks.push(Mark::Start);
            if let Some(message) = event.get("message") {
                if heard.id.is_none() {
                    heard.id = message.text_at("id").map(str::to_owned);
                }
                if heard.model.is_none() {
                    heard.model_from(message);
                }
                add_usage(heard, message.get("usage"));
            }
        }
        "content_block_start" | "content_block_delta" => {
            frame.marks.extend(index.map(Mark::Touch));
        }
        "content_block_stop" => frame.marks.extend(index.map(Mark::Close)),
        "message_delta" => {
            if let Some(reason) = event.get("delta").and_then(|d| d.text_at("stop_reason")) {
                heard.finish = Some(reason.to_owned());
            }
            add_usage(heard, event.get("usage"));
        }
        "message_stop" => frame.terminal = true,
        "error" => {
            heard.error();
            frame.terminal = true;
        }
        _ => {}
    }
}

/// Later events state totals, and may leave the input out.
fn add_usage(heard: &mut Heard, usage: Option<&Node>) {
    let Some(usage) = usage else { return };
    let known = heard.usage.unwrap_or_default();
    let input_tokens = usage
        .number_at("input_tokens")
        .unwrap_or(known.input_tokens);
    let output_tokens = usage
        .number_at("output_tokens")
        .unwrap_or(known.output_tokens);
    heard.usage = Some(Usage {
        input_tokens,
        output_tokens,
    });
}

/// Ends each open content block, then the message with the stop reason `refusal`.
pub(crate) fn block_frames(heard: &Heard, released: &Progress, refusal: &Refusal<'_>) -> Vec<u8> {
    let usage = heard.usage.unwrap_or_default();
    let mut out = Vec::new();
    if !released.started {
        let message = json!({
            "id": format!("msg_{}", refusal.exchange),
            "type": "message",
            "role": "assistant",
            "model": "unknown",
            "content": [],
            "stop_reason": null,
            "stop_sequence": null,
            "usage": { "input_tokens": usage.input_tokens, "output_tokens": 0 },
        });
        push(
            &mut out,
            "message_start",
            &json!({ "type": "message_start", "message": message }),
        );
    }
    for index in released.open_parts() {
        let stop = json!({ "type": "content_block_stop", "index": index });
        push(&mut out, "content_block_stop", &stop);
    }
    let details = json!({ "type": "refusal", "category": null, "explanation": refusal.message });
    let end = json!({
        "type": "message_delta",
        "delta": { "stop_reason": "refusal", "stop_sequence": null, "stop_details": details },
        "usage": { "output_tokens": usage.output_tokens },
    });
    push(&mut out, "message_delta", &end);
    push(&mut out, "message_stop", &json!({ "type": "message_stop" }));
    out
}

fn push(out: &mut Vec<u8>, name: &str, data: &Value) {
    out.extend_from_slice(format!("event: {name}\ndata: {data}\n\n").as_bytes());
}
