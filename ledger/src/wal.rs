//! Write-ahead log: framed entries in segment files, synced once per batch.
//!
//! Frame: `u32_be length || u64_be index || u32_be crc32c(length || index || entry) || entry`.
//! A segment is named after the index of its first frame: `%016x.wal`.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{
    entry::MAX_ENTRY,
    store::{Store, WriteFile},
};

/// Bytes before the entry in a frame.
pub(crate) const HEADER: usize = 16;
/// Disks write sectors whole, and in any order.
const SECTOR: usize = 512;
/// A segment is closed once it is longer than this many bytes.
pub(crate) const SEGMENT_BYTES: u64 = 16 << 20;

/// Opens a segment for appending.
pub(crate) fn open(store: &dyn Store, path: &Path) -> io::Result<Box<dyn WriteFile>> {
    let file = store.append(path)?;
    // A crash before this could lose the file's name together with what is appended to it.
    store.sync_dir(path.parent().unwrap_or(Path::new(".")))?;
    Ok(file)
}

/// The path of the segment whose first frame has `index`.
pub(crate) fn segment_path(wal: &Path, index: u64) -> PathBuf {
    wal.join(format!("{index:016x}.wal"))
}

/// The segments in order: index of the first frame, path.
pub(crate) fn segments(store: &dyn Store, wal: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for name in store.list(wal)? {
        let first = name
            .strip_suffix(".wal")
            .and_then(|stem| u64::from_str_radix(stem, 16).ok());
        if let Some(first) = first {
            found.push((first, wal.join(name)));
        }
    }
    found.sort();
    Ok(found)
}

/// Appends one frame to `batch`.
pub(crate) fn frame(batch: &mut Vec<u8>, index: u64, entry: &[u8]) {
    let length = u32::try_from(entry.len()).unwrap_or(u32::MAX).to_be_bytes();
    batch.extend_from_slice(&length);
    batch.extend_from_slice(&index.to_be_bytes());
    batch.extend_from_slice(&checksum(length, index, entry).to_be_bytes());
    batch.extend_from_slice(entry);
}

fn checksum(length: [u8; 4], index: u64, entry: &[u8]) -> u32 {
    let head = crc32c::crc32c_append(crc32c::crc32c(&length), &index.to_be_bytes());
    crc32c::crc32c_append(head, entry)
}

/// Reads the frame at the start of `bytes`: index, entry and length of the frame.
pub(crate) fn read_frame(bytes: &[u8]) -> Option<(u64, &[u8], usize)> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (index, rest) = rest.split_first_chunk::<8>()?;
    let (sum, rest) = rest.split_first_chunk::<4>()?;
    let count = usize::try_from(u32::from_be_bytes(*length))
        .ok()
        .filter(|n| *n <= MAX_ENTRY)?;
    let entry = rest.get(..count)?;
    let index = u64::from_be_bytes(*index);
    (checksum(*length, index, entry) == u32::from_be_bytes(*sum)).then_some((
        index,
        entry,
        HEADER + count,
    ))
}

/// What a segment holds.
#[derive(Debug, Default)]
pub(crate) struct Scan<'a> {
    /// Index, byte offset and entry of each frame before the first bad byte.
    pub(crate) frames: Vec<(u64, usize, &'a [u8])>,
    /// Length of the good part in bytes.
    pub(crate) good: usize,
    /// Whether a whole frame follows the first bad one, and that lacks no sector: a torn write
    /// leaves no such thing.
    pub(crate) frames_after_bad: bool,
}

/// Reads the frames of a segment that starts at index `first`.
pub(crate) fn scan(bytes: &[u8], first: u64) -> Scan<'_> {
    let mut scan = Scan::default();
    let mut expected = first;
    while let Some((index, entry, length)) = read_frame(&bytes[scan.good..]) {
        if index != expected {
            break;
        }
        scan.frames.push((index, scan.good, entry));
        scan.good += length;
        expected += 1;
    }
    let rest = &bytes[scan.good..];
    scan.frames_after_bad = !lacks_a_sector(bytes, scan.good)
        && (0..rest.len()).any(|at| {
            // The index is looked at first: it is cheap and nearly always decides.
            let index = rest
                .get(at + 4..at + 12)
                .and_then(|b| <[u8; 8]>::try_from(b).ok());
            index.is_some_and(|b| (first..expected + (1 << 20)).contains(&u64::from_be_bytes(b)))
                && read_frame(&rest[at..]).is_some()
        });
    scan
}

/// Whether the bad frame at `start` has a hole where a sector of an unsynced batch never arrived:
/// there the file reads as zeros, also when later sectors of the same batch did arrive. No entry
/// has zeros, and no header three at its start.
fn lacks_a_sector(bytes: &[u8], start: usize) -> bool {
    let end = bytes.len().min(start + HEADER + MAX_ENTRY);
    let mut at = start;
    while at < end {
        let next = bytes.len().min((at / SECTOR + 1) * SECTOR);
        let sector = &bytes[at..next];
        if sector.len() > 2 && sector.iter().all(|byte| *byte == 0) {
            return true;
        }
        at = next;
    }
    false
}

#[cfg(test)]
mod tests;
