//! Damaged databases: what opens answers rightly as far as its mark says; the rest is set aside.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stdout, reason = "a failing run must be repeatable")]

use std::{
    collections::BTreeMap,
    fmt::Write,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    time::Duration,
};

use countersign_ledger::{Index, IndexError, IndexRow};
use countersign_ledger_redb::RedbIndex;
use countersign_ledger_sled::SledIndex;

/// Entries of the sound index; each has two rows.
const ENTRIES: u64 = 800;
const BATCH: u64 = 25;
/// Damaged copies of each kind.
const TRIALS: usize = 12;

type Opened = (Box<dyn Index>, bool);
type Files = BTreeMap<PathBuf, Vec<u8>>;

fn redb(dir: &Path) -> Opened {
    let index = RedbIndex::open(dir).unwrap();
    let aside = index.quarantined().is_some();
    (Box::new(index), aside)
}

fn sled(dir: &Path) -> Opened {
    let index = SledIndex::open(dir).unwrap();
    let aside = index.quarantined().is_some();
    (Box::new(index), aside)
}

fn rows(at: u64) -> [IndexRow; 2] {
    let row = |member: &str, value| IndexRow {
        index: at,
        member: member.to_owned(),
        value,
    };
    // Scattered, as identifiers are.
    let scattered = (at + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    [
        row("id", format!("{scattered:016x}-{at:019}")),
        row("exchange", format!("{:036}", at / 3)),
    ]
}

fn apply(index: &mut dyn Index, from: u64, to: u64) -> Result<(), IndexError> {
    let batch: Vec<IndexRow> = (from..to).flat_map(rows).collect();
    index.apply(&batch, to)
}

/// How the process that wrote an index ended.
#[derive(Debug, Clone, Copy)]
enum End {
    Closed,
    Killed,
}

/// An undamaged index, which was opened twice: its files by their names below its directory.
struct Sound {
    last: Files,
    older: Vec<Files>,
}

fn sound(open: fn(&Path) -> Opened, end: End) -> Sound {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    let mut older = Vec::new();
    for half in [0, ENTRIES / 2] {
        let (mut index, aside) = open(&path);
        assert!(!aside);
        for from in (half..half + ENTRIES / 2).step_by(usize::try_from(BATCH).unwrap()) {
            if from % (ENTRIES / 4) == 0 {
                older.push(walk(&path, &path));
            }
            apply(&mut *index, from, from + BATCH).unwrap();
        }
        // Longer than either adapter keeps written rows from the file system.
        std::thread::sleep(Duration::from_millis(600));
        older.push(walk(&path, &path));
    }
    let last = match end {
        End::Closed => walk(&path, &path),
        End::Killed => older.pop().unwrap(),
    };
    Sound { last, older }
}

fn walk(root: &Path, dir: &Path) -> Files {
    let mut files = Files::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(walk(root, &path));
        } else {
            let name = path.strip_prefix(root).unwrap().to_owned();
            files.insert(name, fs::read(&path).unwrap());
        }
    }
    files
}

/// What is wrong with the answers of an index that opened: an error is an answer, a row that is
/// missing below the mark or was never applied is not.
fn wrong(index: &dyn Index) -> Option<String> {
    let Ok(applied) = index.applied() else {
        return None;
    };
    if applied > ENTRIES || applied % BATCH != 0 {
        return Some(format!("the mark is {applied}"));
    }
    for at in 0..ENTRIES {
        for row in rows(at) {
            let Ok(found) = index.find(&row.member, &row.value) else {
                continue;
            };
            if at < applied && !found.contains(&at) {
                return Some(format!("{at} is missing, the mark is {applied}"));
            }
            if let Some(stray) = found.iter().find(|&&i| {
                i >= ENTRIES
                    || !rows(i).contains(&IndexRow {
                        index: i,
                        ..row.clone()
                    })
            }) {
                return Some(format!("{stray} was never applied"));
            }
        }
    }
    None
}

#[derive(Default, Debug)]
struct Outcome {
    aside: usize,
    works: usize,
    wrong: Vec<String>,
}

/// Opens each damaged copy, asks it for everything and writes to it.
fn open_damaged(
    open: fn(&Path) -> Opened,
    copies: impl IntoIterator<Item = (String, Files)>,
) -> Outcome {
    let mut outcome = Outcome::default();
    for (what, files) in copies {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("index");
        for (name, bytes) in files {
            let file = path.join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, bytes).unwrap();
        }
        let tried = catch_unwind(AssertUnwindSafe(|| {
            let (mut index, aside) = open(&path);
            let mut found = wrong(&*index);
            if let Ok(applied) = index.applied()
                && applied < ENTRIES
            {
                let _ = apply(&mut *index, applied, ENTRIES);
                found = found.or_else(|| wrong(&*index).map(|w| format!("after more rows: {w}")));
            }
            drop(index);
            (aside, found)
        }));
        match tried {
            Err(_) => outcome.wrong.push(format!("{what}: a panic escaped")),
            Ok((_, Some(answer))) => outcome.wrong.push(format!("{what}: {answer}")),
            Ok((true, None)) => outcome.aside += 1,
            Ok((false, None)) => outcome.works += 1,
        }
    }
    outcome
}

