//! Attacks on what is handed out: a copied tile directory, or receipts of a range.

use std::{collections::BTreeMap, fs, ops::Range};

use base64::{Engine, engine::general_purpose::STANDARD};
use countersign_ledger::{
    merkle::{Hash, inclusion_proof, leaf_hash},
    receipt,
};

use crate::{
    attack::{
        Answer, Attack,
        Power::{self, Files, OtherKey, StolenKey},
        Row,
    },
    common::copy,
    controls::Hand::Naive,
    forge::{Entries, bundle, edited, note, read_bundle, write_bundle},
    world::{Knowledge, RECEIPT, World},
};

pub(crate) fn tiles() -> Vec<Attack> {
    vec![
        Attack::new("leave a bundle out", Files, |_, dir| {
            fs::remove_file(dir.join("ledger/tile/entries/001")).unwrap();
        })
        .on("ledger")
        .found_at(&["tile/entries/001"])
        .control(Naive, |lines| drop(lines.drain(256..512))),
        Attack::new("leave the last bundle out", Files, |_, dir| {
            fs::remove_dir_all(dir.join("ledger/tile/entries/002.p")).unwrap();
        })
        .on("ledger")
        .found_at(&["tile/entries/002.p/68"])
        .control(Naive, |lines| lines.truncate(512)),
        Attack::new("leave an entry out of a bundle", Files, |_, dir| {
            let path = dir.join("ledger").join(bundle(0, 580));
            let mut entries = read_bundle(&path);
            entries.remove(200);
            write_bundle(&path, &entries);
        })
        .on("ledger")
        .found_at(&["tile/entries/000"])
        .control(Naive, |lines| drop(lines.remove(200))),
        Attack::new("hand out an old state", Files, |world, dir| {
            fs::remove_dir_all(dir.join("ledger")).unwrap();
            copy(&world.state(RECEIPT).join("ledger"), &dir.join("ledger"));
        })
        .on("ledger")
        .found_with(Knowledge::Witness)
        .cosigned()
        .control(Naive, |lines| lines.truncate(470)),
    ]
}

/// The receipts that an auditor asked for.
const ASKED: Range<usize> = 100..110;

/// Receipt and entry, by index.
type Receipts = BTreeMap<usize, (String, Vec<u8>)>;

/// Receipts of a range under a checkpoint, as the ledger writes them.
fn receipts(entries: &Entries, checkpoint: &str) -> Receipts {
    let leaves: Vec<Hash> = entries.published.iter().map(|e| leaf_hash(e)).collect();
    let receipt = |index: usize| {
        let path = inclusion_proof(&mut leaves.as_slice(), index as u64, leaves.len() as u64);
        let path = path.unwrap().into_iter();
        let path: String = path.map(|hash| STANDARD.encode(hash) + "\n").collect();
        let text = format!("c2sp.org/tlog-proof@v1\nindex {index}\n{path}\n{checkpoint}");
        (index, (text, entries.published[index].clone()))
    };
    ASKED.map(receipt).collect()
}

fn honest(world: &World) -> Receipts {
    let note = fs::read_to_string(world.home.path().join("ledger/checkpoint")).unwrap();
    receipts(&Entries::read(world.home.path()), &note)
}

/// The receipts of a ledger in which entry 105 is another, with everything signed again.
fn forged(world: &World, power: Power) -> Receipts {
    let mut entries = Entries::read(world.home.path());
    entries.keep_size(600);
    entries.published[105] = edited(&entries.published[105]);
    let (key, name) = match power {
        StolenKey => (&world.key, world.name()),
        _ => (&world.other.0, &world.other.1),
    };
    entries.seal_again(0, (key, name));
    let checkpoint = note(&entries.checkpoint(name).to_string(), (key, name));
    receipts(&entries, &checkpoint)
}

/// What an auditor says of receipts; `demanding` one who wants every checkpoint cosigned.
fn judge(world: &World, given: &Receipts, knowledge: Knowledge, demanding: bool) -> Answer {
    let mut said = Vec::new();
    for index in ASKED {
        let Some((text, entry)) = given.get(&index) else {
            said.push((index, format!("no receipt of entry {index}")));
            continue;
        };
        match receipt::verify(text, entry, world.name()) {
            Err(error) => {
                let what = error.to_string();
                let what = what
                    .split_once(':')
                    .map_or("not included", |(what, _)| what);
                said.push((index, format!("{what} in the receipt of entry {index}")));
            }
            Ok(found) => {
                let checkpoint = text.split_once("\n\n").unwrap().1;
                let contradicts = world.since(knowledge).is_some_and(|held| {
                    held.size == found.checkpoint.size && held.root != found.checkpoint.root
                });
                assert_eq!(found.index, index as u64);
                if contradicts || demanding && world.cosigner.policy().open(checkpoint).is_err() {
                    said.push((index, "no cosignature in the receipts".to_owned()));
                }
            }
        }
    }
    let located = |(index, _): &(usize, String)| *index == 105 || said.len() == ASKED.len();
    match said.iter().find(|fault| located(fault)).or(said.first()) {
        None => Answer::Clean,
        Some(fault) => Answer::Fault {
            said: fault.1.clone(),
            located: located(fault),
        },
    }
}

fn row(world: &World, name: &'static str, power: Power, given: &Receipts) -> Row {
    let answers = Knowledge::ALL.map(|knowledge| judge(world, given, knowledge, false));
    let found = answers[0].detected();
    Row {
        name,
        power,
        needs: found.then_some(Knowledge::Key),
        demanding: judge(world, given, Knowledge::Key, true),
        cosigned: power != StolenKey,
        answers,
        controls: None,
        remark: "",
    }
}

/// Attacks on the receipts of entries 100 to 109, which an auditor asked for; 105 is attacked.
pub(crate) fn receipt_rows(world: &World) -> Vec<Row> {
    let whole = honest(world);
    for demanding in [false, true] {
        let answer = judge(world, &whole, Knowledge::Witness, demanding);
        assert_eq!(answer, Answer::Clean, "the honest receipts");
    }
    let changed = |change: fn(&mut Receipts)| {
        let mut given = whole.clone();
        change(&mut given);
        given
    };
    let left_out = changed(|given| drop(given.remove(&105)));
    let edited = changed(|given| given.get_mut(&105).unwrap().1 = edited(&given[&105].1));
    let passed_off = changed(|given| {
        let (text, entry) = given[&106].clone();
        given.insert(105, (text.replacen("index 106", "index 105", 1), entry));
    });
    let mut last = row(
        world,
        "sign another ledger, give its receipts",
        StolenKey,
        &forged(world, StolenKey),
    );
    last.remark = "a receipt alone does not show that its checkpoint extends another; a cosignature \
         does, or the tile directory";
    vec![
        row(world, "leave one receipt out", Files, &left_out),
        row(world, "edit the entry that comes with one", Files, &edited),
        row(
            world,
            "give one the index of another entry",
            Files,
            &passed_off,
        ),
        row(
            world,
            "sign another ledger, give its receipts",
            OtherKey,
            &forged(world, OtherKey),
        ),
        last,
    ]
}
