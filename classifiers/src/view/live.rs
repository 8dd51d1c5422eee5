//! How much of a growing text must be held back when disguises count too.

use std::borrow::Cow;
use std::sync::Arc;

use super::map::OffsetMap;
use super::{CHAIN, OverBudget, Undo, ViewLimits, escape, hidden, views};
use crate::PatternDetector;
use countersign_record::Span;

/// Most that is held back for the sake of a disguise alone, in bytes of the original.
const HOLD_MAX: usize = 4 << 10;
/// Most that is held back of a growing encoded run. A shorter secret than 512 bytes is held whole
/// even when it is encoded three times.
const RUN_HOLD_MAX: usize = 1 << 10;
/// A hold begins at a whole number of symbol groups of each of three encodings.
const GROUP: usize = 64;

impl PatternDetector {
    /// Like [`Self::live_from`] for a text whose views count too: the byte position from which
    /// `text`, were it to go on, could still complete, extend or revoke a match in any view.
    /// Always a character boundary and never after [`Self::live_from`].
    ///
    /// Whatever follows, no match of any view whose original span starts before it reaches beyond
    /// it or is unknown now. For ordinary ASCII prose it equals [`Self::live_from`], except that a
    /// word of one letter is held until the next word shows that nothing is spelled out.
    ///
    /// For the sake of a disguise at most the last 4 KiB are held, of a growing encoded run the
    /// last 1 KiB. What stands before that leaves: of a secret that is stretched over more, the
    /// beginning is let go before it is recognised.
    pub fn live_from_views(&self, text: &str) -> usize {
        let plain = self.live_from(text);
        let floor = text
            .ceil_char_boundary(text.len().saturating_sub(HOLD_MAX))
            .min(plain);
        let mut tail = Tail::new(self, text, plain);
        let Ok(is_disguised) = tail.follow() else {
            return floor;
        };
        let live = if is_disguised {
            self.start_of_matches_around(text, tail.live)
        } else {
            tail.live
        };
        live.max(floor)
    }

    /// `at`, or where the first of those matches starts that `at` would cut in two.
    fn start_of_matches_around(&self, text: &str, at: usize) -> usize {
        let mut spans: Vec<Span> = self.find(text).into_iter().map(|(_, span)| span).collect();
        for view in views(text, &ViewLimits::default()).list {
            let found = self.find(&view.text).into_iter();
            let places = found.map(|(_, span)| view.to_original(span));
            let is_within = view.depth > 0;
            spans.extend(places.filter(|s| !is_within || s.end - s.start <= RUN_HOLD_MAX));
        }
        let mut live = at;
        while let Some(cut) = spans.iter().find(|s| s.start < live && live < s.end) {
            live = cut.start;
        }
        live
    }
}

/// A text followed through the chain, cut off where what follows could still change it.
struct Tail<'a> {
    patterns: &'a PatternDetector,
    text: Cow<'a, str>,
    path: Vec<Arc<OffsetMap>>,
    /// Where in the original the text ends.
    end: usize,
    /// The earliest live position so far, in the original.
    live: usize,
}

impl<'a> Tail<'a> {
    fn new(patterns: &'a PatternDetector, text: &'a str, live: usize) -> Self {
        Self {
            patterns,
            text: Cow::Borrowed(text),
            path: Vec::new(),
            end: text.len(),
            live,
        }
    }

    /// Whether some view exists.
    fn follow(&mut self) -> Result<bool, OverBudget> {
        let limits = ViewLimits::default();
        for _ in 0..=limits.depth_max {
            if !self.undo(escape::undo, limits.memory_max)? {
                break;
            }
        }
        let hidden = hidden::read(&self.text);
        self.hold(hidden.open);
        for (_, undo) in CHAIN {
            self.undo(undo, limits.memory_max)?;
        }
        let decoded = super::encoded::read(&self.text, limits.decoded_bytes_max);
        if decoded.is_cut {
            return Err(OverBudget);
        }
        let open = decoded.open.map(|start| shortened(&self.text, start));
        self.hold(open);
        let has_children = !hidden.made.text.is_empty() || !decoded.made.text.is_empty();
        Ok(has_children || !self.path.is_empty())
    }

    /// Takes a step, and says whether it changed the text.
    fn undo(&mut self, undo: Undo, budget: usize) -> Result<bool, OverBudget> {
        let step = undo(&self.text, budget)?;
        let settled = step.settled;
        let is_whole = settled >= self.text.len();
        if !is_whole {
            self.end = self.original(settled);
        }
        let is_changed = step.made.is_some();
        if let Some(mut made) = step.made {
            let end = made.map.to_rewritten(settled, made.text.len());
            made.text.truncate(end);
            self.path.push(Arc::new(made.map));
            self.text = Cow::Owned(made.text);
        } else if is_whole {
            return Ok(false);
        } else {
            match &mut self.text {
                Cow::Borrowed(text) => *text = text.get(..settled).unwrap_or_default(),
                Cow::Owned(text) => text.truncate(settled),
            }
        }
        let live = self.patterns.live_from(&self.text);
        self.hold(Some(live));
        Ok(is_changed)
    }

    fn hold(&mut self, from: Option<usize>) {
        if let Some(at) = from {
            self.live = self.live.min(self.original(at));
        }
    }

    fn original(&self, at: usize) -> usize {
        if at >= self.text.len() {
            return self.end;
        }
        self.path.iter().rev().fold(at, |at, map| map.start(at))
    }
}

/// Where the hold of a run begins that starts at `start` and reaches the end of `text`: no more
/// than [`RUN_HOLD_MAX`] before the end, and at a place from which it can be decoded.
fn shortened(text: &str, start: usize) -> usize {
    let from = text.len().saturating_sub(RUN_HOLD_MAX);
    if start >= from {
        return start;
    }
    let run = text.as_bytes().get(start..).unwrap_or_default();
    let is_symbol = |b: &u8| b.is_ascii_alphanumeric() || b.is_ascii_punctuation();
    let symbols = run.iter().enumerate().filter(|(_, b)| is_symbol(b));
    symbols
        .step_by(GROUP)
        .map(|(offset, _)| start + offset)
        .find(|at| *at >= from)
        .unwrap_or(text.len())
}
