//! Where the files are. Everything that verification reads goes through here, by names relative to
//! the target.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use walkdir::WalkDir;

use crate::{
    durable::read_optional,
    layout::{Tile, WIDTH},
    verify::Unreadable,
};

/// A data directory or a tile directory.
#[derive(Debug)]
pub(crate) struct Target {
    root: PathBuf,
    /// `ledger/` in a data directory, empty in a tile directory.
    prefix: &'static str,
    bytes: AtomicU64,
    files: AtomicU64,
}

impl Target {
    pub(crate) fn find(root: &Path) -> Result<Self, Unreadable> {
        let is_file = |name: &str| root.join(name).is_file();
        let prefix = if is_file("ledger/checkpoint") || is_file("guard/checkpoint") {
            "ledger/"
        } else if is_file("checkpoint") {
            ""
        } else if root.join("ledger").is_dir() && root.join("wal").is_dir() {
            "ledger/"
        } else {
            return Err(Unreadable::NotALedger(root.to_owned()));
        };
        Ok(Self {
            root: root.to_owned(),
            prefix,
            bytes: AtomicU64::new(0),
            files: AtomicU64::new(0),
        })
    }

    pub(crate) fn is_data_dir(&self) -> bool {
        !self.prefix.is_empty()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub(crate) fn checkpoint_name(&self) -> String {
        format!("{}checkpoint", self.prefix)
    }

    pub(crate) fn tile_name(&self, tile: &Tile) -> String {
        format!("{}{}", self.prefix, tile.path())
    }

    /// The name of a file of the tile directory as seen from there.
    pub(crate) fn inner<'a>(&self, name: &'a str) -> &'a str {
        name.strip_prefix(self.prefix).unwrap_or(name)
    }

    /// How many bytes of how many files were read.
    pub(crate) fn read_so_far(&self) -> (u64, u64) {
        let (bytes, files) = (&self.bytes, &self.files);
        (bytes.load(Ordering::Relaxed), files.load(Ordering::Relaxed))
    }

    /// The content of a file; `None` when there is none.
    pub(crate) fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Unreadable> {
        let path = self.path(name);
        let bytes = read_optional(&path).map_err(|source| Unreadable::Io { path, source })?;
        if let Some(bytes) = &bytes {
            self.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            self.files.fetch_add(1, Ordering::Relaxed);
        }
        Ok(bytes)
    }

    /// Tells the names of everything but directories below a directory, in order.
    pub(crate) fn walk(
        &self,
        directory: &str,
        mut each: impl FnMut(String),
    ) -> Result<(), Unreadable> {
        for item in WalkDir::new(self.path(directory))
            .follow_links(false)
            .sort_by_file_name()
        {
            let item = item.map_err(|error| Unreadable::Io {
                path: self.path(directory),
                source: error.into(),
            })?;
            if !item.file_type().is_dir() {
                let relative = item.path().strip_prefix(&self.root).unwrap_or(item.path());
                each(relative.to_string_lossy().into_owned());
            }
        }
        Ok(())
    }

    /// [`Target::walk`] through the tile directory.
    pub(crate) fn walk_tiles(&self, each: impl FnMut(String)) -> Result<(), Unreadable> {
        self.walk(self.prefix, each)
    }

    /// The partial tiles that lie beside the full tile of the same kind and number, narrowest
    /// first.
    pub(crate) fn partials(&self, full: &Tile) -> Result<Vec<Tile>, Unreadable> {
        let path = self.path(&format!("{}.p", self.tile_name(full)));
        let io = |source| Unreadable::Io {
            path: path.clone(),
            source,
        };
        let items = match std::fs::read_dir(&path) {
            Ok(items) => items,
            // Nearly always: full tiles have no partial ones left.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
                return Ok(Vec::new());
            }
            Err(error) => return Err(io(error)),
        };
        let mut tiles = Vec::new();
        for item in items {
            let item = item.map_err(io)?;
            let width = item.file_name().to_str().and_then(|name| name.parse().ok());
            let tile = width.map(|width| Tile { width, ..*full });
            // Other spellings of a number are no tiles.
            tiles.extend(tile.filter(|tile| {
                (1..WIDTH).contains(&tile.width)
                    && item.file_name().to_str() == Some(tile.width.to_string().as_str())
                    && item.path().is_file()
            }));
        }
        tiles.sort();
        Ok(tiles)
    }

    /// A tile's content, or that of a wider one that has taken its place meanwhile.
    pub(crate) fn read_or_wider(&self, tile: &Tile) -> Result<Option<Vec<u8>>, Unreadable> {
        if let Some(bytes) = self.read(&self.tile_name(tile))? {
            return Ok(Some(bytes));
        }
        let full = Tile {
            width: WIDTH,
            ..*tile
        };
        let partials = self.partials(&full)?;
        let wider = partials
            .into_iter()
            .filter(|other| other.width > tile.width);
        for other in wider.chain([full]) {
            if let Some(bytes) = self.read(&self.tile_name(&other))? {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }
}
