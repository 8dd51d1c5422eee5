use proptest::prelude::*;

use super::*;

/// Inputs of the published RFC 6962 test vectors.
fn inputs() -> Vec<Vec<u8>> {
    [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ]
    .iter()
    .map(|text| hex::decode(text).unwrap())
    .collect()
}

fn leaves(n: usize) -> Vec<Hash> {
    inputs()
        .iter()
        .take(n)
        .map(|input| leaf_hash(input))
        .collect()
}

fn root(leaves: &[Hash]) -> Hash {
    let mut nodes = leaves;
    range_root(&mut nodes, 0, leaves.len() as u64).unwrap()
}

/// MTH of RFC 6962 section 2.1, word for word.
fn naive_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [one] => *one,
        more => {
            let mut k = 1;
            while k * 2 < more.len() {
                k *= 2;
            }
            node_hash(&naive_root(&more[..k]), &naive_root(&more[k..]))
        }
    }
}

#[test]
fn roots_are_the_published_ones() {
    let published = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    for (n, expected) in published.iter().enumerate() {
        assert_eq!(hex::encode(root(&leaves(n))), *expected, "{n} leaves");
    }
}

#[test]
fn inclusion_and_consistency_paths_are_the_published_ones() {
    let all = leaves(8);
    let hex_path = |path: Vec<Hash>| path.iter().map(hex::encode).collect::<Vec<_>>();
    let path = inclusion_proof(&mut all.as_slice(), 0, 8).unwrap();
    assert_eq!(
        hex_path(path),
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ]
    );
    let path = consistency_proof(&mut all.as_slice(), 6, 8).unwrap();
    assert_eq!(
        hex_path(path),
        [
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ]
    );
}

fn many(n: usize) -> Vec<Hash> {
    (0..n).map(|i| leaf_hash(&i.to_be_bytes())).collect()
}

proptest! {
    #[test]
    fn every_inclusion_path_proves_its_leaf_and_no_other(n in 1usize..300, pick in any::<u64>()) {
        let leaves = many(n);
        let size = n as u64;
        let index = pick % size;
        let root = naive_root(&leaves);
        let path = inclusion_proof(&mut leaves.as_slice(), index, size).unwrap();
        let leaf = leaves[usize::try_from(index).unwrap()];
        prop_assert!(verify_inclusion(&leaf, index, size, &path, &root));
        prop_assert!(!verify_inclusion(&leaf_hash(b"other"), index, size, &path, &root));
        prop_assert!(!verify_inclusion(&leaf, index, size, &path, &leaf_hash(b"other")));
        if size > 1 {
            prop_assert!(!verify_inclusion(&leaf, (index + 1) % size, size, &path, &root));
        }
    }

    #[test]
    fn every_consistency_path_proves_the_prefix_and_no_other(n in 1usize..300, pick in any::<usize>()) {
        let leaves = many(n);
        let old = pick % n + 1;
        let path = consistency_proof(&mut leaves.as_slice(), old as u64, n as u64).unwrap();
        let (before, after) = (naive_root(&leaves[..old]), naive_root(&leaves));
        prop_assert!(verify_consistency(old as u64, n as u64, &path, &before, &after));
        let other = leaf_hash(b"other");
        prop_assert!(!verify_consistency(old as u64, n as u64, &path, &other, &after));
        prop_assert!(!verify_consistency(old as u64, n as u64, &path, &before, &other));
    }

    #[test]
    fn the_root_of_any_tree_is_the_recursive_one(n in 0usize..300) {
        let leaves = many(n);
        prop_assert_eq!(root(&leaves), naive_root(&leaves));
    }
}
