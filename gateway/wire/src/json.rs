//! Strict JSON: what two parsers could read differently is refused.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::fmt;

use memchr::memchr;
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};

use crate::source::Places;
use crate::{Dialect, Limits, ambiguity};

/// Objects with more members than this look keys up in a set.
const SMALL_OBJECT: usize = 16;

/// Why bytes are not a body, and where. It never quotes the content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fault} at line {line} column {column} (byte {offset})")]
pub struct BodyError {
    /// What is wrong.
    pub fault: BodyFault,
    /// Line, from 1.
    pub line: usize,
    /// Column in bytes, from 1.
    pub column: usize,
    /// Byte offset from the start, from 0.
    pub offset: usize,
}

/// What can be wrong with a body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BodyFault {
    /// Not UTF-8.
    #[error("invalid UTF-8")]
    Encoding,
    /// An object has the same key twice; receivers differ in which one counts.
    #[error("an object has the same key twice")]
    DuplicateKey,
    /// An object has two keys that a receiver which folds letter case or compatibility characters
    /// takes for the same word of the dialect.
    #[error("an object has two keys that some receivers take for the same")]
    AmbiguousKey,
    /// It begins with a byte order mark, which some receivers skip and some refuse.
    #[error("a byte order mark stands before the value")]
    ByteOrderMark,
    /// Nested too deep.
    #[error("nested deeper than {limit} levels")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// Too many values.
    #[error("more than {limit} values")]
    TooManyValues {
        /// The limit.
        limit: usize,
    },
    /// Not JSON.
    #[error("{0}")]
    Syntax(String),
}

/// A string of the source: its decoded text, and which string token it is, keys included.
#[derive(Debug)]
pub(crate) struct Leaf {
    pub(crate) text: String,
    pub(crate) token: usize,
}

/// A parsed value. Members keep their order.
#[derive(Debug)]
pub(crate) enum Node {
    Null,
    Bool(bool),
    /// Only small naturals are ever read; the source bytes keep every other number.
    Number(Option<u64>),
    Text(Leaf),
    /// Items, and which array of the source it is.
    List(Vec<Node>, usize),
    Map(Vec<(Leaf, Node)>),
}

impl Node {
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        let Self::Map(members) = self else {
            return None;
        };
        members
            .iter()
            .find(|(name, _)| name.text == key)
            .map(|(_, value)| value)
    }

    pub(crate) fn text_at(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Self::text)
    }

    pub(crate) fn number_at(&self, key: &str) -> Option<u64> {
        match self.get(key) {
            Some(Self::Number(number)) => *number,
            _ => None,
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        if let Self::Text(leaf) = self {
            Some(&leaf.text)
        } else {
            None
        }
    }

    pub(crate) fn items(&self) -> &[Self] {
        if let Self::List(items, _) = self {
            items
        } else {
            &[]
        }
    }
}

/// A parsed source and where its strings and arrays are.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) root: Node,
    pub(crate) places: Places,
}

/// Parses `bytes` as exactly one JSON value.
pub(crate) fn parse_bytes(
    bytes: &[u8],
    dialect: Dialect,
    limits: &Limits,
) -> Result<Tree, BodyError> {
    match std::str::from_utf8(bytes) {
        Ok(text) => parse(text, dialect, limits),
        Err(error) => Err(at_offset(BodyFault::Encoding, bytes, error.valid_up_to())),
    }
}

/// Parses `text` as exactly one JSON value.
pub(crate) fn parse(text: &str, dialect: Dialect, limits: &Limits) -> Result<Tree, BodyError> {
    if text.starts_with('\u{feff}') {
        return Err(at_offset(BodyFault::ByteOrderMark, text.as_bytes(), 0));
    }
    let state = State::new(limits);
    let mut source = serde_json::Deserializer::from_str(text);
    let root = Seed {
        state: &state,
        depth: 0,
    }
    .deserialize(&mut source);
    match root.and_then(|root| source.end().map(|()| root)) {
        Ok(root) => {
            let places = Places::of(text);
            if let Some(key) = ambiguity::ambiguous_key(dialect, &root) {
                let offset = places.string(key).start;
                return Err(at_offset(BodyFault::AmbiguousKey, text.as_bytes(), offset));
            }
            Ok(Tree { root, places })
        }
        Err(error) => Err(located(text, &error, state.fault.into_inner())),
    }
}

