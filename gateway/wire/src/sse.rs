//! Server-sent events, from bytes in any chunks.

use bytes::BytesMut;
use memchr::memchr2;

use crate::{DecodeError, StreamEvent};

const BOM: &[u8] = b"\xef\xbb\xbf";

/// Cuts a byte stream into events. However the stream is chunked, the events are the same: a
/// carriage return at the end of a chunk waits for the byte after it.
#[derive(Debug)]
pub(crate) struct SseDecoder {
    limit: usize,
    buffer: BytesMut,
    /// Where the current line starts, and how far line ends were looked for.
    line: usize,
    at: usize,
    begun: bool,
    fields: Fields,
}

#[derive(Debug, Default)]
struct Fields {
    event: Option<String>,
    data: Option<String>,
}

impl SseDecoder {
    /// A decoder for events of at most `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            buffer: BytesMut::new(),
            line: 0,
            at: 0,
            begun: false,
            fields: Fields::default(),
        }
    }

    /// Takes in a chunk and gives the events that it completes.
    ///
    /// # Errors
    /// [`DecodeError`]; the stream cannot be read further, and events before the fault in the same
    /// chunk are not given.
    pub(crate) fn push(&mut self, chunk: &[u8]) -> Result<Vec<StreamEvent>, DecodeError> {
        self.buffer.extend_from_slice(chunk);
        let mut events = Vec::new();
        while let Some((stop, next)) = self.line_end(false) {
            if let Some(event) = self.end_line(stop, next)? {
                events.push(event);
            }
        }
        if self.buffer.len() > self.limit {
            return Err(DecodeError::TooLarge { limit: self.limit });
        }
        Ok(events)
    }

    /// Ends the stream and gives the event that no blank line ended.
    ///
    /// # Errors
    /// [`DecodeError`], as for [`Self::push`].
    pub(crate) fn finish(mut self) -> Result<Option<StreamEvent>, DecodeError> {
        // At most one line end waits: a carriage return that is the last byte.
        if let Some((stop, next)) = self.line_end(true)
            && let Some(event) = self.end_line(stop, next)?
        {
            return Ok(Some(event));
        }
        if self.buffer.is_empty() {
            return Ok(None);
        }
        let end = self.buffer.len();
        if self.line < end {
            self.read_line(end)?;
        }
        self.event(end).map(Some)
    }

    /// The end of the current line and the start of the next.
    fn line_end(&mut self, at_end: bool) -> Option<(usize, usize)> {
        let rest = self.buffer.get(self.at..).unwrap_or_default();
        let Some(stop) = memchr2(b'\r', b'\n', rest).map(|found| self.at + found) else {
            self.at = self.buffer.len();
            return None;
        };
        self.at = stop;
        if self.buffer.get(stop) == Some(&b'\n') {
            return Some((stop, stop + 1));
        }
        match self.buffer.get(stop + 1) {
            Some(b'\n') => Some((stop, stop + 2)),
            Some(_) => Some((stop, stop + 1)),
            None => at_end.then_some((stop, stop + 1)),
        }
    }

    fn end_line(&mut self, stop: usize, next: usize) -> Result<Option<StreamEvent>, DecodeError> {
        let blank = self.read_line(stop)?;
        self.at = next;
        self.line = next;
        if blank {
            self.event(next).map(Some)
        } else {
            Ok(None)
        }
    }

    /// Reads the line that ends at `stop`; says whether it is blank.
    fn read_line(&mut self, stop: usize) -> Result<bool, DecodeError> {
        let mut line = self.buffer.get(self.line..stop).unwrap_or_default();
        if !std::mem::replace(&mut self.begun, true) {
            line = line.strip_prefix(BOM).unwrap_or(line);
        }
        let line = std::str::from_utf8(line).map_err(|_invalid| DecodeError::Encoding)?;
        self.fields.read(line);
        Ok(line.is_empty())
    }

    fn event(&mut self, end: usize) -> Result<StreamEvent, DecodeError> {
        if end > self.limit {
            return Err(DecodeError::TooLarge { limit: self.limit });
        }
        let raw = self.buffer.split_to(end).freeze();
        (self.at, self.line) = (0, 0);
        let Fields { event, data } = std::mem::take(&mut self.fields);
        Ok(StreamEvent {
            raw,
            event,
            data: data.unwrap_or_default(),
        })
    }
}

impl Fields {
    fn read(&mut self, line: &str) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "data" => match &mut self.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(value);
                }
                None => self.data = Some(value.to_owned()),
            },
            "event" => self.event = Some(value.to_owned()),
            _ => {}
        }
    }
}

/// What the bytes of an event hold besides its name and data.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Asides {
    /// Comments, ids, retry times, fields nobody knows, and names that a later name overrides.
    pub(crate) lines: Vec<String>,
    /// Whether a blank line ends it. The last event of a stream may lack it.
    pub(crate) complete: bool,
}

impl Asides {
    /// Reads it from the bytes themselves, so that it is what goes on. `first` says that a byte
    /// order mark may lead.
    pub(crate) fn of(raw: &[u8], first: bool) -> Self {
        let text = String::from_utf8_lossy(raw);
        let mut rest = text.as_ref();
        if first {
            rest = rest.strip_prefix('\u{feff}').unwrap_or(rest);
        }
        let mut asides = Vec::new();
        let mut name = None;
        let mut complete = false;
        while !rest.is_empty() {
            let end = rest.find(['\r', '\n']).unwrap_or(rest.len());
            let (line, ended) = rest.split_at(end);
            let after = ended.strip_prefix("\r\n").or_else(|| ended.get(1..));
            rest = after.unwrap_or_default();
            complete = line.is_empty();
            match line.split_once(':').map_or(line, |(field, _)| field) {
                "data" => {}
                "event" => asides.extend(name.replace(line.to_owned())),
                _ if line.is_empty() => {}
                _ => asides.push(line.to_owned()),
            }
        }
        Self {
            lines: asides,
            complete,
        }
    }
}

#[cfg(test)]
mod tests;
