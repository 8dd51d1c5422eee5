//! Changed ledgers: each change is refused by our verifier and by every foreign one that has the
//! knowledge. Go knows notes, hashes and tiles; where it sees nothing it must say so, or the
//! change is not what it is meant to be.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    common::{self, Home},
    equipment::{self, Equipment},
    forge::{self, Hand},
    judges, shapes,
};

mod entries;
mod log;
mod notes;
mod parts;
mod tiles;

/// What the Go verifier, which reads the tile directory, says of a change.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Go {
    Refuses,
    CannotSee,
}

/// One change.
struct Mutation {
    name: &'static str,
    /// What our verifier and Python must name as the place.
    place: &'static str,
    go: Go,
    apply: fn(&Scene),
}

const fn seen(name: &'static str, place: &'static str, apply: fn(&Scene)) -> Mutation {
    let go = Go::Refuses;
    Mutation {
        name,
        place,
        go,
        apply,
    }
}

const fn unseen(name: &'static str, place: &'static str, apply: fn(&Scene)) -> Mutation {
    let go = Go::CannotSee;
    Mutation {
        name,
        place,
        go,
        apply,
    }
}

/// A ledger to change, and what a thief has at hand: the key, and another ledger of that key.
struct Scene {
    dir: tempfile::TempDir,
    hand: Hand,
    entries: Vec<Vec<u8>>,
    other: PathBuf,
    /// The checkpoint before the last restart.
    older: PathBuf,
}

impl Scene {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    fn text(&self, name: &str) -> String {
        String::from_utf8(self.read(name)).unwrap()
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        forge::put(&self.path(name), bytes);
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).unwrap();
    }

    fn flip(&self, name: &str, at: usize) {
        let mut bytes = self.read(name);
        bytes[at] ^= 1;
        self.write(name, bytes);
    }

    fn cut(&self, name: &str, bytes: usize) {
        let whole = self.read(name);
        self.write(name, &whole[..whole.len() - bytes]);
    }

    /// Takes a file of the other ledger.
    fn take(&self, name: &str) {
        let theirs = fs::read(self.other.join(name)).unwrap();
        assert_ne!(theirs, self.read(name), "{name}");
        self.write(name, theirs);
    }

    /// Signs whole other contents with the stolen key.
    fn rewrite(&self, entries: &[Vec<u8>]) {
        let note = self.hand.checkpoint(entries);
        forge::write_data(self.dir.path(), entries, &note, &self.hand.name);
    }
}

/// Where scenes come from.
struct Stage {
    home: Home,
    hand: Hand,
    entries: Vec<Vec<u8>>,
    other: Home,
    older: tempfile::NamedTempFile,
}

/// Published entries of [`Stage`]s: a full tile, a partial one, and an older partial one.
const PUBLISHED: [u64; 2] = [260, 10];

fn thief(home: &Home) -> Hand {
    let (key, name) = (home.key.clone(), home.name.clone());
    Hand { key, name }
}

/// Another ledger of the same key, as long as the first.
async fn twin(home: &Home) -> Home {
    let twin = home.twin();
    for run in [0..PUBLISHED[0], PUBLISHED[0]..PUBLISHED.iter().sum()] {
        let (ledger, _) = twin.open();
        shapes::fill(&ledger, run).await;
        ledger.close().await.unwrap();
    }
    twin
}

impl Stage {
    /// A ledger with a restart, closed or with `pending` entries in its log.
    async fn new(pending: u64) -> Self {
        let home = shapes::closed(&PUBLISHED[..1]).await;
        let older = tempfile::NamedTempFile::new().unwrap();
        fs::copy(home.path().join("ledger/checkpoint"), older.path()).unwrap();
        let (ledger, _) = home.open();
        let size = PUBLISHED.iter().sum();
        shapes::fill(&ledger, PUBLISHED[0]..size).await;
        ledger.close().await.unwrap();
        drop(ledger);
        if pending > 0 {
            let (ledger, _) = home.open();
            shapes::fill(&ledger, size..size + pending).await;
        }
        let entries = forge::entries(&home.path().join("ledger"), size);
        let (hand, other) = (thief(&home), twin(&home).await);
        Self {
            home,
            hand,
            entries,
            other,
            older,
        }
    }

    fn scene(&self) -> Scene {
        let dir = tempfile::tempdir().unwrap();
        common::copy(self.home.path(), dir.path());
        Scene {
            dir,
            hand: self.hand.clone(),
            entries: self.entries.clone(),
            other: self.other.path().to_owned(),
            older: self.older.path().to_owned(),
        }
    }

    /// Judges one scene: ours and Python on the data directory, Go on its tiles.
    fn judge(&self, with: &Equipment, dir: &Path, since: bool) -> [judges::Verdict; 3] {
        let since = since.then(|| self.older.path());
        let key = &self.hand.name;
        [
            judges::ours(dir, key, since),
            judges::python(with, dir, key, since),
            judges::go(with, &dir.join("ledger"), key, since),
        ]
    }

