//! Attacks with keys: another one, the stolen one, and statements about keys and pruning.

use std::{fs, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};
use countersign_ledger::{SigningKey, VerifierKey, entry};
use ed25519_dalek::hazmat::{ExpandedSecretKey, raw_sign};
use serde_json::{Value, json};
use sha2::Sha512;

use crate::{
    attack::{
        Attack,
        Power::{OtherKey, StolenKey},
    },
    controls::{self, Hand::Recomputing},
    forge::{Entries, canonical, edited, note, object, put, seal, set_signature},
    world::{Knowledge, World, members},
};

const CHECKPOINT: &str = "ledger/checkpoint";
/// Where the entries from 580 on are once 606 are published.
const HANDOVER: &[&str] = &[
    "ledger/tile/entries/002.p/94 entry 600",
    "ledger/tile/entries/002.p/94 entry 601",
    CHECKPOINT,
];

type Signer<'a> = (&'a SigningKey, &'a VerifierKey);

fn own(world: &World) -> Signer<'_> {
    (&world.key, world.name())
}

fn theirs(world: &World) -> Signer<'_> {
    (&world.other.0, &world.other.1)
}

/// Signs everything again after one entry was edited.
fn sign_all(dir: &Path, signer: Signer<'_>) {
    let mut entries = Entries::read(dir);
    entries.published[100] = edited(&entries.published[100]);
    entries.seal_again(0, signer);
    entries.write(dir);
    entries.sign(dir, signer);
}

fn sign_checkpoint(dir: &Path, text: &str, signer: Signer<'_>) {
    for name in [CHECKPOINT, "guard/checkpoint"] {
        put(&dir.join(name), note(text, signer).as_bytes());
    }
}

pub(crate) fn others() -> Vec<Attack> {
    vec![
        Attack::new(
            "edit entry 100, sign everything again",
            OtherKey,
            |world, dir| {
                sign_all(dir, theirs(world));
            },
        )
        .found_at(&[CHECKPOINT])
        .control(Recomputing, |lines| controls::edit(&mut lines[100])),
        Attack::new(
            "the same, and replace `keys/ledger.vkey`",
            OtherKey,
            |world, dir| {
                sign_all(dir, theirs(world));
                show_key(world, dir);
            },
        )
        .found_at(&[CHECKPOINT])
        .control(Recomputing, |lines| controls::edit(&mut lines[100])),
        Attack::new(
            "the same under the true key's name and id",
            OtherKey,
            |world, dir| {
                sign_all(dir, (&world.other.0, world.name()));
            },
        )
        .found_at(&[CHECKPOINT])
        .control(Recomputing, |lines| controls::edit(&mut lines[100])),
        Attack::new("append a pending entry", OtherKey, |world, dir| {
            let mut entries = Entries::read(dir);
            entries
                .pending
                .push(next(&entries, "bad", theirs(world), None));
            entries.write(dir);
        })
        .found_at(&["wal/0000000000000244.wal entry 600"])
        .control(Recomputing, |lines| lines.push(controls::planted(600))),
    ]
}

/// Another valid signature of the same message: a key holder may draw the nonce as they like.
fn signed_differently(entry: &[u8], (key, name): Signer<'_>) -> Vec<u8> {
    let mut members = object(entry);
    let (message, before) = entry::parse(entry).unwrap().attested(name).unwrap();
    let mut expanded = ExpandedSecretKey::from(&key.to_bytes());
    expanded.hash_prefix[0] ^= 1;
    let after = raw_sign::<Sha512>(&expanded, &message, &key.verifying_key());
    assert_ne!(before, after);
    name.verify(&message, &after).unwrap();
    set_signature(&mut members, &STANDARD.encode(after.to_bytes()));
    canonical(&members)
}

