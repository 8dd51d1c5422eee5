//! One pass over a ledger: what the entries make of chains, tiles and roots, with what was found on
//! the way. It holds neither entries nor leaves, only the right edge of the tree and one hash for
//! each bundle.

use std::{collections::BTreeMap, ops::Range};

use crate::{
    entry::Event,
    keys::{Handover, KeyRing},
    layout::{Kind, Tile, WIDTH},
    merkle::Hash,
    tree::{frame_entry, split_bundle},
    verify::{
        Fault, FaultKind, Unreadable,
        bundle::{Checked, check},
        chains::Chains,
        frontier::{Frontier, Row},
        pipeline::{Bundle, Content},
        target::Target,
    },
};

/// Orders the faults of pending entries and the log behind those of every bundle.
pub(crate) const IN_LOG: u64 = u64::MAX;

/// What a pass is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Orders {
    /// Most faults kept of each kind of file.
    pub(crate) limit: usize,
    /// Sizes whose tiles must all be there, ascending.
    pub(crate) needed: Vec<u64>,
    /// Find out what can be mended: take the leaves of a bundle with a fault from its hash tile
    /// instead, and look for tiles that are left over.
    pub(crate) mending: bool,
}

/// A pass under way.
#[derive(Debug)]
pub(crate) struct Pass<'a> {
    pub(crate) target: &'a Target,
    pub(crate) ring: &'a KeyRing,
    pub(crate) orders: Orders,
    pub(crate) frontier: Frontier,
    pub(crate) chains: Chains,
    /// Faults of entries and bundles, each with the number of its bundle.
    pub(crate) entry_faults: Vec<(u64, Fault)>,
    /// Faults of tiles.
    pub(crate) tile_faults: Vec<(Tile, Fault)>,
    /// Tiles that are right and that nothing needs any more.
    pub(crate) leftovers: Vec<Tile>,
    /// Faults and leftovers for which there was no room.
    pub(crate) omitted: u64,
    /// Numbers of the bundles that are not there.
    pub(crate) absent: Vec<Range<u64>>,
    /// For each published bundle the root over its leaves; zeros when one is unknown.
    pub(crate) roots: Vec<Hash>,
    /// Root of the tree at the sizes asked for; `None` when it could not be told.
    pub(crate) marks: BTreeMap<u64, Option<Hash>>,
    /// Published entries that were read.
    pub(crate) entries: u64,
    /// Bundles that end at or before this index may be absent.
    pub(crate) pruned_before: u64,
    /// A handover that the ring does not know was met.
    pub(crate) unknown_handover: bool,
    next_mark: u64,
    /// The framed entries of the unfinished bundle, when all are known.
    tail: Option<Vec<u8>>,
    done: Vec<Row>,
}

impl<'a> Pass<'a> {
    /// Begins a pass that tells the root at the sizes `marks`.
    pub(crate) fn begin(
        target: &'a Target,
        ring: &'a KeyRing,
        orders: Orders,
        marks: impl IntoIterator<Item = u64>,
    ) -> Self {
        let mut marks: BTreeMap<u64, Option<Hash>> = marks.into_iter().map(|m| (m, None)).collect();
        marks.extend(orders.needed.iter().map(|size| (*size, None)));
        let mut pass = Self {
            target,
            ring,
            orders,
            frontier: Frontier::default(),
            chains: Chains::default(),
            entry_faults: Vec::new(),
            tile_faults: Vec::new(),
            leftovers: Vec::new(),
            omitted: 0,
            absent: Vec::new(),
            roots: Vec::new(),
            marks,
            entries: 0,
            pruned_before: 0,
            unknown_handover: false,
            next_mark: 0,
            tail: Some(Vec::new()),
            done: Vec::new(),
        };
        pass.reach_mark();
        pass
    }

    /// The root over the first `size` entries; `None` when it cannot be told or was not asked for.
    pub(crate) fn root_at(&self, size: u64) -> Option<Hash> {
        self.marks.get(&size).copied().flatten()
    }

    pub(crate) fn fault(
        &mut self,
        order: u64,
        kind: FaultKind,
        place: impl Into<String>,
        detail: impl Into<String>,
    ) {
        if self.entry_faults.len() < self.orders.limit {
            let (place, detail) = (place.into(), detail.into());
            let fault = Fault {
                kind,
                place,
                detail,
            };
            self.entry_faults.push((order, fault));
        } else {
            self.omitted += 1;
        }
    }

