//! COSE receipts (RFC 9942) of ledger entries: a second rendering beside the C2SP tlog-proof, for
//! readers who have COSE tools.
//!
//! A receipt is a tagged `COSE_Sign1` in deterministic CBOR (RFC 8949 section 4.2):
//!
//! | part | value |
//! |---|---|
//! | protected 1 (`alg`) | -8, `EdDSA` |
//! | protected 4 (`kid`) | the four bytes of the ledger key's id |
//! | protected 15 (CWT claims) | 1 (`iss`): the origin; 2 (`sub`): `tree/` and the decimal size |
//! | protected 395 (`vds`) | 1, `RFC9162_SHA256` |
//! | unprotected 396 (`vdp`) | -1: one inclusion proof, or -2: one consistency proof |
//! | payload | nil; the root of the tree is what is signed |
//!
//! An inclusion proof is the byte string of `[size, index, [hash...]]`, a consistency proof that of
//! `[old size, size, [hash...]]`.
//!
//! The proof itself is not signed, and one path can fit several sizes. So the signed subject names
//! the size; the size and the path then fix the index. Nothing that is signed depends on the entry:
//! one signature ([`SignedRoot::sign`]) serves all receipts under a checkpoint.
//!
//! # Why the ledger's own key may sign this
//!
//! What is signed is a `Sig_structure` (RFC 9052 section 4.4): a CBOR array of four, whose first
//! byte is 0x84. Everything else that the key signs, entry messages, checkpoints and handover
//! statements, is UTF-8 text, and no UTF-8 text begins with 0x84: it is a continuation byte. So no
//! signature of one kind is ever a signature of another, whatever origin or entry somebody chose.

mod encoding;
mod reading;

use countersign_ledger::{
    Checkpoint, Signer, SignerError, VerifierKey,
    entry::EntryError,
    merkle::{Hash, verify_consistency, verify_inclusion},
};

pub use reading::{Extended, Included, open, open_consistency, verify};

use encoding::Proof;

/// Most bytes of a receipt: the longest path, the longest origin that fits, and some room.
pub const MAX_RECEIPT: usize = 8192;
/// Most hashes of a path: a tree of 2^63 leaves, and the old root's own part.
const MAX_PATH: usize = 64;

/// Why a receipt could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MakeError {
    /// The checkpoint is of another log than the key, or the key is not the signer's.
    #[error("the checkpoint, the key and the signer do not belong together")]
    Foreign,
    /// The path does not lead to the root; the receipt would prove nothing.
    #[error("the path does not lead to the signed root")]
    Path,
    /// The signer failed.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// The receipt would be longer than [`MAX_RECEIPT`].
    #[error("the receipt is too long")]
    TooLong,
}

/// Why a receipt proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CoseError {
    /// Not a receipt of this form, byte for byte.
    #[error("malformed receipt: {0}")]
    Malformed(&'static str),
    /// It names another key.
    #[error("the receipt is signed by key {0}")]
    OtherKey(String),
    /// The path fits no tree of the size.
    #[error("the path fits no tree of that size")]
    Path,
    /// The signature does not cover the root that the path leads to: another entry, another path,
    /// another size or a forgery.
    #[error("the signature does not cover what the path leads to")]
    Signature,
    /// The entry cannot be trusted.
    #[error("entry: {0}")]
    Entry(#[from] EntryError),
}

/// A root with its COSE signature: made once for a checkpoint, it renders every receipt under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedRoot {
    key: VerifierKey,
    checkpoint: Checkpoint,
    signature: Vec<u8>,
}

impl SignedRoot {
    /// Signs the root of `checkpoint`, which the caller has published before.
    ///
    /// # Errors
    /// [`MakeError::Foreign`] when the three do not belong together, and the signer's errors.
    pub fn sign(
        checkpoint: Checkpoint,
        key: &VerifierKey,
        signer: &dyn Signer,
    ) -> Result<Self, MakeError> {
        let named = VerifierKey::new(key.name(), signer.public_key());
        if checkpoint.origin != key.name() || named.ok().as_ref() != Some(key) {
            return Err(MakeError::Foreign);
        }
        let message = encoding::message(key, checkpoint.size, &checkpoint.root);
        let signature = signer.sign(&message)?.to_bytes().to_vec();
        Ok(Self {
            key: key.clone(),
            checkpoint,
            signature,
        })
    }

    /// The checkpoint that was signed.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The receipt of the entry with `leaf` as its leaf hash at `index`. Signs nothing.
    ///
    /// # Errors
    /// [`MakeError::Path`] when `path` does not lead from the leaf to the root.
    pub fn inclusion(&self, index: u64, leaf: &Hash, path: &[Hash]) -> Result<Vec<u8>, MakeError> {
        let (size, root) = (self.checkpoint.size, &self.checkpoint.root);
        if !verify_inclusion(leaf, index, size, path, root) {
            return Err(MakeError::Path);
        }
        self.render(&Proof::Inclusion {
            size,
            index,
            path: path.to_vec(),
        })
    }

    /// The receipt that the tree (`old`, `old_root`) is a prefix of this one. Signs nothing.
    ///
    /// # Errors
    /// [`MakeError::Path`] when `path` does not lead from the old root to the new one, and for
    /// `old` zero, which is a prefix of everything.
    pub fn consistency(
        &self,
        old: u64,
        old_root: &Hash,
        path: &[Hash],
    ) -> Result<Vec<u8>, MakeError> {
        let (size, root) = (self.checkpoint.size, &self.checkpoint.root);
        if old == 0 || !verify_consistency(old, size, path, old_root, root) {
            return Err(MakeError::Path);
        }
        self.render(&Proof::Consistency {
            old,
            size,
            path: path.to_vec(),
        })
    }

    fn render(&self, proof: &Proof) -> Result<Vec<u8>, MakeError> {
        let receipt = encoding::receipt(&self.key, proof, &self.signature);
        if receipt.is_empty() || receipt.len() > MAX_RECEIPT {
            return Err(MakeError::TooLong);
        }
        Ok(receipt)
    }
}
