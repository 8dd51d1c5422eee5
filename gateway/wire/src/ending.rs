//! Frames of our own that end a stream: a block, or a fault.

use serde_json::Value;

use crate::progress::{Heard, Progress};
use crate::{
    Dialect, Framing, Refusal, anthropic, gemini, ollama, openai, refusal_body, responses,
};

/// How far a stream is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct State<'s> {
    pub(crate) dialect: Dialect,
    pub(crate) framing: Framing,
    /// What the upstream said of the answer.
    pub(crate) heard: &'s Heard,
    /// What was read of it.
    pub(crate) read: &'s Progress,
    /// What the caller has seen of it.
    pub(crate) released: &'s Progress,
}

impl State<'_> {
    /// The choices that the caller did not see finish; when it saw all of them finish, all of
    /// them, for a block is never silent.
    pub(crate) fn unfinished(&self) -> Vec<u64> {
        let all = || self.read.parts();
        let mut choices: Vec<u64> = all().filter(|c| !self.released.is_closed(*c)).collect();
        if choices.is_empty() {
            choices = all().collect();
        }
        if choices.is_empty() {
            choices.push(0);
        }
        choices
    }

    /// The model that the caller was told, if it was told one.
    pub(crate) fn model_name(&self) -> &str {
        if self.released.started {
            self.heard.model_name()
        } else {
            "unknown"
        }
    }
}

/// A well-formed end in place of the rest.
pub(crate) fn block_frames(state: State<'_>, refusal: &Refusal<'_>) -> Vec<u8> {
    match state.dialect {
        Dialect::OpenAiChat | Dialect::OpenAiCompletions => openai::block_frames(state, refusal),
        Dialect::OpenAiResponses => responses::block_frames(state, refusal),
        Dialect::AnthropicMessages => anthropic::block_frames(state.heard, state.released, refusal),
        Dialect::Gemini => framed(state.framing, &gemini::block_parts(state, refusal)),
        Dialect::OllamaChat | Dialect::OllamaGenerate => {
            framed(state.framing, &ollama::block_line(state, refusal))
        }
        _ => fault_frames(state, refusal),
    }
}

/// An error event.
pub(crate) fn fault_frames(state: State<'_>, refusal: &Refusal<'_>) -> Vec<u8> {
    let body = refusal_body(state.dialect, refusal);
    let before: &[u8] = match (state.framing, state.dialect) {
        (Framing::Lines, _) => return [body.as_slice(), b"\n"].concat(),
        (Framing::Sse, Dialect::OpenAiResponses) => {
            return responses::fault_frames(state, refusal);
        }
        (Framing::Sse, Dialect::AnthropicMessages) => b"event: error\ndata: ",
        (Framing::Sse, _) => b"data: ",
    };
    [before, &body, b"\n\n"].concat()
}

fn framed(framing: Framing, value: &Value) -> Vec<u8> {
    match framing {
        Framing::Sse => format!("data: {value}\n\n"),
        Framing::Lines => format!("{value}\n"),
    }
    .into_bytes()
}
