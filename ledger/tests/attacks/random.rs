//! Structural mutations drawn at random, of every structure in a data directory.

use std::{fs, path::Path};

use countersign_ledger::verify::verify;

use crate::{
    attack::place,
    forge::{
        Entries, canonical, edited, frame, object, put, read_frames, segments, set_signature,
        signature, unreduced, write_bundle,
    },
    world::World,
};
use base64::{Engine, engine::general_purpose::STANDARD};

/// Mutations in one run.
pub(crate) const MUTATIONS: usize = 300;

/// `SplitMix64`.
pub(crate) struct Draw(u64);

impl Draw {
    pub(crate) fn of(seed: u64) -> Self {
        Self(seed)
    }

    fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn within(&mut self, range: std::ops::Range<usize>) -> usize {
        let span = (range.end - range.start) as u64;
        range.start + usize::try_from(self.number() % span).unwrap()
    }

    fn one_of<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.within(0..items.len())]
    }
}

/// The last entry of the first segment.
const SEGMENT_END: &str = "wal/00000000000001d6.wal entry 579";

/// One mutation: what it is called, and what it does; it gives the place to be named. A place that
/// is a file stands for every place in it.
type Mutation = (&'static str, fn(&World, &Path, &mut Draw) -> String);

/// Every class; a run goes through them again and again.
pub(crate) const CLASSES: &[Mutation] = &[
    ("a bit of an entry in its bundle", |_, dir, draw| {
        let mut entries = Entries::read(dir);
        let index = draw.within(0..580);
        let entry = &mut entries.published[index];
        let at = draw.within(0..entry.len());
        entry[at] ^= 1 << draw.within(0..8);
        let number = index / 256;
        let all = entries.published.chunks(256).nth(number).unwrap();
        write_bundle(&dir.join(bundle_of(index)), all);
        at_entry(index)
    }),
    ("an entry edited", |_, dir, draw| {
        one_entry(dir, draw, edited)
    }),
    ("an entry respelled", |_, dir, draw| {
        one_entry(dir, draw, |entry| [b"{ ", &entry[1..]].concat())
    }),
    ("a signature with s + L", |_, dir, draw| {
        one_entry(dir, draw, |entry| {
            let mut members = object(entry);
            let changed = unreduced(&signature(&members));
            set_signature(&mut members, &STANDARD.encode(changed));
            canonical(&members)
        })
    }),
    ("the signature of another entry", |_, dir, draw| {
        let mut entries = Entries::read(dir);
        let (from, to) = two(draw, 580);
        let other = signature(&object(&entries.published[from]));
        let mut members = object(&entries.published[to]);
        set_signature(&mut members, &STANDARD.encode(other));
        entries.published[to] = canonical(&members);
        entries.write(dir);
        at_entry(to)
    }),
    ("an entry deleted", |_, dir, draw| {
        rearrange(dir, draw.within(0..580), |all, index| {
            drop(all.remove(index));
        })
    }),
    ("an entry duplicated elsewhere", |_, dir, draw| {
        let (from, to) = two(draw, 580);
        rearrange(dir, to, |all, to| all.insert(to, all[from].clone()))
    }),
    ("two entries swapped", |_, dir, draw| {
        let (first, second) = two(draw, 580);
        let (first, second) = (first.min(second), first.max(second));
        rearrange(dir, first, |all, first| all.swap(first, second))
    }),
    ("a range of entries rotated", |_, dir, draw| {
        let (first, end) = two(draw, 580);
        let (first, end) = (first.min(end), first.max(end) + 1);
        let by = draw.within(1..end - first);
        rearrange(dir, first, |all, first| all[first..end].rotate_left(by))
    }),
    ("entries of another ledger", |world, dir, draw| {
        let theirs = Entries::read(world.twin.path());
        let (first, end) = two(draw, 580);
        let (first, end) = (first.min(end), first.max(end));
        let whole_start = first == 0;
        let place = rearrange(dir, first, |all, first| {
            all[first..end].clone_from_slice(&theirs.published[first..end]);
        });
        // The other ledger's beginning is a beginning; the chain breaks where it ends.
        if whole_start { at_entry(end) } else { place }
    }),
    (
        "everything after an entry signed with another key",
        |world, dir, draw| {
            let mut entries = Entries::read(dir);
            let index = draw.within(0..580);
            entries.seal_again(index, (&world.other.0, &world.other.1));
            entries.write(dir);
            at_entry(index)
        },
    ),
    ("a frame edited, checksum made right", |_, dir, draw| {
        in_log(dir, draw.within(470..600), |frames, slot| {
            let (index, entry) = &frames[slot];
            frame(*index, &edited(entry))
        })
    }),
    ("a bit of a frame", |_, dir, draw| {
        // The last frame is excepted: damage there is what a crash leaves.
        let (at, bit) = (draw.number(), draw.within(0..8));
        in_log(dir, draw.within(470..599), |frames, slot| {
            let mut bytes = frame(frames[slot].0, &frames[slot].1);
            let at = usize::try_from(at % bytes.len() as u64).unwrap();
            bytes[at] ^= 1 << bit;
            bytes
        })
    }),
    ("a frame taken out", |_, dir, draw| {
        let place = in_log(dir, draw.within(470..599), |_, _| Vec::new());
        // Nothing is wrong with a segment that ends early; what follows it then is not next.
        place.replace(SEGMENT_END, "wal/0000000000000244.wal")
    }),
    ("a segment renamed", |_, dir, draw| {
        let names = segments(dir);
        let name = draw.one_of(&names);
        let first = u64::from_str_radix(&name[4..20], 16).unwrap();
        let moved = format!("wal/{:016x}.wal", first + 1);
        fs::rename(dir.join(name), dir.join(&moved)).unwrap();
        moved
    }),
    ("a bit of a file", |_, dir, draw| {
        let names = files(dir);
        let name = draw.one_of(&names);
        let mut bytes = fs::read(dir.join(name)).unwrap();
        let at = draw.within(0..significant(&bytes));
        bytes[at] ^= 1 << draw.within(0..8);
        put(&dir.join(name), &bytes);
        name.clone()
    }),
    ("a file cut short", |_, dir, draw| {
        let names = files(dir);
        let name = draw.one_of(&names);
        let bytes = fs::read(dir.join(name)).unwrap();
        let keep = draw.within(0..significant(&bytes));
        put(&dir.join(name), &bytes[..keep]);
        name.clone()
    }),
    ("a file removed", |_, dir, draw| {
        let mut names = files(dir);
        names.retain(|name| required(name));
        let name = draw.one_of(&names);
        fs::remove_file(dir.join(name)).unwrap();
        name.clone()
    }),
    ("a file added", |_, dir, draw| {
        let number = draw.within(3..1000);
        let folder = draw.one_of(&["tile/0", "tile/entries", "tile/1", "tile/7", "tile", ""]);
        let name = format!("ledger/{folder}/{number:03}").replace("//", "/");
        put(&dir.join(&name), &draw.number().to_be_bytes());
        name
    }),
    ("a file of another ledger", |world, dir, draw| {
        let theirs = world.twin.path();
        let mut names = files(dir);
        names.extend(segments(dir));
        let read = |name: &String| (fs::read(theirs.join(name)), fs::read(dir.join(name)));
        names.retain(|name| matches!(read(name), (Ok(other), Ok(own)) if other != own));
        let name = draw.one_of(&names);
        fs::copy(theirs.join(name), dir.join(name)).unwrap();
        if name == "ledger/tile/entries/000" {
            // Each entry in it is genuine; the hashes of the same entries are what it contradicts.
            return "ledger/tile/0/000".to_owned();
        }
        name.clone()
    }),
    ("two files of a kind swapped", |_, dir, draw| {
        let mut names = files(dir);
        let kind = *draw.one_of(&["ledger/tile/0/", "ledger/tile/entries/"]);
        names.retain(|name| name.starts_with(kind) && required(name));
        let (first, second) = two(draw, names.len());
        let (first, second) = (first.min(second), first.max(second));
        let path = |index: usize| dir.join(&names[index]);
        let (one, other) = (
            fs::read(path(first)).unwrap(),
            fs::read(path(second)).unwrap(),
        );
        put(&path(first), &other);
        put(&path(second), &one);
        names[first].clone()
    }),
];

/// Mutates a copy of the honest ledger; fails unless the verifier names the place.
pub(crate) fn round(world: &World, number: usize, seed: u64) {
    let (what, mutate) = CLASSES[number % CLASSES.len()];
    let mut draw = Draw::of(seed.wrapping_add(number as u64).wrapping_mul(0x9e37_79b9));
    let dir = world.copy();
    let mutated = mutate(world, dir.path(), &mut draw);
    let found = verify(dir.path(), world.name(), None).unwrap();
    let named = |place: &str| {
        let rest = place.strip_prefix(&mutated);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(" entry "))
    };
    assert!(
        found.faults.iter().any(|fault| named(place(fault))),
        "mutation {number} of seed {seed}: {what} at {mutated}: {:?}",
        found.faults.iter().take(5).collect::<Vec<_>>()
    );
}

