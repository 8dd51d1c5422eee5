//! One event of a stream as the detectors see it.

use bytes::Bytes;
use countersign_record::Unscanned;

use crate::edit::{Cuts, Place, Slot, splice};
use crate::progress::Mark;
use crate::sse::Asides;
use crate::{Edit, Framing, StreamEvent};

/// A piece of one channel's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Dense index of the channel, in order of first appearance.
    pub channel: usize,
    /// Where the piece begins in the channel's text, in bytes.
    pub start: usize,
    /// The text.
    pub text: String,
    /// Whether it says something, and goes on where the channel's last piece ended; ids, types and
    /// names of events do not.
    pub speech: bool,
}

/// One event: its texts, and the bytes that go on once they are judged.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Its texts in document order.
    pub pieces: Vec<Piece>,
    /// Media in it, which no text detector can read.
    pub unscanned: Vec<Unscanned>,
    /// Whether it ends the stream: the dialect's terminal marker, or an error of the upstream's.
    pub terminal: bool,
    pub(crate) framing: Framing,
    pub(crate) raw: Bytes,
    /// Whether the bytes are an event by themselves, whatever is sent after them.
    pub(crate) complete: bool,
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
    pub(crate) fn of(event: StreamEvent, framing: Framing, first: bool) -> Self {
        let StreamEvent { raw, event, data } = event;
        let (asides, complete) = match framing {
            Framing::Sse => {
                let Asides { lines, complete } = Asides::of(&raw, first);
                (lines, complete)
            }
            Framing::Lines => (Vec::new(), raw.ends_with(b"\n")),
        };
        let content = Content {
            event,
            data,
            asides,
            slots: Vec::new(),
        };
        Self {
            pieces: Vec::new(),
            unscanned: Vec::new(),
            terminal: false,
            framing,
            raw,
            complete,
            content,
            marks: Vec::new(),
        }
    }

    /// What comes after the end: no bytes, no text.
    pub(crate) fn silent(framing: Framing) -> Self {
        let event = StreamEvent {
            raw: Bytes::new(),
            event: None,
            data: String::new(),
        };
        let frame = Self::of(event, framing, false);
        Self {
            complete: true,
            ..frame
        }
    }

    /// The bytes as they came. An event that the stream left without its end gets one, so that it
    /// does not run into what is sent after it; nothing is sent after a terminal one.
    pub fn bytes(&self) -> Bytes {
        if self.complete || self.terminal {
            return self.raw.clone();
        }
        [&self.raw, self.end().as_bytes()].concat().into()
    }

    fn end(&self) -> &'static str {
        match self.framing {
            Framing::Sse => "\n\n",
            Framing::Lines => "\n",
        }
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
            return self.bytes().to_vec();
        }
        if self.framing == Framing::Lines {
            let mut line = splice(data, slots, &cuts);
            line.push('\n');
            return line.into_bytes();
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
