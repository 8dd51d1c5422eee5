//! A stream as a state machine: bytes go in, strides to judge and frames to release come out.
//!
//! It knows no socket, clock or task. Every decision about what is judged together and what may
//! leave is made event by event, so that how the bytes were cut into chunks changes nothing.

use std::collections::VecDeque;
use std::sync::Arc;

use countersign_classifiers::PatternDetector;
use countersign_record::{Span, Unscanned};
use countersign_wire::{
    DecodeError, Dialect, Edit, Framing, Refusal, StreamDecoder, StreamError, StreamEvent,
    StreamReader,
};

use super::transcript::{Stride, Transcript};
use crate::limits::Limits;
use crate::route::StreamMode;

/// Why a stream cannot be carried on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum StreamFault {
    /// The bytes are no event stream.
    #[error(transparent)]
    Framing(#[from] DecodeError),
    /// An event is none of the dialect.
    #[error(transparent)]
    Event(#[from] StreamError),
    /// Too much waits for a judgement.
    #[error("more than {limit} bytes were held back")]
    Held {
        /// The limit in bytes.
        limit: usize,
    },
    /// The stream is too long.
    #[error("it is longer than {limit} bytes")]
    TooLong {
        /// The limit in bytes.
        limit: usize,
    },
}

/// What the engine needs next.
#[derive(Debug)]
pub(super) enum Step {
    /// A judgement of this text; answered by [`Engine::judged`].
    Judge(Stride),
    /// These bytes may leave.
    Release(Vec<u8>),
    /// More bytes, by [`Engine::feed`].
    Starved,
    /// Nothing: the event that ends the stream was read. What is left waits for the last look.
    Ended,
}

/// One response stream.
#[derive(Debug)]
pub(super) struct Engine {
    framing: Framing,
    mode: StreamMode,
    decoder: StreamDecoder,
    waiting: VecDeque<StreamEvent>,
    reader: StreamReader,
    transcript: Transcript,
    patterns: Arc<PatternDetector>,
    received: usize,
    received_max: usize,
    held_max: usize,
}

impl Engine {
    pub(super) fn new(
        (dialect, framing): (Dialect, Framing),
        mode: StreamMode,
        patterns: Arc<PatternDetector>,
        limits: &Limits,
    ) -> Self {
        Self {
            framing,
            mode,
            decoder: StreamDecoder::new(framing, limits.wire.event_bytes_max),
            waiting: VecDeque::new(),
            reader: StreamReader::new(dialect, framing, &limits.wire),
            transcript: Transcript::new(),
            patterns,
            received: 0,
            received_max: limits.body_bytes_max,
            held_max: limits.stream_held_bytes_max,
        }
    }

    /// Takes in bytes of the upstream.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<(), StreamFault> {
        self.received += bytes.len();
        if self.received > self.received_max {
            let limit = self.received_max;
            return Err(StreamFault::TooLong { limit });
        }
        self.waiting.extend(self.decoder.push(bytes)?);
        Ok(())
    }

    /// Takes in the end of the upstream's bytes; an event that nothing ended counts as one.
    pub(super) fn feed_end(&mut self) -> Result<(), StreamFault> {
        let spent = StreamDecoder::new(self.framing, 0);
        let decoder = std::mem::replace(&mut self.decoder, spent);
        self.waiting.extend(decoder.finish()?);
        Ok(())
    }

    /// What to do next.
    pub(super) fn step(&mut self) -> Result<Step, StreamFault> {
        loop {
            if let Some(bytes) = self.release() {
                return Ok(Step::Release(bytes));
            }
            if self.transcript.is_due() && self.mode != StreamMode::Buffer {
                let stride = self
                    .transcript
                    .stride(&|text| self.patterns.live_from_views(text));
                if !stride.texts.is_empty() {
                    return Ok(Step::Judge(stride));
                }
                self.transcript.judged(&stride, [], false);
            }
            if self.reader.saw_terminal() {
                return Ok(Step::Ended);
            }
            let Some(event) = self.waiting.pop_front() else {
                return Ok(Step::Starved);
            };
            self.transcript.take_in(self.reader.read(event)?);
            if self.transcript.held_bytes() > self.held_max {
                let limit = self.held_max;
                return Err(StreamFault::Held { limit });
            }
        }
    }

    /// The bytes of the frames at the front that may leave now.
    fn release(&mut self) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        match self.mode {
            StreamMode::Buffer => {}
            StreamMode::Hold => {
                for (frame, bytes) in self.transcript.releasable() {
                    out.extend(bytes);
                    self.reader.released(&frame);
                }
            }
            StreamMode::Optimistic | StreamMode::Observe => {
                while let Some((frame, bytes)) = self.transcript.pop_unjudged() {
                    out.extend(bytes);
                    self.reader.released(&frame);
                }
            }
        }
        (!out.is_empty()).then_some(out)
    }

    /// Whether frames wait that a glance could release.
    pub(super) fn waits_for_a_look(&self) -> bool {
        self.mode == StreamMode::Hold && self.transcript.has_unjudged()
    }

    /// A look at settled text between strides, for a reader who would wait too long.
    pub(super) fn glance(&self) -> Option<Stride> {
        self.transcript
            .glance(&|text| self.patterns.live_from_views(text))
    }

    /// All text, for the last look.
    pub(super) fn whole(&self) -> Stride {
        self.transcript.whole()
    }

    /// Answers [`Step::Judge`], a glance or the last look. `edits` are in the stride's coordinates;
    /// `wary` makes the next strides small.
    pub(super) fn judged(&mut self, stride: &Stride, edits: Vec<Edit>, wary: bool) {
        let edits: Vec<Edit> = edits.into_iter().filter_map(|e| stride.locate(e)).collect();
        self.transcript.judged(stride, edits, wary);
    }

    /// All that waits, redacted, now that everything is judged: what comes before the event that
    /// ends the stream, and that event.
    pub(super) fn drain(&mut self) -> (Vec<u8>, Vec<u8>) {
        self.transcript.drain()
    }

    /// Whether the bytes ended where a stream of this dialect may end.
    pub(super) fn is_whole(&self) -> bool {
        self.reader.is_complete_at_end()
    }

    /// Whether the upstream itself ended the stream with an error.
    pub(super) fn ended_in_error(&self) -> bool {
        self.reader.ended_in_error()
    }

    /// Whether anything was redacted.
    pub(super) fn is_edited(&self) -> bool {
        self.transcript.is_edited()
    }

    /// Bytes of text that left from the earliest place on which a verdict over `stride` rests.
    pub(super) fn exposed(&self, stride: &Stride, places: &[(usize, Span)]) -> u64 {
        let placed: Vec<(usize, Span)> = places
            .iter()
            .filter_map(|(text, span)| stride.place(*text, *span))
            .collect();
        self.transcript.exposed(&placed)
    }

    /// Media so far, which no detector can read.
    pub(super) fn unscanned(&self) -> &[Unscanned] {
        self.transcript.unscanned()
    }

    /// What the stream says of its answer as a whole.
    pub(super) fn reader(&self) -> &StreamReader {
        &self.reader
    }

    /// A well-formed end of what the caller has seen, in place of the rest.
    pub(super) fn block_frames(&self, refusal: &Refusal<'_>) -> Vec<u8> {
        self.reader.block_frames(refusal)
    }

    /// The dialect's error event for a stream that ends by a fault.
    pub(super) fn fault_frames(&self, refusal: &Refusal<'_>) -> Vec<u8> {
        self.reader.fault_frames(refusal)
    }
}

#[cfg(test)]
mod tests;
