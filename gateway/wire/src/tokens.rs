//! The same text said once more token by token: log probabilities, bytes and token ids.
//!
//! A token says too little by itself, so tokens that follow each other are one text. Where an edit
//! touches a token, its bytes and its alternatives, which would spell it still, go with it.

use crate::Dialect;
use crate::edit::{Place, Slot, View};
use crate::gather::Sink;
use crate::json::{Leaf, Node};
use crate::walk::{At, Walk, push_index, push_key};

type Members = [(Leaf, Node)];

/// The value under `key`.
pub(crate) fn member<'n>(members: &'n Members, key: &str) -> Option<&'n Node> {
    let found = members.iter().find(|(name, _)| name.text == key);
    found.map(|(_, value)| value)
}

/// Whether an object is a token and how likely it was.
pub(crate) fn is_entry(members: &Members) -> bool {
    let likely = [
        "logprob",
        "bytes",
        "top_logprobs",
        "logProbability",
        "tokenId",
    ];
    matches!(member(members, "token"), Some(Node::Text(_)))
        && likely.iter().any(|key| member(members, key).is_some())
}

/// Whether the items of a list are alternatives of one token.
pub(crate) fn is_ranked(key: &str) -> bool {
    matches!(key, "top_logprobs" | "candidates")
}

/// The items as bytes, when they can be nothing else.
pub(crate) fn byte_values(items: &[Node]) -> Option<Vec<u8>> {
    let byte = |item: &Node| match item {
        Node::Number(Some(number)) => u8::try_from(*number).ok(),
        _ => None,
    };
    let bytes: Option<Vec<u8>> = items.iter().map(byte).collect();
    bytes.filter(|bytes| !bytes.is_empty())
}

/// Whether a list is text as ids of tokens, which no detector reads.
pub(crate) fn are_token_ids(dialect: Dialect, key: &str, items: &[Node]) -> bool {
    let place = match dialect {
        Dialect::OpenAiChat
        | Dialect::OpenAiResponses
        | Dialect::OpenAiCompletions
        | Dialect::OpenAiEmbeddings
        | Dialect::OpenAiModerations => matches!(key, "prompt" | "input" | "prompt_token_ids"),
        Dialect::OllamaChat | Dialect::OllamaGenerate => key == "context",
        _ => false,
    };
    let number = |item: &Node| matches!(item, Node::Number(_));
    place
        && items.iter().any(|item| {
            number(item) || matches!(item, Node::List(inner, _) if inner.iter().any(number))
        })
}

/// Tokens that were chosen and, item by item, their alternatives.
pub(crate) fn aligned(members: &Members) -> Option<(&Node, Option<&Node>)> {
    let beside = ["token_logprobs", "top_logprobs", "text_offset"];
    if let Some(chosen @ Node::List(..)) = member(members, "tokens")
        && beside.iter().any(|key| member(members, key).is_some())
    {
        return Some((chosen, member(members, "top_logprobs")));
    }
    match member(members, "chosenCandidates") {
        Some(chosen @ Node::List(..)) => Some((chosen, member(members, "topCandidates"))),
        _ => None,
    }
}

/// Whether alternatives are the keys of an object.
fn are_keys(alternatives: &Node) -> bool {
    let Node::Map(members) = alternatives else {
        return false;
    };
    members
        .iter()
        .all(|(_, value)| matches!(value, Node::Number(_)))
}

impl<S: Sink> Walk<'_, S> {
    /// A token, its bytes and its alternatives.
    pub(crate) fn entry(
        &mut self,
        path: &mut String,
        at: At<'_>,
        members: &Members,
    ) -> Result<(), S::Error> {
        let from = self.sink.slots().len();
        let mut others = Vec::new();
        for (name, value) in members {
            self.name(name)?;
            let length = path.len();
            push_key(path, &name.text);
            let walked = match (&*name.text, value) {
                ("token", Node::Text(leaf)) => self.token(path, leaf, View::Plain),
                ("bytes", value) => {
                    self.value(path, self.within(at, Some("bytes"), members), value)
                }
                _ => {
                    others.push((name, value));
                    Ok(())
                }
            };
            path.truncate(length);
            walked?;
        }
        let owners = self.sink.owners(from);
        self.entries += 1;
        let walked = others.into_iter().try_for_each(|(name, value)| {
            self.member(path, self.within(at, Some(&name.text), members), value)
        });
        self.entries -= 1;
        // A token has alternatives, and they have none: deeper nesting would only cost memory.
        if self.entries < 2 {
            self.sink.shadow(from, &owners, false);
        }
        walked
    }

    fn token(&mut self, path: &str, leaf: &Leaf, view: View) -> Result<(), S::Error> {
        if leaf.text.is_empty() {
            return Ok(());
        }
        let found = self.found(leaf, view);
        self.sink.joined(path, found)
    }

    /// Chosen tokens and the alternatives of each.
    pub(crate) fn aligned(
        &mut self,
        path: &mut String,
        at: At<'_>,
        (chosen, ranked): (&Node, Option<&Node>),
    ) -> Result<(), S::Error> {
        self.entries += 1;
        let walked = self.pairs(path, at, (chosen, ranked));
        self.entries -= 1;
        walked
    }

    fn pairs(
        &mut self,
        path: &mut String,
        at: At<'_>,
        (chosen, ranked): (&Node, Option<&Node>),
    ) -> Result<(), S::Error> {
        let (chosen, ranked) = (chosen.items(), ranked.map(Node::items).unwrap_or_default());
        for nth in 0..chosen.len().max(ranked.len()) {
            let from = self.sink.slots().len();
            match chosen.get(nth) {
                Some(Node::Text(leaf)) => self.under(path, "tokens", |walk, path| {
                    walk.token(path, leaf, View::Plain)
                })?,
                Some(other) => self.under(path, "chosenCandidates", |walk, path| {
                    walk.value(path, at, other)
                })?,
                None => {}
            }
            let owners = self.sink.owners(from);
            let from = self.sink.slots().len();
            if let Some(alternatives) = ranked.get(nth) {
                self.under(path, "top", |walk, path| {
                    walk.alternatives(path, at, alternatives)
                })?;
            }
            if self.entries < 2 {
                let keys = ranked.get(nth).is_some_and(are_keys);
                self.sink.shadow(from, &owners, keys);
            }
        }
        Ok(())
    }

    /// The alternatives of a token: the keys of an object, or objects in a list.
    fn alternatives(
        &mut self,
        path: &mut String,
        at: At<'_>,
        alternatives: &Node,
    ) -> Result<(), S::Error> {
        let (Node::Map(members), true) = (alternatives, are_keys(alternatives)) else {
            return self.value(path, at, alternatives);
        };
        for (rank, (name, _)) in members.iter().enumerate() {
            let length = path.len();
            push_index(path, rank as u64);
            let found = self.token(path, name, View::Key);
            path.truncate(length);
            found?;
        }
        Ok(())
    }

    fn under(
        &mut self,
        path: &mut String,
        key: &str,
        walk: impl FnOnce(&mut Self, &mut String) -> Result<(), S::Error>,
    ) -> Result<(), S::Error> {
        let length = path.len();
        push_key(path, key);
        let walked = walk(self, path);
        path.truncate(length);
        walked
    }
}

/// More bytes than a channel can hold.
const ALL_OF_IT: usize = usize::MAX / 4;

/// An array that says once more, at no known place, what a channel says.
pub(crate) fn bound(place: Place, channel: usize) -> Slot {
    Slot {
        place,
        channel,
        start: 0,
        len: ALL_OF_IT,
        view: View::Nulled,
    }
}
