//! Streams of one JSON value a line, from bytes in any chunks.

use bytes::BytesMut;
use memchr::memchr;

use crate::{DecodeError, StreamEvent};

/// Cuts a byte stream into lines. Only a line feed ends a line; a carriage return before it is
/// white space to JSON and stays with the line's bytes.
#[derive(Debug)]
pub(crate) struct LineDecoder {
    limit: usize,
    buffer: BytesMut,
    /// How far line ends were looked for.
    at: usize,
}

impl LineDecoder {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            buffer: BytesMut::new(),
            at: 0,
        }
    }

    pub(crate) fn push(&mut self, chunk: &[u8]) -> Result<Vec<StreamEvent>, DecodeError> {
        self.buffer.extend_from_slice(chunk);
        let mut events = Vec::new();
        while let Some(found) = memchr(b'\n', self.buffer.get(self.at..).unwrap_or_default()) {
            let end = self.at + found + 1;
            events.push(self.event(end)?);
        }
        self.at = self.buffer.len();
        if self.at > self.limit {
            return Err(DecodeError::TooLarge { limit: self.limit });
        }
        Ok(events)
    }

    pub(crate) fn finish(mut self) -> Result<Option<StreamEvent>, DecodeError> {
        let end = self.buffer.len();
        (end > 0).then(|| self.event(end)).transpose()
    }

    fn event(&mut self, end: usize) -> Result<StreamEvent, DecodeError> {
        if end > self.limit {
            return Err(DecodeError::TooLarge { limit: self.limit });
        }
        let raw = self.buffer.split_to(end).freeze();
        self.at = 0;
        let text = std::str::from_utf8(&raw).map_err(|_invalid| DecodeError::Encoding)?;
        let data = text.trim_matches(['\r', '\n', ' ', '\t']).to_owned();
        Ok(StreamEvent {
            raw,
            event: None,
            data,
        })
    }
}
