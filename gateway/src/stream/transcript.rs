//! The text of a stream, channel by channel: what was read, what was judged, what may go.
//!
//! Text is judged in *strides* that lie on a grid: a stride is due whenever enough new text has
//! gathered since the last one, counted in bytes of text and looked at after every event. Chunks
//! and delays move no stride. A *glance* is a look in between, for a stream so slow that its
//! reader would wait for the next stride; it releases text and leaves the grid alone.
//!
//! Only *settled* text is judged: text before the earliest place where a pattern could still grow.
//! What a pattern says of settled text is final, so neither a verdict nor a redaction depends on
//! where a stride happened to end.

use std::collections::VecDeque;
use std::sync::Arc;

use countersign_record::{Passage, Span, Unscanned};
use countersign_wire::{Edit, Frame, Piece};

/// Bytes before a stride's new text that detectors see again, so that nothing straddles strides.
const OVERLAP: usize = 512;
/// How much further back a stride may begin so that it does not begin inside a word.
const WORD_MAX: usize = 512;
/// First stride in bytes of new text, about eight tokens; each is twice the one before it.
const STRIDE_FIRST: usize = 32;
/// Largest stride in bytes of new text.
const STRIDE_MAX: usize = 1024;
/// Tail in which a pattern's live match is looked for; longer than any pattern holds.
const LIVE_TAIL: usize = 16 << 10;

#[derive(Debug, Default)]
struct Channel {
    text: String,
    /// Everything before it is judged.
    judged: usize,
    /// Everything before it was judged by strides of the grid.
    strided: usize,
    /// Bytes of text that left.
    released: usize,
}

/// A part of the transcript given to the detectors.
#[derive(Debug, Clone)]
pub(super) struct Stride {
    /// The texts, one per channel with new text.
    pub(super) texts: Arc<[String]>,
    /// For each text: its channel and where in that channel it starts.
    origins: Vec<(usize, usize)>,
    /// Whether the grid moves on with it.
    on_grid: bool,
    /// Whether it is all text.
    is_whole: bool,
}

impl Stride {
    /// The passages of the transcript that it holds; none when it holds all.
    pub(super) fn passages(&self) -> Vec<Passage> {
        if self.is_whole {
            return Vec::new();
        }
        let placed = self.origins.iter().zip(self.texts.iter());
        let passage = |((channel, from), text): (&(usize, usize), &String)| Passage {
            channel: u32::try_from(*channel).unwrap_or(u32::MAX),
            start: *from as u64,
            end: (from + text.len()) as u64,
        };
        placed.map(passage).collect()
    }

    /// Moves a span from the stride's coordinates to the channel's.
    pub(super) fn place(&self, text: usize, span: Span) -> Option<(usize, Span)> {
        let (channel, base) = *self.origins.get(text)?;
        let (start, end) = (span.start + base, span.end + base);
        Some((channel, Span { start, end }))
    }

    /// Moves an edit from the stride's coordinates to the channel's.
    pub(super) fn locate(&self, edit: Edit) -> Option<Edit> {
        let (channel, span) = self.place(edit.channel, edit.span)?;
        Some(Edit {
            channel,
            span,
            ..edit
        })
    }
}

/// Channels, and the frames that wait for judgement.
#[derive(Debug)]
pub(super) struct Transcript {
    channels: Vec<Channel>,
    held: VecDeque<Frame>,
    held_bytes: usize,
    /// Bytes of speech since the last stride of the grid, and how many make the next one due.
    gathered: usize,
    stride: usize,
    edits: Vec<Edit>,
    unscanned: Vec<Unscanned>,
}

impl Transcript {
    pub(super) fn new() -> Self {
        Self {
            channels: Vec::new(),
            held: VecDeque::new(),
            held_bytes: 0,
            gathered: 0,
            stride: STRIDE_FIRST,
            edits: Vec::new(),
            unscanned: Vec::new(),
        }
    }

    /// Takes in a frame: its text joins the channels, the frame itself waits.
    pub(super) fn take_in(&mut self, frame: Frame) {
        for Piece {
            channel,
            text,
            speech,
            ..
        } in &frame.pieces
        {
            if self.channels.len() <= *channel {
                self.channels.resize_with(channel + 1, Channel::default);
            }
            if let Some(known) = self.channels.get_mut(*channel) {
                known.text.push_str(text);
                if *speech {
                    self.gathered += text.len();
                }
            }
        }
        self.unscanned.extend(frame.unscanned.iter().cloned());
        self.held_bytes += frame.bytes().len();
        self.held.push_back(frame);
    }

    /// Bytes of frames that wait.
    pub(super) fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Whether a whole stride of new text has gathered.
    pub(super) fn is_due(&self) -> bool {
        self.gathered >= self.stride
    }

    /// Whether frames wait for a judgement of their text.
    pub(super) fn has_unjudged(&self) -> bool {
        self.channels.iter().any(|c| c.judged < c.text.len())
    }

    /// The next stride of the grid.
    pub(super) fn stride(&self, live_from: &dyn Fn(&str) -> usize) -> Stride {
        self.cut(live_from, true)
    }

    /// A look at the settled text between strides; `None` when there is no new one.
    pub(super) fn glance(&self, live_from: &dyn Fn(&str) -> usize) -> Option<Stride> {
        Some(self.cut(live_from, false)).filter(|glance| !glance.texts.is_empty())
    }

