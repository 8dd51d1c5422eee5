//! Chat completion chunks.

use serde_json::{Value, json};

use crate::frame::Frame;
use crate::json::Node;
use crate::progress::{Heard, Mark, Progress, usage_of};
use crate::{Refusal, refusal};

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
    for choice in chunk.get("choices").map(Node::items).unwrap_or_default() {
        let index = choice.number_at("index").unwrap_or(0);
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
pub(crate) fn block_frames(
    heard: &Heard,
    read: &Progress,
    released: &Progress,
    refusal: &Refusal<'_>,
) -> Vec<u8> {
    let mut choices: Vec<u64> = read.parts().filter(|c| !released.is_closed(*c)).collect();
    if choices.is_empty() {
        choices = read.parts().collect();
    }
    if choices.is_empty() {
        choices.push(0);
    }
    let own_id = format!("chatcmpl-{}", refusal.exchange);
    let (id, model) = if released.started {
        (heard.id_or(own_id), heard.model_name())
    } else {
        (own_id, "unknown")
    };
    let mut out = Vec::new();
    for index in choices {
        let chunk: Value = json!({
            "id": id,
            "object": "chat.completion.chunk",
            "created": heard.created.unwrap_or(0),
            "model": model,
            "choices": [{
                "index": index,
                "delta": {},
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
