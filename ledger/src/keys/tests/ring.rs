use proptest::prelude::*;

use super::*;
use crate::{Checkpoint, Note};

/// The ring that trusts seed `trusted` of the chain 1 -> 2 -> 3 -> 4 at 10, 20 and 30.
fn ring(trusted: u8) -> KeyRing {
    let mut ring = KeyRing::trusting(name(trusted));
    ring.learn_all(&[handover(3, 4, 30), handover(1, 2, 10), handover(2, 3, 20)])
        .unwrap();
    ring
}

#[test]
fn whichever_key_is_trusted_the_ring_is_the_same() {
    for trusted in 1..=4 {
        let ring = ring(trusted);
        assert_eq!(ring.keys(), [name(1), name(2), name(3), name(4)]);
        assert_eq!(ring.current(), &name(4));
        assert_eq!(ring.by_id(&name(2).id()), Some(&name(2)));
        assert_eq!(ring.by_id(&name(9).id()), None);
        assert_eq!(ring.handovers().len(), 3);
    }
}

#[test]
fn each_key_is_in_force_up_to_the_entry_that_carries_its_handover() {
    let ring = ring(2);
    for (index, seed) in [(0, 1), (10, 1), (11, 2), (20, 2), (21, 3), (30, 3), (31, 4)] {
        assert_eq!(ring.entry_key(index), &name(seed), "entry {index}");
    }
    assert_eq!(ring.in_force(&name(1).id()), Some((0, Some(10))));
    assert_eq!(ring.in_force(&name(3).id()), Some((21, Some(30))));
    assert_eq!(ring.in_force(&name(4).id()), Some((31, None)));
    assert_eq!(ring.in_force(&name(5).id()), None);
}

#[test]
fn a_checkpoint_is_accepted_by_the_key_in_force_at_its_size_alone() {
    let ring = ring(1);
    // A tree of 10 ends before the entry with index 10, which carries the first handover.
    for (size, right) in [(0, 1), (10, 1), (11, 2), (20, 2), (21, 3), (1000, 4)] {
        let text = Checkpoint {
            origin: ORIGIN.to_owned(),
            size,
            root: [0; 32],
        };
        for seed in 1..=4 {
            let note = Note::sign(text.to_string(), &name(seed), &key(seed)).unwrap();
            let opened = Checkpoint::open_with(&note.to_string(), &ring);
            assert_eq!(opened.is_ok(), seed == right, "size {size} by {seed}");
        }
    }
}

#[test]
fn what_is_known_already_changes_nothing() {
    let mut ring = ring(1);
    assert_eq!(ring.learn(&handover(2, 3, 20)), Ok(false));
    assert_eq!(ring.keys().len(), 4);
}

#[test]
fn a_ring_takes_no_second_story() {
    let before = ring(1);
    for second in [
        handover(2, 9, 20), // another successor
        handover(2, 3, 21), // the same one elsewhere
        handover(9, 3, 20), // another predecessor
        handover(4, 1, 40), // a key that comes back
        handover(2, 4, 20), // a short cut
    ] {
        let mut ring = before.clone();
        let result = ring.learn(&second);
        assert!(matches!(result, Err(RingError::Fork { .. })), "{second}");
        assert_eq!(ring, before);
    }
}

#[test]
fn handovers_ascend_along_the_ring() {
    let mut ring = ring(1);
    for index in [0, 29, 30] {
        assert_eq!(
            ring.learn(&handover(4, 5, index)),
            Err(RingError::Order(index))
        );
    }
    assert_eq!(ring.learn(&handover(9, 1, 10)), Err(RingError::Order(10)));
    assert_eq!(ring.learn(&handover(4, 5, 31)), Ok(true));
    assert_eq!(ring.learn(&handover(9, 1, 9)), Ok(true));
}

#[test]
fn a_handover_between_strangers_or_of_another_ledger_is_not_taken() {
    let mut ring = KeyRing::trusting(name(1));
    assert!(matches!(
        ring.learn(&handover(2, 3, 5)),
        Err(RingError::Unconnected { .. })
    ));
    let other = Handover::make("example.com/other", &key(1), &key(2), 5).unwrap();
    assert!(matches!(ring.learn(&other), Err(RingError::Origin(_))));
    assert_eq!(
        ring.learn_all(&[handover(2, 3, 5), handover(4, 5, 9)]),
        Err(RingError::Unconnected {
            old: name(2).id_hex(),
            new: name(3).id_hex()
        })
    );
    assert_eq!(ring.keys(), [name(1)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn the_order_of_learning_does_not_matter(
        order in Just((1..8_u8).collect::<Vec<_>>()).prop_shuffle(),
        trusted in 1..=8_u8,
    ) {
        let list: Vec<_> = order.iter().map(|n| handover(*n, n + 1, u64::from(*n) * 7)).collect();
        let mut ring = KeyRing::trusting(name(trusted));
        ring.learn_all(&list).unwrap();
        prop_assert_eq!(ring.keys(), (1..=8).map(name).collect::<Vec<_>>());
    }
}
