//! A whole JSON body: its texts for the detectors, and its bytes, as they came or redacted.

use std::collections::HashMap;
use std::convert::Infallible;

use bytes::Bytes;
use countersign_record::{Unscanned, Usage};

use crate::edit::{Cuts, Place, Slot, View, splice};
use crate::embedded::Unescaper;
use crate::gather::{Found, Reach, Sink};
use crate::json::{Tree, parse_bytes};
use crate::summary::Summary;
use crate::walk::{At, Walk};
use crate::{BodyError, Dialect, Edit, Limits, Pointer, Scalar, source, tokens};

/// A strictly parsed JSON body. See [`Document::parse`].
#[derive(Debug, Clone)]
pub struct Document {
    bytes: Bytes,
    texts: Vec<String>,
    slots: Vec<Slot>,
    unscanned: Vec<Unscanned>,
    summary: Summary,
}

impl Document {
    /// Parses `bytes` as exactly one JSON value, strictly: what two receivers could read
    /// differently is refused.
    ///
    /// # Errors
    /// [`BodyError`] for invalid UTF-8, anything that is not JSON (lone surrogates, `NaN` and
    /// trailing bytes included), the same key twice in one object, and values beyond `limits`.
    /// It says where, and does not quote the content.
    pub fn parse(bytes: Bytes, dialect: Dialect, limits: &Limits) -> Result<Self, BodyError> {
        let Tree { root, places } = parse_bytes(&bytes, dialect, limits)?;
        let mut gathering = Gathering::default();
        let mut walk = Walk {
            dialect,
            places: &places,
            sink: &mut gathering,
            event: root.text_at("type"),
            block: None,
            entries: 0,
        };
        match walk.value(&mut String::new(), At::default(), &root) {
            Ok(()) => {}
            Err(never) => match never {},
        }
        gathering.finish();
        let Gathering {
            texts,
            slots,
            unscanned,
            ..
        } = gathering;
        Ok(Self {
            summary: Summary::of(dialect, &root),
            bytes,
            texts,
            slots,
            unscanned,
        })
    }

    /// Every text of the body in document order, one element per channel: each string that is not
    /// empty, and each key that is not a word of the dialect (once, however often it comes).
    ///
    /// Strings are decoded. Those that hold JSON once more, as `arguments` of a tool call do, have
    /// the escapes inside undone too, and base64 of text is decoded. Tokens of log probabilities
    /// are joined into one text, and so are the texts that arrays called `bytes` spell. Of a base64
    /// data URL only the part before the data is here; the data of base64 media are the one thing
    /// that is not, and [`Self::unscanned`] lists them. Numbers, booleans and nulls are not text.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }

    /// What no text detector can read, by reason: base64 media (`media_type`), references to media
    /// that lie elsewhere (`media_reference`), and text as token ids (`token_ids`).
    pub fn unscanned(&self) -> &[Unscanned] {
        &self.unscanned
    }

    /// The model that the body names.
    pub fn model(&self) -> Option<&str> {
        self.summary.model.as_deref()
    }

    /// Whether a request asks for a stream. Gemini requests ask for one by their path:
    /// [`Dialect::path_asks_for_stream`].
    pub fn wants_stream(&self) -> bool {
        self.summary.wants_stream
    }

    /// Token usage, when the body states it.
    pub fn usage(&self) -> Option<Usage> {
        self.summary.usage
    }

    /// Why the model stopped, of the first choice.
    pub fn finish(&self) -> Option<String> {
        self.summary.finish.clone()
    }

    /// The string, number or boolean at `pointer`; `None` when there is none.
    pub fn at(&self, pointer: &Pointer) -> Option<Scalar> {
        let json = std::str::from_utf8(&self.bytes).ok()?;
        source::scalar_at(json, pointer.steps())
    }

    /// The bytes as they came.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The body with the spans of `edits` replaced. Only the strings that an edit touches are
    /// written anew; every other byte, and with it member order and numbers, stays. A redacted
    /// key gets a number so that it stays unlike its siblings.
    pub fn redacted(&self, edits: &[Edit]) -> Vec<u8> {
        // The bytes were valid UTF-8 when they were parsed.
        let json = std::str::from_utf8(&self.bytes).unwrap_or_default();
        splice(json, &self.slots, &Cuts::of(edits)).into_bytes()
    }
}

