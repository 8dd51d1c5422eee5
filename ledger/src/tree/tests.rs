use super::*;
use crate::merkle::range_root;

fn entries(n: usize) -> Vec<Vec<u8>> {
    (0..n).map(|i| format!("entry {i}").into_bytes()).collect()
}

#[test]
fn the_edge_has_the_root_of_all_leaves_at_every_size() {
    let (mut edge, mut leaves, mut done) = (Edge::default(), Vec::new(), Vec::new());
    for entry in entries(1100) {
        edge.push(&entry, leaf_hash(&entry), &mut done);
        leaves.push(leaf_hash(&entry));
        let expected = range_root(&mut leaves.as_slice(), 0, leaves.len() as u64).unwrap();
        assert_eq!(edge.root(), expected, "{} entries", leaves.len());
    }
}

#[test]
fn an_edge_read_back_from_tiles_goes_on_like_the_one_in_memory() {
    for size in [1, 255, 256, 257, 511, 512, 700] {
        let dir = tempfile::tempdir().unwrap();
        let (mut edge, mut done) = (Edge::default(), Vec::new());
        for entry in entries(size) {
            edge.push(&entry, leaf_hash(&entry), &mut done);
        }
        for (tile, bytes) in done.iter().chain(&edge.partials()) {
            let path = dir.path().join(tile.path());
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        let store: Arc<dyn Store> = Arc::new(crate::store::Disk);
        let reader = TileReader::new(&store, dir.path(), size as u64);
        let mut loaded = Edge::load(&reader).unwrap();
        assert_eq!(loaded.root(), edge.root());
        for entry in entries(300) {
            edge.push(&entry, leaf_hash(&entry), &mut done);
            loaded.push(&entry, leaf_hash(&entry), &mut Vec::new());
        }
        assert_eq!(loaded.root(), edge.root());
        assert_eq!(loaded.partials(), edge.partials());
    }
}

#[test]
fn a_bundle_with_another_number_of_entries_is_refused() {
    let mut bundle = Vec::new();
    frame_entry(&mut bundle, b"one");
    frame_entry(&mut bundle, b"");
    assert_eq!(split_bundle(&bundle, 2).unwrap(), [b"one".as_slice(), b""]);
    assert!(split_bundle(&bundle, 1).is_none());
    assert!(split_bundle(&bundle[..bundle.len() - 1], 2).is_none());
}
