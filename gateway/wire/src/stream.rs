//! Events to frames: which text belongs to which channel, and how far the answer is.

use std::fmt::Write as _;

use countersign_record::Usage;

use crate::channels::{Channels, Page};
use crate::edit::{Place, View};
use crate::frame::{Content, Frame};
use crate::json::{Leaf, Node, Tree, parse};
use crate::known_keys::{is_embedded_json, is_known, is_structural};
use crate::progress::{Heard, Mark, Progress, usage_of};
use crate::{BodyError, Dialect, Framing, Limits, Refusal, StreamEvent, anthropic, ending, openai};

const DONE: &str = "[DONE]";

/// Why an event is no frame. Nothing of it may be forwarded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// The data is not strict JSON.
    #[error("the data of an event is not strict JSON: {0}")]
    Malformed(#[from] BodyError),
    /// The data is JSON but not an object, which the dialect asks for.
    #[error("the data of an event is not a JSON object")]
    NotAnObject,
    /// More text channels, choices or content blocks than the limit.
    #[error("the stream has more than {limit} channels")]
    TooManyChannels {
        /// The limit.
        limit: usize,
    },
}

/// Reads the events of one response stream.
#[derive(Debug)]
pub struct StreamReader {
    dialect: Dialect,
    framing: Framing,
    limits: Limits,
    channels: Channels,
    heard: Heard,
    read: Progress,
    released: Progress,
    begun: bool,
    ended: bool,
}

impl StreamReader {
    /// A reader at the start of a stream.
    pub fn new(dialect: Dialect, framing: Framing, limits: &Limits) -> Self {
        Self {
            dialect,
            framing,
            limits: *limits,
            channels: Channels::default(),
            heard: Heard::default(),
            read: Progress::default(),
            released: Progress::default(),
            begun: false,
            ended: false,
        }
    }

    /// Reads the next event.
    ///
    /// Each string of it is in a piece. Strings that continue from event to event have a channel
    /// for each choice or content block and each place in it; the rest is in one further channel,
    /// each value once and followed by a line feed, and so are comments, ids and event names.
    /// The JSON inside tool-call arguments has its escapes undone, also across events.
    /// Whatever follows the terminal event gives frames without text and without bytes.
    ///
    /// # Errors
    /// [`StreamError`]; the stream must not be read or forwarded further.
    pub fn read(&mut self, event: StreamEvent) -> Result<Frame, StreamError> {
        if self.ended {
            return Ok(Frame::silent(self.framing));
        }
        let mut frame = Frame::of(
            event,
            self.framing,
            !std::mem::replace(&mut self.begun, true),
        );
        self.read_framing(&mut frame)?;
        let data = std::mem::take(&mut frame.content.data);
        let read = self.read_data(&data, &mut frame);
        frame.content.data = data;
        read?;
        for mark in &frame.marks {
            self.read.apply(*mark);
        }
        let limit = self.limits.channels_max;
        if self.read.len() > limit {
            return Err(StreamError::TooManyChannels { limit });
        }
        self.ended = frame.terminal;
        Ok(frame)
    }

    /// Whether the terminal event was read.
    pub fn saw_terminal(&self) -> bool {
        self.ended
    }

    /// Whether an end of the bytes here is the end of the answer: the terminal event was read, or,
    /// in dialects without one, nothing is missing. Anything else is an upstream that was cut.
    pub fn is_complete_at_end(&self) -> bool {
        match self.dialect {
            Dialect::OpenAiChat
            | Dialect::OpenAiCompletions
            | Dialect::OpenAiResponses
            | Dialect::AnthropicMessages
            | Dialect::OllamaChat
            | Dialect::OllamaGenerate => self.ended,
            Dialect::Gemini => self.ended || self.heard.finish.is_some(),
            _ => true,
        }
    }

    /// Whether the upstream ended with its dialect's error event.
    pub fn ended_in_error(&self) -> bool {
        self.heard.failed
    }

