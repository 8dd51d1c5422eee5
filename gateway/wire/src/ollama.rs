//! Lines of an Ollama stream.

use serde_json::{Value, json};

use crate::ending::State;
use crate::frame::Frame;
use crate::json::Node;
use crate::progress::{Heard, Mark};
use crate::{Dialect, Refusal, refusal, summary};

/// Notes what a line says of the answer as a whole.
pub(crate) fn note(heard: &mut Heard, line: &Node, frame: &mut Frame) {
    heard.model_from(line);
    if let Some(created) = line.text_at("created_at") {
        heard.created_at = Some(created.to_owned());
    }
    frame.marks.push(Mark::Start);
    if matches!(line.get("error"), Some(Node::Map(_) | Node::Text(_))) {
        heard.error();
        frame.terminal = true;
        return;
    }
    if matches!(line.get("done"), Some(Node::Bool(true))) {
        let reason = line.text_at("done_reason").unwrap_or("stop");
        heard.finish = Some(reason.to_owned());
        heard.usage = summary::usage(Dialect::OllamaChat, line).or(heard.usage);
        frame.terminal = true;
    }
}

/// The last line, with the reason `content_filter`.
pub(crate) fn block_line(state: State<'_>, refusal: &Refusal<'_>) -> Value {
    let created = state.heard.created_at.as_deref().filter(|at| is_time(at));
    let mut line = json!({
        "model": state.model_name(),
        "created_at": created.unwrap_or("1970-01-01T00:00:00Z"),
        "done": true,
        "done_reason": "content_filter",
        "countersign": refusal::reference(refusal),
    });
    let (name, empty) = match state.dialect {
        Dialect::OllamaGenerate => ("response", json!("")),
        _ => ("message", json!({ "role": "assistant", "content": "" })),
    };
    if let Some(members) = line.as_object_mut() {
        members.insert(name.to_owned(), empty);
    }
    line
}

/// A time that may be repeated unjudged.
fn is_time(text: &str) -> bool {
    let inside = |b: u8| b.is_ascii_digit() || b"-:.TZ+".contains(&b);
    !text.is_empty() && text.len() <= 40 && text.bytes().all(inside)
}
