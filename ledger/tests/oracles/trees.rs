//! Roots, proofs and tile paths before the crates `tlog_tiles` and `ct-merkle`.

use std::{fs, path::Path};

use countersign_ledger::merkle::{self, Hash};
use ct_merkle::{ConsistencyProof, InclusionProof, RootHash, mem_backed_tree::MemoryBackedTree};
use sha2::Sha256;
use tlog_tiles::{HashReader, Tile};

use crate::{forge::Stored, shapes};

/// Every size around two full tiles of both heights that matter, and every index of small trees.
const EVERY_SIZE: u64 = 1025;
const EVERY_INDEX: u64 = 40;

fn record(index: u64) -> Vec<u8> {
    format!("record {index}").into_bytes()
}

fn leaves(size: u64) -> Vec<Hash> {
    (0..size).map(|i| merkle::leaf_hash(&record(i))).collect()
}

/// Indices of a tree that proofs are checked for: all of a small one, else the last and one more.
fn some(size: u64) -> Vec<u64> {
    if size <= EVERY_INDEX {
        return (0..size).collect();
    }
    vec![size / 3, size - 1]
}

fn sha(hash: Hash, leaves: u64) -> RootHash<Sha256> {
    RootHash::new(hash.into(), leaves)
}

fn digests(path: &[Hash]) -> Vec<u8> {
    path.concat()
}

fn inclusion(all: &[Hash], stored: &Stored, index: u64, root: Hash) {
    let size = all.len() as u64;
    let path = merkle::inclusion_proof(&mut &*all, index, size).unwrap();
    let theirs = tlog_tiles::prove_record(size, index, stored).unwrap();
    let made: Vec<Hash> = theirs.iter().map(|hash| hash.0).collect();
    assert_eq!(path, made, "entry {index} of {size}");
    let leaf = all[usize::try_from(index).unwrap()];
    let check = |root: Hash| {
        let proof = InclusionProof::try_from_bytes(digests(&path)).unwrap();
        let foreign = sha(root, size).verify_inclusion(&record(index), index, &proof);
        let (h, leaf_) = (tlog_tiles::Hash(root), tlog_tiles::Hash(leaf));
        let tlog = tlog_tiles::check_record(&theirs, size, h, index, leaf_);
        [
            foreign.is_ok(),
            tlog.is_ok(),
            merkle::verify_inclusion(&leaf, index, size, &path, &root),
        ]
    };
    assert_eq!(check(root), [true; 3], "entry {index} of {size}");
    assert_eq!(check([1; 32]), [false; 3], "entry {index} of {size}");
}

fn consistency(all: &[Hash], stored: &Stored, old: u64, root: Hash) {
    let size = all.len() as u64;
    let path = merkle::consistency_proof(&mut &*all, old, size).unwrap();
    let old_root = merkle::range_root(&mut &*all, 0, old).unwrap();
    let theirs = tlog_tiles::prove_tree(size, old, stored).unwrap();
    let made: Vec<Hash> = theirs.iter().map(|hash| hash.0).collect();
    assert_eq!(path, made, "{old} of {size}");
    let check = |old_root: Hash| {
        let proof = ConsistencyProof::try_from_bytes(digests(&path)).unwrap();
        let foreign = sha(root, size).verify_consistency(&sha(old_root, old), &proof);
        let (h, old_h) = (tlog_tiles::Hash(root), tlog_tiles::Hash(old_root));
        let tlog = tlog_tiles::check_tree(&theirs, size, h, old, old_h);
        [
            foreign.is_ok(),
            tlog.is_ok(),
            merkle::verify_consistency(old, size, &path, &old_root, &root),
        ]
    };
    assert_eq!(check(old_root), [true; 3], "{old} of {size}");
    assert_eq!(check([1; 32]), [false; 3], "{old} of {size}");
}

#[test]
fn roots_and_proofs_of_every_size_are_those_of_others() {
    let all = leaves(EVERY_SIZE);
    let (mut stored, mut tree) = (Stored::default(), MemoryBackedTree::<Sha256, _>::new());
    for size in 0..=EVERY_SIZE {
        let all = &all[..usize::try_from(size).unwrap()];
        let root = merkle::range_root(&mut &*all, 0, size).unwrap();
        assert_eq!(tree.root().as_bytes().as_slice(), root, "{size}");
        assert_eq!(tlog_tiles::tree_hash(size, &stored).unwrap().0, root);
        for index in some(size) {
            inclusion(all, &stored, index, root);
            consistency(all, &stored, index + 1, root);
        }
        tree.push(record(size));
        stored.push(&record(size));
    }
}

#[test]
fn roots_and_proofs_of_large_trees_are_those_of_others() {
    for size in [4_097, 65_535, 65_536, 65_537, 70_000] {
        let all = leaves(size);
        let records: Vec<_> = (0..size).map(record).collect();
        let stored = Stored::of(&records);
        let root = merkle::range_root(&mut all.as_slice(), 0, size).unwrap();
        assert_eq!(tlog_tiles::tree_hash(size, &stored).unwrap().0, root);
        for index in some(size) {
            inclusion(&all, &stored, index, root);
            consistency(&all, &stored, index + 1, root);
        }
    }
}

fn present(root: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for item in walkdir::WalkDir::new(root) {
        let item = item.unwrap();
        let name = item.path().strip_prefix(root).unwrap().to_str().unwrap();
        if item.file_type().is_file() && name != "checkpoint" {
            names.push(name.to_owned());
        }
    }
    names.sort();
    names
}

/// The files that `tlog_tiles` wants for a tree, in the layout of C2SP.
pub(crate) fn due(size: u64) -> Vec<(String, Tile)> {
    let mut files = Vec::new();
    for tile in Tile::new_tiles(8, 0, size) {
        let path = tile.path().replace("tile/8/", "tile/");
        if tile.level() == 0 {
            files.push((path.replace("tile/0/", "tile/entries/"), tile));
        }
        files.push((path, tile));
    }
    files.sort_by(|a, b| a.0.cmp(&b.0));
    files
}

#[tokio::test]
async fn the_tiles_on_disk_are_the_ones_that_others_would_write() {
    for size in [0, 1, 255, 256, 257, 700] {
        let home = shapes::closed(&[size]).await;
        let tiles = home.path().join("ledger");
        let due = due(size);
        let names: Vec<_> = due.iter().map(|(name, _)| name.clone()).collect();
        assert_eq!(present(&tiles), names, "{size}");
        let entries = crate::forge::entries(&tiles, size);
        let stored = Stored::of(&entries);
        for (name, tile) in due.iter().filter(|(name, _)| !name.contains("entries")) {
            let made = tile.read_data(&stored).unwrap();
            assert_eq!(fs::read(tiles.join(name)).unwrap(), made, "{name}");
        }
        assert!(stored.read_hashes(&[u64::MAX]).is_err());
    }
}
