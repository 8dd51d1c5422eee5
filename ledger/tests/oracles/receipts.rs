//! Receipts before all three verifiers: ours are accepted, changed ones are not.

use std::path::Path;

use base64::{Engine, engine::general_purpose::STANDARD};
use countersign_ledger::{VerifierKey, receipt};

use crate::{
    equipment::{self, Equipment},
    forge::{self, Hand, Stored, put},
    judges, shapes,
};

/// The receipt of an entry, put together by crates of others.
pub(crate) fn proof(entries: &[Vec<u8>], index: u64, checkpoint: &str) -> String {
    let stored = Stored::of(entries);
    let size = u64::try_from(entries.len()).unwrap();
    let path = tlog_tiles::prove_record(size, index, &stored).unwrap();
    let lines: String = path.iter().map(|hash| format!("{hash}\n")).collect();
    format!("c2sp.org/tlog-proof@v1\nindex {index}\n{lines}\n{checkpoint}")
}

/// A receipt with an `extra` line.
pub(crate) fn with_extra(proof: &str, extra: &[u8]) -> String {
    let extra = STANDARD.encode(extra);
    proof.replacen("@v1\n", &format!("@v1\nextra {extra}\n"), 1)
}

/// What all three say, in the order ours, Python, Go.
pub(crate) fn verdicts(
    with: &Equipment,
    dir: &Path,
    proof: &str,
    entry: &[u8],
    key: &VerifierKey,
) -> [bool; 3] {
    let (proof_at, entry_at) = (dir.join("a.tlog-proof"), dir.join("a.json"));
    put(&proof_at, proof);
    put(&entry_at, entry);
    let ours = receipt::verify(proof, entry, key).is_ok();
    let mut python = with.python();
    python.arg("receipt").arg(&proof_at).arg("--entry");
    python.arg(&entry_at).arg("--key").arg(key.to_string());
    let mut go = with.go();
    go.arg("receipt").arg(&proof_at).arg("-entry");
    go.arg(&entry_at).arg("-key").arg(key.to_string());
    let foreign = [judges::run(&mut python), judges::run(&mut go)];
    [ours, foreign[0].is_ok(), foreign[1].is_ok()]
}

#[tokio::test]
async fn receipts_are_accepted_by_everybody() {
    let Some(with) = equipment::find("oracles::receipts::valid") else {
        return;
    };
    let out = tempfile::tempdir().unwrap();
    for size in [1, 2, 255, 256, 257, 700] {
        let home = shapes::closed(&[size]).await;
        let (ledger, _) = home.open();
        for index in [0, size / 2, size - 1] {
            let proof = ledger.receipt(index).unwrap().unwrap();
            let entry = ledger.read(index).unwrap().unwrap();
            let found = verdicts(&with, out.path(), &proof, &entry, &home.name);
            assert_eq!(found, [true; 3], "entry {index} of {size}");
            let entries = forge::entries(&home.path().join("ledger"), size);
            assert_eq!(proof, self::proof(&entries, index, &ledger.checkpoint()));
            let extra = with_extra(&proof, &[0; 3]);
            let found = verdicts(&with, out.path(), &extra, &entry, &home.name);
            assert_eq!(found, [true; 3], "entry {index} of {size} with extra");
        }
    }
}

type Change = (&'static str, fn(&mut Vec<String>));

/// Changes of the lines of a receipt for entry 5 of 300: head, index, nine hashes, blank line,
/// three lines of the checkpoint, blank line, signature.
const CHANGES: &[Change] = &[
    ("the version", |l| l[0] = "c2sp.org/tlog-proof@v2".into()),
    ("the index", |l| l[1] = "index 4".into()),
    ("an index with a zero in front", |l| {
        l[1] = "index 05".into();
    }),
    ("an index beyond the tree", |l| l[1] = "index 300".into()),
    ("no index", |l| drop(l.remove(1))),
    ("extra that is not base64", |l| {
        l.insert(1, "extra A".into());
    }),
    ("extra after the index", |l| {
        l.insert(2, "extra AAAA".into());
    }),
    ("another first hash", |l| l[2] = l[3].clone()),
    ("two hashes swapped", |l| l.swap(4, 5)),
    ("a hash too few", |l| drop(l.remove(10))),
    ("a hash too many", |l| l.insert(2, l[2].clone())),
    ("a short hash", |l| l[2] = "AAAA".into()),
    ("a hash with bits behind its end", |l| {
        let at = l[2].len() - 2;
        let odd = char::from(l[2].as_bytes()[at] + 1);
        l[2].replace_range(at..=at, &odd.to_string());
    }),
    ("another size", |l| l[13] = "301".into()),
    ("another root", |l| l[14] = l[2].clone()),
    ("another origin", |l| l[12] = "example.com/other".into()),
    ("no signature", |l| l.truncate(16)),
    ("a changed signature", |l| {
        let last = l.len() - 2;
        let at = l[last].len() - 20;
        let other = if l[last].as_bytes()[at] == b'A' {
            "B"
        } else {
            "A"
        };
        l[last].replace_range(at..=at, other);
    }),
    ("the checkpoint cut away", |l| l.truncate(11)),
];

#[tokio::test]
async fn changed_receipts_are_refused_by_everybody() {
    let Some(with) = equipment::find("oracles::receipts::changed") else {
        return;
    };
    let home = shapes::closed(&[300]).await;
    let (ledger, _) = home.open();
    let out = tempfile::tempdir().unwrap();
    let proof = ledger.receipt(5).unwrap().unwrap();
    let entry = ledger.read(5).unwrap().unwrap();
    let lines: Vec<String> = proof.split('\n').map(str::to_owned).collect();
    assert_eq!((lines.len(), lines[13].as_str()), (18, "300"), "{proof}");
    for (name, change) in CHANGES {
        let mut changed = lines.clone();
        change(&mut changed);
        let changed = changed.join("\n");
        assert_ne!(changed, proof, "{name}");
        let found = verdicts(&with, out.path(), &changed, &entry, &home.name);
        assert_eq!(found, [false; 3], "{name}: {changed}");
    }
    let other = ledger.read(6).unwrap().unwrap();
    let found = verdicts(&with, out.path(), &proof, &other, &home.name);
    assert_eq!(found, [false; 3], "the entry beside it");
    let stranger = Hand::new(9, home.name.name());
    let found = verdicts(&with, out.path(), &proof, &entry, &stranger.name);
    assert_eq!(found, [false; 3], "another key");
}

#[tokio::test]
async fn a_receipt_for_an_entry_of_another_key_is_refused_by_who_reads_entries() {
    let Some(with) = equipment::find("oracles::receipts::attestation") else {
        return;
    };
    let home = shapes::closed(&[1]).await;
    let entries = forge::entries(&home.path().join("ledger"), 1);
    let thief = Hand::new(7, home.name.name());
    let proof = proof(&entries, 0, &thief.checkpoint(&entries));
    let out = tempfile::tempdir().unwrap();
    let found = verdicts(&with, out.path(), &proof, &entries[0], &thief.name);
    assert_eq!(found, [false, false, true]);
}