    /// Token usage as last stated.
    pub fn usage(&self) -> Option<Usage> {
        self.heard.usage
    }

    /// The model that the stream names.
    pub fn served_model(&self) -> Option<&str> {
        self.heard.model.as_deref()
    }

    /// Why the model stopped, as last stated; `error` when the upstream ended with one.
    pub fn finish_reason(&self) -> Option<&str> {
        self.heard.finish.as_deref()
    }

    /// Notes that a frame went to the caller.
    pub fn released(&mut self, frame: &Frame) {
        for mark in &frame.marks {
            self.released.apply(*mark);
        }
    }

    /// A well-formed end of what the caller has seen so far, in place of the rest: the finish
    /// reason `content_filter` for each choice and `[DONE]`; the stop reason `refusal` after the
    /// end of each open content block, then `message_stop`; an error event in other dialects.
    pub fn block_frames(&self, refusal: &Refusal<'_>) -> Vec<u8> {
        ending::block_frames(self.state(), refusal)
    }

    /// The dialect's error event for a stream that ends by a fault and not by its own end, so
    /// that no client takes it for complete.
    pub fn fault_frames(&self, refusal: &Refusal<'_>) -> Vec<u8> {
        ending::fault_frames(self.state(), refusal)
    }

    fn state(&self) -> ending::State<'_> {
        ending::State {
            dialect: self.dialect,
            framing: self.framing,
            heard: &self.heard,
            read: &self.read,
            released: &self.released,
        }
    }

    /// The name and the lines that are no data.
    fn read_framing(&mut self, frame: &mut Frame) -> Result<(), StreamError> {
        let limits = &self.limits;
        let Content { event, asides, .. } = &frame.content;
        let lines = asides
            .iter()
            .enumerate()
            .map(|(i, line)| (Place::Aside(i), line.as_str()));
        let name = event.iter().map(|name| (Place::Name, name.as_str()));
        let mut page = Page::default();
        for (place, text) in lines.chain(name) {
            self.channels
                .meta(&mut page, (place, View::Plain), text, limits)?;
        }
        page.onto(frame);
        Ok(())
    }

    fn read_data(&mut self, data: &str, frame: &mut Frame) -> Result<(), StreamError> {
        if data.is_empty() {
            return Ok(());
        }
        if data.trim() == DONE && self.dialect != Dialect::AnthropicMessages {
            frame.terminal = true;
            return Ok(());
        }
        let mut page = Page::default();
        if self.dialect == Dialect::Raw && !looks_like_json(data) {
            let channel = self.channels.of("data", &self.limits)?;
            self.channels.add(
                &mut page,
                (Place::Data, View::Plain),
                channel,
                data.to_owned(),
            );
            page.onto(frame);
            return Ok(());
        }
        let tree = parse(data, &self.limits)?;
        if self.dialect != Dialect::Raw && !matches!(tree.root, Node::Map(_)) {
            return Err(StreamError::NotAnObject);
        }
        self.note(&tree.root, frame);
        let root = Root::of(self.dialect, &tree.root);
        let mut walk = Walk {
            dialect: self.dialect,
            limits: &self.limits,
            channels: &mut self.channels,
            root: &root,
            page: &mut page,
            tree: &tree,
        };
        walk.value(&mut root.path.clone(), None, &tree.root)?;
        page.onto(frame);
        Ok(())
    }

    /// What the event says of the answer as a whole.
    fn note(&mut self, root: &Node, frame: &mut Frame) {
        match self.dialect {
            Dialect::OpenAiChat => openai::note(&mut self.heard, root, frame),
            Dialect::AnthropicMessages => anthropic::note(&mut self.heard, root, frame),
            _ => {
                self.heard.model_from(root);
                if let Some(usage) = root.get("usage").and_then(usage_of) {
                    self.heard.usage = Some(usage);
                }
                frame.marks.push(Mark::Start);
            }
        }
    }
}

