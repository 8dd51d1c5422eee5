//! Fetching what is new: tiles from the top down, each vouched for by the one above, then bundles,
//! each vouched for by its tile of leaf hashes.

use std::ops::Range;

use countersign_ledger::{
    keys::KeyRing,
    merkle::{Hash, leaf_hash, perfect_root},
    tiles::{WIDTH, split_bundle},
};
use futures_util::stream::{self, LocalBoxStream, StreamExt};

use super::{
    AlarmKind, MirrorError, MirrorReport,
    copy::tile_of,
    entries::Chains,
    home::Home,
    round::Trouble,
    source::{Kind, Piece, Source},
    tiles::{Loaded, hashes, unusable},
};

/// Tiles fetched at a time.
const TILES_AHEAD: usize = 16;
/// Bundles fetched at a time; the largest take 16 MiB each.
pub(super) const BUNDLES_AHEAD: usize = 4;
/// Highest level of tiles in a tree of less than 2^64 leaves.
pub(super) const TOP: u32 = 7;

/// A fetch in progress, from the copy's size to `size`.
pub(super) struct Fetch<'a> {
    pub(super) source: &'a Source,
    pub(super) home: &'a mut Home,
    pub(super) ring: &'a KeyRing,
    pub(super) size: u64,
    pub(super) report: &'a mut MirrorReport,
    pub(super) chains: Chains,
}

impl Fetch<'_> {
    /// Fetches the new tiles; `edge` holds those at the right edge, already vouched for.
    pub(super) async fn tiles(&mut self, edge: &Loaded) -> Result<(), Trouble> {
        for level in (0..=TOP).rev() {
            let first = (self.home.size() >> (8 * level)) / WIDTH;
            let end = (self.size >> (8 * level)).div_ceil(WIDTH);
            let kind = Kind::Hashes(level);
            let mut coming = self.coming(kind, first..end, Some(edge), TILES_AHEAD);
            let mut above = Above::default();
            while let Some(came) = coming.next().await {
                let mut came = came?;
                let mut taken = self.tile(&came, edge, &mut above);
                if came.own && matches!(taken, Err(Trouble::Alarm(_))) {
                    came = came.again(self.source).await?;
                    taken = self.tile(&came, edge, &mut above);
                }
                taken?;
            }
        }
        Ok(())
    }

    /// Fetches the new bundles. Those at the beginning that are not served count as pruned.
    pub(super) async fn bundles(&mut self) -> Result<(), Trouble> {
        let numbers = self.home.size() / WIDTH..self.size.div_ceil(WIDTH);
        let mut coming = self.coming(Kind::Bundle, numbers, None, BUNDLES_AHEAD);
        let mut found_any = false;
        while let Some(came) = coming.next().await {
            let mut came = came?;
            let mut taken = self.bundle(&came, &mut found_any);
            let kind = AlarmKind::Bundle;
            if came.own && matches!(&taken, Err(Trouble::Alarm(found)) if found.kind == kind) {
                came = came.again(self.source).await?;
                taken = self.bundle(&came, &mut found_any);
            }
            taken?;
        }
        Ok(())
    }

    /// The files of a kind in order, some of them fetched ahead. What an interrupted round left in
    /// the copy, or is known from the edge, is not fetched again.
    fn coming<'s>(
        &self,
        kind: Kind,
        numbers: Range<u64>,
        edge: Option<&'s Loaded>,
        ahead: usize,
    ) -> LocalBoxStream<'s, Result<Came, MirrorError>>
    where
        Self: 's,
    {
        let (source, size, copy) = (self.source.clone(), self.size, self.home.copy());
        let pieces = numbers.filter_map(move |number| Piece::at(kind, number, size));
        stream::iter(pieces)
            .map(move |piece| {
                let (source, path) = (source.clone(), copy.join(piece.path()));
                async move {
                    let row = match kind {
                        Kind::Hashes(level) => edge.and_then(|e| e.get(level, piece.number)),
                        Kind::Bundle => None,
                    };
                    let left = std::fs::read(path).ok();
                    let own = left.is_some();
                    let bytes = match (left, row) {
                        (Some(left), _) => Some(left),
                        (None, Some(row)) => Some(row.concat()),
                        (None, None) => source.piece(piece).await?,
                    };
                    Ok(Came { piece, bytes, own })
                }
            })
            .buffered(ahead)
            .boxed_local()
    }

    fn tile(&mut self, came: &Came, edge: &Loaded, above: &mut Above) -> Result<(), Trouble> {
        let piece = came.piece;
        let Kind::Hashes(level) = piece.kind else {
            return Ok(());
        };
        let row = came.bytes.as_deref().and_then(|bytes| hashes(piece, bytes));
        let Some(row) = row else {
            return Err(unusable(piece, came.bytes.clone()));
        };
        let vouched = if piece.is_full() {
            let root = perfect_root(&row);
            above.hash(self.home, level, piece.number, self.size)? == Some(root)
        } else {
            edge.get(level, piece.number) == Some(&row)
        };
        if !vouched {
            let detail = format!("{} is not the checkpoint's", piece.path());
            return Err(came.alarm(AlarmKind::Tile, detail));
        }
        self.store(came)
    }

    fn bundle(&mut self, came: &Came, found_any: &mut bool) -> Result<(), Trouble> {
        let piece = came.piece;
        let path = piece.path();
        let Some(bytes) = &came.bytes else {
            if *found_any || !piece.is_full() {
                let detail = format!("{path} is not served");
                return Err(Trouble::alarm(AlarmKind::Missing, detail));
            }
            self.chains.skip();
            return Ok(self.home.set_absent((piece.number + 1) * WIDTH)?);
        };
        let Some(entries) = split_bundle(bytes, piece.width) else {
            let detail = format!("{path} does not hold {} whole entries", piece.width);
            return Err(came.alarm(AlarmKind::Bundle, detail));
        };
        let leaves = tile_of(self.home, 0, piece.number, self.size)?;
        let first = piece.number * WIDTH;
        let differs = |(entry, leaf): (&&[u8], &Hash)| leaf_hash(entry) != *leaf;
        if let Some(place) = entries.iter().zip(&leaves).position(differs) {
            let detail = format!(
                "{path}: entry {} is not the checkpoint's",
                first + place as u64
            );
            return Err(came.alarm(AlarmKind::Bundle, detail));
        }
        *found_any = true;
        for (index, entry) in (first..).zip(entries) {
            // What the copy had already was taken when it came.
            if index >= self.home.size() {
                self.chains
                    .check(entry, index, self.ring)
                    .map_err(|why| came.alarm(AlarmKind::Entry, format!("entry {index}: {why}")))?;
            }
        }
        self.store(came)
    }

    fn store(&mut self, came: &Came) -> Result<(), Trouble> {
        let bytes = came.bytes.as_deref().unwrap_or_default();
        if came.own {
            self.home.keep(came.piece);
        } else {
            self.home.store(came.piece, bytes)?;
            self.report.files += 1;
            self.report.bytes += bytes.len() as u64;
        }
        Ok(())
    }
}

