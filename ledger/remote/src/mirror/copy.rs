//! Reading the copy back.

use countersign_ledger::{
    merkle::{Hash, leaf_hash, perfect_root, range_root},
    tiles::{WIDTH, split_bundle},
};

use super::{
    MirrorError,
    entries::Chains,
    fetch::TOP,
    home::Home,
    round::Trouble,
    source::{Kind, Piece},
    tiles::{Shelf, Supply, hashes},
};

/// A tile of the copy, as it stands in the tree of `size` leaves.
pub(super) fn tile_of(
    home: &Home,
    level: u32,
    number: u64,
    size: u64,
) -> Result<Vec<Hash>, MirrorError> {
    let Some(piece) = Piece::at(Kind::Hashes(level), number, size) else {
        return Ok(Vec::new());
    };
    let bytes = home.piece(piece)?;
    let row = bytes.and_then(|bytes| hashes(piece, &bytes));
    row.ok_or_else(|| {
        let reason = "missing or of a wrong length".to_owned();
        home.damaged(&home.piece_path(piece), reason)
    })
}

/// Reads the whole copy and compares every hash in it; gives where its chains stand. Signatures
/// were checked when the entries came.
pub(super) async fn read_copy(home: &Home) -> Result<Chains, Trouble> {
    let size = home.size();
    let mut chains = Chains::default();
    let mut below: Vec<Hash> = Vec::new();
    for level in 0..=TOP {
        let mut roots = Vec::new();
        let mut expected = below.chunks(256);
        for number in 0..(size >> (8 * level)).div_ceil(WIDTH) {
            let row = tile_of(home, level, number, size)?;
            if level == 0 {
                replay(home, number, &row, &mut chains)?;
            } else if expected.next() != Some(&row) {
                let piece = Piece {
                    kind: Kind::Hashes(level),
                    number,
                    width: row.len() as u64,
                };
                let reason = "it is not what the tiles below make it".to_owned();
                return Err(home.damaged(&home.piece_path(piece), reason).into());
            }
            if row.len() as u64 == WIDTH {
                roots.push(perfect_root(&row));
            }
        }
        below = roots;
    }
    let mut shelf = Shelf::new(Supply::Copy(home), size);
    let root = shelf.compute(|nodes| range_root(nodes, 0, size)).await?;
    let kept = home.kept.as_ref().map(|kept| kept.checkpoint.root);
    if kept.is_some_and(|kept| kept != root) {
        let reason = "its hashes do not give the checkpoint's root".to_owned();
        return Err(home.damaged(&home.copy(), reason).into());
    }
    Ok(chains)
}

/// Follows the chains through a bundle of the copy.
fn replay(
    home: &Home,
    number: u64,
    leaves: &[Hash],
    chains: &mut Chains,
) -> Result<(), MirrorError> {
    let width = leaves.len() as u64;
    let kind = Kind::Bundle;
    let piece = Piece {
        kind,
        number,
        width,
    };
    let damaged = |reason: &str| home.damaged(&home.piece_path(piece), reason.to_owned());
    let Some(bytes) = home.piece(piece)? else {
        if number * WIDTH + width <= home.absent {
            chains.skip();
            return Ok(());
        }
        return Err(damaged("missing"));
    };
    let entries = split_bundle(&bytes, width).ok_or_else(|| damaged("no whole entries"))?;
    for (entry, leaf) in entries.iter().zip(leaves) {
        if leaf_hash(entry) != *leaf {
            return Err(damaged("an entry is not what its leaf hash says"));
        }
        chains.replay(entry).map_err(|why| damaged(&why))?;
    }
    Ok(())
}
