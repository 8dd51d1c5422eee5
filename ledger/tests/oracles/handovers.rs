//! Ledgers whose keys were rotated or whose bundles were pruned, made by the forger from the
//! specification, before the verifiers that know the keys and the bundles.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::{
    equipment::{self, Equipment},
    forge::{self, Hand},
    judges, receipts,
};

const ORIGIN: &str = "example.com/ledger";
/// The entries that carry the handovers of a forged ledger.
const AT: [u64; 2] = [5, 300];
const SIZE: u64 = 520;

fn hands() -> [Hand; 3] {
    [7, 8, 9].map(|seed| Hand::new(seed, ORIGIN))
}

fn text(old: &Hand, new: &Hand, index: u64) -> String {
    let (old, new) = (&old.name, &new.name);
    format!("countersign/handover/v1\n{ORIGIN}\n{old}\n{new}\n{index}\n")
}

fn statement(old: &Hand, new: &Hand, index: u64) -> String {
    let text = text(old, new, index);
    format!("{text}\n{}{}", old.line(&text), new.line(&text))
}

/// What a forged ledger says at each index, and who says it.
struct Plan {
    hands: [Hand; 3],
    /// The saying of the ledger at an index.
    says: Vec<(u64, Value)>,
    /// The first entry of a key, and which.
    from: Vec<(u64, usize)>,
    checkpoint_by: usize,
    size: u64,
}

impl Plan {
    fn new() -> Self {
        let hands = hands();
        let says = vec![
            (
                AT[0],
                json!({"handover": statement(&hands[0], &hands[1], AT[0])}),
            ),
            (
                AT[1],
                json!({"handover": statement(&hands[1], &hands[2], AT[1])}),
            ),
        ];
        Self {
            hands,
            says,
            from: vec![(AT[1] + 1, 2), (AT[0] + 1, 1), (0, 0)],
            checkpoint_by: 2,
            size: SIZE,
        }
    }

    fn say(&mut self, at: u64, value: Value) {
        self.says.retain(|(index, _)| *index != at);
        self.says.push((at, value));
    }

    fn entries(&self) -> Vec<Vec<u8>> {
        let mut entries: Vec<Vec<u8>> = Vec::new();
        for index in 0..self.size {
            let by = self.from.iter().find(|(from, _)| *from <= index).unwrap().1;
            let mut more = json!({"n": index});
            if let Some((_, value)) = self.says.iter().find(|(at, _)| *at == index) {
                more["ledger"] = value.clone();
            }
            let before = entries.last().map(Vec::as_slice);
            entries.push(self.hands[by].entry(index, before, &more));
        }
        entries
    }

    fn write(&self, dir: &Path) {
        let entries = self.entries();
        let by = &self.hands[self.checkpoint_by];
        forge::write_data(dir, &entries, &by.checkpoint(&entries), &by.name);
    }
}

#[test]
fn a_reader_who_trusts_any_one_key_follows_the_handovers_both_ways() {
    let Some(with) = equipment::find("oracles::handovers::valid") else {
        return;
    };
    let (dir, plan) = (tempfile::tempdir().unwrap(), Plan::new());
    plan.write(dir.path());
    let all = plan.entries();
    let tiles = dir.path().join("ledger");
    let older = dir.path().join("older");
    for (by, size) in [(0, 0), (0, 5), (1, 6), (1, 300), (2, 301)] {
        let entries = &all[..size];
        forge::put(&older, plan.hands[by].checkpoint(entries));
        let trusted = &plan.hands[size % 3].name;
        let found = judges::readers(&with, dir.path(), trusted, Some(&older));
        assert_eq!(found, Ok(()), "{size}");
        // An older key may not sign what covers its own handover, nor a newer one what does not.
        forge::put(&older, plan.hands[(by + 1) % 3].checkpoint(entries));
        let found = judges::readers(&with, &tiles, &plan.hands[0].name, Some(&older));
        assert!(found.is_err(), "{size}");
    }
    fs::remove_file(&older).unwrap();
    for hand in &plan.hands {
        for target in [dir.path(), &tiles] {
            assert_eq!(judges::readers(&with, target, &hand.name, None), Ok(()));
        }
    }
    // Go knows no handovers; it is given the newest key.
    assert_eq!(judges::go(&with, &tiles, &plan.hands[2].name, None), Ok(()));
    assert!(judges::go(&with, &tiles, &plan.hands[0].name, None).is_err());
    let stranger = Hand::new(10, ORIGIN);
    assert!(judges::readers(&with, dir.path(), &stranger.name, None).is_err());
}