/// Random numbers that depend on the seed alone (splitmix64).
struct Draw(u64);

impl Draw {
    fn seeded() -> Self {
        let given = std::env::var("COUNTERSIGN_SEED").ok();
        let clock = std::time::UNIX_EPOCH.elapsed().unwrap();
        let seed = given
            .and_then(|seed| seed.parse().ok())
            .unwrap_or(clock.as_secs() << 20 | u64::from(clock.subsec_micros()));
        println!("COUNTERSIGN_SEED={seed}");
        Self(seed)
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % limit as u64).unwrap()
    }
}

/// One of the files, mutable.
fn one_of<'a>(files: &'a mut Files, draw: &mut Draw) -> (PathBuf, &'a mut Vec<u8>) {
    let number = draw.below(files.len());
    let (name, bytes) = files.iter_mut().nth(number).unwrap();
    (name.clone(), bytes)
}

/// Copies with one to three bytes changed, in one of four copies near a file's start.
fn flipped(sound: &Files) -> impl Iterator<Item = (String, Files)> {
    let mut draw = Draw::seeded();
    (0..TRIALS).map(move |trial| {
        let mut files = sound.clone();
        let mut what = format!("flipped {trial}");
        for _ in 0..=draw.below(3) {
            let (name, bytes) = one_of(&mut files, &mut draw);
            let near = if trial % 4 == 0 { 512 } else { usize::MAX };
            let at = draw.below(bytes.len().min(near));
            bytes[at] ^= u8::try_from(1 + draw.below(255)).unwrap();
            let _ = write!(what, " {}:{at}", name.display());
        }
        (what, files)
    })
}

/// Copies with one file cut short, or a stretch of it zeroed, as after a lost write.
fn cut(sound: &Files) -> impl Iterator<Item = (String, Files)> {
    let mut draw = Draw::seeded();
    (0..TRIALS).map(move |trial| {
        let mut files = sound.clone();
        let (name, bytes) = one_of(&mut files, &mut draw);
        let at = draw.below(bytes.len());
        if trial % 2 == 0 {
            bytes.truncate(at);
        } else {
            let end = bytes.len().min(at + 4096);
            bytes[at..end].fill(0);
        }
        (format!("cut {trial} {}:{at}", name.display()), files)
    })
}

/// Copies in which stretches of files are as they were earlier, as after writes that the disk
/// acknowledged and lost.
fn stale(sound: &Sound) -> impl Iterator<Item = (String, Files)> {
    let mut draw = Draw::seeded();
    (0..TRIALS).map(move |trial| {
        let mut files = sound.last.clone();
        let mut what = format!("stale {trial}");
        let older = &sound.older[draw.below(sound.older.len())];
        for _ in 0..=draw.below(3) {
            let (name, bytes) = one_of(&mut files, &mut draw);
            let size = [4 << 10, 16 << 10, 512 << 10][draw.below(3)];
            let start = draw.below(bytes.len() / size + 1) * size;
            let end = bytes.len().min(start + size);
            let before = older.get(&name).map_or(&[][..], Vec::as_slice);
            let stretch = bytes.iter_mut().enumerate().take(end).skip(start);
            for (at, byte) in stretch {
                *byte = before.get(at).copied().unwrap_or(0);
            }
            let _ = write!(what, " {}:{start}..{end}", name.display());
        }
        (what, files)
    })
}

/// Every kind of damage to an index that was closed, and to one whose process was killed.
fn survives_damage(open: fn(&Path) -> Opened) {
    for end in [End::Closed, End::Killed] {
        let sound = sound(open, end);
        let untouched = open_damaged(open, [("nothing".to_owned(), sound.last.clone())]);
        assert_eq!((untouched.works, untouched.aside), (1, 0), "{untouched:?}");
        let copies = flipped(&sound.last)
            .chain(cut(&sound.last))
            .chain(stale(&sound));
        let outcome = open_damaged(open, copies);
        assert!(outcome.wrong.is_empty(), "{end:?}: {:#?}", outcome.wrong);
        assert!(outcome.aside > 0, "{end:?}: no damage was noticed");
    }
}

#[test]
fn a_damaged_redb_index_answers_rightly_or_is_set_aside() {
    survives_damage(redb);
}

#[test]
fn a_damaged_sled_index_answers_rightly_or_is_set_aside() {
    survives_damage(sled);
}
