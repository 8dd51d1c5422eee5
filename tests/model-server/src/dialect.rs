//! Questions and answers as the vendors' APIs write them.

use serde_json::{Value, json};

use crate::model::Part;

/// Longest answer nobody bounded, in tokens.
const TOKENS_MAX: usize = 40;

/// Which API a caller speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `OpenAI` chat completions.
    OpenAi,
    /// Anthropic messages.
    Anthropic,
    /// Ollama chat.
    Ollama,
}

/// What was asked.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The API it was asked in.
    pub dialect: Dialect,
    /// The model's name, given back as it came.
    pub model: String,
    /// The last turn.
    pub text: String,
    /// Most tokens of the answer.
    pub tokens_max: usize,
    /// Whether the answer is to be streamed.
    pub stream: bool,
}

impl Asked {
    /// Reads a request; `None` when it is none of a known API.
    pub fn read(path: &str, body: &Value) -> Option<Self> {
        let dialect = match path {
            _ if path.ends_with("/chat/completions") => Dialect::OpenAi,
            _ if path.ends_with("/messages") => Dialect::Anthropic,
            _ if path.ends_with("/api/chat") => Dialect::Ollama,
            _ => return None,
        };
        let content = &body["messages"].as_array()?.last()?["content"];
        let parts = content.as_array().into_iter().flatten();
        let parts: String = parts.filter_map(|part| part["text"].as_str()).collect();
        let bound = body["max_tokens"]
            .as_u64()
            .or(body["max_completion_tokens"].as_u64())
            .or(body["options"]["num_predict"].as_u64());
        Some(Self {
            dialect,
            model: body["model"].as_str()?.to_owned(),
            text: content.as_str().map_or(parts, str::to_owned),
            tokens_max: bound.map_or(TOKENS_MAX, |b| usize::try_from(b).unwrap_or(TOKENS_MAX)),
            // Ollama streams unless it is told not to.
            stream: body["stream"]
                .as_bool()
                .unwrap_or(dialect == Dialect::Ollama),
        })
    }

    /// The media type of the answer.
    pub fn media_type(&self) -> &'static str {
        match (self.stream, self.dialect) {
            (false, _) => "application/json",
            (true, Dialect::Ollama) => "application/x-ndjson",
            (true, _) => "text/event-stream",
        }
    }

    /// The whole answer at once.
    pub fn whole(&self, text: &str, end: &Part) -> Value {
        let model = &self.model;
        let (read, said, _) = counts(end);
        match self.dialect {
            Dialect::OpenAi => json!({ "id": "chatcmpl-model-server", "object": "chat.completion",
                "created": 1_700_000_000, "model": model,
                "choices": [{ "index": 0, "finish_reason": self.reason(end),
                    "message": { "role": "assistant", "content": text } }],
                "usage": { "prompt_tokens": read, "completion_tokens": said, "total_tokens": read + said } }),
            Dialect::Anthropic => json!({ "id": "msg_model_server", "type": "message",
                "role": "assistant", "model": model, "content": [{ "type": "text", "text": text }],
                "stop_reason": self.reason(end), "stop_sequence": null,
                "usage": { "input_tokens": read, "output_tokens": said } }),
            Dialect::Ollama => self.line(text, Some(end)),
        }
    }

    /// What opens the stream.
    pub fn opening(&self) -> String {
        match self.dialect {
            Dialect::OpenAi => {
                self.chunk(&json!({ "role": "assistant", "content": "" }), &Value::Null)
            }
            Dialect::Anthropic => {
                let mut message = self.whole(
                    "",
                    &Part::End {
                        read: 0,
                        said: 0,
                        cut: false,
                    },
                );
                message["content"] = json!([]);
                message["stop_reason"] = Value::Null;
                let start = event(&json!({ "type": "message_start", "message": message }));
                let block = json!({ "type": "text", "text": "" });
                start
                    + &event(
                        &json!({ "type": "content_block_start", "index": 0, "content_block": block }),
                    )
            }
            Dialect::Ollama => String::new(),
        }
    }

    /// A piece of the answer, or its end, as the stream writes it.
    pub fn frame(&self, part: &Part) -> String {
        match (self.dialect, part) {
            (Dialect::OpenAi, Part::Text(text)) => {
                self.chunk(&json!({ "content": text }), &Value::Null)
            }
            (Dialect::OpenAi, end) => {
                self.chunk(&json!({}), &json!(self.reason(end))) + "data: [DONE]\n\n"
            }
            (Dialect::Anthropic, Part::Text(text)) => {
                event(&json!({ "type": "content_block_delta",
                "index": 0, "delta": { "type": "text_delta", "text": text } }))
            }
            (Dialect::Anthropic, end) => {
                let delta = json!({ "stop_reason": self.reason(end), "stop_sequence": null });
                let usage = json!({ "output_tokens": counts(end).1 });
                event(&json!({ "type": "content_block_stop", "index": 0 }))
                    + &event(&json!({ "type": "message_delta", "delta": delta, "usage": usage }))
                    + &event(&json!({ "type": "message_stop" }))
            }
            (Dialect::Ollama, Part::Text(text)) => format!("{}\n", self.line(text, None)),
            (Dialect::Ollama, end) => format!("{}\n", self.line("", Some(end))),
        }
    }

    fn reason(&self, end: &Part) -> &'static str {
        match (self.dialect, counts(end).2) {
            (Dialect::OpenAi | Dialect::Ollama, false) => "stop",
            (Dialect::OpenAi | Dialect::Ollama, true) => "length",
            (Dialect::Anthropic, false) => "end_turn",
            (Dialect::Anthropic, true) => "max_tokens",
        }
    }

    fn chunk(&self, delta: &Value, finish: &Value) -> String {
        let chunk = json!({ "id": "chatcmpl-model-server", "object": "chat.completion.chunk",
            "created": 1_700_000_000, "model": self.model,
            "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }] });
        format!("data: {chunk}\n\n")
    }

    fn line(&self, text: &str, end: Option<&Part>) -> Value {
        let mut line = json!({ "model": self.model, "created_at": "2026-01-01T00:00:00Z",
            "message": { "role": "assistant", "content": text }, "done": end.is_some() });
        if let Some(end) = end {
            let (read, said, _) = counts(end);
            line["done_reason"] = json!(self.reason(end));
            line["prompt_eval_count"] = json!(read);
            line["eval_count"] = json!(said);
        }
        line
    }
}

fn counts(end: &Part) -> (usize, usize, bool) {
    match end {
        Part::End { read, said, cut } => (*read, *said, *cut),
        Part::Text(_) => (0, 0, false),
    }
}

fn event(data: &Value) -> String {
    format!(
        "event: {}\ndata: {data}\n\n",
        data["type"].as_str().unwrap_or_default()
    )
}
