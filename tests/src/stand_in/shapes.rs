//! Answers in the shape of each vendor's API.

use serde_json::{Value, json};

/// Whose shape.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Shape {
    Chat,
    Responses,
    Messages,
    Gemini,
    Ollama,
    Score,
}

pub(super) fn of_path(path: &str) -> Shape {
    match path {
        path if path.ends_with("/messages") => Shape::Messages,
        path if path.ends_with("/responses") => Shape::Responses,
        path if path.contains("enerateContent") => Shape::Gemini,
        path if path.ends_with("/api/chat") => Shape::Ollama,
        path if path.ends_with(":predict") => Shape::Score,
        _ => Shape::Chat,
    }
}

/// The model in a path such as `/v1beta/models/plain:generateContent`.
pub(super) fn model_of_path(path: &str) -> Option<&str> {
    path.split_once("/models/")?
        .1
        .split_once(':')
        .map(|(m, _)| m)
}

pub(super) fn media_type(shape: Shape) -> &'static str {
    match shape {
        Shape::Ollama => "application/x-ndjson",
        _ => "text/event-stream",
    }
}

pub(super) fn whole(shape: Shape, model: &str, text: &str) -> Value {
    match shape {
        Shape::Chat => json!({ "id": "chatcmpl-1", "object": "chat.completion",
            "created": 1_700_000_000, "model": model,
            "choices": [{ "index": 0, "finish_reason": "stop",
                "message": { "role": "assistant", "content": text } }],
            "usage": { "prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21 } }),
        Shape::Responses => response(model, "completed", &[item(text)]),
        Shape::Messages => json!({ "id": "msg_1", "type": "message", "role": "assistant",
            "model": model, "content": [{ "type": "text", "text": text }],
            "stop_reason": "end_turn", "stop_sequence": null,
            "usage": { "input_tokens": 9, "output_tokens": 12 } }),
        Shape::Gemini => json!({ "candidates": [{ "index": 0, "finishReason": "STOP",
                "content": { "role": "model", "parts": [{ "text": text }] } }],
            "usageMetadata": { "promptTokenCount": 9, "candidatesTokenCount": 12 },
            "modelVersion": model }),
        Shape::Ollama => json!({ "model": model, "created_at": "2026-01-01T00:00:00Z",
            "message": { "role": "assistant", "content": text }, "done": true,
            "done_reason": "stop", "prompt_eval_count": 9, "eval_count": 12 }),
        Shape::Score => {
            let percent = model
                .strip_prefix("score-")
                .and_then(|s| s.parse::<f64>().ok());
            json!({ "predictions": [percent.map(|percent| percent / 100.0)] })
        }
    }
}

fn response(model: &str, status: &str, output: &[Value]) -> Value {
    json!({ "id": "resp_1", "object": "response", "model": model, "status": status,
        "output": output, "usage": { "input_tokens": 9, "output_tokens": 12 } })
}

fn item(text: &str) -> Value {
    json!({ "id": "msg_1", "type": "message", "role": "assistant", "status": "completed",
        "content": [{ "type": "output_text", "text": text, "annotations": [] }] })
}

/// The stream of an answer, a token a frame.
pub(super) fn stream(shape: Shape, model: &str, text: &str) -> Vec<String> {
    let tokens = tokens(text);
    match shape {
        Shape::Chat => chat(model, &tokens),
        Shape::Responses => responses(model, text, &tokens),
        Shape::Messages => messages(model, &tokens),
        Shape::Gemini => gemini(model, &tokens),
        Shape::Ollama => ollama(model, &tokens),
        Shape::Score => Vec::new(),
    }
}

/// Words with the space before them, as models stream them.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    for c in text.chars() {
        match tokens.last_mut() {
            Some(token) if c != ' ' && token.chars().count() < 6 => token.push(c),
            _ => tokens.push(c.to_string()),
        }
    }
    tokens
}

fn chat(model: &str, tokens: &[String]) -> Vec<String> {
    let chunk = |delta: Value, finish: Value| {
        let chunk = json!({ "id": "chatcmpl-1", "object": "chat.completion.chunk",
            "created": 1_700_000_000, "model": model,
            "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }] });
        data(&chunk)
    };
    let mut frames = vec![chunk(
        json!({ "role": "assistant", "content": "" }),
        Value::Null,
    )];
    let deltas = tokens.iter();
    frames.extend(deltas.map(|t| chunk(json!({ "content": t }), Value::Null)));
    frames.push(chunk(json!({}), json!("stop")));
    frames.push("data: [DONE]\n\n".to_owned());
    frames
}

fn responses(model: &str, text: &str, tokens: &[String]) -> Vec<String> {
    let mut frames = vec![named(
        &json!({ "type": "response.created", "sequence_number": 0,
        "response": response(model, "in_progress", &[]) }),
    )];
    for (token, number) in tokens.iter().zip(1..) {
        frames.push(named(
            &json!({ "type": "response.output_text.delta", "item_id": "msg_1",
            "sequence_number": number, "output_index": 0, "content_index": 0, "delta": token }),
        ));
    }
    frames.push(named(
        &json!({ "type": "response.output_text.done", "item_id": "msg_1",
        "output_index": 0, "content_index": 0, "text": text }),
    ));
    frames.push(named(&json!({ "type": "response.completed",
        "response": response(model, "completed", &[item(text)]) })));
    frames
}

fn messages(model: &str, tokens: &[String]) -> Vec<String> {
    let mut opening = whole(Shape::Messages, model, "");
    opening["content"] = json!([]);
    opening["stop_reason"] = Value::Null;
    let mut frames = vec![
        named(&json!({ "type": "message_start", "message": opening })),
        named(&json!({ "type": "content_block_start", "index": 0,
            "content_block": { "type": "text", "text": "" } })),
    ];
    frames.extend(tokens.iter().map(|token| {
        named(&json!({ "type": "content_block_delta", "index": 0,
            "delta": { "type": "text_delta", "text": token } }))
    }));
    frames.push(named(&json!({ "type": "content_block_stop", "index": 0 })));
    frames.push(named(
        &json!({ "type": "message_delta", "usage": { "output_tokens": 12 },
            "delta": { "stop_reason": "end_turn", "stop_sequence": null } }),
    ));
    frames.push(named(&json!({ "type": "message_stop" })));
    frames
}

fn gemini(model: &str, tokens: &[String]) -> Vec<String> {
    let mut frames: Vec<String> = tokens
        .iter()
        .map(|token| {
            data(&json!({ "modelVersion": model, "candidates": [{ "index": 0,
                "content": { "role": "model", "parts": [{ "text": token }] } }] }))
        })
        .collect();
    frames.push(data(&whole(Shape::Gemini, model, "")));
    frames
}

fn ollama(model: &str, tokens: &[String]) -> Vec<String> {
    let mut lines: Vec<String> = tokens
        .iter()
        .map(|token| {
            format!(
                "{}\n",
                json!({ "model": model, "done": false, "created_at": "2026-01-01T00:00:00Z",
                    "message": { "role": "assistant", "content": token } })
            )
        })
        .collect();
    lines.push(format!("{}\n", whole(Shape::Ollama, model, "")));
    lines
}

/// The error event that ends a stream.
pub(super) fn error(shape: Shape) -> String {
    let inner = json!({ "type": "overloaded_error", "code": 503, "message": "Overloaded",
        "status": "UNAVAILABLE" });
    match shape {
        Shape::Chat | Shape::Gemini => data(&json!({ "error": inner })),
        Shape::Messages => named(&json!({ "type": "error", "error": inner })),
        Shape::Responses => named(&json!({ "type": "error", "code": "server_error",
            "message": "Overloaded", "param": null, "sequence_number": 9 })),
        Shape::Ollama | Shape::Score => format!("{}\n", json!({ "error": "overloaded" })),
    }
}

fn data(value: &Value) -> String {
    format!("data: {value}\n\n")
}

fn named(value: &Value) -> String {
    format!(
        "event: {}\n{}",
        value["type"].as_str().unwrap(),
        data(value)
    )
}