fn located(text: &str, error: &serde_json::Error, fault: Option<BodyFault>) -> BodyError {
    let fault = fault.unwrap_or_else(|| {
        let said = error.to_string();
        let what = said
            .rfind(" at line ")
            .and_then(|end| said.get(..end))
            .unwrap_or(&said);
        BodyFault::Syntax(what.to_owned())
    });
    let line = error.line().max(1);
    let mut line_start = 0;
    for _ in 1..line {
        let rest = text.as_bytes().get(line_start..).unwrap_or_default();
        line_start += memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
    }
    let column = error.column().max(1);
    BodyError {
        fault,
        line,
        column,
        offset: (line_start + column - 1).min(text.len()),
    }
}

fn at_offset(fault: BodyFault, bytes: &[u8], offset: usize) -> BodyError {
    let before = bytes.get(..offset).unwrap_or_default();
    let line_start = memchr::memrchr(b'\n', before).map_or(0, |end| end + 1);
    let line = 1 + memchr::memchr_iter(b'\n', before).count();
    BodyError {
        fault,
        line,
        column: 1 + offset - line_start,
        offset,
    }
}

struct State<'l> {
    limits: &'l Limits,
    values: Cell<usize>,
    tokens: Cell<usize>,
    lists: Cell<usize>,
    fault: RefCell<Option<BodyFault>>,
}

impl<'l> State<'l> {
    fn new(limits: &'l Limits) -> Self {
        Self {
            limits,
            values: Cell::new(0),
            tokens: Cell::new(0),
            lists: Cell::new(0),
            fault: RefCell::new(None),
        }
    }

    fn refuse<E: serde::de::Error>(&self, fault: BodyFault) -> E {
        self.fault.replace(Some(fault));
        E::custom("refused")
    }

    fn count<E: serde::de::Error>(&self) -> Result<(), E> {
        self.values.set(self.values.get() + 1);
        let limit = self.limits.leaves_max;
        if self.values.get() > limit {
            return Err(self.refuse(BodyFault::TooManyValues { limit }));
        }
        Ok(())
    }

    fn leaf(&self, text: String) -> Leaf {
        let token = self.tokens.get();
        self.tokens.set(token + 1);
        Leaf { text, token }
    }
}

#[derive(Clone, Copy)]
struct Seed<'s> {
    state: &'s State<'s>,
    depth: usize,
}

impl Seed<'_> {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        let limit = self.state.limits.depth_max;
        if self.depth >= limit {
            return Err(self.state.refuse(BodyFault::TooDeep { limit }));
        }
        Ok(Self {
            state: self.state,
            depth: self.depth + 1,
        })
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Node;

    fn deserialize<D: serde::Deserializer<'de>>(self, source: D) -> Result<Node, D::Error> {
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Node, E> {
        self.state.count().map(|()| Node::Null)
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Node, E> {
        self.state.count().map(|()| Node::Bool(value))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Node, E> {
        self.state
            .count()
            .map(|()| Node::Number(u64::try_from(value).ok()))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Node, E> {
        self.state.count().map(|()| Node::Number(Some(value)))
    }

    fn visit_f64<E: serde::de::Error>(self, _value: f64) -> Result<Node, E> {
        self.state.count().map(|()| Node::Number(None))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Node, E> {
        self.state.count()?;
        Ok(Node::Text(self.state.leaf(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut source: A) -> Result<Node, A::Error> {
        self.state.count()?;
        let inner = self.deeper()?;
        let place = self.state.lists.get();
        self.state.lists.set(place + 1);
        let mut items = Vec::new();
        while let Some(item) = source.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(Node::List(items, place))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut source: A) -> Result<Node, A::Error> {
        self.state.count()?;
        let inner = self.deeper()?;
        let mut members: Vec<(Leaf, Node)> = Vec::new();
        let mut known = HashSet::new();
        while let Some(key) = source.next_key::<String>()? {
            self.state.count()?;
            if repeats(&members, &mut known, &key) {
                return Err(self.state.refuse(BodyFault::DuplicateKey));
            }
            let key = self.state.leaf(key);
            members.push((key, source.next_value_seed(inner)?));
        }
        Ok(Node::Map(members))
    }
}

fn repeats(members: &[(Leaf, Node)], known: &mut HashSet<String>, key: &str) -> bool {
    if members.len() < SMALL_OBJECT {
        return members.iter().any(|(name, _)| name.text == key);
    }
    if known.is_empty() {
        known.extend(members.iter().map(|(name, _)| name.text.clone()));
    }
    !known.insert(key.to_owned())
}
