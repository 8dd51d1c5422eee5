//! The ledger that is mirrored: its files, one request each.

use countersign_ledger::tiles::{WIDTH, bundle_path, tile_path};

use super::{MirrorError, MirrorSettings};
use crate::http::{Bounds, Http, HttpError, base_url};

/// Most bytes of a checkpoint.
const CHECKPOINT_BYTES: usize = 1 << 20;
/// Bytes of a full tile.
const TILE_BYTES: usize = 32 * 256;
/// Most bytes of a bundle: 256 entries of 65,535 bytes with their lengths.
const BUNDLE_BYTES: usize = 256 * (2 + 65_535);
/// How often a file is asked for when the connection fails or the server has trouble.
const ATTEMPTS: usize = 2;

/// What a file of a tile directory holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Bundle,
    Hashes(u32),
}

/// One file of a tile directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Piece {
    pub(super) kind: Kind,
    pub(super) number: u64,
    /// 1 to 256; 256 is a full one.
    pub(super) width: u64,
}

impl Piece {
    /// The file as it stands in the tree of `size` leaves.
    pub(super) fn at(kind: Kind, number: u64, size: u64) -> Option<Self> {
        let level = match kind {
            Kind::Bundle => 0,
            Kind::Hashes(level) => level,
        };
        let hashes = size.checked_shr(8 * level)?;
        let start = number.checked_mul(WIDTH)?;
        let width = hashes.checked_sub(start)?.min(WIDTH);
        (width > 0).then_some(Self {
            kind,
            number,
            width,
        })
    }

    pub(super) fn is_full(self) -> bool {
        self.width == WIDTH
    }

    pub(super) fn path(self) -> String {
        match self.kind {
            Kind::Bundle => bundle_path(self.number, self.width),
            Kind::Hashes(level) => tile_path(level, self.number, self.width),
        }
    }

    fn bytes_max(self) -> usize {
        match self.kind {
            Kind::Bundle => BUNDLE_BYTES,
            Kind::Hashes(_) => TILE_BYTES,
        }
    }

    /// The part of the full file that this one holds.
    fn cut(self, mut full: Vec<u8>) -> Vec<u8> {
        let end = match self.kind {
            Kind::Hashes(_) => usize::try_from(32 * self.width).unwrap_or(usize::MAX),
            Kind::Bundle => (0..self.width).fold(0, |start, _| {
                let length = full.get(start..).and_then(|rest| rest.first_chunk::<2>());
                let entry = length.map_or(0, |l| 2 + usize::from(u16::from_be_bytes(*l)));
                start + entry
            }),
        };
        full.truncate(end);
        full
    }
}

/// Where the ledger is served.
#[derive(Debug, Clone)]
pub(super) struct Source {
    base: String,
    http: Http,
    time: std::time::Duration,
}

impl Source {
    pub(super) fn new(settings: &MirrorSettings) -> Result<Self, MirrorError> {
        Ok(Self {
            base: base_url(&settings.url)?,
            http: Http::new(settings.tls.as_ref(), settings.connect_max),
            time: settings.file_max,
        })
    }

    /// The checkpoint's note, as bytes.
    pub(super) async fn checkpoint(&self) -> Result<Vec<u8>, MirrorError> {
        let found = self.get("checkpoint", CHECKPOINT_BYTES).await?;
        found.ok_or_else(|| self.trouble("checkpoint", "there is no checkpoint"))
    }

    /// A file; `None` when it is not served. A partial file may be gone once its full one exists,
    /// which then stands in.
    pub(super) async fn piece(&self, piece: Piece) -> Result<Option<Vec<u8>>, MirrorError> {
        if let Some(bytes) = self.get(&piece.path(), piece.bytes_max()).await? {
            return Ok(Some(bytes));
        }
        if piece.is_full() {
            return Ok(None);
        }
        let full = Piece {
            width: WIDTH,
            ..piece
        };
        let found = self.get(&full.path(), piece.bytes_max()).await?;
        Ok(found.map(|bytes| piece.cut(bytes)))
    }

    async fn get(&self, path: &str, bytes: usize) -> Result<Option<Vec<u8>>, MirrorError> {
        let url = format!("{}/{path}", self.base);
        let time = self.time;
        let mut last = String::new();
        for _ in 0..ATTEMPTS {
            match self.http.get(&url, Bounds { time, bytes }).await {
                Ok(reply) if reply.status == 200 => return Ok(Some(reply.body)),
                // Pruned, denied, or never there.
                Ok(reply) if [403, 404, 410, 451].contains(&reply.status) => return Ok(None),
                Ok(reply) if reply.status < 500 && reply.status != 429 => {
                    return Err(self.trouble(path, &format!("status {}", reply.status)));
                }
                Ok(reply) => last = format!("status {}", reply.status),
                Err(error @ (HttpError::Url(_) | HttpError::TooLarge(_) | HttpError::Encoding)) => {
                    return Err(self.trouble(path, &error.to_string()));
                }
                Err(error) => last = error.to_string(),
            }
        }
        Err(self.trouble(path, &last))
    }

    fn trouble(&self, path: &str, reason: &str) -> MirrorError {
        MirrorError::Source {
            url: format!("{}/{path}", self.base),
            reason: reason.to_owned(),
        }
    }
}
