//! The text channels of a stream.

use std::collections::HashMap;

use crate::edit::{Place, Slot, View};
use crate::embedded::Unescaper;
use crate::frame::{Frame, Piece};
use crate::{Limits, StreamError};

/// Channel of ids, roles, types, names of events and whatever else does not continue from event
/// to event.
const META: &str = "meta";

/// The pieces and slots of one event, as they are found.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pieces: Vec<Piece>,
    slots: Vec<Slot>,
}

impl Page {
    pub(crate) fn onto(self, frame: &mut Frame) {
        frame.pieces.extend(self.pieces);
        frame.content.slots.extend(self.slots);
    }
}

/// The channels of a stream, and how long each is.
#[derive(Debug, Default)]
pub(crate) struct Channels {
    by_path: HashMap<String, usize>,
    states: Vec<State>,
    /// Where in the meta channel each value was first seen.
    seen: HashMap<String, usize>,
}

#[derive(Debug, Default)]
struct State {
    len: usize,
    unescaper: Unescaper,
}

impl Channels {
    pub(crate) fn of(&mut self, path: &str, limits: &Limits) -> Result<usize, StreamError> {
        if let Some(channel) = self.by_path.get(path) {
            return Ok(*channel);
        }
        let (channel, limit) = (self.states.len(), limits.channels_max);
        if channel >= limit {
            return Err(StreamError::TooManyChannels { limit });
        }
        self.by_path.insert(path.to_owned(), channel);
        self.states.push(State::default());
        Ok(channel)
    }

    pub(crate) fn unescape(&mut self, channel: usize, source: &str) -> (Unescaper, String) {
        match self.states.get_mut(channel) {
            Some(state) => {
                let before = state.unescaper.clone();
                (before, state.unescaper.feed(source).text)
            }
            None => (Unescaper::default(), source.to_owned()),
        }
    }

    pub(crate) fn add(
        &mut self,
        page: &mut Page,
        origin: (Place, View),
        channel: usize,
        text: String,
    ) {
        let (place, view) = origin;
        let Some(state) = self.states.get_mut(channel) else {
            return;
        };
        let start = state.len;
        state.len += text.len();
        page.slots.push(Slot {
            place,
            channel,
            start,
            len: text.len(),
            view,
        });
        page.pieces.push(Piece {
            channel,
            start,
            text,
        });
    }

    /// A value seen before is not scanned again, but is redacted again.
    pub(crate) fn meta(
        &mut self,
        page: &mut Page,
        origin: (Place, View),
        text: &str,
        limits: &Limits,
    ) -> Result<(), StreamError> {
        if text.is_empty() {
            return Ok(());
        }
        let channel = self.of(META, limits)?;
        let (place, view) = origin;
        let len = text.len();
        if let Some(start) = self.seen.get(text).copied() {
            page.slots.push(Slot {
                place,
                channel,
                start,
                len,
                view,
            });
            return Ok(());
        }
        let Some(state) = self.states.get_mut(channel) else {
            return Ok(());
        };
        let start = state.len;
        state.len += len + 1;
        if self.seen.len() < limits.meta_values_max {
            self.seen.insert(text.to_owned(), start);
        }
        page.slots.push(Slot {
            place,
            channel,
            start,
            len,
            view,
        });
        page.pieces.push(Piece {
            channel,
            start,
            text: format!("{text}\n"),
        });
        Ok(())
    }
}
