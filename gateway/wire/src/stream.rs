//! Events to frames: which text belongs to which channel, and how far the answer is.

use countersign_record::Usage;

use crate::channels::{Channels, Page, Reading};
use crate::edit::{Place, View};
use crate::frame::{Content, Frame};
use crate::gather::Found;
use crate::json::{Node, parse};
use crate::progress::{Heard, Mark, Progress, usage_of};
use crate::walk::{At, Walk, push_index, push_key};
use crate::{
    BodyError, Dialect, Framing, Limits, Refusal, StreamEvent, anthropic, ending, gemini, ollama,
    openai, responses,
};

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
    ///
    /// A stream in a framing that is not the dialect's is none of the dialect's, whatever its path,
    /// and is read as that of an unknown API.
    pub fn new(dialect: Dialect, framing: Framing, limits: &Limits) -> Self {
        let native = match dialect {
            Dialect::KserveV1 | Dialect::KserveV2 | Dialect::Raw => true,
            Dialect::OllamaChat | Dialect::OllamaGenerate => framing == Framing::Lines,
            _ => framing == Framing::Sse,
        };
        let dialect = if native { dialect } else { Dialect::Raw };
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

    fn reading(&mut self) -> Reading<'_> {
        Reading {
            channels: &mut self.channels,
            limits: &self.limits,
            page: Page::default(),
        }
    }

    /// The name and the lines that are no data.
    fn read_framing(&mut self, frame: &mut Frame) -> Result<(), StreamError> {
        let mut reading = self.reading();
        let Content { event, asides, .. } = &frame.content;
        let lines = asides
            .iter()
            .enumerate()
            .map(|(i, line)| (Place::Aside(i), line.as_str()));
        let name = event.iter().map(|name| (Place::Name, name.as_str()));
        for (place, text) in lines.chain(name) {
            reading.meta(Found {
                place,
                view: View::Plain,
                text,
            })?;
        }
        reading.page.onto(frame);
        Ok(())
    }

    fn read_data(&mut self, data: &str, frame: &mut Frame) -> Result<(), StreamError> {
        if data.is_empty() {
            return Ok(());
        }
        let sse = self.framing == Framing::Sse;
        if sse && data.trim() == DONE && !self.dialect.is_anthropic() {
            frame.terminal = true;
            return Ok(());
        }
        if sse && !self.speaks_objects() && !looks_like_json(data) {
            let mut reading = self.reading();
            reading.add(
                "data",
                Found {
                    place: Place::Data,
                    view: View::Plain,
                    text: data,
                },
            )?;
            reading.page.onto(frame);
            return Ok(());
        }
        let tree = parse(data, self.dialect, &self.limits)?;
        if self.speaks_objects() && !matches!(tree.root, Node::Map(_)) {
            return Err(StreamError::NotAnObject);
        }
        note(self.dialect, &mut self.heard, &tree.root, frame);
        let dialect = self.dialect;
        let (mut path, block) = root_of(dialect, &tree.root);
        let mut reading = self.reading();
        Walk {
            dialect,
            places: &tree.places,
            sink: &mut reading,
            event: tree.root.text_at("type"),
            block: block.as_deref(),
            entries: 0,
        }
        .value(&mut path, At::default(), &tree.root)?;
        reading.page.onto(frame);
        Ok(())
    }

    /// Whether each event of the dialect is a JSON object.
    fn speaks_objects(&self) -> bool {
        !matches!(
            self.dialect,
            Dialect::Raw | Dialect::KserveV1 | Dialect::KserveV2
        )
    }
}

/// Text that is not JSON may be forwarded as text, but what starts like JSON must be JSON.
fn looks_like_json(data: &str) -> bool {
    data.trim_start_matches('\u{feff}')
        .trim_start()
        .starts_with(['{', '[', '"'])
}

/// What the event says of the answer as a whole.
fn note(dialect: Dialect, heard: &mut Heard, root: &Node, frame: &mut Frame) {
    match dialect {
        Dialect::OpenAiChat | Dialect::OpenAiCompletions => openai::note(heard, root, frame),
        Dialect::OpenAiResponses => responses::note(heard, root, frame),
        Dialect::AnthropicMessages => anthropic::note(heard, root, frame),
        Dialect::Gemini => gemini::note(heard, root, frame),
        Dialect::OllamaChat | Dialect::OllamaGenerate => ollama::note(heard, root, frame),
        _ => {
            heard.model_from(root);
            if let Some(usage) = root.get("usage").and_then(usage_of) {
                heard.usage = Some(usage);
            }
            frame.marks.push(Mark::Start);
        }
    }
}

/// Where the paths of an event begin, so that unlike events do not share channels, and the content
/// block that it is about.
fn root_of(dialect: Dialect, root: &Node) -> (String, Option<String>) {
    let mut path = String::new();
    match dialect {
        Dialect::AnthropicMessages => {
            let block = root.number_at("index").map(|index| format!("[{index}]"));
            return (path, block);
        }
        Dialect::Raw | Dialect::OpenAiResponses => {
            if let Some(kind) = root.text_at("type") {
                push_key(&mut path, kind);
            }
            for key in ["output_index", "content_index", "summary_index"] {
                if let Some(index) = root.number_at(key) {
                    push_index(&mut path, index);
                }
            }
        }
        _ => {}
    }
    (path, None)
}
