//! One event of a stream as the detectors see it.

use bytes::Bytes;

use crate::edit::{Cuts, Place, Slot, splice};
use crate::progress::Mark;
use crate::sse::Framing;
use crate::{Edit, SseEvent};

/// A piece of one channel's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Dense index of the channel, in order of first appearance.
    pub channel: usize,
    /// Where the piece begins in the channel's text, in bytes.
    pub start: usize,
    /// The text.
    pub text: String,
}

/// One event: its texts, and the bytes that go on once they are judged.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Its texts in document order.
    pub pieces: Vec<Piece>,
    /// Whether it ends the stream: `[DONE]`, `message_stop`, or an error of the upstream's.
    pub terminal: bool,
    pub(crate) raw: Bytes,
    pub(crate) content: Content,
    pub(crate) marks: Vec<Mark>,
}

/// What a frame is written from when it is redacted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Content {
    pub(crate) event: Option<String>,
    pub(crate) data: String,
    pub(crate) asides: Vec<String>,
    pub(crate) slots: Vec<Slot>,
}

impl Frame {
    /// The frame of an event; `first` says that it is the first of its stream.
    pub(crate) fn of(event: SseEvent, first: bool) -> Self {
        let SseEvent { raw, event, data } = event;
        let Framing { asides, complete } = Framing::of(&raw, first);
        // An event that nothing ended must not run into what is sent after it.
        let raw = if complete {
            raw
        } else {
            [&raw, "\n\n".as_bytes()].concat().into()
        };
        let content = Content {
            event,
            data,
            asides,
            slots: Vec::new(),
        };
        Self {
            pieces: Vec::new(),
            terminal: false,
            raw,
            content,
            marks: Vec::new(),
        }
    }

    /// What comes after the end: no bytes, no text.
    pub(crate) fn silent() -> Self {
        Self {
            pieces: Vec::new(),
            terminal: false,
            raw: Bytes::new(),
            content: Content::default(),
            marks: Vec::new(),
        }
    }

    /// The bytes as they came, ended by a blank line.
    pub fn bytes(&self) -> Bytes {
        self.raw.clone()
    }

    /// The event with the spans of `edits` replaced; spans are in the coordinates of the
    /// channels. A replacement stands where its span begins; the parts of a span that lie in
    /// later frames are dropped there. A frame that no edit touches keeps its bytes; in one that
    /// is touched, only the strings concerned are written anew, and a comment, id or event name
    /// that an edit touches is left out.
    pub fn rewritten(&self, edits: &[Edit]) -> Vec<u8> {
        let cuts = Cuts::of(edits);
        let Content {
            event,
            data,
            asides,
            slots,
        } = &self.content;
        let touched: Vec<&Slot> = slots.iter().filter(|slot| cuts.touches(slot)).collect();
        if touched.is_empty() {
            return self.raw.to_vec();
        }
        let hits = |place: &Place| touched.iter().any(|slot| slot.place == *place);
        let mut out = String::with_capacity(self.raw.len() + 64);
        for (index, line) in asides.iter().enumerate() {
            if !hits(&Place::Aside(index)) {
                push_line(&mut out, "", line);
            }
        }
        if let Some(name) = event
            && !hits(&Place::Name)
        {
            push_line(&mut out, "event: ", name);
        }
        let whole = touched.iter().find(|slot| slot.place == Place::Data);
        let data = match whole {
            Some(slot) => cuts.apply(slot, data).unwrap_or_default(),
            None => splice(data, slots, &cuts),
        };
        if !data.is_empty() {
            for line in data.split(['\n', '\r']) {
                push_line(&mut out, "data: ", line);
            }
        }
        out.push('\n');
        out.into_bytes()
    }
}

fn push_line(out: &mut String, field: &str, value: &str) {
    out.push_str(field);
    out.push_str(value);
    out.push('\n');
}
