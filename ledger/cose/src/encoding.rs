//! The one encoding of a receipt, and of what is signed.

use ciborium::Value;
use coset::{CoseSign1, CoseSign1Builder, Header, HeaderBuilder, TaggedCborSerializable, iana};
use countersign_ledger::{VerifierKey, merkle::Hash};

/// Header parameters of RFC 9942 and RFC 9597.
pub(crate) const CWT_CLAIMS: i64 = 15;
pub(crate) const VDS: i64 = 395;
pub(crate) const VDP: i64 = 396;
/// `RFC9162_SHA256`.
pub(crate) const RFC9162_SHA256: i64 = 1;
/// Kinds of proofs in `VDP`.
pub(crate) const INCLUSION: i64 = -1;
pub(crate) const CONSISTENCY: i64 = -2;

/// The unsigned part of a receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Proof {
    Inclusion {
        size: u64,
        index: u64,
        path: Vec<Hash>,
    },
    Consistency {
        old: u64,
        size: u64,
        path: Vec<Hash>,
    },
}

impl Proof {
    /// Size of the tree whose root is signed.
    pub(crate) fn size(&self) -> u64 {
        match self {
            Self::Inclusion { size, .. } | Self::Consistency { size, .. } => *size,
        }
    }

    fn header(&self) -> Header {
        let (kind, first, second, path) = match self {
            Self::Inclusion { size, index, path } => (INCLUSION, size, index, path),
            Self::Consistency { old, size, path } => (CONSISTENCY, old, size, path),
        };
        let path = path.iter().map(|hash| Value::from(hash.as_slice()));
        let proof = Value::Array(vec![
            (*first).into(),
            (*second).into(),
            Value::Array(path.collect()),
        ]);
        let proofs = Value::Array(vec![bytes_of(&proof).into()]);
        HeaderBuilder::new()
            .value(VDP, Value::Map(vec![(kind.into(), proofs)]))
            .build()
    }
}

/// Encodes what this crate made. Writing to memory does not fail.
fn bytes_of(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).map_or_else(|_| Vec::new(), |()| bytes)
}

/// The protected header; its parameters in the order of RFC 8949 section 4.2.1.
fn protected(key: &VerifierKey, size: u64) -> Header {
    let claims = vec![
        (1.into(), key.name().into()),
        (2.into(), format!("tree/{size}").into()),
    ];
    HeaderBuilder::new()
        .algorithm(iana::Algorithm::EdDSA)
        .key_id(key.id().to_vec())
        .value(CWT_CLAIMS, Value::Map(claims))
        .value(VDS, RFC9162_SHA256.into())
        .build()
}

fn unsigned(key: &VerifierKey, size: u64) -> CoseSign1Builder {
    CoseSign1Builder::new().protected(protected(key, size))
}

/// What is signed: the `Sig_structure` over the detached root.
pub(crate) fn message(key: &VerifierKey, size: u64, root: &Hash) -> Vec<u8> {
    let sign1: CoseSign1 = unsigned(key, size).build();
    sign1.tbs_detached_data(root, &[])
}

/// The receipt. Empty only if encoding failed, which memory does not.
pub(crate) fn receipt(key: &VerifierKey, proof: &Proof, signature: &[u8]) -> Vec<u8> {
    unsigned(key, proof.size())
        .unprotected(proof.header())
        .signature(signature.to_vec())
        .build()
        .to_tagged_vec()
        .unwrap_or_default()
}
