//! Whole parts of another ledger of the same key, or of an older state.

use std::fs;

use super::{Mutation, Scene, seen, unseen};
use crate::{common, forge};

const CHECKPOINT: &str = "ledger/checkpoint";

/// Rolls the tiles back to the older checkpoint, and leaves nothing else behind.
fn older(scene: &Scene) -> String {
    let note = fs::read_to_string(&scene.older).unwrap();
    forge::write_data(
        scene.dir.path(),
        &scene.entries[..260],
        &note,
        &scene.hand.name,
    );
    note
}

fn newer_guard(scene: &Scene) {
    let guard = scene.read("guard/checkpoint");
    older(scene);
    scene.write("guard/checkpoint", guard);
}

/// Fewer entries than the older checkpoint, signed by the stolen key.
fn shortened(scene: &Scene) {
    scene.rewrite(&scene.entries[..200]);
}

/// The other ledger in one piece.
fn replaced(scene: &Scene) {
    for part in ["ledger", "guard", "wal"] {
        fs::remove_dir_all(scene.path(part)).unwrap();
        common::copy(&scene.other.join(part), &scene.path(part));
    }
}

pub(super) const CHANGES: &[Mutation] = &[
    seen("the other checkpoint", CHECKPOINT, |s| s.take(CHECKPOINT)),
    seen("another full tile", "ledger/tile/0/000", |s| {
        s.take("ledger/tile/0/000");
    }),
    seen("another upper tile", "ledger/tile/1/000.p/1", |s| {
        s.take("ledger/tile/1/000.p/1");
    }),
    seen("another bundle", "ledger/", |s| {
        s.take("ledger/tile/entries/000");
    }),
    seen("another bundle with its tile", "ledger/", |s| {
        s.take("ledger/tile/entries/001.p/14");
        s.take("ledger/tile/0/001.p/14");
    }),
    unseen("another guard", "guard/checkpoint", |s| {
        s.take("guard/checkpoint");
    }),
    unseen("another log", "wal/", |s| {
        fs::remove_dir_all(s.path("wal")).unwrap();
        common::copy(&s.other.join("wal"), &s.path("wal"));
    }),
    seen("another ledger in one piece", "", replaced),
    seen("the older checkpoint alone", "wal/clean", |s| {
        s.write(CHECKPOINT, fs::read(&s.older).unwrap());
    }),
    unseen(
        "older tiles under the newer guard",
        "guard/checkpoint",
        newer_guard,
    ),
    seen("fewer entries than an older checkpoint", "", shortened),
    seen("another history, signed", "", |s| {
        let forged = forge::edited(&s.hand, &s.entries, 100, |entry| entry["n"] = 7.into());
        s.rewrite(&forged);
    }),
    unseen("a key file of somebody else", "keys/ledger.vkey", |s| {
        let stranger = forge::Hand::new(9, s.hand.name.name());
        s.write("keys/ledger.vkey", format!("{}\n", stranger.name));
    }),
    unseen("a key file with more in it", "keys/ledger.vkey", |s| {
        s.write("keys/ledger.vkey", s.text("keys/ledger.vkey") + "\n");
    }),
];
