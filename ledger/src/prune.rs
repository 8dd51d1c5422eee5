//! Removing entries whose time has passed. Their hashes stay.

use std::{io, path::Path};

use crate::{
    layout::{Kind, Tile, WIDTH},
    ledger::Shared,
};

/// What an entry with a handover has in it.
const HANDOVER: &[u8] = b"\"ledger\":{\"handover\":";

/// Removes the bundles of the entries below `before`, the oldest first and each durably, so that a
/// crash leaves a boundary that the next pruning goes on from.
pub(crate) fn remove(shared: &Shared, before: u64) -> io::Result<()> {
    let store = &*shared.store;
    let end = before / WIDTH;
    let path = |number| {
        let tile = Tile {
            kind: Kind::Entries,
            number,
            width: WIDTH,
        };
        shared.layout.tiles.join(tile.path())
    };
    let mut start = end;
    while start > 0 && store.read(&path(start - 1))?.is_some() {
        start -= 1;
    }
    // The one below the boundary may have lost its bundle to a crash, but not yet what follows.
    for number in start.saturating_sub(1)..end {
        let bundle = path(number);
        // Who holds an older key follows the statements from there.
        let kept = |bytes: Vec<u8>| memchr::memmem::find(&bytes, HANDOVER).is_some();
        if store.read(&bundle)?.is_some_and(kept) {
            continue;
        }
        // A crash can leave partial bundles of an earlier checkpoint, which nobody reads.
        let partial = bundle.with_extension("p");
        for name in store.list(&partial)? {
            store.remove(&partial.join(name))?;
        }
        if store.remove_empty_dir(&partial) {
            store.sync_dir(bundle.parent().unwrap_or(Path::new(".")))?;
        }
        store.remove(&bundle)?;
        store.sync_dir(bundle.parent().unwrap_or(Path::new(".")))?;
    }
    Ok(())
}
