//! A stand-in model server on the loopback. The model's name says how it behaves:
//! `plain`, `hang` (never answers), `cut` (breaks off in mid-stream), `silent` (falls silent in
//! mid-stream), `garbled` (sends what is no event), `fault` (ends with the dialect's error event),
//! `busy` (429), `broken` (500), `card` (answers with a card number), `key` (answers with a cloud
//! key), `echo` (answers with the first message), `story` (some fifty tokens), `long` (twelve times as many). `@50` behind it paces a stream at 50 tokens a second.
//!
//! `score-97` makes a scoring endpoint answer 0.97.
//!
//! It speaks chat completions, responses, Anthropic messages, Gemini, Ollama and `KServe` V1.

mod shapes;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::Sleep;

use self::shapes::Shape;

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
    Silent,
}

/// Frames one by one, yielding or pausing in between, so that they leave as single chunks.
struct Script {
    frames: VecDeque<Bytes>,
    end: End,
    yielded: bool,
    pace: Option<(Duration, Pin<Box<Sleep>>)>,
}

impl Script {
    fn paused(&mut self, context: &mut Context<'_>) -> bool {
        let Some((every, pause)) = &mut self.pace else {
            let waited = std::mem::replace(&mut self.yielded, true);
            if waited {
                self.yielded = false;
            } else {
                context.waker().wake_by_ref();
            }
            return !waited;
        };
        if pause.as_mut().poll(context).is_pending() {
            return true;
        }
        let next = pause.deadline() + *every;
        pause.as_mut().reset(next);
        false
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.paused(context) {
            return Poll::Pending;
        }
        match (self.frames.pop_front(), self.end) {
            (Some(frame), _) => Poll::Ready(Some(Ok(Frame::data(frame)))),
            (None, End::Whole) => Poll::Ready(None),
            (None, End::Cut) => Poll::Ready(Some(Err(std::io::Error::other("cut")))),
            (None, End::Silent) => Poll::Pending,
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

    /// Forgets the requests that reached it.
    pub fn forget(&self) {
        self.seen.lock().unwrap().clear();
        self.heads.lock().unwrap().clear();
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Script> {
        let path = request.uri().path().to_owned();
        self.heads.lock().unwrap().push(request.headers().clone());
        let body = request
            .into_body()
            .collect()
            .await
            .map(http_body_util::Collected::to_bytes)
            .unwrap_or_default();
        let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
        self.seen.lock().unwrap().push(asked.clone());
        let dialect = shapes::of_path(&path);
        let named = asked["model"].as_str().or(shapes::model_of_path(&path));
        let named = named.unwrap_or("plain").to_owned();
        let (model, rate) = named.split_once('@').unwrap_or((&named, ""));
        if model == "hang" {
            std::future::pending::<()>().await;
        }
        let end = match model {
            "cut" => End::Cut,
            "silent" => End::Silent,
            _ => End::Whole,
        };
        let stream = asked["stream"] == true || path.contains("stream");
        let frames = frames(dialect, model, stream, &asked);
        let every = rate
            .parse()
            .map(|rate: f64| Duration::from_secs_f64(rate.recip()));
        let pace = every
            .ok()
            .map(|every| (every, Box::pin(tokio::time::sleep(every))));
        let mut response = Response::new(Script {
            frames: frames.into_iter().map(Bytes::from).collect(),
            end,
            yielded: false,
            pace,
        });
        *response.status_mut() = match model {
            "busy" => StatusCode::TOO_MANY_REQUESTS,
            "broken" => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::OK,
        };
        let streams = stream && response.status() == StatusCode::OK;
        let kind = if streams {
            shapes::media_type(dialect)
        } else {
            "application/json"
        };
        let headers = response.headers_mut();
        headers.insert("content-type", kind.parse().unwrap());
        if model == "busy" {
            headers.insert("retry-after", "7".parse().unwrap());
        }
        response
    }
}

fn frames(dialect: Shape, model: &str, stream: bool, asked: &Value) -> Vec<String> {
    let text = match model {
        "card" => "The card on file is 4539 5787 6362 1486 and it is valid until next year.",
        "key" => "Sure, here it is: AKIAQ3EGXKZ7WLP5TVRN and that is all of it.",
        "echo" => asked["messages"][0]["content"].as_str().unwrap_or_default(),
        "story" => STORY,
        "long" => &STORY.repeat(12),
        "busy" | "broken" => {
            return vec![json!({ "error": { "message": model, "type": model } }).to_string()];
        }
        _ => "The capital of France is Paris. It lies on the Seine.",
    };
    if !stream {
        return vec![shapes::whole(dialect, model, text).to_string()];
    }
    let mut frames = shapes::stream(dialect, model, text);
    match model {
        "cut" | "silent" => frames.truncate(frames.len() / 2),
        "garbled" => {
            frames.truncate(frames.len() / 2);
            frames.push("data: {\"this is\": no JSON\n\n".to_owned());
        }
        "fault" => {
            frames.truncate(frames.len() / 2);
            frames.push(shapes::error(dialect));
        }
        _ => {}
    }
    frames
}

const STORY: &str = "A slow river runs past the old mill, and in spring the meadows on both sides \
    are under water for some weeks. The people of the village keep their boats tied to the trees \
    then, and the children learn to row before they learn to read. ";
