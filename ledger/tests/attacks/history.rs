//! Attacks on history: cut tails, old states, forks, and times that are not true.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::{
    attack::{
        Attack,
        Power::{Files, StolenKey},
    },
    common::copy,
    controls::{
        self,
        Hand::{Naive, Recomputing},
    },
    forge::{Entries, bundle, edited, object, put, read_bundle, write_bundle},
    world::{Knowledge, RECEIPT, World},
};

const SEGMENT: &str = "wal/0000000000000244.wal";

/// Puts the directory, or a part of it, back to an old state.
fn put_back(world: &World, size: u64, dir: &Path, parts: &[&str]) {
    for part in parts {
        fs::remove_dir_all(dir.join(part)).unwrap();
        copy(&world.state(size).join(part), &dir.join(part));
    }
}

const WHOLE: &[&str] = &["ledger", "wal", "guard", "keys"];
const UNPUBLISHED: &str = "no checkpoint covers pending entries yet, and a crash looks the same; \
     whoever was given such an entry holds its signature";

const OLD: &str = "an old state is whole in itself and was cosigned in its time; the cosignature bears \
     that time";

fn cut_log(dir: &Path, keep: usize) {
    let mut bytes = fs::read(dir.join(SEGMENT)).unwrap();
    bytes.truncate(keep);
    fs::write(dir.join(SEGMENT), bytes).unwrap();
}

fn frame_length(dir: &Path) -> usize {
    fs::read(dir.join(SEGMENT)).unwrap().len() / 20
}

pub(crate) fn tails() -> Vec<Attack> {
    vec![
        Attack::new("cut pending entries from the log", Files, |_, dir| {
            cut_log(dir, 10 * frame_length(dir));
            assert_eq!(Entries::read(dir).pending.len(), 10);
        })
        .control(Naive, |lines| lines.truncate(590))
        .remark(UNPUBLISHED),
        Attack::new("cut the log inside of a pending entry", Files, |_, dir| {
            cut_log(dir, 10 * frame_length(dir) + 100);
        })
        .control(Naive, |lines| {
            lines.truncate(591);
            lines[590].truncate(40);
        })
        .remark(
            "the verifier notes a torn tail, which is what a crash leaves; nobody was told that \
             such an entry is durable, unless they hold it",
        ),
        Attack::new(
            "cut all pending entries, mark a clean stop",
            Files,
            |_, dir| {
                cut_log(dir, 0);
                put(&dir.join("wal/clean"), b"countersign/clean/v1\n580\n");
            },
        )
        .control(Naive, |lines| lines.truncate(580))
        .remark(UNPUBLISHED),
        Attack::new("cut the published tail", Files, |_, dir| {
            let path = dir.join("ledger").join(bundle(2, 580));
            let mut entries = read_bundle(&path);
            entries.truncate(48);
            write_bundle(&path, &entries);
        })
        .found_at(&["ledger/tile/entries/002.p/68"])
        .control(Naive, |lines| lines.truncate(560)),
        Attack::new(
            "put tiles, log and checkpoint back, not the guard",
            Files,
            |world, dir| {
                put_back(world, RECEIPT, dir, &["ledger", "wal"]);
            },
        )
        .found_at(&["guard/checkpoint"])
        .control(Naive, |lines| lines.truncate(470)),
        Attack::new(
            "shrink the ledger to 500 entries and sign that",
            StolenKey,
            |world, dir| {
                let mut entries = Entries::read(dir);
                entries.published.truncate(500);
                entries.pending.clear();
                entries.write(dir);
                entries.sign(dir, (&world.key, world.name()));
            },
        )
        .found_with(Knowledge::Witness)
        .control(Recomputing, |lines| lines.truncate(500)),
    ]
}

pub(crate) fn rollbacks() -> Vec<Attack> {
    vec![
        Attack::new(
            "put the whole directory back to 470 entries",
            Files,
            |world, dir| {
                put_back(world, RECEIPT, dir, WHOLE);
            },
        )
        .found_with(Knowledge::Witness)
        .cosigned()
        .control(Naive, |lines| lines.truncate(470))
        .remark(OLD),
        Attack::new(
            "put the whole directory back to 150 entries",
            Files,
            |world, dir| {
                put_back(world, 150, dir, WHOLE);
            },
        )
        .found_with(Knowledge::Older)
        .cosigned()
        .control(Naive, |lines| lines.truncate(150))
        .remark(OLD),
        Attack::new(
            "fork at 300 entries, show this auditor the other branch",
            StolenKey,
            |world, dir| {
                for part in WHOLE {
                    fs::remove_dir_all(dir.join(part)).unwrap();
                    copy(&world.fork.path().join(part), &dir.join(part));
                }
            },
        )
        .found_with(Knowledge::Receipt)
        .control(Recomputing, |lines| {
            lines.truncate(580);
            controls::replace(lines, 300..580, "alt");
        })
        .remark(
            "each branch is whole in itself; two auditors who compare checkpoints hold what the \
             witness holds",
        ),
    ]
}

