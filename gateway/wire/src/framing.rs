//! How a stream's events are put into bytes, and the bytes cut into events again.

use bytes::Bytes;

use crate::lines::LineDecoder;
use crate::sse::SseDecoder;

/// How events follow each other in a byte stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Framing {
    /// Server-sent events.
    Sse,
    /// One JSON value a line.
    Lines,
}

impl Framing {
    /// The framing of a media type (in lower case, without parameters); `None` when it is not a
    /// stream that can be read event by event.
    ///
    /// ```
    /// use countersign_wire::Framing;
    /// assert_eq!(Framing::of_media_type("text/event-stream"), Some(Framing::Sse));
    /// assert_eq!(Framing::of_media_type("application/x-ndjson"), Some(Framing::Lines));
    /// assert_eq!(Framing::of_media_type("application/json"), None);
    /// ```
    pub fn of_media_type(media_type: &str) -> Option<Self> {
        match media_type {
            "text/event-stream" => Some(Self::Sse),
            "application/x-ndjson"
            | "application/ndjson"
            | "application/jsonl"
            | "application/x-jsonl"
            | "application/jsonlines"
            | "application/x-jsonlines"
            | "application/json-lines" => Some(Self::Lines),
            _ => None,
        }
    }
}

/// One event. The `raw` of all events, one after the other, are the bytes of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamEvent {
    /// The exact bytes: comments before it and the blank line or line end that ends it included.
    pub raw: Bytes,
    /// The name, when it has one.
    pub event: Option<String>,
    /// Its data lines, joined by line feeds, or its line; empty for a bare comment or blank line.
    pub data: String,
}

/// Why bytes are no event stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// An event is longer than the limit.
    #[error("an event is longer than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// An event is not UTF-8.
    #[error("an event is not valid UTF-8")]
    Encoding,
}

/// Cuts a byte stream into events. However the stream is chunked, the events are the same.
#[derive(Debug)]
pub struct StreamDecoder(Decoder);

#[derive(Debug)]
enum Decoder {
    Sse(SseDecoder),
    Lines(LineDecoder),
}

impl StreamDecoder {
    /// A decoder for events of at most `limit` bytes.
    pub fn new(framing: Framing, limit: usize) -> Self {
        Self(match framing {
            Framing::Sse => Decoder::Sse(SseDecoder::new(limit)),
            Framing::Lines => Decoder::Lines(LineDecoder::new(limit)),
        })
    }

    /// Takes in a chunk and gives the events that it completes.
    ///
    /// # Errors
    /// [`DecodeError`]; the stream cannot be read further, and events before the fault in the
    /// same chunk are not given.
    pub fn push(&mut self, chunk: &[u8]) -> Result<Vec<StreamEvent>, DecodeError> {
        match &mut self.0 {
            Decoder::Sse(decoder) => decoder.push(chunk),
            Decoder::Lines(decoder) => decoder.push(chunk),
        }
    }

    /// Ends the stream and gives the event that nothing ended.
    ///
    /// # Errors
    /// [`DecodeError`], as for [`Self::push`].
    pub fn finish(self) -> Result<Option<StreamEvent>, DecodeError> {
        match self.0 {
            Decoder::Sse(decoder) => decoder.finish(),
            Decoder::Lines(decoder) => decoder.finish(),
        }
    }
}
