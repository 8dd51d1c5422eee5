//! Whether a witness that refuses is right: the checkpoint that it holds bears the log's signature.

use std::io;

use countersign_ledger::{
    Checkpoint, VerifierKey,
    merkle::{Hash, verify_consistency},
};

/// Says how `held`, the note that a witness serves, contradicts our checkpoint; `None` when it does
/// not, or is not signed by the log.
pub(super) fn contradiction(
    held: &str,
    logs: &[VerifierKey],
    ours: &Checkpoint,
    proof: &mut dyn FnMut(u64) -> io::Result<Vec<Hash>>,
) -> Option<String> {
    let mut named = logs.iter().filter(|key| key.name() == ours.origin);
    let held = named.find_map(|key| Checkpoint::open(held, key).ok())?;
    let signed = format!("this ledger's signature over size {}", held.size);
    if held.size > ours.size {
        return Some(format!("{signed}, where ours is {}", ours.size));
    }
    let extends = if held.size == 0 {
        return None;
    } else if held.size == ours.size {
        held.root == ours.root
    } else {
        let path = proof(held.size).ok()?;
        verify_consistency(held.size, ours.size, &path, &held.root, &ours.root)
    };
    (!extends).then(|| format!("{signed} with another root"))
}
