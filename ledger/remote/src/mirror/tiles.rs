//! Hash tiles as a tree to compute roots and proofs from, loaded as they are needed.

use std::collections::HashMap;

use countersign_ledger::{
    merkle::{Hash, Nodes, perfect_root},
    tiles::WIDTH,
};

use super::{
    AlarmKind,
    home::Home,
    round::Trouble,
    source::{Kind, Piece, Source},
};

/// Most tiles that one computation loads; a proof in the largest tree takes fewer.
const LOADS_MAX: usize = 256;

/// Where tiles come from, and so whose fault a bad one is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Supply<'a> {
    Copy(&'a Home),
    Source(&'a Source),
}

/// The tiles of the tree of `size` leaves that were loaded so far.
#[derive(Debug)]
pub(super) struct Shelf<'a> {
    from: Supply<'a>,
    loaded: Loaded,
}

#[derive(Debug)]
pub(super) struct Loaded {
    size: u64,
    tiles: HashMap<(u32, u64), Vec<Hash>>,
}

impl<'a> Shelf<'a> {
    pub(super) fn new(from: Supply<'a>, size: u64) -> Self {
        let tiles = HashMap::new();
        Self {
            from,
            loaded: Loaded { size, tiles },
        }
    }

    /// Runs a computation over the tree, loading what it lacks.
    pub(super) async fn compute<T>(
        &mut self,
        computation: impl Fn(&mut Loaded) -> Result<T, Lacks>,
    ) -> Result<T, Trouble> {
        for _ in 0..LOADS_MAX {
            match computation(&mut self.loaded) {
                Ok(value) => return Ok(value),
                Err(Lacks(Some(piece))) => self.load(piece).await?,
                Err(Lacks(None)) => break,
            }
        }
        let detail = "the tree cannot be computed".to_owned();
        Err(Trouble::alarm(AlarmKind::Tile, detail))
    }

    /// The tiles, without where they came from.
    pub(super) fn into_loaded(self) -> Loaded {
        self.loaded
    }

    async fn load(&mut self, piece: Piece) -> Result<(), Trouble> {
        let bytes = match self.from {
            Supply::Copy(home) => home.piece(piece)?,
            Supply::Source(source) => source.piece(piece).await?,
        };
        let read = bytes.as_deref().and_then(|bytes| hashes(piece, bytes));
        match (read, self.from) {
            (Some(read), _) => {
                self.loaded.put(piece, read);
                Ok(())
            }
            (None, Supply::Copy(home)) => {
                let reason = "missing or of a wrong length".to_owned();
                Err(home.damaged(&home.piece_path(piece), reason).into())
            }
            (None, Supply::Source(_)) => Err(unusable(piece, bytes)),
        }
    }
}

/// A served tile that is missing or has a wrong length.
pub(super) fn unusable(piece: Piece, bytes: Option<Vec<u8>>) -> Trouble {
    let path = piece.path();
    match bytes {
        None => Trouble::alarm(AlarmKind::Missing, format!("{path} is not served")),
        Some(bytes) => {
            let detail = format!("{path} does not hold {} hashes", piece.width);
            Trouble::served(AlarmKind::Tile, detail, bytes)
        }
    }
}

/// The hashes of a tile, when it holds exactly its width.
pub(super) fn hashes(piece: Piece, bytes: &[u8]) -> Option<Vec<Hash>> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    (rest.is_empty() && hashes.len() as u64 == piece.width).then(|| hashes.to_vec())
}

/// The tile that a computation lacks; `None` when the tree has no such node.
#[derive(Debug)]
pub(super) struct Lacks(Option<Piece>);

impl Loaded {
    pub(super) fn get(&self, level: u32, number: u64) -> Option<&Vec<Hash>> {
        self.tiles.get(&(level, number))
    }

    fn put(&mut self, piece: Piece, hashes: Vec<Hash>) {
        if let Kind::Hashes(level) = piece.kind {
            self.tiles.insert((level, piece.number), hashes);
        }
    }
}

impl Nodes for Loaded {
    type Error = Lacks;

    fn node(&mut self, level: u32, index: u64) -> Result<Hash, Lacks> {
        let (tile_level, height) = (level / 8, level % 8);
        let first = index << height;
        let number = first / WIDTH;
        let Some(tile) = self.tiles.get(&(tile_level, number)) else {
            return Err(Lacks(Piece::at(
                Kind::Hashes(tile_level),
                number,
                self.size,
            )));
        };
        let start = usize::try_from(first % WIDTH).unwrap_or(usize::MAX);
        let span = tile.get(start..start.saturating_add(1 << height));
        span.map(perfect_root).ok_or(Lacks(None))
    }
}
