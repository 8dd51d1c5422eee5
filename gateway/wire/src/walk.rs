//! The walk over a parsed body or event. Each string that it passes goes into the sink.

use std::fmt::Write as _;

use crate::edit::{Place, View};
use crate::gather::{Found, Sink, unread};
use crate::json::{Leaf, Node};
use crate::known_keys::{is_embedded_json, is_known, is_repeated, is_snapshot};
use crate::media::{Reading, Spot, decoded};
use crate::source::Places;
use crate::{Dialect, tokens};

/// Lists whose items continue each other.
const JOINED: [&str; 2] = ["parts", "topCandidates"];

/// Keys under which a model's own arguments stand: nothing there is content that it will see.
const ARGUMENTS: [&str; 6] = [
    "args",
    "arguments",
    "input_schema",
    "parameters",
    "properties",
    "schema",
];

/// Keys carry their length, so that no key can pass for a longer path.
pub(crate) fn push_key(path: &mut String, key: &str) {
    // Writing to a string cannot fail.
    let _ = write!(path, "/{}:{key}", key.len());
}

pub(crate) fn push_index(path: &mut String, index: u64) {
    let _ = write!(path, "[{index}]");
}

/// Where the walk is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct At<'n> {
    /// The key of the value, or of the array that it is in.
    pub(crate) key: Option<&'n str>,
    /// The key that the object around it is under.
    under: Option<&'n str>,
    /// The members of the object around it.
    object: &'n [(Leaf, Node)],
    /// Arrays and objects around it.
    depth: usize,
    /// Inside a part that whole events repeat.
    snapshot: bool,
    /// Inside the arguments of a tool.
    arguments: bool,
}

/// A walk.
pub(crate) struct Walk<'w, S> {
    pub(crate) dialect: Dialect,
    pub(crate) places: &'w Places,
    pub(crate) sink: &'w mut S,
    /// The type of a Responses event.
    pub(crate) event: Option<&'w str>,
    /// The content block that `content_block` and `delta` of an event are about.
    pub(crate) block: Option<&'w str>,
    /// Tokens around the value.
    pub(crate) entries: usize,
}

