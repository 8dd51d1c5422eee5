//! Events of the responses API.

use serde_json::{Value, json};

use crate::ending::State;
use crate::frame::Frame;
use crate::json::Node;
use crate::progress::{Heard, Mark, Part, is_name, usage_of};
use crate::{Refusal, refusal};

/// Notes what an event says of the response as a whole.
pub(crate) fn note(heard: &mut Heard, event: &Node, frame: &mut Frame) {
    frame.marks.push(Mark::Start);
    if let Some(number) = event.number_at("sequence_number") {
        frame.marks.push(Mark::Number(number));
    }
    if let Some(response) = event.get("response") {
        if heard.id.is_none() {
            heard.id = response.text_at("id").map(str::to_owned);
            heard.created = response.number_at("created_at");
        }
        heard.model_from(response);
        if let Some(usage) = response.get("usage").and_then(usage_of) {
            heard.usage = Some(usage);
        }
    }
    let item = event.number_at("output_index");
    let kind = event.text_at("type").unwrap_or_default();
    match kind {
        "response.output_item.added" => {
            frame.marks.extend(item.map(Mark::Touch));
            if let (Some(item), Some(added)) = (item, event.get("item")) {
                let text = |key| added.text_at(key).filter(|t| is_name(t)).map(str::to_owned);
                if let (Some(id), Some(kind)) = (text("id"), text("type")) {
                    heard.items.insert(item, (id, kind));
                }
            }
        }
        "response.output_item.done" => frame.marks.extend(item.map(Mark::Close)),
        "response.completed" | "response.incomplete" => {
            let reason = event
                .get("response")
                .and_then(|r| r.get("incomplete_details"))
                .and_then(|details| details.text_at("reason"));
            let status = kind.trim_start_matches("response.");
            heard.finish = Some(reason.unwrap_or(status).to_owned());
            frame.terminal = true;
        }
        "response.failed" | "error" => {
            heard.error();
            frame.terminal = true;
        }
        _ => {}
    }
    if kind.is_empty() && matches!(event.get("error"), Some(Node::Map(_) | Node::Text(_))) {
        heard.error();
        frame.terminal = true;
    }
}

/// Ends each open item, then the response as incomplete by the content filter.
pub(crate) fn block_frames(state: State<'_>, refusal: &Refusal<'_>) -> Vec<u8> {
    let mut out = Events::after(state);
    if !state.released.started {
        let response = response(state, refusal, "in_progress");
        out.push("response.created", json!({ "response": response }));
    }
    let open: Vec<Part> = state.released.open_parts().collect();
    for part in open {
        let done = json!({ "output_index": part, "item": item(state, refusal, part) });
        out.push("response.output_item.done", done);
    }
    let mut response = response(state, refusal, "incomplete");
    if let Some(members) = response.as_object_mut() {
        let details = json!({ "reason": "content_filter" });
        members.insert("incomplete_details".to_owned(), details);
        members.insert("countersign".to_owned(), refusal::reference(refusal));
    }
    out.push("response.incomplete", json!({ "response": response }));
    out.bytes
}

/// An open item as it ends: empty and incomplete.
fn item(state: State<'_>, refusal: &Refusal<'_>, part: Part) -> Value {
    let own = || {
        (
            format!("msg_{}_{part}", refusal.exchange),
            "message".to_owned(),
        )
    };
    let (id, kind) = state.heard.items.get(&part).cloned().unwrap_or_else(own);
    let mut item = json!({ "id": id, "type": kind, "status": "incomplete" });
    let rest = match kind.as_str() {
        "message" => json!({ "role": "assistant", "content": [] }),
        "reasoning" => json!({ "summary": [] }),
        "function_call" => json!({ "call_id": id, "name": "", "arguments": "" }),
        _ => json!({}),
    };
    if let (Some(item), Value::Object(rest)) = (item.as_object_mut(), rest) {
        item.extend(rest);
    }
    item
}

/// The error event.
pub(crate) fn fault_frames(state: State<'_>, refusal: &Refusal<'_>) -> Vec<u8> {
    let mut out = Events::after(state);
    out.push(
        "error",
        json!({
            "code": refusal.kind.code(),
            "message": refusal.message,
            "param": null,
            "countersign": refusal::reference(refusal),
        }),
    );
    out.bytes
}

fn response(state: State<'_>, refusal: &Refusal<'_>, status: &str) -> Value {
    let own = format!("resp_{}", refusal.exchange);
    json!({
        "id": if state.released.started { state.heard.id_or(own) } else { own },
        "object": "response",
        "created_at": state.heard.created.unwrap_or(0),
        "status": status,
        "error": null,
        "incomplete_details": null,
        "model": state.model_name(),
        "output": [],
        "parallel_tool_calls": true,
        "tool_choice": "auto",
        "tools": [],
    })
}

/// Events with ascending numbers.
struct Events {
    bytes: Vec<u8>,
    next: u64,
}

impl Events {
    fn after(state: State<'_>) -> Self {
        Self {
            bytes: Vec::new(),
            next: state
                .released
                .number
                .map_or(0, |last| last.saturating_add(1)),
        }
    }

    fn push(&mut self, kind: &str, members: Value) {
        let mut event = json!({ "type": kind, "sequence_number": self.next });
        if let (Some(event), Value::Object(members)) = (event.as_object_mut(), members) {
            event.extend(members);
        }
        self.next += 1;
        let bytes = format!("event: {kind}\ndata: {event}\n\n");
        self.bytes.extend_from_slice(bytes.as_bytes());
    }
}