pub(crate) fn stolen() -> Vec<Attack> {
    vec![
        Attack::new(
            "sign only the checkpoint, over other entries",
            StolenKey,
            |world, dir| {
                let mut entries = Entries::read(dir);
                entries.published[100] = edited(&entries.published[100]);
                let text = entries.checkpoint(world.name()).to_string();
                sign_checkpoint(dir, &text, own(world));
            },
        )
        .found_at(&[CHECKPOINT]),
        Attack::new(
            "sign only the checkpoint, with an extension line",
            StolenKey,
            |world, dir| {
                let text = Entries::read(dir).checkpoint(world.name()).to_string();
                sign_checkpoint(dir, &format!("{text}more\n"), own(world));
            },
        )
        .found_at(&[CHECKPOINT]),
        Attack::new(
            "a checkpoint that the same key signed for another origin",
            StolenKey,
            |world, dir| {
                let other =
                    VerifierKey::new("example.com/other", world.key.verifying_key()).unwrap();
                let text = Entries::read(dir).checkpoint(&other).to_string();
                sign_checkpoint(dir, &text, (&world.key, &other));
            },
        )
        .found_at(&[CHECKPOINT]),
        Attack::new(
            "the same, its signature line under this origin",
            StolenKey,
            |world, dir| {
                let other =
                    VerifierKey::new("example.com/other", world.key.verifying_key()).unwrap();
                let text = Entries::read(dir).checkpoint(&other).to_string();
                sign_checkpoint(dir, &text, own(world));
            },
        )
        .found_at(&[CHECKPOINT]),
        Attack::new(
            "another valid signature of entry 100, nothing else",
            StolenKey,
            |world, dir| {
                let mut entries = Entries::read(dir);
                entries.published[100] = signed_differently(&entries.published[100], own(world));
                entries.write(dir);
            },
        )
        .found_at(&[CHECKPOINT])
        .remark(
            "the entry says what it said and its signature is genuine, so that only the root can \
             tell",
        ),
        Attack::new(
            "the same, and sign the checkpoint again",
            StolenKey,
            |world, dir| {
                let mut entries = Entries::read(dir);
                entries.published[100] = signed_differently(&entries.published[100], own(world));
                entries.write(dir);
                entries.sign(dir, own(world));
            },
        )
        .found_with(Knowledge::Older),
    ]
}

/// The entry that continues the ledger; with an event of the ledger's own.
fn next(entries: &Entries, name: &str, signer: Signer<'_>, event: Option<Value>) -> Vec<u8> {
    let last = entries.pending.last().or(entries.published.last());
    let link = entry::parse(last.unwrap()).unwrap().next();
    let mut members = members(name, link.seq);
    if let Some(event) = event {
        members.insert("ledger".into(), event);
    }
    seal(members, &link, signer)
}

