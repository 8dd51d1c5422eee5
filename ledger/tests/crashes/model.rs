//! The writer against a model that any reader can check by eye: a list.

use countersign_ledger::{AppendError, ReadError, entry::EntryError};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::{
    cases::runtime,
    chance::Chance,
    faults::Plan,
    judge,
    machine::Machine,
    script::{Run, Step},
};

#[derive(Debug, Clone, Copy)]
enum Deed {
    Append,
    /// So many at once, among them one that is too long.
    Together(u64),
    TooLong,
    Float,
    Reserved,
    Publish,
    Rotate,
    CloseAndOpen,
    LeaveAndOpen,
    KillAndOpen,
    LosePowerAndOpen(u64),
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        4 => Just(Deed::Append),
        3 => (2..24_u64).prop_map(Deed::Together),
        1 => Just(Deed::TooLong),
        1 => Just(Deed::Float),
        1 => Just(Deed::Reserved),
        2 => Just(Deed::Publish),
        1 => Just(Deed::Rotate),
        1 => Just(Deed::CloseAndOpen),
        1 => Just(Deed::LeaveAndOpen),
        1 => Just(Deed::KillAndOpen),
        2 => any::<u64>().prop_map(Deed::LosePowerAndOpen),
    ];
    proptest::collection::vec(deed, 1..24)
}

fn object(value: Value) -> Map<String, Value> {
    let Value::Object(members) = value else {
        unreachable!("callers give objects")
    };
    members
}

async fn refused(run: &Run, value: Value) -> AppendError {
    let answer = run.ledger().append(object(value)).await;
    answer.unwrap_err()
}

async fn too_long(run: &Run) {
    let error = refused(run, json!({"id": "refused", "pad": "x".repeat(65_600)})).await;
    assert!(
        matches!(error, AppendError::TooLarge(n) if n > 65_535),
        "{error}"
    );
}

/// The model: identifiers in the order of their places, which have no gaps.
#[derive(Default)]
struct List(Vec<String>);

impl List {
    /// What was acknowledged since takes the next places, in any order.
    fn follow(&mut self, run: &Run) {
        let mut fresh: Vec<_> = run.acknowledged[self.0.len()..].iter().collect();
        fresh.sort_by_key(|known| known.place.index);
        for known in fresh {
            let next = self.0.len() as u64;
            assert_eq!(
                (known.place.index, known.place.seq),
                (next, next),
                "{}",
                known.id
            );
            self.0.push(known.id.clone());
        }
        assert_eq!(run.ledger().head().size, self.0.len() as u64);
    }

    /// Every look-up finds what the list says.
    async fn compare(&self, run: &Run) {
        let find = |value: &str| loop {
            match run.ledger().find("id", value) {
                Err(ReadError::IndexBehind { .. }) => std::thread::yield_now(),
                other => break other.unwrap(),
            }
        };
        for (index, id) in self.0.iter().enumerate() {
            assert_eq!(find(id), [index as u64]);
        }
        assert!(find("refused").is_empty());
        judge::kept(run, 0).await.unwrap();
    }
}

async fn act(run: &mut Run, deed: Deed, list: &mut List, rotations: &mut u64) {
    let steps: &[Step] = match deed {
        Deed::Append => &[Step::Append(1)],
        Deed::Together(count) => {
            let append = [Step::Append(count)];
            let long = run.ledger().clone();
            let long = tokio::spawn(async move {
                let members = object(json!({"id": "refused", "pad": "x".repeat(65_600)}));
                long.append(members).await
            });
            run.go(&append).await.unwrap();
            assert!(matches!(long.await.unwrap(), Err(AppendError::TooLarge(_))));
            &[]
        }
        Deed::TooLong => {
            too_long(run).await;
            &[]
        }
        Deed::Float => {
            let error = refused(run, json!({"id": "refused", "n": 1.5})).await;
            assert_eq!(error, AppendError::NotCanonical(EntryError::Number));
            &[]
        }
        Deed::Reserved => {
            let error = refused(run, json!({"id": "refused", "seq": 0})).await;
            assert_eq!(
                error,
                AppendError::NotCanonical(EntryError::Reserved("seq"))
            );
            &[]
        }
        Deed::Publish => &[Step::Publish],
        // There are as many keys as that.
        Deed::Rotate if *rotations < 2 => {
            *rotations += 1;
            &[Step::Rotate]
        }
        Deed::Rotate => &[],
        Deed::CloseAndOpen => &[Step::Close, Step::Open],
        Deed::LeaveAndOpen => &[Step::Leave, Step::Open],
        Deed::KillAndOpen => {
            run.machine.kill();
            run.leave();
            &[Step::Open]
        }
        Deed::LosePowerAndOpen(seed) => {
            run.machine.kill();
            run.leave();
            run.machine.lose_power(&mut Chance::new(seed));
            judge::verified(run).unwrap();
            &[Step::Open]
        }
    };
    run.go(steps).await.unwrap();
    list.follow(run);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_sequence_of_deeds_leaves_what_a_list_would_hold(deeds in deeds()) {
        runtime().block_on(async {
            let mut run = Run::new(Machine::new(Plan::new(&[], Chance::new(0))));
            let (mut list, mut rotations) = (List::default(), 0);
            run.go(&[Step::Open]).await.unwrap();
            for deed in &deeds {
                act(&mut run, *deed, &mut list, &mut rotations).await;
            }
            list.compare(&run).await;
            run.go(&[Step::Publish]).await.unwrap();
            list.compare(&run).await;
            run.go(&[Step::Close]).await.unwrap();
            judge::verified(&run).unwrap();
        });
    }
}
