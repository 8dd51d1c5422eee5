//! The files of the tile directory against what the entries make them.

use crate::{
    layout::{Kind, Tile, WIDTH},
    merkle::{Hash, leaf_hash},
    tree::split_bundle,
    verify::{Fault, FaultKind, Unreadable, frontier::Row, pass::Pass},
};

const DIFFERS: &str = "it is not what the entries make it";

impl Pass<'_> {
    fn tile_fault(&mut self, tile: &Tile, kind: FaultKind, place: String, detail: &str) {
        if self.tile_faults.len() < self.orders.limit {
            let detail = detail.to_owned();
            let fault = Fault {
                kind,
                place,
                detail,
            };
            self.tile_faults.push((*tile, fault));
        } else {
            self.omitted += 1;
        }
    }

    /// Notes a tile that is as it must be and that no head needs any more.
    fn leftover(&mut self, tile: &Tile) {
        let needed = &self.orders.needed;
        let newest = needed.last().copied().unwrap_or(0);
        let covered = tile.leaves().is_some_and(|leaves| leaves <= newest);
        let mut now = needed
            .iter()
            .map(|size| Tile::at(tile.kind, tile.number, *size));
        if !self.orders.mending || !covered || now.any(|now| now == Some(*tile)) {
            return;
        }
        if self.leftovers.len() < self.orders.limit {
            self.leftovers.push(*tile);
        } else {
            self.omitted += 1;
        }
    }

    /// Checks the file of a tile that has just become full, and the narrower ones beside it.
    pub(crate) fn check_full_row(&mut self, row: &Row) -> Result<(), Unreadable> {
        let tile = row.full();
        let needed = self.orders.needed.last().copied().unwrap_or(0);
        match self.target.read(&self.target.tile_name(&tile))? {
            Some(bytes) => {
                self.compare(row, &tile, &bytes);
            }
            None if tile.leaves().is_some_and(|leaves| leaves <= needed) => self.missing(&tile),
            None => {}
        }
        self.check_narrower_tiles(row)
    }

    /// Checks the files of narrower tiles: each must be how the row began.
    pub(crate) fn check_narrower_tiles(&mut self, row: &Row) -> Result<(), Unreadable> {
        for tile in self.target.partials(&row.full())? {
            // Wider ones come out as strays.
            if tile.width <= row.hashes.len() as u64
                && let Some(bytes) = self.target.read(&self.target.tile_name(&tile))?
                && self.compare(row, &tile, &bytes)
            {
                self.leftover(&tile);
            }
        }
        Ok(())
    }

    /// The partial tiles of the size just reached must be there.
    pub(crate) fn require_partials(&mut self) {
        for row in self.frontier.partials() {
            let tile = row.tile();
            if !self.target.path(&self.target.tile_name(&tile)).is_file() {
                self.missing(&tile);
            }
        }
    }

    fn missing(&mut self, tile: &Tile) {
        let place = self.target.tile_name(tile);
        let detail = "a tile of the checkpoint is missing";
        self.tile_fault(tile, FaultKind::MissingFile, place, detail);
    }

    /// Says whether they are the same.
    fn compare(&mut self, row: &Row, tile: &Tile, bytes: &[u8]) -> bool {
        let Some(byte) = row.difference(tile.width, bytes) else {
            return true;
        };
        let name = self.target.tile_name(tile);
        let place = format!("{name} byte {byte}");
        // Without the entries two tiles speak against each other, and either may be the wrong one.
        let below = row.number * WIDTH + byte as u64 / 32;
        if row.level == 1 && self.absent.iter().any(|range| range.contains(&below)) {
            let lower = Tile {
                kind: Kind::Hashes(0),
                number: below,
                width: WIDTH,
            };
            let lower_name = self.target.tile_name(&lower);
            let detail = format!("it contradicts {name}, and its entries are not there");
            self.tile_fault(&lower, FaultKind::Tile, lower_name.clone(), &detail);
            let detail = format!("it contradicts {lower_name}, whose entries are not there");
            self.tile_fault(tile, FaultKind::Tile, place, &detail);
        } else {
            self.tile_fault(tile, FaultKind::Tile, place, DIFFERS);
        }
        false
    }

    /// Checks a bundle's file, if there is one, against the framed entries that it must hold.
    pub(crate) fn check_bundle(&mut self, tile: &Tile, framed: &[u8]) -> Result<(), Unreadable> {
        let name = self.target.tile_name(tile);
        if let Some(bytes) = self.target.read(&name)? {
            let width = usize::try_from(tile.width).unwrap_or(usize::MAX);
            let expected = beginning(framed, width);
            if bytes == expected {
                self.leftover(tile);
            } else {
                let pairs = bytes.iter().zip(expected);
                let place = format!("{name} byte {}", pairs.take_while(|(a, b)| a == b).count());
                self.tile_fault(tile, FaultKind::Tile, place, DIFFERS);
            }
        }
        Ok(())
    }

    /// Checks the narrower bundles that lie beside a bundle: against its framed entries, or its
    /// leaves where it cannot be used itself.
    pub(crate) fn check_narrower_bundles(
        &mut self,
        tile: &Tile,
        framed: Option<&[u8]>,
        leaves: &[Option<Hash>],
    ) -> Result<(), Unreadable> {
        let full = Tile {
            width: WIDTH,
            ..*tile
        };
        for narrow in self.target.partials(&full)? {
            if narrow.width > tile.width || narrow == *tile {
                continue;
            }
            if let Some(framed) = framed {
                self.check_bundle(&narrow, framed)?;
                continue;
            }
            let name = self.target.tile_name(&narrow);
            let Some(bytes) = self.target.read(&name)? else {
                continue;
            };
            let same = split_bundle(&bytes, narrow.width).is_some_and(|entries| {
                let mut pairs = entries.iter().zip(leaves);
                pairs.all(|(entry, leaf)| leaf.is_none_or(|leaf| leaf_hash(entry) == leaf))
            });
            if !same {
                self.tile_fault(&narrow, FaultKind::Tile, name, DIFFERS);
            }
        }
        Ok(())
    }

    /// Finds files of the tile directory that no entry accounts for.
    pub(crate) fn find_strays(&mut self) -> Result<(), Unreadable> {
        let (target, size) = (self.target, self.frontier.size());
        let checkpoint = target.checkpoint_name();
        target.walk_tiles(|name| {
            let tile = Tile::parse(target.inner(&name));
            let known = tile.filter(|tile| {
                tile.leaves().is_some_and(|leaves| leaves <= size) && target.path(&name).is_file()
            });
            if known.is_none() && name != checkpoint {
                let nowhere = Tile {
                    kind: Kind::Entries,
                    number: 0,
                    width: WIDTH,
                };
                let detail = "no entry accounts for this file";
                let tile = tile.unwrap_or(nowhere);
                self.tile_fault(&tile, FaultKind::UnexpectedFile, name, detail);
            }
        })
    }
}

/// The first `width` of the framed entries.
fn beginning(framed: &[u8], width: usize) -> &[u8] {
    let mut rest = framed;
    for _ in 0..width {
        let Some((length, tail)) = rest.split_first_chunk::<2>() else {
            break;
        };
        rest = tail
            .get(usize::from(u16::from_be_bytes(*length))..)
            .unwrap_or_default();
    }
    &framed[..framed.len() - rest.len()]
}