/// A statement that `world.other` signs from entry `index` + 1 on.
fn statement(world: &World, index: u64, signers: &[Signer<'_>]) -> Value {
    let (origin, old, new) = (world.name().name(), world.name(), &world.other.1);
    let text = format!("countersign/handover/v1\n{origin}\n{old}\n{new}\n{index}\n");
    let lines = signers.iter().map(|signer| {
        let signed = note(&text, *signer);
        signed[text.len() + 1..].to_owned()
    });
    let lines: String = lines.collect();
    json!({"handover": format!("{text}\n{lines}")})
}

/// Appends an entry that carries the statement, five entries of the new key, and publishes.
fn hand_over(world: &World, dir: &Path, statement: Value) {
    let mut entries = Entries::read(dir);
    entries.keep_size(600);
    entries
        .published
        .push(next(&entries, "own", own(world), Some(statement)));
    for _ in 0..5 {
        entries
            .published
            .push(next(&entries, "bad", theirs(world), None));
    }
    entries.write(dir);
    entries.sign(dir, theirs(world));
    show_key(world, dir);
}

/// Puts the attacker's key where readers may look for the ledger's.
fn show_key(world: &World, dir: &Path) {
    let key = format!("{}\n", world.other.1);
    put(&dir.join("keys/ledger.vkey"), key.as_bytes());
}

pub(crate) fn handovers() -> Vec<Attack> {
    vec![
        Attack::new(
            "a handover in an entry that the new key alone signs",
            OtherKey,
            |world, dir| {
                let mut entries = Entries::read(dir);
                let event = statement(world, 600, &[theirs(world)]);
                let carrying = next(&entries, "own", (&world.other.0, world.name()), Some(event));
                entries.pending.push(carrying);
                entries
                    .pending
                    .push(next(&entries, "bad", theirs(world), None));
                entries.write(dir);
            },
        )
        .found_at(&["wal/0000000000000244.wal entry 600"]),
        Attack::new(
            "a handover that the old key alone signs",
            StolenKey,
            |world, dir| {
                hand_over(world, dir, statement(world, 600, &[own(world)]));
            },
        )
        .found_at(HANDOVER),
        Attack::new(
            "a handover that the new key alone signs",
            StolenKey,
            |world, dir| {
                hand_over(world, dir, statement(world, 600, &[theirs(world)]));
            },
        )
        .found_at(HANDOVER),
        Attack::new(
            "a handover made for another entry",
            StolenKey,
            |world, dir| {
                hand_over(
                    world,
                    dir,
                    statement(world, 599, &[own(world), theirs(world)]),
                );
            },
        )
        .found_at(HANDOVER),
        Attack::new(
            "hand over to the thief's key as the owner would",
            StolenKey,
            |world, dir| {
                hand_over(
                    world,
                    dir,
                    statement(world, 600, &[own(world), theirs(world)]),
                );
            },
        )
        .not_cosigned()
        .remark(
            "whoever holds the current key can name the next; the verifier prints every handover, \
             and a witness has to be told of it",
        ),
    ]
}

/// Appends a statement that bundles before `index` may be absent, and publishes.
fn state_pruned(world: &World, dir: &Path, entries: &mut Entries, index: u64) {
    entries.keep_size(600);
    let event = json!({ "pruned_before": index });
    entries
        .published
        .push(next(entries, "own", own(world), Some(event)));
    entries.write(dir);
    entries.sign(dir, own(world));
}

fn drop_bundle(dir: &Path, name: &str) {
    fs::remove_file(dir.join("ledger/tile/entries").join(name)).unwrap();
}

pub(crate) fn prunings() -> Vec<Attack> {
    vec![
        Attack::new(
            "drop a bundle, say so in an entry of another key",
            OtherKey,
            |world, dir| {
                let mut entries = Entries::read(dir);
                let event = json!({"pruned_before": 256});
                let said = next(&entries, "own", (&world.other.0, world.name()), Some(event));
                entries.pending.push(said);
                entries.write(dir);
                drop_bundle(dir, "000");
            },
        )
        .found_at(&["ledger/tile/entries/000"]),
        Attack::new(
            "drop a bundle more than the ledger said",
            StolenKey,
            |world, dir| {
                state_pruned(world, dir, &mut Entries::read(dir), 256);
                drop_bundle(dir, "000");
                drop_bundle(dir, "001");
            },
        )
        .found_at(&["ledger/tile/entries/001"]),
        Attack::new(
            "say that the first bundle was pruned, drop it",
            StolenKey,
            |world, dir| {
                state_pruned(world, dir, &mut Entries::read(dir), 256);
                drop_bundle(dir, "000");
            },
        )
        .remark(
            "pruning is permitted to whoever holds the key; hashes and receipts of what was \
             dropped stay, and the verifier prints how many entries are pruned",
        ),
        Attack::new(
            "edit entry 100, sign everything again, say that it was pruned",
            StolenKey,
            |world, dir| {
                let mut entries = Entries::read(dir);
                entries.published[100] = edited(&entries.published[100]);
                entries.seal_again(100, own(world));
                state_pruned(world, dir, &mut entries, 256);
                drop_bundle(dir, "000");
            },
        )
        .found_with(Knowledge::Older),
    ]
}
