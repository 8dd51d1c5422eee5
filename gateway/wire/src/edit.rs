//! Redaction: spans of a channel's text put back into the JSON they came from, and nothing else
//! touched.

use std::ops::Range;

use countersign_record::Span;

use crate::embedded::{Decoded, Unescaper};
use crate::media;

/// A span of a channel's text to replace. Spans are widened to whole characters; where spans
/// overlap, their union gets the replacement of the one that starts first. Empty spans change
/// nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// Index of the channel.
    pub channel: usize,
    /// Byte range in the channel's text.
    pub span: Span,
    /// What takes its place.
    pub replacement: String,
}

/// Where a text came from.
#[derive(Debug, Clone)]
pub(crate) struct Slot {
    pub(crate) place: Place,
    pub(crate) channel: usize,
    /// Where the text begins in the channel, in bytes.
    pub(crate) start: usize,
    /// Bytes of text.
    pub(crate) len: usize,
    pub(crate) view: View,
}

/// The part of the source that holds a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A JSON string token, quotes included, or an array, brackets included.
    Token(Range<usize>),
    /// The whole data of an event that is not JSON.
    Data,
    /// The name of an event.
    Name,
    /// A line of an event that is neither name nor data.
    Aside(usize),
}

/// How the text relates to the decoded string.
#[derive(Debug, Clone)]
pub(crate) enum View {
    /// It is the string.
    Plain,
    /// It is an object key: whatever replaces it must stay unlike its siblings.
    Key,
    /// It is the first bytes of the string; base64 media follow.
    Head(usize),
    /// It is the string with the escapes of the JSON inside undone, from this state on.
    Embedded(Unescaper),
    /// It is the first bytes of the string, then what the base64 after them holds.
    Encoded(usize),
    /// It is what the numbers of an array spell; the array becomes `null`.
    Spelt,
    /// The place says the text in another way and goes when any of the text does: a string becomes
    /// empty.
    Erased,
    /// As [`Self::Erased`], for a key.
    ErasedKey,
    /// As [`Self::Erased`], for an array, which becomes `null`.
    Nulled,
}

impl View {
    /// The view of the same place by a text that stands elsewhere.
    pub(crate) fn shadow(&self) -> Self {
        match self {
            Self::Key | Self::ErasedKey => Self::ErasedKey,
            Self::Spelt | Self::Nulled => Self::Nulled,
            Self::Plain | Self::Head(_) | Self::Embedded(_) | Self::Encoded(_) | Self::Erased => {
                Self::Erased
            }
        }
    }

    fn is_key(&self) -> bool {
        matches!(self, Self::Key | Self::ErasedKey)
    }

    /// Whether it changes the place whatever the replacement.
    fn is_total(&self) -> bool {
        self.is_list() || self.is_shadow()
    }

    fn is_list(&self) -> bool {
        matches!(self, Self::Spelt | Self::Nulled)
    }

    /// Whether the text stands elsewhere.
    pub(crate) fn is_shadow(&self) -> bool {
        matches!(self, Self::Erased | Self::ErasedKey | Self::Nulled)
    }
}

/// Edits in order, none overlapping another.
#[derive(Debug)]
pub(crate) struct Cuts<'e>(Vec<Cut<'e>>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Cut<'e> {
    channel: usize,
    start: usize,
    end: usize,
    replacement: &'e str,
}

impl<'e> Cuts<'e> {
    pub(crate) fn of(edits: &'e [Edit]) -> Self {
        let cut = |e: &'e Edit| Cut {
            channel: e.channel,
            start: e.span.start,
            end: e.span.end,
            replacement: &e.replacement,
        };
        let mut sorted: Vec<_> = edits
            .iter()
            .filter(|e| e.span.start < e.span.end)
            .map(cut)
            .collect();
        sorted.sort();
        let mut merged: Vec<Cut<'e>> = Vec::with_capacity(sorted.len());
        for cut in sorted {
            match merged.last_mut() {
                Some(last) if last.channel == cut.channel && cut.start < last.end => {
                    last.end = last.end.max(cut.end);
                }
                _ => merged.push(cut),
            }
        }
        Self(merged)
    }

    /// The cuts within a slot, in the slot's own coordinates. A cut that began before the slot
    /// has put its replacement there already.
    fn within(&self, slot: &Slot) -> Vec<Cut<'e>> {
        let (start, end) = (slot.start, slot.start + slot.len);
        let first = self
            .0
            .partition_point(|c| (c.channel, c.end) <= (slot.channel, start));
        let reaching = self.0.iter().skip(first);
        let touching = reaching.take_while(|c| c.channel == slot.channel && c.start < end);
        touching
            .map(|c| Cut {
                channel: c.channel,
                start: c.start.saturating_sub(start),
                end: c.end.min(end) - start,
                replacement: if c.start >= start { c.replacement } else { "" },
            })
            .collect()
    }

    pub(crate) fn touches(&self, slot: &Slot) -> bool {
        !self.within(slot).is_empty()
    }

    /// What a slot's string becomes, given what it is; `None` when no edit touches it.
    pub(crate) fn apply(&self, slot: &Slot, string: &str) -> Option<String> {
        let cuts = self.within(slot);
        if cuts.is_empty() {
            return None;
        }
        Some(match &slot.view {
            View::Plain | View::Key => cut_text(string, &cuts),
            View::Head(len) => {
                let (head, media) = string.split_at_checked(*len).unwrap_or((string, ""));
                cut_text(head, &cuts) + media
            }
            View::Embedded(state) => cut_embedded(string, state, &cuts),
            View::Encoded(len) => cut_encoded(string, *len, &cuts),
            View::Spelt | View::Erased | View::ErasedKey | View::Nulled => String::new(),
        })
    }
}

