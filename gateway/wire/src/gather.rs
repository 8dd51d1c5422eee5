//! What the walk over a body or an event finds goes into a sink: a document has a channel for each
//! string, a stream one for each place that continues from event to event.

use countersign_record::Unscanned;

use crate::edit::{Place, Slot, View};
use crate::embedded::Unescaper;

/// Most texts that a place goes with.
const OWNERS_MAX: usize = 2;

/// A text that was found.
#[derive(Debug)]
pub(crate) struct Found<'t> {
    pub(crate) place: Place,
    pub(crate) view: View,
    pub(crate) text: &'t str,
}

/// Where the findings of a walk go.
pub(crate) trait Sink {
    /// Why it takes no more.
    type Error;

    /// A text that stands for itself: in a document it is a channel of its own, in a stream it
    /// continues the channel of its path.
    fn text(&mut self, path: &str, found: Found<'_>) -> Result<(), Self::Error>;

    /// A text that its neighbours continue, in a document as in a stream.
    fn joined(&mut self, path: &str, found: Found<'_>) -> Result<(), Self::Error>;

    /// A text that is whole in its event and may come again.
    fn whole(&mut self, path: &str, found: Found<'_>) -> Result<(), Self::Error>;

    /// A key that is no word of the dialect.
    fn key(&mut self, found: Found<'_>) -> Result<(), Self::Error>;

    /// JSON in a string.
    fn embedded(&mut self, path: &str, place: Place, source: &str) -> Result<(), Self::Error>;

    /// An array of the bytes of a text, which its neighbours continue.
    fn spelt(&mut self, path: &str, place: Place, bytes: &[u8]) -> Result<(), Self::Error>;

    /// An array that says once more what may have been redacted anywhere.
    fn bind(&mut self, place: Place);

    /// Something that no detector reads.
    fn unread(&mut self, part: Unscanned);

    /// What was found so far.
    fn slots(&mut self) -> &mut Vec<Slot>;

    /// Lets all values that were found from `from` on, and keys too if they are alternatives, go
    /// when any text of `owners` is redacted.
    fn shadow(&mut self, from: usize, owners: &[Slot], keys: bool) {
        let slots = self.slots();
        let found = slots.get(from..).unwrap_or_default().iter();
        let goes = |s: &&Slot| !s.view.is_shadow() && (keys || !matches!(s.view, View::Key));
        let bound: Vec<Slot> = found.filter(goes).cloned().collect();
        for slot in bound {
            for owner in owners.iter().filter(|owner| owner.place != slot.place) {
                slots.push(Slot {
                    place: slot.place.clone(),
                    view: slot.view.shadow(),
                    ..owner.clone()
                });
            }
        }
    }

    /// The first findings from `from` on that are values and text of their own place: the token
    /// itself and its bytes. A bound keeps hostile nesting from costing more than it sends.
    fn owners(&mut self, from: usize) -> Vec<Slot> {
        let slots = self.slots().get(from..).unwrap_or_default();
        let own = |slot: &&Slot| !slot.view.is_shadow() && !matches!(slot.view, View::Key);
        slots.iter().filter(own).take(OWNERS_MAX).cloned().collect()
    }
}

/// What base64 media and token ids are in a record.
pub(crate) fn unread(reason: &str, kind: &str) -> Unscanned {
    Unscanned {
        reason: reason.to_owned(),
        kind: kind.to_owned(),
    }
}

/// How far a channel is.
#[derive(Debug, Default)]
pub(crate) struct Reach {
    /// Bytes of text so far.
    pub(crate) len: usize,
    /// The state of the JSON inside.
    pub(crate) unescaper: Unescaper,
    /// The first bytes of a character whose others are to come.
    partial: Vec<u8>,
}

impl Reach {
    /// The text that further bytes of it complete.
    pub(crate) fn spell(&mut self, bytes: &[u8]) -> String {
        self.partial.extend_from_slice(bytes);
        let mut text = String::new();
        let mut kept = 0;
        for chunk in self.partial.utf8_chunks() {
            text.push_str(chunk.valid());
            kept += chunk.valid().len();
            let broken = chunk.invalid();
            let unended = kept + broken.len() == self.partial.len()
                && std::str::from_utf8(broken).is_err_and(|error| error.error_len().is_none());
            if unended {
                break;
            }
            if !broken.is_empty() {
                text.push(char::REPLACEMENT_CHARACTER);
                kept += broken.len();
            }
        }
        self.partial.drain(..kept);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_spell_the_same_text_however_they_are_cut() {
        let bytes = "Zoë 😀"
            .bytes()
            .chain([0xff, b'x', 0xc3])
            .collect::<Vec<_>>();
        for first in 0..bytes.len() {
            for second in first..bytes.len() {
                let mut reach = Reach::default();
                let (a, rest) = bytes.split_at(first);
                let (b, c) = rest.split_at(second - first);
                let text: String = [a, b, c].map(|part| reach.spell(part)).concat();
                assert_eq!(text, "Zoë 😀\u{fffd}x", "cut at {first} and {second}");
            }
        }
    }
}
