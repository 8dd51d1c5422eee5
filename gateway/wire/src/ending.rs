//! Frames of our own that end a stream: a block, or a fault.

use crate::progress::{Heard, Progress};
use crate::{Dialect, Framing, Refusal, anthropic, openai, refusal_body};

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

/// A well-formed end in place of the rest.
pub(crate) fn block_frames(state: State<'_>, refusal: &Refusal<'_>) -> Vec<u8> {
    match state.dialect {
        Dialect::OpenAiChat => {
            openai::block_frames(state.heard, state.read, state.released, refusal)
        }
        Dialect::AnthropicMessages => anthropic::block_frames(state.heard, state.released, refusal),
        _ => fault_frames(state, refusal),
    }
}

/// An error event.
pub(crate) fn fault_frames(state: State<'_>, refusal: &Refusal<'_>) -> Vec<u8> {
    let body = refusal_body(state.dialect, refusal);
    match (state.framing, state.dialect) {
        (Framing::Lines, _) => [body.as_slice(), b"\n"].concat(),
        (Framing::Sse, Dialect::AnthropicMessages) => {
            [b"event: error\ndata: ".as_slice(), &body, b"\n\n"].concat()
        }
        (Framing::Sse, _) => [b"data: ".as_slice(), &body, b"\n\n"].concat(),
    }
}