fn cut_text(text: &str, cuts: &[Cut<'_>]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut kept = 0;
    for cut in cuts {
        let start = text.floor_char_boundary(cut.start).max(kept);
        out.push_str(text.get(kept..start).unwrap_or_default());
        out.push_str(cut.replacement);
        kept = text.ceil_char_boundary(cut.end).max(start);
    }
    out.push_str(text.get(kept..).unwrap_or_default());
    out
}

fn cut_encoded(string: &str, len: usize, cuts: &[Cut<'_>]) -> String {
    let (head, data) = string.split_at_checked(len).unwrap_or((string, ""));
    let text = media::decoded(data).unwrap_or_default();
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for cut in cuts {
        if cut.start < len {
            let end = cut.end.min(len);
            before.push(Cut { end, ..cut.clone() });
        }
        if cut.end > len {
            after.push(Cut {
                start: cut.start.saturating_sub(len),
                end: cut.end - len,
                replacement: if cut.start < len { "" } else { cut.replacement },
                ..cut.clone()
            });
        }
    }
    cut_text(head, &before) + &media::encoded(&cut_text(&text, &after))
}

fn cut_embedded(source: &str, state: &Unescaper, cuts: &[Cut<'_>]) -> String {
    let Decoded { text, segments } = state.clone().feed(source);
    let widened = cuts.iter().map(|cut| Cut {
        start: text.floor_char_boundary(cut.start),
        end: text.ceil_char_boundary(cut.end),
        ..cut.clone()
    });
    let cuts: Vec<_> = widened.collect();
    let mut out = String::with_capacity(source.len());
    let mut done = 0;
    for segment in &segments {
        let original = source.get(segment.source.clone()).unwrap_or_default();
        let view = &segment.view;
        let inside: Vec<_> = cuts
            .iter()
            .filter(|c| c.start < view.end && c.end > view.start)
            .collect();
        let mut kept = 0;
        for cut in &inside {
            let start = cut.start.saturating_sub(view.start);
            if segment.verbatim {
                out.push_str(original.get(kept..start).unwrap_or_default());
                kept = cut.end.min(view.end) - view.start;
            } else {
                if segment.source.start == 0 && state.is_inside_escape() {
                    out.push_str(state.substitute().unwrap_or(original));
                }
                kept = original.len();
            }
            if cut.start >= view.start {
                out.push_str(&json_inner(cut.replacement));
            }
        }
        out.push_str(original.get(kept..).unwrap_or_default());
        done = segment.source.end;
    }
    out.push_str(source.get(done..).unwrap_or_default());
    out
}

/// A JSON string token.
pub(crate) fn json_token(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn json_inner(text: &str) -> String {
    let token = json_token(text);
    token.get(1..token.len() - 1).unwrap_or_default().to_owned()
}

/// `json` with the strings and arrays that edits touch rewritten; every other byte stays.
pub(crate) fn splice(json: &str, slots: &[Slot], cuts: &Cuts<'_>) -> String {
    let mut touched: Vec<(&Range<usize>, &Slot)> = slots
        .iter()
        .filter_map(|slot| match &slot.place {
            Place::Token(token) if cuts.touches(slot) => Some((token, slot)),
            _ => None,
        })
        .collect();
    // Of the slots of one place, one that erases it wins.
    touched.sort_by_key(|(token, slot)| (token.start, !slot.view.is_total()));
    let mut out = String::with_capacity(json.len());
    let (mut kept, mut keys) = (0, 0_usize);
    for (token, slot) in touched {
        if token.start < kept {
            continue;
        }
        out.push_str(json.get(kept..token.start).unwrap_or_default());
        kept = token.end;
        if slot.view.is_list() {
            out.push_str("null");
            continue;
        }
        let source = json.get(token.clone()).unwrap_or_default();
        // The token was parsed before; should it not parse now, nothing of it goes on.
        let string = serde_json::from_str::<String>(source).unwrap_or_default();
        let mut changed = cuts.apply(slot, &string).unwrap_or_default();
        if slot.view.is_key() {
            keys += 1;
            changed = format!("{changed}#{keys}");
        }
        out.push_str(&json_token(&changed));
    }
    out.push_str(json.get(kept..).unwrap_or_default());
    out
}
