//! A whole JSON body: its texts for the detectors, and its bytes, as they came or redacted.

use std::collections::HashMap;
use std::ops::Range;

use bytes::Bytes;
use countersign_record::{Unscanned, Usage};

use crate::edit::{Cuts, Place, Slot, View, splice};
use crate::embedded::Unescaper;
use crate::json::{Leaf, Node, Tree, parse_bytes};
use crate::known_keys::{is_embedded_json, is_known};
use crate::progress::usage_of;
use crate::{BodyError, Dialect, Edit, Limits, Pointer, Scalar, media, source};

/// A strictly parsed JSON body. See [`Document::parse`].
#[derive(Debug, Clone)]
pub struct Document {
    bytes: Bytes,
    texts: Vec<String>,
    slots: Vec<Slot>,
    unscanned: Vec<Unscanned>,
    model: Option<String>,
    wants_stream: bool,
    usage: Option<Usage>,
    finish: Option<String>,
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
        let Tree { root, tokens } = parse_bytes(&bytes, limits)?;
        let model = root.text_at("model").map(str::to_owned);
        let wants_stream = matches!(root.get("stream"), Some(Node::Bool(true)));
        let usage = root.get("usage").and_then(usage_of);
        let finish = finish_of(&root).map(str::to_owned);
        let mut gathering = Gathering {
            dialect,
            tokens,
            ..Gathering::default()
        };
        gathering.value(None, root);
        let Gathering {
            texts,
            slots,
            unscanned,
            ..
        } = gathering;
        Ok(Self {
            bytes,
            texts,
            slots,
            unscanned,
            model,
            wants_stream,
            usage,
            finish,
        })
    }

    /// Every text of the body in document order, one element per channel: each string that is not
    /// empty, and each key that is not a word of the dialect (once, however often it comes).
    ///
    /// Strings are decoded. Those that hold JSON once more, as `arguments` of a tool call do, have
    /// the escapes inside undone too. Of a base64 data URL only the part before the data is here;
    /// the data of base64 media are the one thing that is not, and [`Self::unscanned`] lists them.
    /// Numbers, booleans and nulls are not text.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }

    /// The base64 media, which no text detector can read.
    pub fn unscanned(&self) -> &[Unscanned] {
        &self.unscanned
    }

    /// The model that the body names.
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// Whether a request asks for a stream.
    pub fn wants_stream(&self) -> bool {
        self.wants_stream
    }

    /// Token usage, when the body states it.
    pub fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// Why the model stopped, of the first choice.
    pub fn finish(&self) -> Option<String> {
        self.finish.clone()
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

fn finish_of(root: &Node) -> Option<&str> {
    let choice = root
        .get("choices")
        .and_then(|choices| choices.items().first());
    choice
        .and_then(|c| c.text_at("finish_reason"))
        .or_else(|| root.text_at("stop_reason"))
}

struct Gathering {
    dialect: Dialect,
    tokens: Vec<Range<usize>>,
    texts: Vec<String>,
    slots: Vec<Slot>,
    unscanned: Vec<Unscanned>,
    /// Channels of the keys met so far.
    keys: HashMap<String, usize>,
}

impl Default for Gathering {
    fn default() -> Self {
        Self {
            dialect: Dialect::Raw,
            tokens: Vec::new(),
            texts: Vec::new(),
            slots: Vec::new(),
            unscanned: Vec::new(),
            keys: HashMap::new(),
        }
    }
}

impl Gathering {
    fn value(&mut self, key: Option<&str>, node: Node) {
        match node {
            Node::Null | Node::Bool(_) | Node::Number(_) => {}
            Node::Text(leaf) => self.text(key, leaf),
            Node::List(items) => {
                for item in items {
                    self.value(key, item);
                }
            }
            Node::Map(_) => self.object(key, node),
        }
    }

    fn object(&mut self, key: Option<&str>, node: Node) {
        let media = media::kind_of_data(key, &node);
        let Node::Map(members) = node else { return };
        for (name, value) in members {
            self.key(&name);
            match &media {
                Some(kind) if name.text == "data" => self.unread(kind.clone()),
                _ => self.value(Some(&name.text), value),
            }
        }
    }

    fn key(&mut self, name: &Leaf) {
        if name.text.is_empty() || is_known(self.dialect, &name.text) {
            return;
        }
        let known = self.keys.get(&name.text).copied();
        let channel = known.unwrap_or_else(|| {
            self.keys.insert(name.text.clone(), self.texts.len());
            self.texts.push(name.text.clone());
            self.texts.len() - 1
        });
        self.slot(name.token, channel, View::Key);
    }

    fn text(&mut self, key: Option<&str>, leaf: Leaf) {
        let Leaf { mut text, token } = leaf;
        let mut view = View::Plain;
        if let Some((kind, head)) = media::kind_of_url(key, &text) {
            self.unread(kind);
            text.truncate(head);
            view = View::Head(head);
        } else if key.is_some_and(is_embedded_json) && text.contains('\\') {
            let state = Unescaper::default();
            // What is cut off inside an escape is no character and stays out.
            text = state.clone().feed(&text).text;
            view = View::Embedded(state);
        }
        if text.is_empty() {
            return;
        }
        self.texts.push(text);
        self.slot(token, self.texts.len() - 1, view);
    }

    fn slot(&mut self, token: usize, channel: usize, view: View) {
        let len = self.texts.get(channel).map_or(0, String::len);
        if let Some(range) = self.tokens.get(token) {
            let place = Place::Token(range.clone());
            self.slots.push(Slot {
                place,
                channel,
                start: 0,
                len,
                view,
            });
        }
    }

    fn unread(&mut self, kind: String) {
        self.unscanned.push(Unscanned {
            reason: "media_type".to_owned(),
            kind,
        });
    }
}