/// Changes one entry with a stolen key and signs whatever depends on it.
fn resigned(world: &World, dir: &Path, index: usize, change: impl FnOnce(&[u8]) -> Vec<u8>) {
    let mut entries = Entries::read(dir);
    let entry = entries.all().nth(index).unwrap();
    *entry = change(entry);
    entries.seal_again(index, (&world.key, world.name()));
    entries.write(dir);
    entries.sign(dir, (&world.key, world.name()));
}

fn a_year_earlier(entry: &[u8]) -> Vec<u8> {
    let mut members = object(entry);
    let time = members["time"]
        .as_str()
        .unwrap()
        .replacen("2026", "2025", 1);
    members["time"] = json!(time);
    Value::Object(members).to_string().into_bytes()
}

fn back_date(line: &mut String) {
    *line = line.replacen("2026", "2025", 1);
}

pub(crate) fn times() -> Vec<Attack> {
    vec![
        Attack::new(
            "back-date entry 100, sign all that follows",
            StolenKey,
            |world, dir| {
                resigned(world, dir, 100, a_year_earlier);
            },
        )
        .found_with(Knowledge::Older)
        .control(Recomputing, |lines| back_date(&mut lines[100])),
        Attack::new(
            "back-date entry 400, sign all that follows",
            StolenKey,
            |world, dir| {
                resigned(world, dir, 400, a_year_earlier);
            },
        )
        .found_with(Knowledge::Receipt)
        .control(Recomputing, |lines| back_date(&mut lines[400])),
        Attack::new(
            "append an entry that bears an old time",
            StolenKey,
            |world, dir| {
                let mut entries = Entries::read(dir);
                entries.keep_size(600);
                let last = entries.published.last_mut().unwrap();
                *last = a_year_earlier(last);
                entries.seal_again(599, (&world.key, world.name()));
                entries.write(dir);
                entries.sign(dir, (&world.key, world.name()));
            },
        )
        .control(Recomputing, |lines| back_date(&mut lines[599]))
        .remark(
            "times belong to the caller and are not read; that its index is not below the size of \
             a checkpoint that somebody held, witnessed or had time-stamped shows that it came \
             after",
        ),
    ]
}

pub(crate) fn resignings() -> Vec<Attack> {
    vec![
        Attack::new(
            "edit entry 100, sign everything again",
            StolenKey,
            |world, dir| {
                resigned(world, dir, 100, edited);
            },
        )
        .found_with(Knowledge::Older)
        .control(Recomputing, |lines| controls::edit(&mut lines[100])),
        Attack::new(
            "edit entry 400, sign everything again",
            StolenKey,
            |world, dir| {
                resigned(world, dir, 400, edited);
            },
        )
        .found_with(Knowledge::Receipt)
        .control(Recomputing, |lines| controls::edit(&mut lines[400])),
        Attack::new(
            "edit entry 500, sign everything again",
            StolenKey,
            |world, dir| {
                resigned(world, dir, 500, edited);
            },
        )
        .found_with(Knowledge::Witness)
        .control(Recomputing, |lines| controls::edit(&mut lines[500])),
        Attack::new(
            "delete entry 500, sign everything again",
            StolenKey,
            |world, dir| {
                let mut entries = Entries::read(dir);
                entries.published.remove(500);
                entries.keep_size(580);
                entries.seal_again(500, (&world.key, world.name()));
                entries.write(dir);
                entries.sign(dir, (&world.key, world.name()));
            },
        )
        .found_with(Knowledge::Witness)
        .control(Recomputing, |lines| drop(lines.remove(500))),
        Attack::new(
            "edit entry 590, which is pending, sign it again",
            StolenKey,
            |world, dir| {
                let mut entries = Entries::read(dir);
                entries.keep_size(600);
                entries.published[590] = edited(&entries.published[590]);
                entries.seal_again(590, (&world.key, world.name()));
                entries.keep_size(580);
                entries.write(dir);
            },
        )
        .control(Recomputing, |lines| controls::edit(&mut lines[590]))
        .remark(UNPUBLISHED),
    ]
}
