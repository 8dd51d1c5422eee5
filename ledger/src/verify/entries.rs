//! Reading entries, their signatures and chains.

use crate::{
    entry::{self, EntryError, Link},
    keys::VerifierKey,
    layout::{Kind, Tile, WIDTH},
    merkle::{Hash, leaf_hash, perfect_root},
    tree::split_bundle,
    verify::{Chain, FaultKind, Unreadable, Verification, files::Target},
};

/// The entries read so far, with what is derived from them.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) entries: Vec<Vec<u8>>,
    pub(super) leaves: Vec<Hash>,
    /// Entries are missing in between; nothing derived from them can be compared.
    pub(super) incomplete: bool,
    chains: Vec<(Chain, Link)>,
}

impl Tree {
    /// Adds the next entry after checking everything it says about itself.
    pub(super) fn add(
        &mut self,
        bytes: &[u8],
        place: &str,
        key: &VerifierKey,
        found: &mut Verification,
    ) {
        let head = leaf_hash(bytes);
        self.entries.push(bytes.to_vec());
        self.leaves.push(head);
        let reading = match entry::open(bytes, key) {
            Ok(reading) => reading,
            Err(error) => {
                found.fault(kind(&error), place, error.to_string());
                // A bad signature does not hide where the chain goes on.
                match entry::parse(bytes) {
                    Ok(reading) => reading,
                    Err(_) => return,
                }
            }
        };
        let next = reading.next();
        let link = reading.link;
        let known = self
            .chains
            .iter_mut()
            .find(|(chain, _)| chain.uid == link.chain_uid);
        if let Some((chain, expected)) = known {
            if link != *expected {
                let detail = format!(
                    "seq {} prev {} where seq {} prev {} continues the chain",
                    link.seq,
                    hex::encode(link.prev),
                    expected.seq,
                    hex::encode(expected.prev)
                );
                found.fault(FaultKind::Chain, place, detail);
            }
            chain.last_seq = link.seq;
            chain.head = head;
            *expected = next;
            return;
        }
        if link.seq != 0 || link.prev != [0; 32] {
            found.fault(
                FaultKind::Chain,
                place,
                "a chain must begin with seq 0 and a zero prev",
            );
        }
        let (first_seq, last_seq) = (link.seq, link.seq);
        self.chains.push((
            Chain {
                uid: link.chain_uid,
                first_seq,
                last_seq,
                head,
            },
            next,
        ));
    }

    pub(super) fn chains(&self) -> Vec<Chain> {
        self.chains.iter().map(|(chain, _)| chain.clone()).collect()
    }

    /// The hashes of every tile level.
    pub(super) fn levels(&self) -> Vec<Vec<Hash>> {
        let mut levels = vec![self.leaves.clone()];
        while let Some(row) = levels.last().filter(|row| row.len() as u64 >= WIDTH) {
            let (full, _) = row.as_chunks::<256>();
            let above = full.iter().map(|tile| perfect_root(tile)).collect();
            levels.push(above);
        }
        levels
    }
}

fn kind(error: &EntryError) -> FaultKind {
    match error {
        EntryError::Authority { .. } => FaultKind::Authority,
        EntryError::Signature => FaultKind::Signature,
        _ => FaultKind::Entry,
    }
}

/// Reads the bundles of the tree of `size` entries.
pub(super) fn read_bundles(
    target: &Target,
    size: u64,
    tree: &mut Tree,
    found: &mut Verification,
    (key, progress): (&VerifierKey, &mut dyn FnMut(u64, u64)),
) -> Result<(), Unreadable> {
    for number in 0..size.div_ceil(WIDTH) {
        let Some(tile) = Tile::at(Kind::Entries, number, size) else {
            break;
        };
        let name = target.tile_name(&tile);
        let Some(bytes) = target.read(&name, found)? else {
            found.fault(
                FaultKind::MissingFile,
                name,
                "a bundle of entries is missing",
            );
            tree.incomplete = true;
            continue;
        };
        let Some(entries) = split_bundle(&bytes, tile.width) else {
            let detail = format!("it does not hold exactly {} whole entries", tile.width);
            found.fault(FaultKind::Bundle, name, detail);
            tree.incomplete = true;
            continue;
        };
        let mut offset = 0;
        for (index, entry) in (number * WIDTH..).zip(entries) {
            let place = format!("{name} entry {index} byte {}", offset + 2);
            tree.add(entry, &place, key, found);
            offset += 2 + entry.len();
        }
        progress(size.min((number + 1) * WIDTH), size);
    }
    Ok(())
}