impl<S: Sink> Walk<'_, S> {
    /// Walks over a value whose channel path is `path`.
    pub(crate) fn value(
        &mut self,
        path: &mut String,
        at: At<'_>,
        node: &Node,
    ) -> Result<(), S::Error> {
        match node {
            Node::Null | Node::Bool(_) | Node::Number(_) => Ok(()),
            Node::Text(leaf) => self.text(path, at, leaf),
            Node::List(items, list) => self.list(path, at, (items, *list)),
            Node::Map(members) => self.object(path, at, members),
        }
    }

    fn list(
        &mut self,
        path: &mut String,
        at: At<'_>,
        (items, list): (&[Node], usize),
    ) -> Result<(), S::Error> {
        let key = at.key.unwrap_or_default();
        if key == "bytes"
            && let Some(bytes) = tokens::byte_values(items)
        {
            let place = Place::Token(self.places.list(list));
            return self.sink.spelt(path, place, &bytes);
        }
        if at.depth == 1 && tokens::are_token_ids(self.dialect, key, items) {
            // In an answer they say what its text says; in a request they say what nobody read.
            if let Some(Node::Text(_)) = tokens::member(at.object, "response") {
                self.sink.bind(Place::Token(self.places.list(list)));
            } else {
                self.sink.unread(unread("token_ids", key));
            }
        }
        let inner = At {
            depth: at.depth + 1,
            ..at
        };
        for (position, item) in items.iter().enumerate() {
            let length = path.len();
            match item {
                Node::Map(_) if JOINED.contains(&key) => path.push_str("[]"),
                Node::Map(members) if !tokens::is_ranked(key) && tokens::is_entry(members) => {
                    path.push_str("[]");
                }
                Node::Map(_) | Node::List(..) => {
                    push_index(path, item.number_at("index").unwrap_or(position as u64));
                }
                _ => path.push_str("[]"),
            }
            let walked = self.value(path, inner, item);
            path.truncate(length);
            walked?;
        }
        Ok(())
    }

    fn object(
        &mut self,
        path: &mut String,
        at: At<'_>,
        members: &[(Leaf, Node)],
    ) -> Result<(), S::Error> {
        if tokens::is_entry(members) {
            return self.entry(path, at, members);
        }
        let length = path.len();
        if at.key == Some("parts")
            && matches!(tokens::member(members, "thought"), Some(Node::Bool(true)))
        {
            path.push_str("{thought}");
        }
        let pair = tokens::aligned(members);
        let mut walked = Ok(());
        if let Some((chosen, ranked)) = pair {
            walked = self.aligned(path, self.within(at, None, members), (chosen, ranked));
        }
        for member in members {
            let (name, value) = member;
            let done = pair.is_some_and(|(chosen, ranked)| {
                std::ptr::eq(chosen, value) || ranked.is_some_and(|r| std::ptr::eq(r, value))
            });
            walked = walked.and_then(|()| self.name(name));
            if !done {
                walked = walked.and_then(|()| {
                    self.member(path, self.within(at, Some(&name.text), members), value)
                });
            }
        }
        path.truncate(length);
        walked
    }

    /// A member of an object; `at` is where it stands.
    pub(crate) fn member(
        &mut self,
        path: &mut String,
        at: At<'_>,
        value: &Node,
    ) -> Result<(), S::Error> {
        let key = at.key.unwrap_or_default();
        let length = path.len();
        match self.block {
            Some(block) if length == 0 && matches!(key, "content_block" | "delta") => {
                path.push_str(block);
            }
            _ => push_key(path, key),
        }
        let walked = self.value(path, at, value);
        path.truncate(length);
        walked
    }

    pub(crate) fn name(&mut self, name: &Leaf) -> Result<(), S::Error> {
        if name.text.is_empty() || is_known(self.dialect, &name.text) {
            return Ok(());
        }
        let found = self.found(name, View::Key);
        self.sink.key(found)
    }

    fn text(&mut self, path: &str, at: At<'_>, leaf: &Leaf) -> Result<(), S::Error> {
        let key = at.key.unwrap_or_default();
        let spot = Spot {
            dialect: self.dialect,
            under: at.under,
            object: at.object,
            name: key,
        };
        let mut found = self.found(leaf, View::Plain);
        let encoded;
        match spot.read(&leaf.text) {
            Reading::Text => {}
            Reading::Media(kind) => {
                self.sink.unread(unread("media_type", &kind));
                return Ok(());
            }
            Reading::Reference(kind) => {
                if !at.arguments {
                    self.sink.unread(unread("media_reference", &kind));
                }
            }
            Reading::Head(head, kind) => {
                self.sink.unread(unread("media_type", &kind));
                found.view = View::Head(head);
                found.text = leaf.text.get(..head).unwrap_or_default();
            }
            Reading::Encoded(head) => {
                let (before, data) = leaf.text.split_at_checked(head).unwrap_or_default();
                encoded = before.to_owned() + &decoded(data).unwrap_or_default();
                found.view = View::Encoded(head);
                found.text = &encoded;
            }
        }
        if found.text.is_empty() {
            return Ok(());
        }
        let of_arguments =
            key == "delta" && self.event.is_some_and(|e| e.ends_with("arguments.delta"));
        if is_embedded_json(key) || of_arguments && at.depth == 1 {
            return self.sink.embedded(path, found.place, &leaf.text);
        }
        if at.snapshot || is_repeated(self.dialect, key) {
            self.sink.whole(path, found)
        } else {
            self.sink.text(path, found)
        }
    }

    pub(crate) fn found<'t>(&self, leaf: &'t Leaf, view: View) -> Found<'t> {
        Found {
            place: Place::Token(self.places.string(leaf.token)),
            view,
            text: &leaf.text,
        }
    }

    /// Where a member stands that is under `key` in the object `members`, which stands at `at`.
    pub(crate) fn within<'n>(
        &self,
        at: At<'n>,
        key: Option<&'n str>,
        members: &'n [(Leaf, Node)],
    ) -> At<'n> {
        let kind = tokens::member(members, "type").and_then(Node::text);
        let tool_input = key == Some("input") && kind.is_some_and(|k| k.ends_with("tool_use"));
        At {
            key,
            under: at.key,
            object: members,
            depth: at.depth + 1,
            snapshot: at.snapshot || key.is_some_and(|key| is_snapshot(self.dialect, key)),
            arguments: at.arguments
                || tool_input
                || key.is_some_and(|key| ARGUMENTS.contains(&key)),
        }
    }
}
