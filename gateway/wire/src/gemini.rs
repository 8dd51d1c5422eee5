//! Parts of a Gemini stream.

use serde_json::{Value, json};

use crate::ending::State;
use crate::frame::Frame;
use crate::json::Node;
use crate::progress::{Heard, Mark};
use crate::{Refusal, refusal, summary};

/// Notes what a part says of the answer as a whole.
pub(crate) fn note(heard: &mut Heard, part: &Node, frame: &mut Frame) {
    if heard.id.is_none() {
        heard.id = part.text_at("responseId").map(str::to_owned);
    }
    if let Some(model) = part.text_at("modelVersion") {
        heard.model = Some(model.to_owned());
    }
    if let Some(usage) = summary::usage(crate::Dialect::Gemini, part) {
        heard.usage = Some(usage);
    }
    frame.marks.push(Mark::Start);
    let candidates = part.get("candidates").map(Node::items).unwrap_or_default();
    for (position, candidate) in candidates.iter().enumerate() {
        let index = candidate.number_at("index").unwrap_or(position as u64);
        frame.marks.push(Mark::Touch(index));
        if let Some(reason) = candidate.text_at("finishReason") {
            heard.finish = Some(reason.to_owned());
            frame.marks.push(Mark::Close(index));
        }
    }
    let blocked = part
        .get("promptFeedback")
        .and_then(|feedback| feedback.text_at("blockReason"));
    if let Some(reason) = blocked {
        heard.finish = Some(reason.to_owned());
    }
    if matches!(part.get("error"), Some(Node::Map(_) | Node::Text(_))) {
        heard.error();
        frame.terminal = true;
    }
}

/// The finish reason `SAFETY` for each candidate that the caller did not see finish; and when it
/// saw nothing at all, the prompt's block reason.
pub(crate) fn block_parts(state: State<'_>, refusal: &Refusal<'_>) -> Value {
    let candidates: Vec<Value> = state
        .unfinished()
        .into_iter()
        .map(|index| json!({ "index": index, "finishReason": "SAFETY" }))
        .collect();
    let mut part = json!({
        "candidates": candidates,
        "modelVersion": state.model_name(),
        "countersign": refusal::reference(refusal),
    });
    if !state.released.started
        && let Some(members) = part.as_object_mut()
    {
        let feedback = json!({ "blockReason": "OTHER" });
        members.insert("promptFeedback".to_owned(), feedback);
    }
    part
}
