//! Chunks of chat completions and legacy completions.

use serde_json::{Value, json};

use crate::ending::State;
use crate::frame::Frame;
use crate::json::Node;
use crate::progress::{Heard, Mark, usage_of};
use crate::{Dialect, Refusal, refusal};

/// Notes what a chunk says of the answer as a whole.
pub(crate) fn note(heard: &mut Heard, chunk: &Node, frame: &mut Frame) {
    if heard.id.is_none() {
        heard.id = chunk.text_at("id").map(str::to_owned);
        heard.created = chunk.number_at("created");
    }
    if heard.model.as_deref().is_none_or(str::is_empty) {
        heard.model_from(chunk);
    }
    if let Some(usage) = chunk.get("usage").and_then(usage_of) {
        heard.usage = Some(usage);
    }
    frame.marks.push(Mark::Start);
    let choices = chunk.get("choices").map(Node::items).unwrap_or_default();
    for (position, choice) in choices.iter().enumerate() {
        let index = choice.number_at("index").unwrap_or(position as u64);
        frame.marks.push(Mark::Touch(index));
        if let Some(reason) = choice.text_at("finish_reason") {
            heard.finish = Some(reason.to_owned());
            frame.marks.push(Mark::Close(index));
        }
    }
    if matches!(chunk.get("error"), Some(Node::Map(_) | Node::Text(_))) {
        heard.error();
        frame.terminal = true;
    }
}

/// The finish reason `content_filter` for each choice that the caller did not see finish, or, when
/// it saw all of them finish, for all of them; then `[DONE]`.
pub(crate) fn block_frames(state: State<'_>, refusal: &Refusal<'_>) -> Vec<u8> {
    let legacy = state.dialect == Dialect::OpenAiCompletions;
    let (prefix, object) = if legacy {
        ("cmpl", "text_completion")
    } else {
        ("chatcmpl", "chat.completion.chunk")
    };
    let own_id = format!("{prefix}-{}", refusal.exchange);
    let id = if state.released.started {
        state.heard.id_or(own_id)
    } else {
        own_id
    };
    let mut out = Vec::new();
    for index in state.unfinished() {
        let (name, nothing) = if legacy {
            ("text", json!(""))
        } else {
            ("delta", json!({}))
        };
        let chunk: Value = json!({
            "id": id,
            "object": object,
            "created": state.heard.created.unwrap_or(0),
            "model": state.model_name(),
            "choices": [{
                "index": index,
                name: nothing,
                "logprobs": null,
                "finish_reason": "content_filter",
            }],
            "countersign": refusal::reference(refusal),
        });
        out.extend_from_slice(format!("data: {chunk}\n\n").as_bytes());
    }
    out.extend_from_slice(b"data: [DONE]\n\n");
    out
}
