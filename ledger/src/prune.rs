//! Removing entries whose time has passed. Their hashes stay.

use std::{io, path::Path};

use crate::{
    layout::{Kind, Tile, WIDTH},
    ledger::Shared,
};

/// What an entry with a handover has in it.
const HANDOVER: &[u8] = b"\"ledger\":{\"handover\":";

/// Removes the bundles of the entries below `before`, the newest first, so that a crash leaves a
/// boundary that the next pruning goes on from.
pub(crate) fn remove(shared: &Shared, before: u64) -> io::Result<()> {
    let store = &*shared.store;
    for number in (0..before / WIDTH).rev() {
        let tile = Tile {
            kind: Kind::Entries,
            number,
            width: WIDTH,
        };
        let path = shared.layout.tiles.join(tile.path());
        match store.read(&path)? {
            // Everything below was removed by an earlier pruning.
            None => break,
            // Who holds an older key follows the statements from there.
            Some(bundle) if memchr::memmem::find(&bundle, HANDOVER).is_some() => continue,
            Some(_) => {}
        }
        store.remove(&path)?;
        store.sync_dir(path.parent().unwrap_or(Path::new(".")))?;
    }
    Ok(())
}
