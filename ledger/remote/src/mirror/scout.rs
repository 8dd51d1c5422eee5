//! Looking for handovers when the keys that are known do not verify what is served.
//!
//! Both keys sign a handover, so one may be believed before the entries and the checkpoint around it
//! are: what is searched need not be verified, and a stranger can add nothing to it.

use std::time::Duration;

use countersign_ledger::{
    Checkpoint, Note,
    keys::{Handover, KeyRing, RingError, handovers_to_text},
    tiles::WIDTH,
    verify::handovers_in,
};
use futures_util::stream::{self, StreamExt};

use super::{
    AlarmKind, Mirror, MirrorError,
    fetch::BUNDLES_AHEAD,
    round::{Finding, Trouble},
    source::{Kind, Piece},
};

/// Most statements that one search looks at; a ledger has few.
const STATEMENTS_MAX: usize = 10_000;

/// Why a search gives no ring.
#[derive(Debug)]
pub(super) enum Lost {
    /// Two handovers that a key of the ledger signed cannot both be true.
    Contradiction(Finding),
    /// Not everything was searched.
    Unfinished(Unfinished),
}

/// Why not everything was searched.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unfinished {
    #[error("handovers were not looked for: {entries} entries are claimed, the bound is {most}")]
    TooFar { entries: u64, most: u64 },
    #[error("looking for handovers took longer than {} s", .0.as_secs())]
    TooLong(Duration),
    #[error("more than {STATEMENTS_MAX} handovers are served")]
    TooMany,
    #[error("handovers could not be looked for: {0}")]
    Files(#[from] MirrorError),
}

impl Mirror {
    /// Searches the entries between the copy and the checkpoint `seen` for handovers and takes those
    /// into `ring` that continue it. Says whether it grew.
    pub(super) async fn scout(&self, seen: &[u8], ring: &mut KeyRing) -> Result<bool, Lost> {
        let Some(claimed) = claimed(seen, ring) else {
            return Ok(false);
        };
        let before = ring.handovers().len();
        let found = self.search(self.home.size(), claimed).await;
        let found = found.map_err(Lost::Unfinished)?;
        take_in(ring, found).map_err(Lost::Contradiction)?;
        Ok(ring.handovers().len() > before)
    }

    /// Finds the way from the trusted key to the one that signed the copy's own checkpoint, when no
    /// known key did. The copy itself is searched too.
    pub(super) async fn recall(&mut self, seen: &[u8]) -> Result<(), Trouble> {
        let Some(note) = self.home.foreign.clone() else {
            return Ok(());
        };
        let mut ring = self.home.ring.clone();
        let sizes = [claimed(seen, &ring), claimed(note.as_bytes(), &ring)];
        let found = self.search(0, sizes.into_iter().flatten().max().unwrap_or(0));
        match found.await {
            Ok(found) => take_in(&mut ring, found).map_err(Trouble::Alarm)?,
            Err(Unfinished::Files(error)) => return Err(error.into()),
            Err(why) => {
                let path = self.home.copy().join("checkpoint");
                return Err(self.home.damaged(&path, why.to_string()).into());
            }
        }
        Ok(self.home.recall(note, &ring)?)
    }

    /// The handovers in the bundles that hold entries from `start` to `end`; bundles that are absent
    /// are skipped.
    async fn search(&self, start: u64, end: u64) -> Result<Vec<Handover>, Unfinished> {
        let (entries, most) = (end.saturating_sub(start), self.settings.scout_max);
        if entries > most {
            return Err(Unfinished::TooFar { entries, most });
        }
        let time = self.settings.scout_time;
        let searched = tokio::time::timeout(time, self.search_all(start, end)).await;
        searched.unwrap_or(Err(Unfinished::TooLong(time)))
    }

    async fn search_all(&self, start: u64, end: u64) -> Result<Vec<Handover>, Unfinished> {
        let numbers = start / WIDTH..end.div_ceil(WIDTH);
        let pieces = numbers.filter_map(|number| Piece::at(Kind::Bundle, number, end));
        let (home, source) = (&self.home, &self.source);
        let mut coming = stream::iter(pieces)
            .map(|piece| async move {
                let bytes = match home.piece(piece)? {
                    Some(own) => Some(own),
                    None => source.piece(piece).await?,
                };
                Ok::<_, MirrorError>((piece, bytes.unwrap_or_default()))
            })
            .buffered(BUNDLES_AHEAD)
            .boxed_local();
        let mut found = Vec::new();
        while let Some(came) = coming.next().await {
            let (piece, bundle) = came?;
            found.extend(handovers_in(&bundle, piece.number * WIDTH, piece.width));
            if found.len() > STATEMENTS_MAX {
                return Err(Unfinished::TooMany);
            }
        }
        Ok(found)
    }
}

/// The size that a checkpoint of this ledger claims, whoever signed it.
fn claimed(note: &[u8], ring: &KeyRing) -> Option<u64> {
    let note = Note::parse(std::str::from_utf8(note).ok()?).ok()?;
    let checkpoint = Checkpoint::parse(note.text()).ok()?;
    (checkpoint.origin == ring.current().name()).then_some(checkpoint.size)
}

/// Takes in what continues the ring at either end, whatever the order. What touches no known key is
/// left aside; what contradicts the ring is a finding, for a known key signed it.
pub(super) fn take_in(ring: &mut KeyRing, mut found: Vec<Handover>) -> Result<(), Finding> {
    found.sort_by_key(Handover::index);
    // Forwards from the trusted key, then backwards.
    for handover in found.iter().chain(found.iter().rev()) {
        // Other refusals: the keys of strangers or of another ledger, or more than any ledger has.
        let learned = ring.learn(handover);
        if let Err(error @ (RingError::Fork { .. } | RingError::Order(_))) = learned {
            return Err(contradiction(ring, handover, &error));
        }
    }
    Ok(())
}

/// The finding with the statements that it is about.
fn contradiction(ring: &KeyRing, handover: &Handover, error: &RingError) -> Finding {
    let keys = [handover.old_key(), handover.new_key()];
    let touches =
        |known: &&Handover| keys.contains(&known.old_key()) || keys.contains(&known.new_key());
    let mut statements: Vec<Handover> = ring.handovers().iter().filter(touches).cloned().collect();
    statements.push(handover.clone());
    let text = handovers_to_text(&statements).unwrap_or_default();
    Finding {
        kind: AlarmKind::Handover,
        detail: error.to_string(),
        served: Some(text.into_bytes()),
    }
}
