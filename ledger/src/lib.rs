//! Append-only Merkle ledger of opaque entries and its offline verifier
