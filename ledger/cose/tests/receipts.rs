//! Receipts that are made, read, and changed.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::{ORIGIN, Tree, key, leaf};
use countersign_ledger::{
    Checkpoint, SigningKey, VerifierKey,
    merkle::{inclusion_proof, leaf_hash},
};
use countersign_ledger_cose::{
    CoseError, MAX_RECEIPT, MakeError, SignedRoot, open, open_consistency, verify,
};
use proptest::prelude::{ProptestConfig, any, prop_assert, prop_assert_eq, proptest};

const ENTRY: &[u8] = include_bytes!("../../tests/golden/entry.json");
const PAGE: &str = include_str!("../../../docs/receipts.md");

#[test]
fn the_worked_example_of_the_page_is_true() {
    let (_, name) = key();
    let receipt = Tree::of(vec![leaf_hash(ENTRY)]).inclusion(0);
    let shown: String = PAGE.split_whitespace().collect();
    let hex = hex::encode(&receipt);
    assert!(shown.contains(&hex), "the page lacks {hex}");
    let included = verify(&receipt, ENTRY, &name).unwrap();
    assert_eq!((included.index, included.size), (0, 1));
    assert_eq!(included.root, leaf_hash(ENTRY));
}

#[test]
fn an_entry_that_its_writer_did_not_sign_proves_nothing() {
    let (_, name) = key();
    let forged = String::from_utf8(ENTRY.to_vec()).unwrap();
    let forged = forged.replace("\"count\":3", "\"count\":4").into_bytes();
    let receipt = Tree::of(vec![leaf_hash(&forged)]).inclusion(0);
    assert!(open(&receipt, &leaf_hash(&forged), &name).is_ok());
    let refused = verify(&receipt, &forged, &name).unwrap_err();
    assert!(matches!(refused, CoseError::Entry(_)), "{refused}");
}

#[test]
fn what_is_signed_is_never_text() {
    // The module's argument for one key: a signature over text verifies over no receipt's root.
    let (signing, name) = key();
    let tree = Tree::new(1);
    let receipt = tree.inclusion(0);
    let start = receipt.len() - 64;
    let text = tree.signed.checkpoint().to_string();
    let by_text = countersign_ledger::Signer::sign(&signing, text.as_bytes()).unwrap();
    let replaced = [&receipt[..start], &by_text.to_bytes()].concat();
    let refused = open(&replaced, &tree.leaves[0], &name).unwrap_err();
    assert_eq!(refused, CoseError::Signature);
    let message = signed_message(&receipt, &tree.leaves[0]);
    let signature = countersign_ledger::Signer::sign(&signing, &message).unwrap();
    assert_eq!(
        &receipt[start..],
        signature.to_bytes(),
        "not what is signed"
    );
    assert_eq!(message[0], 0x84);
    assert!(std::str::from_utf8(&message).is_err());
}

/// The `Sig_structure`, put together by hand from a receipt's bytes (RFC 9052 section 4.4).
fn signed_message(receipt: &[u8], root: &[u8]) -> Vec<u8> {
    // d2 84, then the protected header as a byte string of 24 to 255 bytes.
    assert_eq!(receipt[..3], [0xD2, 0x84, 0x58]);
    let protected = &receipt[2..4 + usize::from(receipt[3])];
    let parts: [&[u8]; 5] = [
        b"\x84\x6ASignature1",
        protected,
        &[0x40],
        &[0x58, 0x20],
        root,
    ];
    parts.concat()
}

#[test]
fn every_leaf_of_every_small_tree_has_a_receipt() {
    let (_, name) = key();
    for size in 1..40 {
        let tree = Tree::new(size);
        for index in 0..size {
            let receipt = tree.inclusion(index);
            let included = open(&receipt, &leaf_hash(&leaf(index)), &name).unwrap();
            assert_eq!((included.index, included.size), (index, size));
            assert_eq!(included.root, tree.root_of(size));
        }
        for old in 1..=size {
            let receipt = tree.consistency(old);
            let extended = open_consistency(&receipt, &tree.root_of(old), &name).unwrap();
            assert_eq!((extended.old, extended.size), (old, size));
            assert_eq!(extended.root, tree.root_of(size));
        }
    }
}

#[test]
fn one_signature_serves_every_receipt_of_a_checkpoint() {
    let tree = Tree::new(9);
    let signature = |receipt: Vec<u8>| receipt[receipt.len() - 64..].to_vec();
    let first = signature(tree.inclusion(0));
    assert_eq!(first, signature(tree.inclusion(8)));
    assert_eq!(first, signature(tree.consistency(5)));
}

#[test]
fn a_path_that_fits_another_size_is_refused() {
    // Leaf 2 of 3 and leaf 1 of 2 have the same path; only the signed size tells them apart.
    let (signing, name) = key();
    let tree = Tree::new(3);
    let root = tree.root_of(3);
    let path = inclusion_proof(&mut tree.leaves.as_slice(), 2, 3).unwrap();
    let origin = ORIGIN.to_owned();
    let two = Checkpoint {
        origin,
        size: 2,
        root,
    };
    let signed = SignedRoot::sign(two, &name, &signing).unwrap();
    let as_two = signed.inclusion(1, &tree.leaves[2], &path).unwrap();
    assert!(open(&as_two, &tree.leaves[2], &name).is_ok());
    // The same proof under the signature over three.
    let three = tree.inclusion(2);
    let start = as_two.len() - 64;
    let mixed = [&as_two[..start], &three[three.len() - 64..]].concat();
    let refused = open(&mixed, &tree.leaves[2], &name).unwrap_err();
    assert_eq!(refused, CoseError::Signature);
}