/// Text that is not JSON may be forwarded as text, but what starts like JSON must be JSON.
fn looks_like_json(data: &str) -> bool {
    data.trim_start().starts_with(['{', '[', '"'])
}

/// Where the paths of an event begin, so that unlike events do not share channels.
struct Root {
    path: String,
    /// The content block that `content_block` and `delta` are about.
    block: Option<String>,
}

impl Root {
    fn of(dialect: Dialect, root: &Node) -> Self {
        let mut path = String::new();
        let mut block = None;
        match dialect {
            Dialect::OpenAiChat => {}
            Dialect::AnthropicMessages => {
                block = root.number_at("index").map(|index| format!("[{index}]"));
            }
            _ => {
                if let Some(kind) = root.text_at("type") {
                    push_key(&mut path, kind);
                }
                for key in ["output_index", "content_index", "summary_index"] {
                    if let Some(index) = root.number_at(key) {
                        push_index(&mut path, index);
                    }
                }
            }
        }
        Self { path, block }
    }
}

/// Keys carry their length, so that no key can pass for a longer path.
fn push_key(path: &mut String, key: &str) {
    // Writing to a string cannot fail.
    let _ = write!(path, "/{}:{key}", key.len());
}

fn push_index(path: &mut String, index: u64) {
    let _ = write!(path, "[{index}]");
}

struct Walk<'w> {
    dialect: Dialect,
    limits: &'w Limits,
    channels: &'w mut Channels,
    root: &'w Root,
    page: &'w mut Page,
    tree: &'w Tree,
}

impl Walk<'_> {
    fn value(
        &mut self,
        path: &mut String,
        key: Option<&str>,
        node: &Node,
    ) -> Result<(), StreamError> {
        match node {
            Node::Null | Node::Bool(_) | Node::Number(_) => Ok(()),
            Node::Text(leaf) => self.text(path, key, leaf),
            Node::List(items) => items.iter().try_for_each(|item| {
                let length = path.len();
                match item.number_at("index") {
                    Some(index) => push_index(path, index),
                    None => path.push_str("[]"),
                }
                let walked = self.value(path, key, item);
                path.truncate(length);
                walked
            }),
            Node::Map(members) => members.iter().try_for_each(|(name, value)| {
                self.key(name)?;
                let length = path.len();
                let about_block = length == 0 && matches!(&*name.text, "content_block" | "delta");
                match &self.root.block {
                    Some(block) if about_block => path.push_str(block),
                    _ => push_key(path, &name.text),
                }
                let walked = self.value(path, Some(&name.text), value);
                path.truncate(length);
                walked
            }),
        }
    }

    fn key(&mut self, name: &Leaf) -> Result<(), StreamError> {
        if is_known(self.dialect, &name.text) {
            return Ok(());
        }
        let place = self.place(name);
        self.channels
            .meta(self.page, (place, View::Key), &name.text, self.limits)
    }

    fn text(&mut self, path: &str, key: Option<&str>, leaf: &Leaf) -> Result<(), StreamError> {
        if leaf.text.is_empty() {
            return Ok(());
        }
        let place = self.place(leaf);
        if key.is_some_and(is_structural) {
            return self
                .channels
                .meta(self.page, (place, View::Plain), &leaf.text, self.limits);
        }
        let channel = self.channels.of(path, self.limits)?;
        let (view, text) = if key.is_some_and(is_embedded_json) {
            let (before, text) = self.channels.unescape(channel, &leaf.text);
            (View::Embedded(before), text)
        } else {
            (View::Plain, leaf.text.clone())
        };
        if !text.is_empty() {
            self.channels.add(self.page, (place, view), channel, text);
        }
        Ok(())
    }

    fn place(&self, leaf: &Leaf) -> Place {
        Place::Token(
            self.tree
                .tokens
                .get(leaf.token)
                .cloned()
                .unwrap_or_default(),
        )
    }
}
