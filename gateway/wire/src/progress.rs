//! How far a stream is: what the upstream said of it, and what the caller has seen of it.

use std::collections::BTreeMap;

use countersign_record::Usage;

use crate::json::Node;

/// Longest id or model name that is repeated in frames of our own.
const NAME_MAX: usize = 128;

/// What the upstream said of the answer as a whole.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) id: Option<String>,
    pub(crate) model: Option<String>,
    /// When it was made, as a number of seconds or as a time.
    pub(crate) created: Option<u64>,
    pub(crate) created_at: Option<String>,
    pub(crate) usage: Option<Usage>,
    pub(crate) finish: Option<String>,
    /// Id and type of each output item, as far as it has one.
    pub(crate) items: BTreeMap<Part, (String, String)>,
    /// The upstream ended with an error event.
    pub(crate) failed: bool,
}

impl Heard {
    pub(crate) fn error(&mut self) {
        self.finish = Some("error".to_owned());
        self.failed = true;
    }

    pub(crate) fn model_from(&mut self, node: &Node) {
        if let Some(model) = node.text_at("model") {
            self.model = Some(model.to_owned());
        }
    }

    /// An answer's own id when it is one; ids with other characters are not repeated unjudged.
    pub(crate) fn id_or(&self, own: String) -> String {
        self.id.clone().filter(|id| is_name(id)).unwrap_or(own)
    }

    pub(crate) fn model_name(&self) -> &str {
        self.model
            .as_deref()
            .filter(|model| is_name(model))
            .unwrap_or("unknown")
    }
}

pub(crate) fn is_name(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._:/@-".contains(&b);
    !text.is_empty() && text.len() <= NAME_MAX && text.bytes().all(plain)
}

/// A choice, content block or output item, by its index.
pub(crate) type Part = u64;

/// What an event does to the answer's structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// The answer begins.
    Start,
    /// A part goes on, and is open unless it was closed.
    Touch(Part),
    /// A part ends.
    Close(Part),
    /// The event has this number.
    Number(u64),
}

/// How far an answer is.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    pub(crate) started: bool,
    /// The number of the last event.
    pub(crate) number: Option<u64>,
    /// Which parts there are and which of them are open.
    parts: BTreeMap<Part, bool>,
}

impl Progress {
    pub(crate) fn apply(&mut self, mark: Mark) {
        match mark {
            Mark::Start => self.started = true,
            Mark::Number(number) => self.number = Some(number),
            Mark::Touch(part) => {
                self.parts.entry(part).or_insert(true);
            }
            Mark::Close(part) => {
                self.parts.insert(part, false);
            }
        }
    }

    pub(crate) fn parts(&self) -> impl Iterator<Item = Part> {
        self.parts.keys().copied()
    }

    pub(crate) fn open_parts(&self) -> impl Iterator<Item = Part> {
        let open = self.parts.iter().filter(|(_, open)| **open);
        open.map(|(part, _)| *part)
    }

    pub(crate) fn is_closed(&self, part: Part) -> bool {
        self.parts.get(&part) == Some(&false)
    }

    pub(crate) fn len(&self) -> usize {
        self.parts.len()
    }
}

/// Usage in either vendor's words.
pub(crate) fn usage_of(node: &Node) -> Option<Usage> {
    let either = |a: &str, b: &str| node.number_at(a).or_else(|| node.number_at(b));
    let input = either("prompt_tokens", "input_tokens");
    let output = either("completion_tokens", "output_tokens");
    if input.is_none() && output.is_none() {
        return None;
    }
    Some(Usage {
        input_tokens: input.unwrap_or(0),
        output_tokens: output.unwrap_or(0),
    })
}