type Change = (&'static str, fn(&mut Plan));

const BROKEN: &[Change] = &[
    ("signed by the old key alone", |p| {
        let text = text(&p.hands[0], &p.hands[1], 5);
        p.say(5, json!({"handover": p.hands[0].note(&text)}));
    }),
    ("signed by the new key alone", |p| {
        let text = text(&p.hands[0], &p.hands[1], 5);
        p.say(5, json!({"handover": p.hands[1].note(&text)}));
    }),
    ("signed in the other order", |p| {
        let text = text(&p.hands[0], &p.hands[1], 5);
        let lines = p.hands[1].line(&text) + &p.hands[0].line(&text);
        p.say(5, json!({"handover": format!("{text}\n{lines}")}));
    }),
    ("signed by a third key as well", |p| {
        let text = text(&p.hands[0], &p.hands[1], 5);
        let more = p.hands[2].line(&text);
        let note = statement(&p.hands[0], &p.hands[1], 5) + &more;
        p.say(5, json!({"handover": note}));
    }),
    ("a signature over another text", |p| {
        let note = statement(&p.hands[0], &p.hands[1], 5);
        p.say(5, json!({"handover": note.replace("\n5\n", "\n6\n")}));
    }),
    ("the index of another entry", |p| {
        p.say(
            5,
            json!({"handover": statement(&p.hands[0], &p.hands[1], 6)}),
        );
    }),
    ("an index with a zero in front", |p| {
        let text = text(&p.hands[0], &p.hands[1], 5).replace("\n5\n", "\n05\n");
        let lines = p.hands[0].line(&text) + &p.hands[1].line(&text);
        p.say(5, json!({"handover": format!("{text}\n{lines}")}));
    }),
    ("another version", |p| {
        let text = text(&p.hands[0], &p.hands[1], 5).replace("/v1", "/v2");
        let lines = p.hands[0].line(&text) + &p.hands[1].line(&text);
        p.say(5, json!({"handover": format!("{text}\n{lines}")}));
    }),
    ("another log", |p| {
        let text = text(&p.hands[0], &p.hands[1], 5).replacen(
            "v1\nexample.com/ledger",
            "v1\nexample.com/other",
            1,
        );
        let lines = p.hands[0].line(&text) + &p.hands[1].line(&text);
        p.say(5, json!({"handover": format!("{text}\n{lines}")}));
    }),
    ("no handover at all", |p| p.says.clear()),
    ("a key that hands over without being in force", |p| {
        p.say(
            300,
            json!({"handover": statement(&p.hands[0], &p.hands[2], 300)}),
        );
    }),
    ("a key that comes back", |p| {
        p.say(
            400,
            json!({"handover": statement(&p.hands[2], &p.hands[0], 400)}),
        );
        p.from.insert(0, (401, 0));
        p.checkpoint_by = 0;
    }),
    ("the carrying entry by the new key", |p| p.from[1].0 = 5),
    ("the next entry by the old key", |p| p.from[1].0 = 7),
    ("the checkpoint by the old key", |p| p.checkpoint_by = 1),
    ("the first checkpoint after it by the old key", |p| {
        p.size = 301;
        p.checkpoint_by = 1;
    }),
    ("the last checkpoint before it by the new key", |p| {
        p.size = 300;
    }),
];

#[test]
fn handovers_that_are_not_exactly_so_are_refused() {
    let Some(with) = equipment::find("oracles::handovers::broken") else {
        return;
    };
    for (name, change) in BROKEN {
        let mut plan = Plan::new();
        change(&mut plan);
        let dir = tempfile::tempdir().unwrap();
        plan.write(dir.path());
        for hand in [&hands()[0], &hands()[2]] {
            let found = judges::readers(&with, dir.path(), &hand.name, None);
            assert!(found.is_err(), "{name}, trusting {}", hand.name);
        }
    }
}

#[test]
fn a_receipt_across_a_handover_needs_the_statement() {
    let Some(with) = equipment::find("oracles::handovers::receipt") else {
        return;
    };
    let (dir, plan) = (tempfile::tempdir().unwrap(), Plan::new());
    plan.write(dir.path());
    let entries = plan.entries();
    let proof = receipts::proof(&entries, 3, &plan.hands[2].checkpoint(&entries));
    let (at, entry) = (dir.path().join("a.tlog-proof"), dir.path().join("a.json"));
    forge::put(&entry, &entries[3]);
    let statements = [
        statement(&plan.hands[0], &plan.hands[1], AT[0]),
        statement(&plan.hands[1], &plan.hands[2], AT[1]),
    ];
    let judge = |proof: &str, brought: &[String], hand: &Hand| {
        forge::put(&at, proof);
        let mut command = with.python();
        command.arg("receipt").arg(&at).arg("--entry").arg(&entry);
        command.arg("--key").arg(hand.name.to_string());
        for (number, statement) in brought.iter().enumerate() {
            let path = dir.path().join(format!("{number}.handover"));
            forge::put(&path, statement);
            command.arg("--handover").arg(path);
        }
        judges::run(&mut command).is_ok()
    };
    let carrying = receipts::with_extra(&proof, statements.join("\n").as_bytes());
    for hand in &plan.hands {
        assert!(judge(&proof, &statements, hand));
        assert!(judge(&carrying, &[], hand));
        assert!(!judge(&proof, &[], hand));
        assert!(!judge(&proof, &statements[..1], hand));
    }
    assert!(!judge(&carrying, &[], &Hand::new(10, ORIGIN)));
}

/// A ledger of one key that says where pruning may reach, with these files gone.
fn pruned(with: &Equipment, before: Option<u64>, gone: &[&str]) -> [bool; 2] {
    let mut plan = Plan::new();
    plan.says.clear();
    if let Some(before) = before {
        plan.say(515, json!({"pruned_before": before}));
    }
    plan.from = vec![(0, 0)];
    plan.checkpoint_by = 0;
    let dir = tempfile::tempdir().unwrap();
    plan.write(dir.path());
    for name in gone {
        fs::remove_file(dir.path().join(name)).unwrap();
    }
    let key = &plan.hands[0].name;
    let mut go = with.go();
    go.arg(dir.path().join("ledger"))
        .arg("-key")
        .arg(key.to_string());
    go.arg("-pruned").arg(before.unwrap_or(0).to_string());
    [
        judges::readers(with, dir.path(), key, None).is_ok(),
        judges::run(&mut go).is_ok(),
    ]
}

#[test]
fn bundles_may_be_absent_where_an_entry_says_so_and_nowhere_else() {
    let Some(with) = equipment::find("oracles::handovers::pruned") else {
        return;
    };
    let (first, second) = ("ledger/tile/entries/000", "ledger/tile/entries/001");
    assert_eq!(pruned(&with, None, &[]), [true; 2]);
    assert_eq!(pruned(&with, Some(256), &[]), [true; 2]);
    assert_eq!(pruned(&with, Some(256), &[first]), [true; 2]);
    assert_eq!(pruned(&with, Some(400), &[first]), [true; 2]);
    assert_eq!(pruned(&with, Some(512), &[first, second]), [true; 2]);
    assert_eq!(pruned(&with, None, &[first]), [false; 2]);
    assert_eq!(pruned(&with, Some(255), &[first]), [false; 2]);
    assert_eq!(pruned(&with, Some(511), &[first, second]), [false; 2]);
    let tile = "ledger/tile/0/000";
    assert_eq!(pruned(&with, Some(256), &[first, tile]), [false; 2]);
    // The entry that permits it must be there.
    let last = "ledger/tile/entries/002.p/8";
    assert_eq!(pruned(&with, Some(512), &[first, last]), [false; 2]);
}

#[test]
fn a_pruned_handover_is_brought_along() {
    let Some(with) = equipment::find("oracles::handovers::pruned_statement") else {
        return;
    };
    let (dir, mut plan) = (tempfile::tempdir().unwrap(), Plan::new());
    plan.say(515, json!({"pruned_before": 256}));
    plan.write(dir.path());
    fs::remove_file(dir.path().join("ledger/tile/entries/000")).unwrap();
    let brought = dir.path().join("07.handover");
    forge::put(&brought, statement(&plan.hands[0], &plan.hands[1], AT[0]));
    let judge = |hand: &Hand, bring: bool| {
        let mut command = with.python();
        command
            .arg(dir.path())
            .arg("--key")
            .arg(hand.name.to_string());
        if bring {
            command.arg("--handover").arg(&brought);
        }
        judges::run(&mut command).is_ok()
    };
    assert!(judge(&plan.hands[0], true));
    assert!(judge(&plan.hands[1], false));
    assert!(!judge(&plan.hands[0], false));
}