/// A file that came, or that is not served.
struct Came {
    piece: Piece,
    bytes: Option<Vec<u8>>,
    /// It was in the copy already.
    own: bool,
}

impl Came {
    /// The served file in place of the copy's own.
    async fn again(self, source: &Source) -> Result<Self, MirrorError> {
        Ok(Self {
            bytes: source.piece(self.piece).await?,
            own: false,
            ..self
        })
    }

    fn alarm(&self, kind: AlarmKind, detail: String) -> Trouble {
        Trouble::served(kind, detail, self.bytes.clone().unwrap_or_default())
    }
}

/// The tile above the one at hand, read from the copy once for its 256 children.
#[derive(Default)]
struct Above(Option<(u64, Vec<Hash>)>);

impl Above {
    /// The hash of the full tile `number` of `level`.
    fn hash(
        &mut self,
        home: &Home,
        level: u32,
        number: u64,
        size: u64,
    ) -> Result<Option<Hash>, MirrorError> {
        let parent = number / WIDTH;
        if self.0.as_ref().is_none_or(|(known, _)| *known != parent) {
            self.0 = Some((parent, tile_of(home, level + 1, parent, size)?));
        }
        let row = self.0.as_ref().map(|(_, row)| row.as_slice());
        let place = usize::try_from(number % WIDTH).unwrap_or(usize::MAX);
        Ok(row.and_then(|row| row.get(place)).copied())
    }
}
