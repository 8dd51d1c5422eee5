//! Receipts that are read: strictly, and against the one encoding.

use ciborium::Value;
use coset::{CoseSign1, Label, TaggedCborSerializable};
use countersign_ledger::{
    VerifierKey, entry,
    merkle::{Hash, consistency_root, inclusion_root, leaf_hash},
};
use ed25519_dalek::Signature;

use crate::{
    CoseError, MAX_PATH, MAX_RECEIPT,
    encoding::{self, CONSISTENCY, INCLUSION, Proof, VDP},
};

/// What an inclusion receipt proves: the key signed this root as that of the tree of `size`
/// entries, and the leaf is at `index` in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Included {
    /// Index of the entry.
    pub index: u64,
    /// Number of entries of the tree.
    pub size: u64,
    /// Root over them.
    pub root: Hash,
    /// Leaf hash of the entry.
    pub leaf_hash: Hash,
}

/// What a consistency receipt proves: the key signed this root as that of the tree of `size`
/// entries, and the first `old` of them are those of the reader's older root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extended {
    /// Number of entries of the older tree.
    pub old: u64,
    /// Number of entries of the newer tree.
    pub size: u64,
    /// Root over the newer tree.
    pub root: Hash,
}

/// Checks that `entry` is in the log of `key` as `receipt` says, the entry's own form and
/// signature included. For a log whose key was changed in between use [`open`].
///
/// # Errors
/// [`CoseError`] naming what does not hold.
pub fn verify(receipt: &[u8], entry: &[u8], key: &VerifierKey) -> Result<Included, CoseError> {
    let included = open(receipt, &leaf_hash(entry), key)?;
    entry::open(entry, key)?;
    Ok(included)
}

/// Checks that a leaf is in the log of `key` as `receipt` says. The entry itself is not read.
///
/// # Errors
/// [`CoseError`] naming what does not hold.
pub fn open(receipt: &[u8], leaf: &Hash, key: &VerifierKey) -> Result<Included, CoseError> {
    let (proof, signature) = read(receipt, key)?;
    let Proof::Inclusion { size, index, path } = proof else {
        return Err(CoseError::Malformed("not an inclusion proof"));
    };
    let root = inclusion_root(leaf, index, size, &path).ok_or(CoseError::Path)?;
    check(key, size, &root, &signature)?;
    Ok(Included {
        index,
        size,
        root,
        leaf_hash: *leaf,
    })
}

/// Checks that the log of `key` extended the tree whose root the reader knows.
///
/// # Errors
/// [`CoseError`] naming what does not hold.
pub fn open_consistency(
    receipt: &[u8],
    old_root: &Hash,
    key: &VerifierKey,
) -> Result<Extended, CoseError> {
    let (proof, signature) = read(receipt, key)?;
    let Proof::Consistency { old, size, path } = proof else {
        return Err(CoseError::Malformed("not a consistency proof"));
    };
    let root = consistency_root(old, size, &path, old_root).ok_or(CoseError::Path)?;
    check(key, size, &root, &signature)?;
    Ok(Extended { old, size, root })
}

fn check(
    key: &VerifierKey,
    size: u64,
    root: &Hash,
    signature: &Signature,
) -> Result<(), CoseError> {
    let message = encoding::message(key, size, root);
    key.verify(&message, signature)
        .map_err(|_| CoseError::Signature)
}

/// Takes a receipt apart. It must be what this crate would have written for `key`, byte for byte;
/// that leaves no header, tag, order or length to be read in two ways.
fn read(receipt: &[u8], key: &VerifierKey) -> Result<(Proof, Signature), CoseError> {
    let malformed = CoseError::Malformed;
    if receipt.len() > MAX_RECEIPT {
        return Err(malformed("too long"));
    }
    let sign1 = CoseSign1::from_tagged_slice(receipt).map_err(|_| malformed("not a COSE_Sign1"))?;
    let kid = &sign1.protected.header.key_id;
    if kid.as_slice() != key.id() {
        return Err(CoseError::OtherKey(hex(kid)));
    }
    let [(label, proofs)] = sign1.unprotected.rest.as_slice() else {
        return Err(malformed("not one unprotected parameter"));
    };
    if *label != Label::Int(VDP) {
        return Err(malformed("no proofs"));
    }
    let proof = read_proofs(proofs).ok_or(malformed("proof"))?;
    let signature =
        Signature::from_slice(&sign1.signature).map_err(|_| malformed("signature length"))?;
    if encoding::receipt(key, &proof, &sign1.signature) != receipt {
        return Err(malformed("not the one encoding of its content"));
    }
    Ok((proof, signature))
}

fn read_proofs(value: &Value) -> Option<Proof> {
    let [(kind, proofs)] = value.as_map()?.as_slice() else {
        return None;
    };
    let kind = i64::try_from(kind.as_integer()?).ok()?;
    let [proof] = proofs.as_array()?.as_slice() else {
        return None;
    };
    let proof: Value = ciborium::from_reader(proof.as_bytes()?.as_slice()).ok()?;
    let [first, second, path] = proof.as_array()?.as_slice() else {
        return None;
    };
    let number = |value: &Value| u64::try_from(value.as_integer()?).ok();
    let (first, second) = (number(first)?, number(second)?);
    let path = path.as_array()?;
    if path.len() > MAX_PATH {
        return None;
    }
    let path = path
        .iter()
        .map(|hash| Hash::try_from(hash.as_bytes()?.as_slice()).ok())
        .collect::<Option<Vec<_>>>()?;
    match kind {
        INCLUSION => Some(Proof::Inclusion {
            size: first,
            index: second,
            path,
        }),
        CONSISTENCY => Some(Proof::Consistency {
            old: first,
            size: second,
            path,
        }),
        _ => None,
    }
}

/// A key id as people write it; a foreign one is cut after eight bytes.
fn hex(id: &[u8]) -> String {
    id.iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
