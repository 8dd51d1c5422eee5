//! A stand-in model for the demo. It says that it is one wherever a person or a program can see.
//!
//! It answers the two dialects over real HTTP on loopback, plain and streamed, and its answers are
//! fixed by what the prompt asks for. It is no model and judges nothing.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use countersign_gateway::Body;
use countersign_gateway::limits::Limits;
use countersign_gateway::server::{self, Bounds};
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::sync::watch;

/// The name it answers under.
pub(crate) const MODEL: &str = "countersign-stand-in (not a model)";

/// Pause between streamed pieces.
const PACE: Duration = Duration::from_millis(15);

/// What it can be asked for: a word of the prompt, and the answer.
const ANSWERS: [(&str, &str); 4] = [
    (
        "reference desk",
        "You can reach the reference desk at desk.lead@library.example or on the house line. \
         It is open from nine to five on weekdays.",
    ),
    (
        "rude reply",
        "Thank you for the draft. I have read it twice now and I made a few notes on the way. \
         The first part explains the plan well, and the second part lists the dates and the \
         people who take part. The budget fits on one page and is easy to follow from top to \
         bottom. Here is the reply that you asked me for, word by word, as it was sent. \
         You are a worthless idiot and everyone here hates you. Get lost, you stupid pathetic \
         piece of trash, nobody wants you around.",
    ),
    (
        "weather",
        "It will be mild and mostly dry this week, with light wind from the west and a little \
         rain on Thursday evening.",
    ),
    (
        "",
        "Autumn leaves are falling slowly, the garden rests, and the evenings grow calm and long.",
    ),
];

/// Serves until `stop` turns true.
pub(crate) async fn start(stop: watch::Receiver<bool>) -> std::io::Result<SocketAddr> {
    let listener = server::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    let address = listener.local_addr()?;
    let service = tower::service_fn(|request: Request<Incoming>| async move {
        Ok::<_, Infallible>(answer(request).await)
    });
    let bounds = Bounds {
        limits: Limits::default(),
        tls: None,
        shed: std::sync::Arc::default(),
    };
    tokio::spawn(server::accept(listener, service, bounds, stop));
    Ok(address)
}

async fn answer(request: Request<Incoming>) -> Response<Body> {
    let anthropic = request.uri().path().ends_with("/messages");
    let body = request
        .into_body()
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes);
    let asked: Value = body
        .ok()
        .and_then(|b| serde_json::from_slice(&b).ok())
        .unwrap_or(Value::Null);
    let prompt = last_prompt(&asked);
    let wants_tool = asked.get("tools").is_some();
    let text = ANSWERS
        .iter()
        .find(|(word, _)| prompt.contains(word))
        .map_or("", |(_, a)| *a);
    let streamed = asked
        .get("stream")
        .and_then(Value::as_bool)
        .unwrap_or(false);
    match (anthropic, streamed) {
        (false, false) => whole(&openai(text, wants_tool)),
        (false, true) => stream(openai_events(text)),
        (true, false) => whole(&anthropic_message(text)),
        (true, true) => stream(anthropic_events(text)),
    }
}

fn last_prompt(asked: &Value) -> String {
    let content = asked
        .get("messages")
        .and_then(Value::as_array)
        .and_then(|messages| messages.last())
        .and_then(|message| message.get("content"));
    match content {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}

fn whole(value: &Value) -> Response<Body> {
    response("application/json", Body::whole(value.to_string()))
}

fn response(kind: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert("content-type", http::HeaderValue::from_static(kind));
    headers.insert(
        "server",
        http::HeaderValue::from_static("countersign-stand-in"),
    );
    response
}

fn openai(text: &str, wants_tool: bool) -> Value {
    let message = if wants_tool {
        let call = json!({
            "id": "call_standin_1",
            "type": "function",
            "function": { "name": "get_weather", "arguments": "{\"city\":\"Lisbon\"}" },
        });
        json!({ "role": "assistant", "content": null, "tool_calls": [call] })
    } else {
        json!({ "role": "assistant", "content": text })
    };
    let finish = if wants_tool { "tool_calls" } else { "stop" };
    json!({
        "id": "chatcmpl-standin",
        "object": "chat.completion",
        "created": 0,
        "model": MODEL,
        "choices": [{ "index": 0, "message": message, "finish_reason": finish }],
        "usage": { "prompt_tokens": 12, "completion_tokens": 24, "total_tokens": 36 },
    })
}

fn openai_events(text: &str) -> Vec<String> {
    let chunk = |delta: &Value, finish: Option<&str>| {
        let chunk = json!({
            "id": "chatcmpl-standin",
            "object": "chat.completion.chunk",
            "created": 0,
            "model": MODEL,
            "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }],
        });
        format!("data: {chunk}\n\n")
    };
    let mut events = vec![chunk(&json!({ "role": "assistant", "content": "" }), None)];
    events.extend(pieces(text).map(|piece| chunk(&json!({ "content": piece }), None)));
    events.push(chunk(&json!({}), Some("stop")));
    events.push("data: [DONE]\n\n".to_owned());
    events
}

fn anthropic_message(text: &str) -> Value {
    json!({
        "id": "msg_standin",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": [{ "type": "text", "text": text }],
        "stop_reason": "end_turn",
        "stop_sequence": null,
        "usage": { "input_tokens": 12, "output_tokens": 24 },
    })
}

fn anthropic_events(text: &str) -> Vec<String> {
    let event = |name: &str, data: &Value| format!("event: {name}\ndata: {data}\n\n");
    let mut start = anthropic_message("");
    if let Some(message) = start.as_object_mut() {
        message.insert("content".to_owned(), json!([]));
        message.insert("stop_reason".to_owned(), Value::Null);
    }
    let block = json!({ "type": "text", "text": "" });
    let mut events = vec![
        event(
            "message_start",
            &json!({ "type": "message_start", "message": start }),
        ),
        event(
            "content_block_start",
            &json!({ "type": "content_block_start", "index": 0, "content_block": block }),
        ),
    ];
    events.extend(pieces(text).map(|piece| {
        let delta = json!({ "type": "text_delta", "text": piece });
        let data = json!({ "type": "content_block_delta", "index": 0, "delta": delta });
        event("content_block_delta", &data)
    }));
    let stop = json!({ "type": "content_block_stop", "index": 0 });
    events.push(event("content_block_stop", &stop));
    let delta = json!({ "stop_reason": "end_turn", "stop_sequence": null });
    let usage = json!({ "output_tokens": 24 });
    let data = json!({ "type": "message_delta", "delta": delta, "usage": usage });
    events.push(event("message_delta", &data));
    events.push(event("message_stop", &json!({ "type": "message_stop" })));
    events
}

/// Words with the space before them, as models stream them.
fn pieces(text: &str) -> impl Iterator<Item = String> {
    text.split_inclusive(' ').map(str::to_owned)
}

fn stream(events: Vec<String>) -> Response<Body> {
    let (sender, body, _taken) = Body::channel(4);
    tokio::spawn(async move {
        for event in events {
            if sender.send(Ok(Bytes::from(event))).await.is_err() {
                return;
            }
            tokio::time::sleep(PACE).await;
        }
    });
    response("text/event-stream", body)
}
