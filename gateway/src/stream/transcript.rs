//! The text of a stream, channel by channel: what was read, what was judged, what may go.

use std::collections::VecDeque;
use std::sync::Arc;

use countersign_record::Span;
use countersign_wire::{Edit, Frame, Piece};

/// Bytes before a stride's new text that detectors see again, so that nothing straddles strides.
const OVERLAP: usize = 512;
/// Smallest and largest stride in bytes of new text.
const STRIDE_FIRST: usize = 96;
const STRIDE_MAX: usize = 1024;
/// Tail in which a pattern's live match is looked for.
const LIVE_TAIL: usize = 16 << 10;

#[derive(Debug, Default)]
struct Channel {
    text: String,
    judged: usize,
    /// Where what is held back begins: a long key that still grows must be seen whole again.
    held_from: usize,
}

/// A part of the transcript given to the detectors.
#[derive(Debug)]
pub(super) struct Stride {
    /// The texts, one per channel with new text.
    pub(super) texts: Arc<[String]>,
    /// For each text: its channel and where in that channel it starts.
    origins: Vec<(usize, usize)>,
}

impl Stride {
    /// Moves an edit from the stride's coordinates to the channel's.
    pub(super) fn locate(&self, edit: Edit) -> Option<Edit> {
        let (channel, base) = *self.origins.get(edit.channel)?;
        let span = Span {
            start: edit.span.start + base,
            end: edit.span.end + base,
        };
        Some(Edit {
            channel,
            span,
            replacement: edit.replacement,
        })
    }
}

/// Channels, and the frames that wait for judgement.
#[derive(Debug)]
pub(super) struct Transcript {
    channels: Vec<Channel>,
    held: VecDeque<Frame>,
    held_bytes: usize,
    stride: usize,
    edits: Vec<Edit>,
    strides: usize,
}

impl Transcript {
    pub(super) fn new() -> Self {
        Self {
            channels: Vec::new(),
            held: VecDeque::new(),
            held_bytes: 0,
            stride: STRIDE_FIRST,
            edits: Vec::new(),
            strides: 0,
        }
    }

    /// Takes in a frame: its text joins the channels, the frame itself waits.
    pub(super) fn take_in(&mut self, frame: Frame) {
        for Piece { channel, text, .. } in &frame.pieces {
            if self.channels.len() <= *channel {
                self.channels.resize_with(channel + 1, Channel::default);
            }
            if let Some(known) = self.channels.get_mut(*channel) {
                known.text.push_str(text);
            }
        }
        self.held_bytes += frame.bytes().len();
        self.held.push_back(frame);
    }

    /// Bytes of frames that wait.
    pub(super) fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Whether a whole stride of new text has gathered.
    pub(super) fn is_due(&self) -> bool {
        self.unjudged() >= self.stride
    }

    /// Bytes of new text.
    pub(super) fn unjudged(&self) -> usize {
        self.channels.iter().map(|c| c.text.len() - c.judged).sum()
    }

    /// Whether everything so far was judged in one stride from its beginning, so that a last look
    /// at the whole text would see nothing new.
    pub(super) fn judged_at_once(&self) -> bool {
        self.strides <= 1 && self.unjudged() == 0
    }

    /// New text with its overlap.
    pub(super) fn next_stride(&self) -> Stride {
        let mut texts = Vec::new();
        let mut origins = Vec::new();
        for (index, channel) in self.channels.iter().enumerate() {
            if channel.judged < channel.text.len() {
                let start = channel
                    .judged
                    .saturating_sub(OVERLAP)
                    .min(channel.held_from);
                let from = boundary_before(&channel.text, start);
                texts.push(channel.text.get(from..).unwrap_or_default().to_owned());
                origins.push((index, from));
            }
        }
        Stride {
            texts: texts.into(),
            origins,
        }
    }

    /// All text.
    pub(super) fn whole(&self) -> Stride {
        let texts: Vec<String> = self.channels.iter().map(|c| c.text.clone()).collect();
        let origins = (0..texts.len()).map(|index| (index, 0)).collect();
        Stride {
            texts: texts.into(),
            origins,
        }
    }

    /// Notes that all text so far is judged, and what must be redacted in it.
    pub(super) fn judged(&mut self, edits: impl IntoIterator<Item = Edit>) {
        for edit in edits {
            let known = |e: &Edit| e.channel == edit.channel && e.span == edit.span;
            if !self.edits.iter().any(known) {
                self.edits.push(edit);
            }
        }
        for channel in &mut self.channels {
            channel.judged = channel.text.len();
        }
        self.strides += 1;
        self.stride = (self.stride * 2).min(STRIDE_MAX);
    }

    /// Whether anything is redacted.
    pub(super) fn is_edited(&self) -> bool {
        !self.edits.is_empty()
    }

    /// Frames from the front that may leave: judged whole, and before every live partial match.
    pub(super) fn releasable(
        &mut self,
        live_from: impl Fn(&str) -> usize,
    ) -> Vec<(Frame, Vec<u8>)> {
        let mut limits = Vec::with_capacity(self.channels.len());
        for channel in &mut self.channels {
            channel.held_from = limit(channel, &live_from);
            limits.push(channel.held_from);
        }
        let mut out = Vec::new();
        while let Some(front) = self.held.front() {
            let judged = |p: &Piece| {
                limits
                    .get(p.channel)
                    .is_some_and(|limit| p.start + p.text.len() <= *limit)
            };
            if front.terminal || !front.pieces.iter().all(judged) {
                break;
            }
            if let Some(frame) = self.pop() {
                let bytes = self.render(&frame);
                out.push((frame, bytes));
            }
        }
        out
    }

    /// Every frame that waits, as it may leave now that all is judged; the terminal ones apart.
    pub(super) fn drain(&mut self) -> (Vec<u8>, Vec<u8>) {
        let (mut before, mut terminal) = (Vec::new(), Vec::new());
        while let Some(frame) = self.pop() {
            let bytes = self.render(&frame);
            if frame.terminal {
                terminal.extend(bytes);
            } else {
                before.extend(bytes);
            }
        }
        (before, terminal)
    }

    /// The frame at the front, when it may leave unjudged (optimistic and observe routes).
    pub(super) fn pop_unjudged(&mut self) -> Option<Frame> {
        if self.held.front().is_some_and(|f| !f.terminal) {
            self.pop()
        } else {
            None
        }
    }

    fn pop(&mut self) -> Option<Frame> {
        let frame = self.held.pop_front()?;
        self.held_bytes -= frame.bytes().len();
        Some(frame)
    }

    fn render(&self, frame: &Frame) -> Vec<u8> {
        if self.edits.is_empty() {
            frame.bytes().to_vec()
        } else {
            frame.rewritten(&self.edits)
        }
    }
}

fn limit(channel: &Channel, live_from: &impl Fn(&str) -> usize) -> usize {
    let from = boundary_before(&channel.text, channel.text.len().saturating_sub(LIVE_TAIL));
    let live = from + live_from(channel.text.get(from..).unwrap_or_default());
    channel.judged.min(live)
}

/// The nearest character boundary at or before `at`.
fn boundary_before(text: &str, at: usize) -> usize {
    (0..=at.min(text.len()))
        .rev()
        .find(|i| text.is_char_boundary(*i))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests;
