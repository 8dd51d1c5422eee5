//! Append-only Merkle ledger of opaque entries and its offline verifier.
//!
//! An entry is one canonical JSON object (RFC 8785). Entries are linked into a hash chain, signed
//! one by one, made durable in a write-ahead log and then published as a C2SP tlog-tiles
//! directory under a signed checkpoint. The crate knows nothing about what an entry means.
//! `docs/ledger-format.md` specifies every byte.

pub mod aside;
pub mod conformance;
mod durable;
pub mod entry;
pub mod fsck;
pub mod guard;
pub mod index;
mod indexer;
pub mod keys;
mod layout;
mod ledger;
mod log;
pub mod merkle;
pub mod note;
mod prune;
mod publish;
pub mod receipt;
mod recovery;
mod sequencer;
pub mod signer;
pub mod store;
pub mod tiles;
mod tree;
pub mod verify;
mod wal;
pub mod witness;

pub use ed25519_dalek::SigningKey;
pub use guard::{FolderGuard, Guard, GuardError, Guarded};
pub use index::{InMemory, Index, IndexError, IndexRow, IndexStore, MemoryIndex};
pub use keys::VerifierKey;
pub use ledger::{
    AppendError, CheckpointInfo, Clock, CloseError, Head, IndexStatus, Ledger, OpenError, Opening,
    ReadError, Recovery, Sequenced, Settings,
};
pub use note::{Checkpoint, Note};
pub use signer::{Signer, SignerError};
pub use store::{Disk, Store};
pub use verify::{Fault, FaultKind, RangeError, Unreadable, Verification, VerifiedRange, Verifier};
pub use witness::{WitnessError, Witnesses};
