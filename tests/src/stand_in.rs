//! A stand-in model server on the loopback. The model's name says how it behaves:
//! `plain`, `hang` (never answers), `cut` (breaks off in mid-stream), `card` (answers with a card
//! number), `key` (answers with a cloud key), `echo` (answers with the first message).

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// A running stand-in; ends with the runtime.
#[derive(Debug, Clone)]
pub struct StandIn {
    /// Where it listens.
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Value>>>,
    heads: Arc<Mutex<Vec<HeaderMap>>>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Whole,
    Cut,
}

/// Frames one by one, yielding in between, so that they leave as single chunks.
struct Script {
    frames: VecDeque<Bytes>,
    end: End,
    yielded: bool,
}

impl Body for Script {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if !std::mem::replace(&mut self.yielded, true) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.yielded = false;
        match (self.frames.pop_front(), self.end) {
            (Some(frame), _) => Poll::Ready(Some(Ok(Frame::data(frame)))),
            (None, End::Whole) => Poll::Ready(None),
            (None, End::Cut) => Poll::Ready(Some(Err(std::io::Error::other("cut")))),
        }
    }
}

impl StandIn {
    /// Starts one.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stand_in = Self {
            address,
            seen: Arc::default(),
            heads: Arc::default(),
        };
        let serving = stand_in.clone();
        tokio::spawn(async move {
            while let Ok((socket, _from)) = listener.accept().await {
                let serving = serving.clone();
                let service = service_fn(move |request| {
                    let serving = serving.clone();
                    async move { Ok::<_, Infallible>(serving.answer(request).await) }
                });
                tokio::spawn(async move {
                    let http = hyper::server::conn::http1::Builder::new();
                    // Callers that leave early are part of the tests.
                    let _ended = http.serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        stand_in
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests that reached it.
    pub fn seen(&self) -> Vec<Value> {
        self.seen.lock().unwrap().clone()
    }

    /// The headers of the requests that reached it.
    pub fn heads(&self) -> Vec<HeaderMap> {
        self.heads.lock().unwrap().clone()
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Script> {
        let anthropic = request.uri().path().ends_with("/messages");
        self.heads.lock().unwrap().push(request.headers().clone());
        let body = request
            .into_body()
            .collect()
            .await
            .map(http_body_util::Collected::to_bytes)
            .unwrap_or_default();
        let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
        self.seen.lock().unwrap().push(asked.clone());
        let model = asked["model"].as_str().unwrap_or("plain").to_owned();
        if model == "hang" {
            std::future::pending::<()>().await;
        }
        let text = match model.as_str() {
            "card" => "The card on file is 4539 5787 6362 1486 and it is valid until next year.",
            "echo" => asked["messages"][0]["content"].as_str().unwrap_or_default(),
            "key" => "Sure, here it is: AKIAQ3EGXKZ7WLP5TVRN and that is all of it.",
            _ => "The capital of France is Paris. It lies on the Seine.",
        };
        let end = if model == "cut" { End::Cut } else { End::Whole };
        let stream = asked["stream"] == true;
        let frames = match (stream, anthropic) {
            (true, false) => openai_stream(&model, text, end),
            (false, false) => vec![openai_whole(&model, text).to_string()],
            (true, true) => anthropic_stream(&model, text, end),
            (false, true) => vec![anthropic_whole(&model, text).to_string()],
        };
        let frames = frames.into_iter().map(Bytes::from).collect();
        let kind = if stream {
            "text/event-stream"
        } else {
            "application/json"
        };
        let mut response = Response::new(Script {
            frames,
            end,
            yielded: false,
        });
        response
            .headers_mut()
            .insert("content-type", kind.parse().unwrap());
        response
    }
}

fn openai_whole(model: &str, text: &str) -> Value {
    json!({ "id": "chatcmpl-1", "object": "chat.completion", "created": 1_700_000_000,
        "model": model,
        "choices": [{ "index": 0, "finish_reason": "stop",
            "message": { "role": "assistant", "content": text } }],
        "usage": { "prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21 } })
}

fn openai_stream(model: &str, text: &str, end: End) -> Vec<String> {
    let chunk = |delta: Value, finish: Value| {
        let chunk = json!({ "id": "chatcmpl-1", "object": "chat.completion.chunk",
            "created": 1_700_000_000, "model": model,
            "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }] });
        format!("data: {chunk}\n\n")
    };
    let mut frames = vec![chunk(
        json!({ "role": "assistant", "content": "" }),
        Value::Null,
    )];
    frames.extend(pieces(text, end).map(|piece| chunk(json!({ "content": piece }), Value::Null)));
    if end == End::Whole {
        frames.push(chunk(json!({}), json!("stop")));
        frames.push("data: [DONE]\n\n".to_owned());
    }
    frames
}

fn anthropic_whole(model: &str, text: &str) -> Value {
    json!({ "id": "msg_1", "type": "message", "role": "assistant", "model": model,
        "content": [{ "type": "text", "text": text }], "stop_reason": "end_turn",
        "stop_sequence": null, "usage": { "input_tokens": 9, "output_tokens": 12 } })
}

fn anthropic_stream(model: &str, text: &str, end: End) -> Vec<String> {
    let event = |data: Value| {
        format!(
            "event: {}\ndata: {data}\n\n",
            data["type"].as_str().unwrap()
        )
    };
    let mut opening = anthropic_whole(model, "");
    opening["content"] = json!([]);
    opening["stop_reason"] = Value::Null;
    let mut frames = vec![
        event(json!({ "type": "message_start", "message": opening })),
        event(json!({ "type": "content_block_start", "index": 0,
            "content_block": { "type": "text", "text": "" } })),
    ];
    frames.extend(pieces(text, end).map(|piece| {
        event(json!({ "type": "content_block_delta", "index": 0,
            "delta": { "type": "text_delta", "text": piece } }))
    }));
    if end == End::Whole {
        frames.push(event(json!({ "type": "content_block_stop", "index": 0 })));
        frames.push(event(
            json!({ "type": "message_delta", "usage": { "output_tokens": 12 },
            "delta": { "stop_reason": "end_turn", "stop_sequence": null } }),
        ));
        frames.push(event(json!({ "type": "message_stop" })));
    }
    frames
}

/// Pieces of five characters; half of them when the stream is to be cut.
fn pieces(text: &str, end: End) -> impl Iterator<Item = String> {
    let characters: Vec<char> = text.chars().collect();
    let until = if end == End::Cut {
        characters.len() / 2
    } else {
        characters.len()
    };
    let pieces = characters[..until]
        .chunks(5)
        .map(|piece| piece.iter().collect());
    pieces.collect::<Vec<String>>().into_iter()
}
