//! Names of the files in a data directory and of C2SP tiles.

use std::path::{Path, PathBuf};

/// Hashes in a full tile and entries in a full bundle.
pub(crate) const WIDTH: u64 = 256;

/// The paths of one data directory.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) root: PathBuf,
    pub(crate) tiles: PathBuf,
    pub(crate) wal: PathBuf,
    pub(crate) stage: PathBuf,
}

impl Layout {
    pub(crate) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            tiles: root.join("ledger"),
            wal: root.join("wal"),
            // Half-written files never stand where a reader of tiles looks.
            stage: root.join("wal/stage"),
        }
    }

    pub(crate) fn guard(&self) -> PathBuf {
        self.root.join("guard")
    }

    pub(crate) fn checkpoint(&self) -> PathBuf {
        self.tiles.join("checkpoint")
    }

    pub(crate) fn clean_marker(&self) -> PathBuf {
        self.wal.join("clean")
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.wal.join("lock")
    }
}

/// Content of the marker that a clean stop leaves.
pub(crate) fn clean_text(size: u64) -> String {
    format!("countersign/clean/v1\n{size}\n")
}

/// The number of entries in the full bundles among the first `size` entries.
pub(crate) fn full_bundles(size: u64) -> u64 {
    size / WIDTH * WIDTH
}

/// What a tile holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Length-prefixed entries.
    Entries,
    /// Hashes of the given tile level.
    Hashes(u32),
}

/// One file of the tile directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tile {
    pub(crate) kind: Kind,
    pub(crate) number: u64,
    /// 1 to 256; 256 is a full tile.
    pub(crate) width: u64,
}

impl Tile {
    pub(crate) fn path(&self) -> String {
        let mut groups = vec![format!("{:03}", self.number % 1000)];
        let mut rest = self.number / 1000;
        while rest > 0 {
            groups.push(format!("x{:03}", rest % 1000));
            rest /= 1000;
        }
        groups.reverse();
        let kind = match self.kind {
            Kind::Entries => "entries".to_owned(),
            Kind::Hashes(level) => level.to_string(),
        };
        let base = format!("tile/{kind}/{}", groups.join("/"));
        if self.width == WIDTH {
            base
        } else {
            format!("{base}.p/{}", self.width)
        }
    }

    /// The folder of the partial tiles of this tile's number.
    pub(crate) fn partials(&self) -> String {
        let full = Self {
            width: WIDTH,
            ..*self
        };
        full.path() + ".p"
    }

    /// Reads a path relative to the tile directory; only the exact spelling is a tile.
    pub(crate) fn parse(path: &str) -> Option<Self> {
        let (kind, rest) = path.strip_prefix("tile/")?.split_once('/')?;
        let kind = if kind == "entries" {
            Kind::Entries
        } else {
            Kind::Hashes(kind.parse().ok().filter(|level| *level < 8)?)
        };
        let (name, width) = match rest.split_once(".p/") {
            Some((name, width)) => (name, width.parse().ok().filter(|w| (1..WIDTH).contains(w))?),
            None => (rest, WIDTH),
        };
        let digits: String = name.chars().filter(char::is_ascii_digit).collect();
        let tile = Self {
            kind,
            number: digits.parse().ok()?,
            width,
        };
        (tile.path() == path).then_some(tile)
    }

    /// The number of leaves that must exist for this file to exist.
    pub(crate) fn leaves(&self) -> Option<u64> {
        let level = match self.kind {
            Kind::Entries => 0,
            Kind::Hashes(level) => level,
        };
        let hashes = self.number.checked_mul(WIDTH)?.checked_add(self.width)?;
        hashes.checked_mul(WIDTH.checked_pow(level)?)
    }

    /// The tile of this kind and number as it stands in the tree of `size` leaves.
    pub(crate) fn at(kind: Kind, number: u64, size: u64) -> Option<Self> {
        let level = match kind {
            Kind::Entries => 0,
            Kind::Hashes(level) => level,
        };
        let hashes = size >> (8 * level);
        let width = hashes.checked_sub(number * WIDTH)?.min(WIDTH);
        (width > 0).then_some(Self {
            kind,
            number,
            width,
        })
    }
}
