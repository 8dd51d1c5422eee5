//! Attacks on whole files: replaced, swapped with another ledger's, removed, added.

use std::{fs, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{
    attack::{
        Attack,
        Power::{Files, OtherKey},
    },
    controls::{
        self,
        Hand::{Naive, Recomputing},
    },
    forge::{Entries, bundle, note, put, read_bundle, unreduced},
    world::World,
};

const BUNDLE: &str = "ledger/tile/entries/001";
const TILE: &str = "ledger/tile/0/001";
const SEGMENT: &str = "wal/0000000000000244.wal";
const GUARD: &str = "guard/checkpoint";
const CHECKPOINT: &str = "ledger/checkpoint";

fn from_twin(world: &World, dir: &Path, name: &str) {
    let (theirs, ours) = (world.twin.path().join(name), dir.join(name));
    assert_ne!(fs::read(&theirs).unwrap(), fs::read(&ours).unwrap());
    fs::copy(theirs, ours).unwrap();
}

fn flip(dir: &Path, name: &str, at: usize) {
    let mut bytes = fs::read(dir.join(name)).unwrap();
    bytes[at] ^= 1;
    fs::write(dir.join(name), bytes).unwrap();
}

fn rewrite(dir: &Path, name: &str, change: impl FnOnce(String) -> String) {
    let text = fs::read_to_string(dir.join(name)).unwrap();
    fs::write(dir.join(name), change(text)).unwrap();
}

/// The other ledger is of the same name, under the same key, and of the same size.
pub(crate) fn swaps() -> Vec<Attack> {
    vec![
        Attack::new("a hash tile of another ledger", Files, |world, dir| {
            from_twin(world, dir, TILE);
        })
        .found_at(&[TILE]),
        Attack::new("the first bundle of another ledger", Files, |world, dir| {
            from_twin(world, dir, "ledger/tile/entries/000");
        })
        .found_at(&["ledger/tile/entries/000", "ledger/tile/0/000"])
        .remark(
            "each of its entries is genuine and begins a chain; the tile that is named holds the \
             hashes of the same 256 entries, and a chain fault at entry 256 says where the other \
             ledger's entries end",
        )
        .control(Naive, |lines| {
            controls::replace(lines, 0..256, "two");
        }),
        Attack::new("a bundle of another ledger", Files, |world, dir| {
            from_twin(world, dir, BUNDLE);
        })
        .found_at(&["ledger/tile/entries/001 entry 256"])
        .control(Naive, |lines| {
            controls::replace(lines, 256..512, "two");
        }),
        Attack::new(
            "a bundle of another ledger, derive anew",
            Files,
            |world, dir| {
                let mut entries = Entries::read(dir);
                let theirs = read_bundle(&world.twin.path().join("ledger").join(bundle(1, 580)));
                entries.published.splice(256..512, theirs);
                entries.write(dir);
            },
        )
        .found_at(&["ledger/tile/entries/001 entry 256"])
        .control(Recomputing, |lines| {
            controls::replace(lines, 256..512, "two");
        }),
        Attack::new("a segment of another ledger's log", Files, |world, dir| {
            from_twin(world, dir, SEGMENT);
        })
        .found_at(&["wal/0000000000000244.wal entry 580"])
        .control(Naive, |lines| {
            controls::replace(lines, 580..600, "two");
        }),
        Attack::new("the guard of another ledger", Files, |world, dir| {
            from_twin(world, dir, GUARD);
        })
        .found_at(&[GUARD]),
        Attack::new("the checkpoint of another ledger", Files, |world, dir| {
            from_twin(world, dir, CHECKPOINT);
        })
        .found_at(&[CHECKPOINT]),
        Attack::new(
            "checkpoint and guard of another ledger",
            Files,
            |world, dir| {
                from_twin(world, dir, CHECKPOINT);
                from_twin(world, dir, GUARD);
            },
        )
        .found_at(&[CHECKPOINT]),
    ]
}

pub(crate) fn files() -> Vec<Attack> {
    vec![
        Attack::new("change a hash tile", Files, |_, dir| flip(dir, TILE, 32)).found_at(&[TILE]),
        Attack::new("change a hash tile of the next level", Files, |_, dir| {
            flip(dir, "ledger/tile/1/000.p/2", 63);
        })
        .found_at(&["ledger/tile/1/000.p/2"]),
        Attack::new("remove a hash tile", Files, |_, dir| {
            fs::remove_file(dir.join(TILE)).unwrap();
        })
        .found_at(&[TILE]),
        Attack::new("add a bundle", Files, |_, dir| {
            put(&dir.join("ledger/tile/entries/003"), b"\0\x02{}");
        })
        .found_at(&["ledger/tile/entries/003"]),
        Attack::new("hide a file beside the guard", Files, |_, dir| {
            put(&dir.join("guard/older"), b"");
        })
        .found_at(&["guard/older"]),
        Attack::new("remove the guard", Files, |_, dir| {
            fs::remove_file(dir.join(GUARD)).unwrap();
        })
        .found_at(&[GUARD]),
        Attack::new("remove the checkpoint", Files, |_, dir| {
            fs::remove_file(dir.join(CHECKPOINT)).unwrap();
        })
        .found_at(&[CHECKPOINT]),
        Attack::new(
            "damage a frame in the middle of the log",
            Files,
            |_, dir| {
                flip(dir, SEGMENT, 30);
            },
        )
        .found_at(&["wal/0000000000000244.wal entry 580"])
        .control(Naive, |lines| lines[580].replace_range(0..1, "[")),
        Attack::new(
            "cut the first pending entry from the log, rename the segment",
            Files,
            |_, dir| {
                let cut = dir.join("wal/0000000000000244.wal");
                let bytes = fs::read(&cut).unwrap();
                fs::remove_file(cut).unwrap();
                let second = crate::forge::frame(580, &Entries::read(dir).published[0]).len();
                put(&dir.join("wal/0000000000000245.wal"), &bytes[second..]);
            },
        )
        .found_at(&["wal/0000000000000245.wal"])
        .control(Naive, |lines| drop(lines.remove(580))),
        Attack::new(
            "mark a clean stop while entries are pending",
            Files,
            |_, dir| {
                put(&dir.join("wal/clean"), b"countersign/clean/v1\n580\n");
            },
        )
        .found_at(&["wal/clean"]),
    ]
}

const LINE: &str = "nothing in the ledger is changed; lines of keys that an auditor does not know are \
     ignored";

/// Writes the signature of this name's line in the checkpoint in another way.
fn unreduce_line(dir: &Path, name: &str) {
    rewrite(dir, CHECKPOINT, |note| {
        let (head, rest) = note.split_once(&format!("\u{2014} {name} ")).unwrap();
        let (encoded, rest) = rest.split_once('\n').unwrap();
        let line = STANDARD.decode(encoded).unwrap();
        let (before, signature) = line.split_at(line.len() - 64);
        let changed = STANDARD.encode([before, &unreduced(signature)].concat());
        format!("{head}\u{2014} {name} {changed}\n{rest}")
    });
}

pub(crate) fn notes() -> Vec<Attack> {
    vec![
        Attack::new("a larger size in the checkpoint", Files, |_, dir| {
            rewrite(dir, CHECKPOINT, |note| {
                note.replacen("\n580\n", "\n600\n", 1)
            });
        })
        .found_at(&[CHECKPOINT]),
        Attack::new("an extension line in the checkpoint", Files, |_, dir| {
            rewrite(dir, CHECKPOINT, |note| {
                note.replacen("\n\n", "\nmore\n\n", 1)
            });
        })
        .found_at(&[CHECKPOINT]),
        Attack::new(
            "another encoding of the checkpoint's signature (`s + L`)",
            Files,
            |world, dir| unreduce_line(dir, world.name().name()),
        )
        .found_at(&[CHECKPOINT]),
        Attack::new(
            "another encoding of the cosignature (`s + L`)",
            Files,
            |_, dir| unreduce_line(dir, "witness.example"),
        )
        .not_cosigned()
        .remark(LINE),
        Attack::new("take the cosignature off", Files, |_, dir| {
            rewrite(dir, CHECKPOINT, |note| {
                let end = note.find("\u{2014} witness.example").unwrap();
                note[..end].to_owned()
            });
        })
        .not_cosigned()
        .remark(LINE),
        Attack::new(
            "sign only the checkpoint with another key",
            OtherKey,
            |world, dir| {
                let (key, name) = &world.other;
                let text = Entries::read(dir).checkpoint(name).to_string();
                put(&dir.join(CHECKPOINT), note(&text, (key, name)).as_bytes());
            },
        )
        .found_at(&[CHECKPOINT]),
        Attack::new("replace `keys/ledger.vkey`", OtherKey, |world, dir| {
            put(
                &dir.join("keys/ledger.vkey"),
                format!("{}\n", world.other.1).as_bytes(),
            );
        })
        .found_at(&["keys/ledger.vkey"]),
    ]
}