    fn refused(&self, with: &Equipment, mutations: &[Mutation]) {
        assert_eq!(
            self.judge(with, self.scene().dir.path(), true),
            [Ok(()), Ok(()), Ok(())]
        );
        let mut wrong = Vec::new();
        for mutation in mutations {
            let scene = self.scene();
            (mutation.apply)(&scene);
            let [ours, python, go] = self.judge(with, scene.dir.path(), true);
            for (who, verdict) in [("ours", ours), ("Python", python)] {
                let named = verdict.as_ref().err().is_some_and(|said| {
                    said.lines()
                        .any(|line| !line.starts_with("note") && line.contains(mutation.place))
                });
                if !named {
                    wrong.push(format!("{}: {who} says {verdict:?}", mutation.name));
                }
            }
            if go.is_err() != (mutation.go == Go::Refuses) {
                wrong.push(format!("{}: Go says {go:?}", mutation.name));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

#[tokio::test]
async fn changed_notes_are_refused_by_everybody() {
    let Some(with) = equipment::find("oracles::mutations::notes") else {
        return;
    };
    Stage::new(0).await.refused(&with, notes::CHANGES);
}

#[tokio::test]
async fn changed_tiles_and_bundles_are_refused_by_everybody() {
    let Some(with) = equipment::find("oracles::mutations::tiles") else {
        return;
    };
    Stage::new(0).await.refused(&with, tiles::CHANGES);
}

#[tokio::test]
async fn parts_of_other_ledgers_and_older_parts_are_refused() {
    let Some(with) = equipment::find("oracles::mutations::parts") else {
        return;
    };
    Stage::new(0).await.refused(&with, parts::CHANGES);
}

#[tokio::test]
async fn entries_that_only_the_holder_of_the_key_can_forge_are_refused_by_who_reads_entries() {
    let Some(with) = equipment::find("oracles::mutations::entries") else {
        return;
    };
    let stage = Stage::new(0).await;
    let scene = stage.scene();
    scene.rewrite(&scene.entries);
    let forged = stage.judge(&with, scene.dir.path(), true);
    assert_eq!(forged, [Ok(()), Ok(()), Ok(())], "the forger makes faults");
    stage.refused(&with, entries::CHANGES);
}

#[tokio::test]
async fn entries_that_break_the_form_are_refused_by_who_reads_entries() {
    let Some(with) = equipment::find("oracles::mutations::form") else {
        return;
    };
    Stage::new(0).await.refused(&with, entries::FORMS);
}

#[tokio::test]
async fn changes_of_the_log_the_guard_and_the_marker_are_refused_by_who_reads_them() {
    let Some(with) = equipment::find("oracles::mutations::log") else {
        return;
    };
    Stage::new(0).await.refused(&with, log::CLOSED);
    Stage::new(12).await.refused(&with, log::PENDING);
}

/// `SplitMix64`: the same positions in every run.
struct Positions(u64);

impl Positions {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % bound as u64).unwrap()
    }
}

#[tokio::test]
async fn a_flipped_bit_anywhere_is_refused_by_all_who_read_that_file() {
    let Some(with) = equipment::find("oracles::mutations::bits") else {
        return;
    };
    let (stage, mut positions) = (Stage::new(0).await, Positions(4));
    let scene = stage.scene();
    let mut names = Vec::new();
    for part in ["ledger", "wal", "guard", "keys/ledger.vkey"] {
        for item in walkdir::WalkDir::new(scene.path(part)).sort_by_file_name() {
            let item = item.unwrap();
            let name = item.path().strip_prefix(scene.dir.path()).unwrap();
            if item.file_type().is_file() && item.metadata().unwrap().len() > 0 {
                names.push(name.to_str().unwrap().to_owned());
            }
        }
    }
    assert!(names.len() > 10, "{names:?}");
    for round in 0..names.len() * 4 {
        let name = &names[round % names.len()];
        let whole = scene.read(name);
        let (at, bit) = (positions.below(whole.len()), positions.below(8));
        let mut changed = whole.clone();
        changed[at] ^= 1 << bit;
        scene.write(name, changed);
        let verdicts = stage.judge(&with, scene.dir.path(), false);
        let refused = verdicts.each_ref().map(Result::is_err);
        let wanted = [true, true, name.starts_with("ledger/")];
        assert_eq!(refused, wanted, "{name} byte {at} bit {bit}: {verdicts:?}");
        scene.write(name, whole);
    }
    let verdicts = stage.judge(&with, scene.dir.path(), false);
    assert_eq!(verdicts, [Ok(()), Ok(()), Ok(())]);
}
