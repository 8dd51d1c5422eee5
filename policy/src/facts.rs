//! What a policy may know about one side of an exchange.

use std::collections::BTreeMap;

use countersign_record::{Score, Side, Usage};

/// One label's score and verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SignalFact {
    /// The highest score over the whole side, in parts per million.
    pub score: Score,
    /// True when the score reached the block threshold.
    pub present: bool,
}

/// How large a side is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sizes {
    /// Body size after decoding, in bytes.
    pub bytes: u64,
    /// Text channels found in it.
    pub channels: u32,
}

/// Everything a rule can read about one side of an exchange. Holds no content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Which side.
    pub side: Side,
    /// Dialect spoken, for example `openai.chat`.
    pub dialect: String,
    /// The model asked for; empty when the request names none.
    pub model: String,
    /// Name of the route.
    pub route: String,
    /// Who asks, when known.
    pub principal: Option<String>,
    /// Tags given by the route or the caller. At most 64, each at most 4096 bytes.
    pub tags: Vec<String>,
    /// Metadata given by the route or the caller. At most 64 members, each key and value at most
    /// 4096 bytes.
    pub metadata: BTreeMap<String, String>,
    /// What detectors found, by dotted label. A label that is missing counts as score 0, absent.
    pub signals: BTreeMap<String, SignalFact>,
    /// Why something was not evaluated; empty when everything was. At most 64.
    pub not_evaluated: Vec<String>,
    /// How large the side is.
    pub sizes: Sizes,
    /// Token usage as the vendor reported it; zero until then.
    pub usage: Usage,
}

/// Items a list or map of facts may have, and bytes an item may have.
const ITEMS_MAX: usize = 64;
const ITEM_BYTES_MAX: usize = 4096;

impl Facts {
    /// Facts about nothing in particular: no signals, empty texts, zero sizes.
    pub fn new(side: Side) -> Self {
        Self {
            side,
            dialect: String::new(),
            model: String::new(),
            route: String::new(),
            principal: None,
            tags: Vec::new(),
            metadata: BTreeMap::new(),
            signals: BTreeMap::new(),
            not_evaluated: Vec::new(),
            sizes: Sizes::default(),
            usage: Usage::default(),
        }
    }

    /// Whether the lists are short enough that conditions over them stay cheap.
    pub(crate) fn within_bounds(&self) -> bool {
        let short = |text: &String| text.len() <= ITEM_BYTES_MAX;
        let few = |count: usize| count <= ITEMS_MAX;
        few(self.tags.len())
            && few(self.metadata.len())
            && few(self.not_evaluated.len())
            && self.tags.iter().chain(&self.not_evaluated).all(short)
            && self
                .metadata
                .iter()
                .all(|(key, value)| short(key) && short(value))
    }
}
