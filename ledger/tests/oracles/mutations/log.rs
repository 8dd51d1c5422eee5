//! The log, the guard and the marker: parts of a data directory that Go does not read.

use super::{Mutation, Scene, unseen};
use crate::{
    forge::{self, Hand},
    shapes,
};

const GUARD: &str = "guard/checkpoint";
const CLOCK: &str = "guard/clock";
const CLEAN: &str = "wal/clean";

fn segment(scene: &Scene) -> String {
    let path = shapes::newest_segment(scene.dir.path());
    let name = path.strip_prefix(scene.dir.path()).unwrap();
    name.to_str().unwrap().to_owned()
}

/// The frames of the newest segment.
fn frames(scene: &Scene) -> Vec<Vec<u8>> {
    let (bytes, mut rest, mut found) = (scene.read(&segment(scene)), 0, Vec::new());
    while rest < bytes.len() {
        let length = u32::from_be_bytes(bytes[rest..rest + 4].try_into().unwrap());
        let end = rest + 16 + usize::try_from(length).unwrap();
        found.push(bytes[rest..end].to_vec());
        rest = end;
    }
    found
}

fn rewrite(scene: &Scene, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
    let mut all = frames(scene);
    assert!(all.len() >= 10, "{} frames", all.len());
    change(&mut all);
    scene.write(&segment(scene), all.concat());
}

/// A pending entry that says something else and fits the chain and the frame.
fn forged(scene: &Scene, hand: &Hand) {
    rewrite(scene, |all| {
        let at = all.len() - 1;
        let index = u64::from_be_bytes(all[at][4..12].try_into().unwrap());
        let mut entry: serde_json::Value = serde_json::from_slice(&all[at][16..]).unwrap();
        entry["n"] = 7.into();
        all[at] = forge::frame(index, &hand.seal(&entry));
    });
}

pub(super) const CLOSED: &[Mutation] = &[
    unseen("a bit in the guard", GUARD, |s| s.flip(GUARD, 30)),
    unseen("no guard", GUARD, |s| s.remove(GUARD)),
    unseen("an older guard", GUARD, |s| {
        s.write(GUARD, std::fs::read(&s.older).unwrap());
    }),
    unseen("a guard of somebody else", GUARD, |s| {
        let stranger = Hand::new(9, s.hand.name.name());
        s.write(GUARD, stranger.checkpoint(&s.entries));
    }),
    unseen("a guard over another history", GUARD, |s| {
        let forged = forge::edited(&s.hand, &s.entries, 100, |entry| entry["n"] = 7.into());
        s.write(GUARD, s.hand.checkpoint(&forged));
    }),
    unseen("a guard of more entries than there are", GUARD, |s| {
        let mut more = s.entries.clone();
        more.push(
            s.hand
                .entry(270, Some(&s.entries[269]), &serde_json::json!({})),
        );
        s.write(GUARD, s.hand.checkpoint(&more));
    }),
    unseen("a bit in the guard's clock", CLOCK, |s| s.flip(CLOCK, 40)),
    unseen("a clock of somebody else", CLOCK, |s| {
        let stranger = Hand::new(9, s.hand.name.name());
        let text = s.text(CLOCK);
        let (text, _) = text.split_once("\n\n").unwrap();
        s.write(CLOCK, stranger.note(&format!("{text}\n")));
    }),
    unseen("a clock without a time", CLOCK, |s| {
        let origin = s.hand.name.name();
        let note = s
            .hand
            .note(&format!("countersign/clock/v1\n{origin}\nnow\n"));
        s.write(CLOCK, note);
    }),
    unseen("a second file of the guard", "guard/more", |s| {
        s.write("guard/more", "x");
    }),
    unseen("a bit in a published frame", "wal/0", |s| {
        let name = segment(s);
        s.flip(&name, 200);
    }),
    unseen("a published frame with another entry", "wal/0", |s| {
        let other = s.entries[3].clone();
        rewrite(s, |all| {
            let index = u64::from_be_bytes(all[2][4..12].try_into().unwrap());
            all[2] = forge::frame(index, &other);
        });
    }),
    unseen("a torn end of published frames", "wal/0", |s| {
        let name = segment(s);
        s.cut(&name, 5);
    }),
    unseen("a torn end beside a clean marker", "wal/", |s| {
        let name = segment(s);
        s.write(&name, [s.read(&name), vec![0; 5]].concat());
    }),
    unseen("a marker of other entries", CLEAN, |s| {
        s.write(CLEAN, "countersign/clean/v1\n269\n");
    }),
    unseen("a marker with more in it", CLEAN, |s| {
        s.write(CLEAN, "countersign/clean/v1\n270\n\n");
    }),
    unseen("an empty marker", CLEAN, |s| s.write(CLEAN, "")),
    unseen("a file that is not of the log", "wal/0.wal", |s| {
        s.write("wal/0.wal", "");
    }),
    unseen("a segment behind a gap", "wal/0000000000000200.wal", |s| {
        s.write(
            "wal/0000000000000200.wal",
            forge::frame(0x200, &s.entries[0]),
        );
    }),
];

pub(super) const PENDING: &[Mutation] = &[
    unseen("a marker although entries are pending", CLEAN, |s| {
        s.write(CLEAN, "countersign/clean/v1\n270\n");
    }),
    unseen("a marker that counts pending entries", CLEAN, |s| {
        s.write(CLEAN, "countersign/clean/v1\n282\n");
    }),
    unseen("a bit in a pending frame", "wal/0", |s| {
        rewrite(s, |all| {
            let at = all.len() - 3;
            all[at][100] ^= 1;
        });
    }),
    unseen("two pending frames swapped", "wal/0", |s| {
        rewrite(s, |all| {
            let at = all.len() - 3;
            all.swap(at, at + 1);
        });
    }),
    unseen("a pending frame dropped", "wal/0", |s| {
        rewrite(s, |all| drop(all.remove(all.len() - 3)));
    }),
    unseen("a pending frame twice", "wal/0", |s| {
        rewrite(s, |all| {
            all.insert(all.len() - 3, all[all.len() - 3].clone());
        });
    }),
    unseen("a pending entry signed by somebody else", "wal/0", |s| {
        forged(s, &Hand::new(9, s.hand.name.name()));
    }),
    unseen("a pending entry signed under the log's id", "wal/0", |s| {
        let mut stranger = Hand::new(9, s.hand.name.name());
        stranger.name = s.hand.name.clone();
        forged(s, &stranger);
    }),
    unseen("a pending entry that does not follow", "wal/0", |s| {
        let hand = s.hand.clone();
        rewrite(s, |all| {
            let at = all.len() - 1;
            let before = all[at - 2][16..].to_vec();
            all[at] = forge::frame(281, &hand.entry(281, Some(&before), &serde_json::json!({})));
        });
    }),
    unseen("a whole frame behind a broken one", "wal/0", |s| {
        rewrite(s, |all| {
            let last = all.len() - 1;
            all[last - 1].truncate(50);
        });
    }),
];
