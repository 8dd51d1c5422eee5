//! Attacks on a ledger, by what the attacker has and what the auditor holds, beside a plain log
//! and a bare hash chain. What comes of them must be what `docs/attacks.md` says.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../common.rs"]
mod common;

mod attack;
mod controls;
mod cosigner;
mod edits;
mod forge;
mod history;
mod keys;
mod parts;
mod world;

#[test]
fn t() {
    let w = world::world();
    for a in edits::edits()
        .into_iter()
        .chain(edits::arrangements())
        .chain(edits::spellings())
        .chain(parts::swaps())
        .chain(parts::files())
        .chain(parts::notes())
        .chain(history::tails())
        .chain(history::rollbacks())
        .chain(history::times())
        .chain(history::resignings())
        .chain(keys::others())
        .chain(keys::stolen())
        .chain(keys::handovers())
        .chain(keys::prunings())
    {
        let row = a.run(w);
        println!(
            "{} {:?} {:?} {:?}",
            row.name, row.needs, row.answers, row.demanding
        );
        if std::panic::catch_unwind(|| row.holds()).is_err() {
            println!("^^^ FAILED")
        }
    }
}