/// The channels of a body.
#[derive(Debug, Default)]
struct Gathering {
    texts: Vec<String>,
    slots: Vec<Slot>,
    unscanned: Vec<Unscanned>,
    /// Channels of the keys met so far.
    keys: HashMap<String, usize>,
    /// Channels of texts that their neighbours continue.
    joined: HashMap<String, (usize, Reach)>,
    /// Arrays that say once more what may be redacted anywhere.
    bound: Vec<Place>,
}

impl Gathering {
    fn open(&mut self, text: String) -> usize {
        self.texts.push(text);
        self.texts.len() - 1
    }

    fn slot(&mut self, place: Place, view: View, channel: usize, (start, len): (usize, usize)) {
        self.slots.push(Slot {
            place,
            channel,
            start,
            len,
            view,
        });
    }

    /// Continues the joined channel of a path with what `text` gives.
    fn join(
        &mut self,
        path: &str,
        text: impl FnOnce(&mut Reach) -> String,
    ) -> (usize, usize, usize) {
        let channel = if let Some((channel, _)) = self.joined.get(path) {
            *channel
        } else {
            let channel = self.open(String::new());
            let reach = Reach::default();
            self.joined.insert(path.to_owned(), (channel, reach));
            channel
        };
        let text = match self.joined.get_mut(path) {
            Some((_, reach)) => text(reach),
            None => String::new(),
        };
        let Some(known) = self.texts.get_mut(channel) else {
            return (channel, 0, 0);
        };
        let start = known.len();
        known.push_str(&text);
        (channel, start, text.len())
    }

    fn finish(&mut self) {
        for place in std::mem::take(&mut self.bound) {
            for channel in 0..self.texts.len() {
                self.slots.push(tokens::bound(place.clone(), channel));
            }
        }
    }
}

impl Sink for Gathering {
    type Error = Infallible;

    fn text(&mut self, _path: &str, found: Found<'_>) -> Result<(), Infallible> {
        let channel = self.open(found.text.to_owned());
        self.slot(found.place, found.view, channel, (0, found.text.len()));
        Ok(())
    }

    fn joined(&mut self, path: &str, found: Found<'_>) -> Result<(), Infallible> {
        let (channel, start, len) = self.join(path, |_| found.text.to_owned());
        self.slot(found.place, found.view, channel, (start, len));
        Ok(())
    }

    fn whole(&mut self, path: &str, found: Found<'_>) -> Result<(), Infallible> {
        self.text(path, found)
    }

    fn key(&mut self, found: Found<'_>) -> Result<(), Infallible> {
        let channel = if let Some(channel) = self.keys.get(found.text) {
            *channel
        } else {
            let channel = self.open(found.text.to_owned());
            self.keys.insert(found.text.to_owned(), channel);
            channel
        };
        self.slot(found.place, found.view, channel, (0, found.text.len()));
        Ok(())
    }

    fn embedded(&mut self, path: &str, place: Place, source: &str) -> Result<(), Infallible> {
        if !source.contains('\\') {
            let view = View::Plain;
            let text = source;
            return self.text(path, Found { place, view, text });
        }
        let state = Unescaper::default();
        // What is cut off inside an escape is no character and stays out.
        let text = state.clone().feed(source).text;
        if text.is_empty() {
            return Ok(());
        }
        let view = View::Embedded(state);
        self.text(
            path,
            Found {
                place,
                view,
                text: &text,
            },
        )
    }

    fn spelt(&mut self, path: &str, place: Place, bytes: &[u8]) -> Result<(), Infallible> {
        let (channel, start, len) = self.join(path, |reach| reach.spell(bytes));
        if len > 0 {
            self.slot(place, View::Spelt, channel, (start, len));
        }
        Ok(())
    }

    fn bind(&mut self, place: Place) {
        self.bound.push(place);
    }

    fn unread(&mut self, part: Unscanned) {
        self.unscanned.push(part);
    }

    fn slots(&mut self) -> &mut Vec<Slot> {
        &mut self.slots
    }
}
