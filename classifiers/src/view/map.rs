//! Where each byte of a rewritten text came from.

use std::ops::Range;

use countersign_record::Span;

/// What a segment costs of a byte budget.
const SEGMENT_BYTES: usize = size_of::<Segment>();

/// A piece of a rewritten text and the piece of the source that it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Segment {
    /// Where it starts in the rewritten text.
    at: usize,
    /// Where its source starts.
    from: usize,
    /// How long its source is.
    len: usize,
    /// Whether it is a copy, byte by byte. Otherwise every byte of it stands for the whole source.
    exact: bool,
}

/// The way back from a rewritten text to its source. Segments are in order in both texts; what was
/// dropped from the source lies between them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct OffsetMap {
    segments: Vec<Segment>,
}

impl OffsetMap {
    pub(super) fn copied(&mut self, at: usize, source: &Range<usize>) {
        let len = source.len();
        if len == 0 {
            return;
        }
        if let Some(last) = self.segments.last_mut()
            && last.exact
            && last.at + last.len == at
            && last.from + last.len == source.start
        {
            last.len += len;
            return;
        }
        self.push(at, source, true);
    }

    pub(super) fn stands_for(&mut self, at: usize, source: &Range<usize>) {
        self.push(at, source, false);
    }

    fn push(&mut self, at: usize, source: &Range<usize>, exact: bool) {
        let (from, len) = (source.start, source.len());
        self.segments.push(Segment {
            at,
            from,
            len,
            exact,
        });
    }

    /// The source range that covers everything `span` came from.
    pub(super) fn to_source(&self, span: Span) -> Span {
        let start = self.start(span.start);
        if span.end <= span.start {
            return Span { start, end: start };
        }
        let end = self.segment_at(span.end - 1).map_or(start, |s| {
            let whole = s.from + s.len;
            if s.exact {
                (s.from + (span.end - s.at)).min(whole)
            } else {
                whole
            }
        });
        Span {
            start,
            end: end.max(start),
        }
    }

    /// Where the source of the byte at `at` starts.
    pub(super) fn start(&self, at: usize) -> usize {
        self.segment_at(at).map_or(0, |s| {
            if s.exact {
                s.from + (at - s.at).min(s.len)
            } else {
                s.from
            }
        })
    }

    /// Where the rewritten text has come to when its source has come to `source`.
    pub(super) fn to_rewritten(&self, source: usize, rewritten_len: usize) -> usize {
        let next = self.segments.partition_point(|s| s.from < source);
        let end = self.segments.get(next).map_or(rewritten_len, |s| s.at);
        match next.checked_sub(1).and_then(|i| self.segments.get(i)) {
            Some(s) if s.exact => end.min(s.at + (source - s.from)),
            Some(_) => end,
            None => 0,
        }
    }

    fn segment_at(&self, at: usize) -> Option<&Segment> {
        let next = self.segments.partition_point(|s| s.at <= at);
        self.segments.get(next.checked_sub(1)?)
    }

    fn bytes(&self) -> usize {
        self.segments.len() * SEGMENT_BYTES
    }
}

/// A text made from a source, with the way back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Rewritten {
    pub(super) text: String,
    pub(super) map: OffsetMap,
}

impl Rewritten {
    /// Appends `text`, all of which stands for `source`.
    pub(super) fn append(&mut self, text: &str, source: &Range<usize>) {
        if !text.is_empty() {
            self.map.stands_for(self.text.len(), source);
            self.text.push_str(text);
        }
    }

    /// Memory it takes.
    pub(super) fn bytes(&self) -> usize {
        self.text.len() + self.map.bytes()
    }
}

/// Copies a source with some places replaced.
#[derive(Debug)]
pub(super) struct Rewriter<'a> {
    source: &'a str,
    made: Rewritten,
    /// How much of the source is dealt with.
    done: usize,
    is_changed: bool,
    budget: usize,
}

impl<'a> Rewriter<'a> {
    pub(super) fn new(source: &'a str, budget: usize) -> Self {
        Self {
            source,
            made: Rewritten::default(),
            done: 0,
            is_changed: false,
            budget,
        }
    }

    /// Puts `with` in the place of `range`, which must come after all earlier ones.
    pub(super) fn replace(&mut self, range: &Range<usize>, with: &str) {
        self.copy_until(range.start);
        self.made.append(with, range);
        self.done = range.end;
        self.is_changed = true;
    }

    /// Whether the result takes more than the budget; going on is of no use then.
    pub(super) fn is_full(&self) -> bool {
        self.made.bytes() > self.budget
    }

    fn copy_until(&mut self, end: usize) {
        let range = self.done..end;
        let copied = self.source.get(range.clone()).unwrap_or_default();
        self.made.map.copied(self.made.text.len(), &range);
        self.made.text.push_str(copied);
        self.done = end;
    }

    /// The result; `None` when nothing was replaced.
    ///
    /// # Errors
    /// [`OverBudget`] when the result takes more than the budget.
    pub(super) fn finish(mut self) -> Result<Option<Rewritten>, OverBudget> {
        if !self.is_changed {
            return Ok(None);
        }
        self.copy_until(self.source.len());
        if self.is_full() {
            return Err(OverBudget);
        }
        Ok(Some(self.made))
    }
}

/// A result would take more memory than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OverBudget;