    fn cut(&self, live_from: &dyn Fn(&str) -> usize, on_grid: bool) -> Stride {
        let (mut texts, mut origins) = (Vec::new(), Vec::new());
        for (index, channel) in self.channels.iter().enumerate() {
            let known = if on_grid {
                channel.strided
            } else {
                channel.judged
            };
            let settled = settled(&channel.text, live_from);
            if known < settled {
                let from = word_before(&channel.text, known.saturating_sub(OVERLAP));
                texts.push(
                    channel
                        .text
                        .get(from..settled)
                        .unwrap_or_default()
                        .to_owned(),
                );
                origins.push((index, from));
            }
        }
        Stride {
            texts: texts.into(),
            origins,
            on_grid,
            is_whole: false,
        }
    }

    /// All text.
    pub(super) fn whole(&self) -> Stride {
        let texts: Vec<String> = self.channels.iter().map(|c| c.text.clone()).collect();
        let origins = (0..texts.len()).map(|index| (index, 0)).collect();
        Stride {
            texts: texts.into(),
            origins,
            on_grid: true,
            is_whole: true,
        }
    }

    /// Notes that the text of `stride` is judged, and what must be redacted in it. `wary` says
    /// that a score came near its threshold: the strides start small again.
    pub(super) fn judged(
        &mut self,
        stride: &Stride,
        edits: impl IntoIterator<Item = Edit>,
        wary: bool,
    ) {
        self.redact(edits);
        for ((index, base), text) in stride.origins.iter().zip(stride.texts.iter()) {
            if let Some(channel) = self.channels.get_mut(*index) {
                let end = base + text.len();
                channel.judged = channel.judged.max(end);
                if stride.on_grid {
                    channel.strided = channel.strided.max(end);
                }
            }
        }
        if stride.on_grid {
            self.gathered = 0;
            self.stride = if wary {
                STRIDE_FIRST
            } else {
                (self.stride * 2).min(STRIDE_MAX)
            };
        }
    }

    fn redact(&mut self, edits: impl IntoIterator<Item = Edit>) {
        for edit in edits {
            let known = |e: &Edit| e.channel == edit.channel && e.span == edit.span;
            if !self.edits.iter().any(known) {
                self.edits.push(edit);
            }
        }
    }

    /// Media so far, which no detector can read.
    pub(super) fn unscanned(&self) -> &[Unscanned] {
        &self.unscanned
    }

    /// Whether anything is redacted.
    pub(super) fn is_edited(&self) -> bool {
        !self.edits.is_empty()
    }

    /// Frames from the front whose text is judged whole, and the bytes that leave for them.
    pub(super) fn releasable(&mut self) -> Vec<(Frame, Vec<u8>)> {
        let mut out = Vec::new();
        while let Some(front) = self.held.front() {
            let judged = |p: &Piece| {
                self.channels
                    .get(p.channel)
                    .is_some_and(|c| p.start + p.text.len() <= c.judged)
            };
            if front.terminal || !front.pieces.iter().all(judged) {
                break;
            }
            out.extend(self.pop());
        }
        out
    }

    /// The frame at the front, when it may leave unjudged (optimistic and observe routes).
    pub(super) fn pop_unjudged(&mut self) -> Option<(Frame, Vec<u8>)> {
        if self.held.front().is_some_and(|f| !f.terminal) {
            self.pop()
        } else {
            None
        }
    }

    /// Every frame that waits, as it may leave now that all is judged; the terminal ones apart.
    pub(super) fn drain(&mut self) -> (Vec<u8>, Vec<u8>) {
        let (mut before, mut terminal) = (Vec::new(), Vec::new());
        while let Some((frame, bytes)) = self.pop() {
            if frame.terminal {
                terminal.extend(bytes);
            } else {
                before.extend(bytes);
            }
        }
        (before, terminal)
    }

    fn pop(&mut self) -> Option<(Frame, Vec<u8>)> {
        let frame = self.held.pop_front()?;
        self.held_bytes -= frame.bytes().len();
        for piece in &frame.pieces {
            if let Some(channel) = self.channels.get_mut(piece.channel) {
                channel.released = channel.released.max(piece.start + piece.text.len());
            }
        }
        let bytes = if self.edits.is_empty() {
            frame.bytes().to_vec()
        } else {
            frame.rewritten(&self.edits)
        };
        Some((frame, bytes))
    }

    /// Bytes of text that left from the earliest of `places` on, channel by channel: what a
    /// verdict that rests on them came too late for.
    pub(super) fn exposed(&self, places: &[(usize, Span)]) -> u64 {
        let exposed_of = |(index, channel): (usize, &Channel)| {
            let here = places.iter().filter(|(at, _)| *at == index);
            let first = here.map(|(_, span)| span.start).min();
            first.map_or(0, |start| channel.released.saturating_sub(start) as u64)
        };
        self.channels.iter().enumerate().map(exposed_of).sum()
    }
}

/// How much of `text` no pattern can still grow into.
fn settled(text: &str, live_from: &dyn Fn(&str) -> usize) -> usize {
    let from = text.floor_char_boundary(text.len().saturating_sub(LIVE_TAIL));
    from + live_from(text.get(from..).unwrap_or_default())
}

/// The start of the word at `at`, unless that is far away: a detector that sees the tail of a long
/// number could take it for a number of its own.
fn word_before(text: &str, at: usize) -> usize {
    let at = text.floor_char_boundary(at);
    let nearest = text.floor_char_boundary(at.saturating_sub(WORD_MAX));
    let before = text.get(nearest..at).unwrap_or_default();
    let space = before.char_indices().rev().find(|(_, c)| c.is_whitespace());
    match space {
        Some((offset, c)) => nearest + offset + c.len_utf8(),
        None if nearest == 0 => 0,
        None => at,
    }
}
