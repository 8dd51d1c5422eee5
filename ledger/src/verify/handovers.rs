//! A first look at a ledger whose keys were rotated: it reads nothing but the handovers, so that
//! the pass over everything knows beforehand which key is in force where.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::{
    entry::{self, Event},
    keys::{Handover, KeyRing, VerifierKey},
    layout::{Kind, Tile, WIDTH},
    note::Note,
    tree::split_bundle,
    verify::{Unreadable, log, target::Target},
    wal,
};

/// Most statements that are looked at; a ledger has few.
const MAX_STATEMENTS: usize = 10_000;

/// How a handover begins in an entry. Other members may hold the same bytes: those are looked at
/// and left aside.
static BEGINNING: LazyLock<Finder<'static>> =
    LazyLock::new(|| Finder::new(br#""ledger":{"handover""#));

/// Whether the first entry there is and the checkpoint are both by `key`. Then no handover is
/// needed to begin with.
pub(crate) fn seems_of_one_key(
    target: &Target,
    size: u64,
    note: &str,
    key: &VerifierKey,
) -> Result<bool, Unreadable> {
    let signed = Note::parse(note).is_ok_and(|note| note.verify(key).is_ok());
    if !signed {
        return Ok(false);
    }
    for number in 0..size.div_ceil(WIDTH) {
        let Some(tile) = Tile::at(Kind::Entries, number, size) else {
            break;
        };
        let Some(bytes) = target.read(&target.tile_name(&tile))? else {
            continue;
        };
        let entries = split_bundle(&bytes, tile.width).unwrap_or_default();
        let reading = entries.first().and_then(|entry| entry::parse(entry).ok());
        return Ok(reading.is_none_or(|reading| reading.key_uid() == Some(&key.id_hex())));
    }
    Ok(true)
}

/// The keys that handovers in the first `size` entries and in the log join to `key`.
pub(crate) fn collect(
    target: &Target,
    size: u64,
    key: &VerifierKey,
) -> Result<KeyRing, Unreadable> {
    let mut found = Vec::new();
    for number in 0..size.div_ceil(WIDTH) {
        let Some(tile) = Tile::at(Kind::Entries, number, size) else {
            break;
        };
        let bytes = target.read(&target.tile_name(&tile))?.unwrap_or_default();
        found.extend(handovers_in(&bytes, number * WIDTH, tile.width));
    }
    if target.is_data_dir() {
        for (first, name) in log::segments(target)? {
            let bytes = target.read(&name)?.unwrap_or_default();
            if BEGINNING.find(&bytes).is_some() {
                for (index, _, entry) in wal::scan(&bytes, first).frames {
                    found.extend(statement(entry, index));
                }
            }
        }
    }
    found.truncate(MAX_STATEMENTS);
    found.sort_by_key(Handover::index);
    let mut ring = KeyRing::trusting(key.clone());
    // Forwards from the trusted key, then backwards. What does not fit is left to the pass, which
    // meets every statement at its place.
    for handover in found.iter().chain(found.iter().rev()) {
        let _ = ring.learn(handover);
    }
    Ok(ring)
}

/// The handovers in a bundle of `count` entries whose first one has the index `first`: those that
/// both keys signed and that stand in the entry which they name. Nothing else is checked, neither
/// the entries nor whether anybody trusts the keys. Empty when the bundle does not hold exactly
/// `count` whole entries.
pub fn handovers_in(bundle: &[u8], first: u64, count: u64) -> Vec<Handover> {
    if BEGINNING.find(bundle).is_none() {
        return Vec::new();
    }
    let entries = split_bundle(bundle, count).unwrap_or_default();
    (first..)
        .zip(entries)
        .filter_map(|(index, entry)| statement(entry, index))
        .collect()
}

fn statement(entry: &[u8], index: u64) -> Option<Handover> {
    BEGINNING.find(entry)?;
    let Some(Event::Handover(note)) = entry::parse(entry).ok()?.event else {
        return None;
    };
    Handover::parse(&note)
        .ok()
        .filter(|handover| handover.index() == index)
}
