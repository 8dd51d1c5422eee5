//! Tiles and bundles that are not what the checkpoint says.

use super::{Mutation, Scene, seen};
use crate::forge;

const TILE: &str = "ledger/tile/0/000";
const PARTIAL: &str = "ledger/tile/0/001.p/14";
const OLDER: &str = "ledger/tile/0/001.p/4";
const UPPER: &str = "ledger/tile/1/000.p/1";
const BUNDLE: &str = "ledger/tile/entries/000";
const LAST: &str = "ledger/tile/entries/001.p/14";
const OLDER_BUNDLE: &str = "ledger/tile/entries/001.p/4";

fn edit(scene: &Scene, name: &str, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
    let mut entries = forge::split(&scene.read(name));
    change(&mut entries);
    scene.write(name, forge::bundle(&entries));
}

pub(super) const CHANGES: &[Mutation] = &[
    seen("a bit in a full tile", TILE, |s| s.flip(TILE, 4711)),
    seen("a bit in a partial tile", PARTIAL, |s| s.flip(PARTIAL, 40)),
    seen("a bit in an older partial tile", OLDER, |s| {
        s.flip(OLDER, 9);
    }),
    seen("a bit in an upper tile", UPPER, |s| s.flip(UPPER, 31)),
    seen("a tile that is a hash short", TILE, |s| s.cut(TILE, 32)),
    seen("a tile that is a hash long", PARTIAL, |s| {
        s.write(PARTIAL, [s.read(PARTIAL), vec![0; 32]].concat());
    }),
    seen("two hashes swapped", TILE, |s| {
        let mut tile = s.read(TILE);
        tile.rotate_left(32);
        s.write(TILE, tile);
    }),
    seen("a tile gone", TILE, |s| s.remove(TILE)),
    seen("an upper tile gone", UPPER, |s| s.remove(UPPER)),
    seen("a tile beyond the tree", "ledger/tile/0/002.p/1", |s| {
        s.write("ledger/tile/0/002.p/1", [0; 32]);
    }),
    seen("a tile of no entries", "ledger/tile/0/001.p/0", |s| {
        s.write("ledger/tile/0/001.p/0", "");
    }),
    seen("a tile under another name", "ledger/tile/0/x000/000", |s| {
        s.write("ledger/tile/0/x000/000", s.read(TILE));
    }),
    seen("a file that is no tile", "ledger/readme", |s| {
        s.write("ledger/readme", "x");
    }),
    seen("a bit in an entry", BUNDLE, |s| s.flip(BUNDLE, 300)),
    seen("a bit in the last entry", LAST, |s| {
        let at = s.read(LAST).len() - 30;
        s.flip(LAST, at);
    }),
    seen("a bit in an older bundle", OLDER_BUNDLE, |s| {
        s.flip(OLDER_BUNDLE, 300);
    }),
    seen("a length changed", BUNDLE, |s| s.flip(BUNDLE, 1)),
    seen("two entries swapped", BUNDLE, |s| {
        edit(s, BUNDLE, |e| e.swap(7, 8));
    }),
    seen("an entry dropped", BUNDLE, |s| {
        edit(s, BUNDLE, |e| drop(e.remove(7)));
    }),
    seen("the last entry dropped", LAST, |s| {
        edit(s, LAST, |e| drop(e.pop()));
    }),
    seen("an entry twice", LAST, |s| {
        edit(s, LAST, |e| e.push(e[13].clone()));
    }),
    seen("an entry in place of another", LAST, |s| {
        edit(s, LAST, |e| e[3] = e[2].clone());
    }),
    seen("half an entry behind the last", LAST, |s| {
        s.write(LAST, [s.read(LAST), vec![0]].concat());
    }),
    seen("a bundle gone", BUNDLE, |s| s.remove(BUNDLE)),
    seen("the last bundle gone", LAST, |s| s.remove(LAST)),
    seen("an empty bundle", LAST, |s| s.write(LAST, "")),
];