#[test]
fn a_receipt_that_would_prove_nothing_is_not_made() {
    let tree = Tree::new(5);
    let path = inclusion_proof(&mut tree.leaves.as_slice(), 2, 5).unwrap();
    let signed = &tree.signed;
    assert!(signed.inclusion(2, &tree.leaves[2], &path).is_ok());
    let wrong = [
        signed.inclusion(3, &tree.leaves[2], &path),
        signed.inclusion(2, &tree.leaves[3], &path),
        signed.inclusion(2, &tree.leaves[2], &path[1..]),
        signed.inclusion(5, &tree.leaves[2], &path),
        signed.consistency(0, &[0; 32], &[]),
        signed.consistency(3, &tree.root_of(3), &[]),
    ];
    for made in wrong {
        assert_eq!(made, Err(MakeError::Path));
    }
}

#[test]
fn a_checkpoint_of_another_log_or_key_is_not_signed() {
    let (signing, name) = key();
    let tree = Tree::new(2);
    let mut foreign = tree.signed.checkpoint().clone();
    foreign.origin = "example.org/other".to_owned();
    let refused = SignedRoot::sign(foreign, &name, &signing);
    assert_eq!(refused, Err(MakeError::Foreign));
    let other = SigningKey::from_bytes(&[8; 32]);
    let refused = SignedRoot::sign(tree.signed.checkpoint().clone(), &name, &other);
    assert_eq!(refused, Err(MakeError::Foreign));
}

#[test]
fn another_key_another_name_and_another_leaf_are_refused() {
    let (signing, name) = key();
    let tree = Tree::new(4);
    let receipt = tree.inclusion(1);
    let other = SigningKey::from_bytes(&[8; 32]).verifying_key();
    let other = VerifierKey::new(ORIGIN, other).unwrap();
    let renamed = VerifierKey::new("example.org/other", signing.verifying_key()).unwrap();
    for key in [other, renamed] {
        let refused = open(&receipt, &tree.leaves[1], &key).unwrap_err();
        assert_eq!(refused, CoseError::OtherKey(name.id_hex()));
    }
    let refused = open(&receipt, &tree.leaves[2], &name).unwrap_err();
    assert_eq!(refused, CoseError::Signature);
    let refused = open_consistency(&receipt, &tree.root_of(4), &name).unwrap_err();
    assert!(matches!(refused, CoseError::Malformed(_)), "{refused}");
    let refused = open(&tree.consistency(2), &tree.leaves[1], &name).unwrap_err();
    assert!(matches!(refused, CoseError::Malformed(_)), "{refused}");
}

#[test]
fn every_changed_bit_is_refused() {
    let (_, name) = key();
    let tree = Tree::new(11);
    let (included, extended) = (tree.inclusion(6), tree.consistency(7));
    for at in 0..included.len().max(extended.len()) {
        for bit in 0..8 {
            let flip = |receipt: &[u8]| {
                let mut flipped = receipt.to_vec();
                flipped.get_mut(at).map(|byte| *byte ^= 1 << bit)?;
                Some(flipped)
            };
            if let Some(flipped) = flip(&included) {
                let opened = open(&flipped, &tree.leaves[6], &name);
                assert!(opened.is_err(), "byte {at} bit {bit}");
            }
            if let Some(flipped) = flip(&extended) {
                let opened = open_consistency(&flipped, &tree.root_of(7), &name);
                assert!(opened.is_err(), "byte {at} bit {bit}");
            }
        }
    }
}

#[test]
fn other_encodings_of_the_same_content_are_refused() {
    let (_, name) = key();
    let tree = Tree::new(2);
    let receipt = tree.inclusion(1);
    let hash = &tree.leaves[1];
    let malformed = |bytes: &[u8]| {
        let refused = open(bytes, hash, &name).unwrap_err();
        assert!(matches!(refused, CoseError::Malformed(_)), "{refused}");
    };
    malformed(&receipt[1..]);
    malformed(&[&receipt[..], &[0]].concat());
    malformed(&receipt[..receipt.len() - 1]);
    malformed(&[&[0xD8, 0x12], &receipt[1..]].concat());
    // An array of four of indefinite length.
    malformed(&[&[0xD2, 0x9F], &receipt[2..], &[0xFF]].concat());
    malformed(&vec![0xD2; MAX_RECEIPT + 1]);
    malformed(&[]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_change_is_refused(size in 1u64..200, pick in any::<u64>(), at in any::<usize>(), byte in 1u8..) {
        let (_, name) = key();
        let tree = Tree::new(size);
        let index = pick % size;
        let hash = leaf_hash(&leaf(index));
        let mut receipt = tree.inclusion(index);
        prop_assert_eq!(open(&receipt, &hash, &name).unwrap().index, index);
        let at = at % receipt.len();
        receipt[at] ^= byte;
        prop_assert!(open(&receipt, &hash, &name).is_err());
        let cut = open(&receipt[..at], &hash, &name);
        prop_assert!(cut.is_err());
    }

    #[test]
    fn no_bytes_make_the_reader_panic(start in 0usize..200, noise: Vec<u8>) {
        let (_, name) = key();
        let tree = Tree::new(7);
        let receipt = tree.inclusion(3);
        let bytes = [&receipt[..start.min(receipt.len())], &noise].concat();
        let opened = open(&bytes, &tree.leaves[3], &name);
        prop_assert!(opened.is_err() || bytes == receipt);
    }
}
