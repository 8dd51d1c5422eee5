//! The text channels of a stream.

use std::collections::HashMap;

use countersign_record::Unscanned;

use crate::edit::{Place, Slot, View};
use crate::frame::{Frame, Piece};
use crate::gather::{Found, Reach, Sink};
use crate::{Limits, StreamError, tokens};

/// Channel of ids, roles, types, names of events and whatever else does not continue from event
/// to event.
const META: &str = "meta";

/// The pieces and slots of one event, as they are found.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pieces: Vec<Piece>,
    slots: Vec<Slot>,
    unscanned: Vec<Unscanned>,
}

impl Page {
    pub(crate) fn onto(self, frame: &mut Frame) {
        frame.pieces.extend(self.pieces);
        frame.content.slots.extend(self.slots);
        frame.unscanned.extend(self.unscanned);
    }
}

/// The channels of a stream, and how long each is.
#[derive(Debug, Default)]
pub(crate) struct Channels {
    by_path: HashMap<String, usize>,
    reaches: Vec<Reach>,
    /// Where in the meta channel each value was first seen.
    seen: HashMap<String, usize>,
}

impl Channels {
    fn of(&mut self, path: &str, limits: &Limits) -> Result<usize, StreamError> {
        if let Some(channel) = self.by_path.get(path) {
            return Ok(*channel);
        }
        let (channel, limit) = (self.reaches.len(), limits.channels_max);
        if channel >= limit {
            return Err(StreamError::TooManyChannels { limit });
        }
        self.by_path.insert(path.to_owned(), channel);
        self.reaches.push(Reach::default());
        Ok(channel)
    }
}

/// One event on its way into the channels.
#[derive(Debug)]
pub(crate) struct Reading<'c> {
    pub(crate) channels: &'c mut Channels,
    pub(crate) limits: &'c Limits,
    pub(crate) page: Page,
}

impl Reading<'_> {
    /// A text that is not in a value: it continues the channel of its path.
    pub(crate) fn add(&mut self, path: &str, found: Found<'_>) -> Result<(), StreamError> {
        let channel = self.channels.of(path, self.limits)?;
        self.put(channel, found);
        Ok(())
    }

    fn put(&mut self, channel: usize, found: Found<'_>) {
        let Some(reach) = self.channels.reaches.get_mut(channel) else {
            return;
        };
        let Found { place, view, text } = found;
        if text.is_empty() {
            return;
        }
        let start = reach.len;
        reach.len += text.len();
        self.page.slots.push(Slot {
            place,
            channel,
            start,
            len: text.len(),
            view,
        });
        self.page.pieces.push(Piece {
            channel,
            start,
            text: text.to_owned(),
            speech: true,
        });
    }

    /// A value in the channel of whatever does not continue. One seen before is not scanned again,
    /// but is redacted again.
    pub(crate) fn meta(&mut self, found: Found<'_>) -> Result<(), StreamError> {
        let Found { place, view, text } = found;
        if text.is_empty() {
            return Ok(());
        }
        let channel = self.channels.of(META, self.limits)?;
        let known = self.channels.seen.get(text).copied();
        let Some(reach) = self.channels.reaches.get_mut(channel) else {
            return Ok(());
        };
        let start = known.unwrap_or(reach.len);
        self.page.slots.push(Slot {
            place,
            channel,
            start,
            len: text.len(),
            view,
        });
        if known.is_none() {
            reach.len += text.len() + 1;
            if self.channels.seen.len() < self.limits.meta_values_max {
                self.channels.seen.insert(text.to_owned(), start);
            }
            self.page.pieces.push(Piece {
                channel,
                start,
                text: format!("{text}\n"),
                speech: false,
            });
        }
        Ok(())
    }
}

impl Sink for Reading<'_> {
    type Error = StreamError;

    fn text(&mut self, path: &str, found: Found<'_>) -> Result<(), StreamError> {
        self.add(path, found)
    }

    fn joined(&mut self, path: &str, found: Found<'_>) -> Result<(), StreamError> {
        self.add(path, found)
    }

    fn whole(&mut self, _path: &str, found: Found<'_>) -> Result<(), StreamError> {
        self.meta(found)
    }

    fn key(&mut self, found: Found<'_>) -> Result<(), StreamError> {
        self.meta(found)
    }

    fn embedded(&mut self, path: &str, place: Place, source: &str) -> Result<(), StreamError> {
        let channel = self.channels.of(path, self.limits)?;
        let Some(reach) = self.channels.reaches.get_mut(channel) else {
            return Ok(());
        };
        let view = View::Embedded(reach.unescaper.clone());
        let text = reach.unescaper.feed(source).text;
        self.put(
            channel,
            Found {
                place,
                view,
                text: &text,
            },
        );
        Ok(())
    }

    fn spelt(&mut self, path: &str, place: Place, bytes: &[u8]) -> Result<(), StreamError> {
        let channel = self.channels.of(path, self.limits)?;
        let Some(reach) = self.channels.reaches.get_mut(channel) else {
            return Ok(());
        };
        let text = reach.spell(bytes);
        self.put(
            channel,
            Found {
                place,
                view: View::Spelt,
                text: &text,
            },
        );
        Ok(())
    }

    fn bind(&mut self, place: Place) {
        for channel in 0..self.channels.reaches.len() {
            self.page.slots.push(tokens::bound(place.clone(), channel));
        }
    }

    fn unread(&mut self, part: Unscanned) {
        self.page.unscanned.push(part);
    }

    fn slots(&mut self) -> &mut Vec<Slot> {
        &mut self.page.slots
    }
}
