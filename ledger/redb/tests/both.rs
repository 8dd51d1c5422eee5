//! Both adapters of the index port beside the index in memory: random operations, reopenings.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;

use countersign_ledger::{Index, IndexRow, MemoryIndex};
use countersign_ledger_redb::RedbIndex;
use countersign_ledger_sled::SledIndex;
use proptest::{
    collection::vec,
    prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest},
    sample::select,
};

const NAMES: &[&str] = &["", "i", "id", "id\0", "\u{10FFFF}", "other"];
const VALUES: &[&str] = &["", "\0", "a", "da", "\0\0\0\u{1}", "é"];

#[derive(Debug, Clone)]
enum Step {
    Apply(Vec<IndexRow>, u64),
    Again,
    Clear,
    Reopen,
}

fn row() -> impl Strategy<Value = IndexRow> {
    let index = prop_oneof![0..40_u64, any::<u64>()];
    (index, select(NAMES), select(VALUES)).prop_map(|(index, member, value)| IndexRow {
        index,
        member: member.to_owned(),
        value: value.to_owned(),
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (vec(row(), 0..12), any::<u64>()).prop_map(|(rows, applied)| Step::Apply(rows, applied)),
        2 => Just(Step::Again),
        1 => Just(Step::Clear),
        3 => Just(Step::Reopen),
    ]
}

fn same_answers(index: &dyn Index, model: &MemoryIndex) {
    assert_eq!(index.applied().unwrap(), model.applied().unwrap());
    for (name, value) in NAMES
        .iter()
        .flat_map(|n| VALUES.iter().map(move |v| (n, v)))
    {
        let found = index.find(name, value).unwrap();
        assert_eq!(
            found,
            model.find(name, value).unwrap(),
            "{name:?} {value:?}"
        );
    }
}

fn follow(steps: &[Step], dir: &Path, open: fn(&Path) -> Box<dyn Index>) {
    let mut model = MemoryIndex::default();
    let mut index = open(dir);
    let mut last = (Vec::new(), 0);
    for step in steps {
        match step {
            Step::Apply(rows, applied) => last = (rows.clone(), *applied),
            Step::Again => {}
            Step::Clear => {
                index.clear().unwrap();
                model.clear().unwrap();
                last = (Vec::new(), 0);
            }
            Step::Reopen => {
                drop(index);
                index = open(dir);
            }
        }
        if matches!(step, Step::Apply(..) | Step::Again) {
            index.apply(&last.0, last.1).unwrap();
            model.apply(&last.0, last.1).unwrap();
        }
        same_answers(&*index, &model);
    }
}

fn redb(dir: &Path) -> Box<dyn Index> {
    let index = RedbIndex::open(dir).unwrap();
    assert!(
        index.quarantined().is_none(),
        "a sound database was set aside"
    );
    Box::new(index)
}

fn sled(dir: &Path) -> Box<dyn Index> {
    let index = SledIndex::open(dir).unwrap();
    assert!(
        index.quarantined().is_none(),
        "a sound database was set aside"
    );
    Box::new(index)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn redb_answers_like_the_index_in_memory(steps in vec(step(), 1..24)) {
        let dir = tempfile::tempdir().unwrap();
        follow(&steps, &dir.path().join("index"), redb);
    }

    #[test]
    fn sled_answers_like_the_index_in_memory(steps in vec(step(), 1..24)) {
        let dir = tempfile::tempdir().unwrap();
        follow(&steps, &dir.path().join("index"), sled);
    }
}