    /// Takes the next published bundle.
    pub(crate) fn take(&mut self, bundle: Bundle) -> Result<(), Unreadable> {
        let tile = bundle.tile;
        let name = self.target.tile_name(&tile);
        let (leaves, bytes) = match bundle.content {
            Content::Entries(bytes, checked) => {
                self.entries += tile.width;
                let places = |slot| {
                    let (index, byte) = (tile.number * WIDTH + slot as u64, offset(&bytes, slot));
                    format!("{name} entry {index} byte {byte}")
                };
                let intact = self.follow(&checked, tile.number, tile.number * WIDTH, places);
                if intact || !self.orders.mending {
                    let leaves = checked.leaves.into_iter().map(Some).collect();
                    (leaves, Some(bytes))
                } else {
                    self.chains.gap();
                    (self.leaves_of_tile(&tile)?, None)
                }
            }
            Content::Malformed => {
                let detail = format!("it does not hold exactly {} whole entries", tile.width);
                self.fault(tile.number, FaultKind::Bundle, name, detail);
                self.chains.gap();
                (self.leaves_of_tile(&tile)?, None)
            }
            Content::Absent => {
                match self.absent.last_mut() {
                    Some(last) if last.end == tile.number => last.end += 1,
                    _ => self.absent.push(tile.number..tile.number + 1),
                }
                self.chains.gap();
                (self.leaves_of_tile(&tile)?, None)
            }
        };
        self.roots.push(root_over(&leaves).unwrap_or([0; 32]));
        if tile.width == WIDTH || bytes.is_none() {
            self.check_narrower_bundles(&tile, bytes.as_deref(), &leaves)?;
        }
        if tile.width < WIDTH {
            self.tail = bytes;
        }
        leaves.into_iter().try_for_each(|leaf| self.push(leaf))
    }

    /// Takes the next entries that are in the log alone, with the place of each.
    pub(crate) fn take_pending(&mut self, entries: &[(String, &[u8])]) -> Result<(), Unreadable> {
        let first = self.frontier.size();
        let bytes: Vec<&[u8]> = entries.iter().map(|(_, bytes)| *bytes).collect();
        let checked = check(&bytes, first, self.ring);
        let place = |slot: usize| entries.get(slot).map(|(place, _)| place.clone());
        self.follow(&checked, IN_LOG, first, |slot| {
            place(slot).unwrap_or_default()
        });
        for (entry, leaf) in bytes.into_iter().zip(checked.leaves) {
            if let Some(tail) = &mut self.tail {
                frame_entry(tail, entry);
            }
            self.push(Some(leaf))?;
            if self.frontier.size().is_multiple_of(WIDTH) {
                self.check_pending_bundle()?;
            }
        }
        Ok(())
    }

    /// Notes the faults of entries and follows their chains; says whether there were none.
    fn follow(
        &mut self,
        checked: &Checked,
        order: u64,
        first: u64,
        place: impl Fn(usize) -> String,
    ) -> bool {
        let mut faults = checked.faults.iter().peekable();
        let mut intact = true;
        for (slot, (step, leaf)) in checked.steps.iter().zip(&checked.leaves).enumerate() {
            if let Some((_, kind, detail)) = faults.next_if(|(at, ..)| *at == slot) {
                intact = false;
                self.fault(order, *kind, place(slot), detail);
            }
            if let Some(wrong) = step.as_ref().and_then(|s| self.chains.follow(s, *leaf)) {
                intact = false;
                self.fault(order, FaultKind::Chain, place(slot), wrong);
            }
        }
        for (slot, event) in &checked.events {
            match event {
                Event::Handover(note) => {
                    if let Err(wrong) = self.expect_handover(note, first + *slot as u64) {
                        self.fault(order, FaultKind::Handover, place(*slot), wrong);
                    }
                }
                // A permission counts once it is published.
                Event::PrunedBefore(index) if order != IN_LOG => {
                    self.pruned_before = self.pruned_before.max(*index);
                }
                Event::PrunedBefore(_) => {}
            }
        }
        intact
    }

    /// A statement must stand in the entry that it names, and be one that the ring follows.
    fn expect_handover(&mut self, note: &str, index: u64) -> Result<(), String> {
        let handover = Handover::parse(note).map_err(|error| error.to_string())?;
        if handover.index() != index {
            let named = handover.index();
            return Err(format!("the statement belongs into entry {named}"));
        }
        if !self.ring.handovers().contains(&handover) {
            self.unknown_handover = true;
            return Err("it does not lead from or to a trusted key".to_owned());
        }
        Ok(())
    }

    fn push(&mut self, leaf: Option<Hash>) -> Result<(), Unreadable> {
        let mut done = std::mem::take(&mut self.done);
        self.frontier.push(leaf, &mut done);
        let checked = done.drain(..).try_for_each(|row| self.check_full_row(&row));
        self.done = done;
        checked?;
        if self.frontier.size() == self.next_mark {
            self.reach_mark();
        }
        Ok(())
    }