/// Two different numbers below `bound`.
fn two(draw: &mut Draw, bound: usize) -> (usize, usize) {
    let first = draw.within(0..bound);
    let second = draw.within(0..bound - 1);
    (first, if second < first { second } else { second + 1 })
}

fn bundle_of(index: usize) -> String {
    format!("ledger/{}", crate::forge::bundle(index / 256, 580))
}

fn at_entry(index: usize) -> String {
    format!("{} entry {index}", bundle_of(index))
}

fn one_entry(dir: &Path, draw: &mut Draw, change: fn(&[u8]) -> Vec<u8>) -> String {
    let mut entries = Entries::read(dir);
    let index = draw.within(0..580);
    entries.published[index] = change(&entries.published[index]);
    entries.write(dir);
    at_entry(index)
}

fn rearrange(dir: &Path, index: usize, change: impl FnOnce(&mut Vec<Vec<u8>>, usize)) -> String {
    let mut entries = Entries::read(dir);
    change(&mut entries.published, index);
    entries.keep_size(580);
    entries.write(dir);
    at_entry(index)
}

/// Replaces the frame of entry `index` in the log.
fn in_log(
    dir: &Path,
    index: usize,
    change: impl FnOnce(&[(usize, Vec<u8>)], usize) -> Vec<u8>,
) -> String {
    let names = segments(dir);
    let name = &names[usize::from(index >= 580)];
    let frames = read_frames(&dir.join(name));
    let slot = frames.iter().position(|(i, _)| *i == index).unwrap();
    let mut bytes: Vec<Vec<u8>> = frames.iter().map(|(i, e)| frame(*i, e)).collect();
    bytes[slot] = change(&frames, slot);
    put(&dir.join(name), &bytes.concat());
    format!("{name} entry {index}")
}

/// Every file but the log, which has classes of its own.
fn files(dir: &Path) -> Vec<String> {
    let mut names = vec!["keys/ledger.vkey".to_owned(), "guard/checkpoint".to_owned()];
    let walk = walkdir::WalkDir::new(dir.join("ledger")).sort_by_file_name();
    for item in walk {
        let item = item.unwrap();
        if item.file_type().is_file() {
            let name = item.path().strip_prefix(dir).unwrap();
            names.push(name.to_str().unwrap().to_owned());
        }
    }
    names
}

/// Whether the checkpoint needs the file; partial tiles of earlier ones may be absent.
fn required(name: &str) -> bool {
    !name.contains(".p/") || name.ends_with("002.p/68") || name.ends_with("000.p/2")
}

/// How many bytes of a file are evidence: lines of keys that the auditor does not know are not.
fn significant(bytes: &[u8]) -> usize {
    let cosignature = "\u{2014} witness.example".as_bytes();
    let at = bytes
        .windows(cosignature.len())
        .position(|part| part == cosignature);
    at.unwrap_or(bytes.len())
}
