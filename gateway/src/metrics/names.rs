//! Names from outside as labels, in bounded number.

use std::collections::BTreeSet;
use std::sync::{PoisonError, RwLock};

/// What names are told as that have no label of their own.
const OTHER: &str = "other";

/// The first so many admitted names; every other one is [`OTHER`].
#[derive(Debug)]
pub(super) struct Names {
    most: usize,
    known: RwLock<BTreeSet<Box<str>>>,
}

impl Names {
    pub(super) fn at_most(most: usize) -> Self {
        let known = RwLock::default();
        Self { most, known }
    }

    /// The label for `name`. An unknown name becomes known when `admit` says so and there is room.
    pub(super) fn label(&self, name: &str, admit: bool) -> String {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let (is_known, has_room) = (known.contains(name), known.len() < self.most);
        drop(known);
        if is_known || (admit && has_room && self.admit(name)) {
            name.to_owned()
        } else {
            OTHER.to_owned()
        }
    }

    /// Looks again under the lock: others may have taken the room meanwhile.
    fn admit(&self, name: &str) -> bool {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() < self.most {
            known.insert(name.into());
        }
        known.contains(name)
    }
}
