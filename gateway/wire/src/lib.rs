//! Bytes to typed events of each model API dialect, and back. Pure: no sockets, no clock.
//!
//! Three promises hold everything else up:
//!
//! - **What is forwarded is what was read.** Each string of a body or an event is in a text that
//!   the detectors get; the only exception is base64 media, and it is listed as unscanned, as are
//!   references to media and texts given as token ids.
//! - **Nothing is forwarded that was not understood.** Parsing is strict, so that the gateway and
//!   the receiver cannot read the same bytes differently.
//! - **Framing does not matter.** However a stream is cut into chunks, it gives the same events,
//!   the same texts and the same redactions.
//!
//! Whole bodies: [`Document`]. Streams: [`StreamDecoder`], then [`StreamReader`], which gives
//! [`Frame`]s. What a caller is told in place of an answer: [`Refusal`].

mod ambiguity;
mod anthropic;
mod channels;
mod dialect;
mod document;
mod edit;
mod embedded;
mod ending;
mod extraction;
mod frame;
mod framing;
mod gather;
mod gemini;
mod json;
mod known_keys;
mod limits;
mod lines;
mod media;
mod ollama;
mod openai;
mod progress;
mod refusal;
mod responses;
mod source;
mod sse;
mod stream;
mod summary;
mod tokens;
mod walk;

pub use dialect::Dialect;
pub use document::Document;
pub use edit::Edit;
pub use extraction::{Extraction, ExtractionError, Pointer, Scalar};
pub use frame::{Frame, Piece};
pub use framing::{DecodeError, Framing, StreamDecoder, StreamEvent};
pub use json::{BodyError, BodyFault};
pub use limits::Limits;
pub use refusal::{Refusal, RefusalKind, decision_comment, refusal_body};
pub use stream::{StreamError, StreamReader};
