//! A small real model behind the vendors' APIs: real tokens at the pace at which they are made.
//!
//! Usage: `countersign-model-server MODEL.gguf`. Prints the address it listens on. For tests only:
//! it goes on with the last message, always with the likeliest token.

mod dialect;
mod model;
mod vocabulary;

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use dialect::Asked;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use model::{Model, Part};
use tokio::net::TcpListener;
use tokio::sync::mpsc::Receiver;

const BODY_MAX: usize = 1 << 20;

type Answer = Response<BoxBody<Bytes, Infallible>>;

#[tokio::main(worker_threads = 1)]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args_os()
        .nth(1)
        .ok_or("usage: countersign-model-server MODEL.gguf")?;
    let model = Model::load(path.as_ref())?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    loop {
        let (socket, _from) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let model = model.clone();
        let service = service_fn(move |request| {
            let model = model.clone();
            async move { Ok::<_, Infallible>(answer(&model, request).await) }
        });
        tokio::spawn(async move {
            let http = hyper::server::conn::http1::Builder::new();
            // Callers that leave early are part of the tests.
            let _ended = http.serve_connection(TokioIo::new(socket), service).await;
        });
    }
}

async fn answer(model: &Model, request: Request<Incoming>) -> Answer {
    let path = request.uri().path().to_owned();
    let Ok(body) = Limited::new(request.into_body(), BODY_MAX).collect().await else {
        return refuse(StatusCode::PAYLOAD_TOO_LARGE);
    };
    let body = serde_json::from_slice(&body.to_bytes()).unwrap_or_default();
    let Some(asked) = Asked::read(&path, &body) else {
        return refuse(StatusCode::NOT_FOUND);
    };
    let Some(mut parts) = model.ask(asked.text.clone(), asked.tokens_max) else {
        return refuse(StatusCode::SERVICE_UNAVAILABLE);
    };
    let kind = asked.media_type();
    let body = if asked.stream {
        Stream {
            opening: Some(asked.opening()),
            asked,
            parts,
        }
        .boxed()
    } else {
        let (mut text, mut end) = (String::new(), None);
        while let Some(part) = parts.recv().await {
            match part {
                Part::Text(more) => text += &more,
                Part::End { .. } => end = Some(part),
            }
        }
        let Some(end) = end else {
            return refuse(StatusCode::INTERNAL_SERVER_ERROR);
        };
        Full::from(asked.whole(&text, &end).to_string()).boxed()
    };
    let mut response = Response::new(body);
    response.headers_mut().insert(
        "content-type",
        hyper::header::HeaderValue::from_static(kind),
    );
    response
}

fn refuse(status: StatusCode) -> Answer {
    let said =
        serde_json::json!({ "error": { "message": status.to_string(), "type": "server_error" } });
    let mut response = Response::new(Full::from(said.to_string()).boxed());
    *response.status_mut() = status;
    response.headers_mut().insert(
        "content-type",
        hyper::header::HeaderValue::from_static("application/json"),
    );
    response
}

/// An answer that leaves as it is made.
struct Stream {
    opening: Option<String>,
    asked: Asked,
    parts: Receiver<Part>,
}

impl Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(opening) = self.opening.take().filter(|opening| !opening.is_empty()) {
            return Poll::Ready(Some(Ok(Frame::data(opening.into()))));
        }
        let part = ready!(self.parts.poll_recv(context));
        Poll::Ready(part.map(|part| Ok(Frame::data(self.asked.frame(&part).into()))))
    }
}
