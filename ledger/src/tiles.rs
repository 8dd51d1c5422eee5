//! Names of the files in a C2SP tile directory, for those who read one from elsewhere.

use crate::layout::{Kind, Tile};

/// Hashes in a full tile and entries in a full bundle.
pub const WIDTH: u64 = crate::layout::WIDTH;

/// Path of the bundle of entries `number` that holds `width` (1 to 256) of them.
pub fn bundle_path(number: u64, width: u64) -> String {
    let kind = Kind::Entries;
    Tile {
        kind,
        number,
        width,
    }
    .path()
}

/// Path of the hash tile `number` of `level` that holds `width` (1 to 256) hashes.
pub fn tile_path(level: u32, number: u64, width: u64) -> String {
    let kind = Kind::Hashes(level);
    Tile {
        kind,
        number,
        width,
    }
    .path()
}

/// The entries of a bundle; `None` unless it holds exactly `count` whole ones.
pub fn split_bundle(bundle: &[u8], count: u64) -> Option<Vec<&[u8]>> {
    crate::tree::split_bundle(bundle, count)
}