    fn reach_mark(&mut self) {
        let size = self.frontier.size();
        if let Some(mark) = self.marks.get_mut(&size) {
            *mark = self.frontier.root();
        }
        if self.orders.needed.contains(&size) {
            self.require_partials();
        }
        let next = self.marks.range(size.saturating_add(1)..).next();
        self.next_mark = next.map_or(u64::MAX, |(size, _)| *size);
    }

    /// The leaves of a bundle as its hash tile has them: for lack of entries that can be used.
    fn leaves_of_tile(&self, bundle: &Tile) -> Result<Vec<Option<Hash>>, Unreadable> {
        let kind = Kind::Hashes(0);
        let tile = Tile { kind, ..*bundle };
        let bytes = self.target.read(&self.target.tile_name(&tile))?;
        let hashes = bytes.and_then(|bytes| super::frontier::split_hashes(&bytes, tile.width));
        Ok(match hashes {
            Some(hashes) => hashes.into_iter().map(Some).collect(),
            None => (0..tile.width).map(|_| None).collect(),
        })
    }

    /// The leaves of a published bundle once more, if they are still those of this pass.
    pub(crate) fn leaves_again(
        &self,
        number: u64,
        size: u64,
    ) -> Result<Vec<Option<Hash>>, Unreadable> {
        let Some(tile) = Tile::at(Kind::Entries, number, size) else {
            return Ok(Vec::new());
        };
        let bytes = self.target.read(&self.target.tile_name(&tile))?;
        let entries = bytes.as_deref().and_then(|b| split_bundle(b, tile.width));
        let leaves: Vec<Option<Hash>> = match entries {
            Some(entries) => entries
                .into_iter()
                .map(|e| Some(crate::merkle::leaf_hash(e)))
                .collect(),
            None => self.leaves_of_tile(&tile)?,
        };
        let slot = usize::try_from(number).unwrap_or(usize::MAX);
        let same = root_over(&leaves).is_some_and(|root| self.roots.get(slot) == Some(&root));
        Ok(if same { leaves } else { Vec::new() })
    }

    /// Compares the files of the bundle that pending entries have just completed.
    fn check_pending_bundle(&mut self) -> Result<(), Unreadable> {
        let tile = Tile {
            kind: Kind::Entries,
            number: self.frontier.size() / WIDTH - 1,
            width: WIDTH,
        };
        if let Some(bytes) = self.tail.replace(Vec::new()) {
            self.check_bundle(&tile, &bytes)?;
            self.check_narrower_bundles(&tile, Some(&bytes), &[])?;
        }
        Ok(())
    }

    /// Ends the pass: compares what lies beside the unfinished tiles, and finds what has no
    /// business there.
    pub(crate) fn end(&mut self) -> Result<(), Unreadable> {
        let size = self.frontier.size();
        if let (Some(tile), Some(tail)) = (
            Tile::at(Kind::Entries, size / WIDTH, size),
            self.tail.take(),
        ) {
            self.check_narrower_bundles(&tile, Some(&tail), &[])?;
        }
        for row in self.frontier.partials() {
            self.check_narrower_tiles(&row)?;
        }
        self.find_strays()
    }

    /// The bundles that are absent though no entry permits it, by number; and how many entries are
    /// absent with permission.
    pub(crate) fn judge_absence(&self, size: u64) -> (Vec<u64>, u64) {
        let (mut missing, mut pruned) = (Vec::new(), 0);
        for number in self.absent.iter().cloned().flatten() {
            let (start, end) = (number * WIDTH, ((number + 1) * WIDTH).min(size));
            if end <= self.pruned_before {
                pruned += end - start;
            } else if missing.len() < self.orders.limit {
                missing.push(number);
            }
        }
        (missing, pruned)
    }
}

/// The root over the leaves of one bundle.
pub(crate) fn root_over(leaves: &[Option<Hash>]) -> Option<Hash> {
    let leaves: Vec<Hash> = leaves.iter().copied().collect::<Option<_>>()?;
    let mut nodes = leaves.as_slice();
    crate::merkle::range_root(&mut nodes, 0, leaves.len() as u64).ok()
}

/// Where the entry in `slot` begins in a bundle.
fn offset(bundle: &[u8], slot: usize) -> usize {
    let mut at = 0;
    for _ in 0..slot {
        let length = bundle
            .get(at..at + 2)
            .and_then(|b| <[u8; 2]>::try_from(b).ok());
        at += 2 + length.map_or(0, |b| usize::from(u16::from_be_bytes(b)));
    }
    at + 2
}
