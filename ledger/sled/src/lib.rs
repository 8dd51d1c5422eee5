//! Rebuildable ledger index in sled
