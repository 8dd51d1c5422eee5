use proptest::prelude::*;

use super::*;

fn start(seed: u8, store: Memory) -> Witness<Memory> {
    let (signer, key) = witness_key(seed);
    Witness::new(key, signer, &[log_key(7).1], store).unwrap()
}

fn store_of(witness: &Witness<Memory>) -> Memory {
    let mut store = Memory::default();
    if let Some(note) = witness.latest(ORIGIN).unwrap() {
        store.notes.insert(ORIGIN.to_owned(), note);
    }
    store
}

#[test]
fn a_growing_log_is_cosigned_step_by_step() {
    let tree = Tree::new(70, 70);
    let mut witness = start(1, Memory::default());
    let mut old = 0;
    for new in [0, 1, 1, 5, 64, 70] {
        let answer = witness.add_checkpoint(&tree.request(old, new), 100 + new);
        let Answer::Cosigned(lines) = answer else {
            panic!("{old} to {new}: {answer:?}")
        };
        let merged = append(&tree.note(new, 7), &lines).unwrap();
        assert_eq!(witness.key().verify(&merged), Ok(100 + new));
        assert_eq!(witness.latest(ORIGIN).unwrap(), Some(merged));
        old = new;
    }
}

#[test]
fn each_refusal_has_the_status_of_the_protocol() {
    let tree = Tree::new(20, 20);
    let mut witness = start(1, Memory::default());
    assert_eq!(
        witness.add_checkpoint(&tree.request(0, 10), 5).status(),
        200
    );
    let ask = |old, proof, note: String| AddCheckpoint { old, proof, note }.to_string();
    let unknown = tree.note(12, 7).replace(ORIGIN, "example.com/other");
    let proof = tree.proof(10, 12);
    let mut wrong = proof.clone();
    wrong[0][0] ^= 1;
    let cases = [
        (400, "no request".to_owned()),
        (400, ask(10, vec![], "no note".to_owned())),
        (
            400,
            ask(
                10,
                vec![],
                Note::sign("x\n1\n".into(), &log_key(7).1, &log_key(7).0)
                    .unwrap()
                    .to_string(),
            ),
        ),
        (404, ask(10, proof.clone(), unknown)),
        (403, ask(10, proof.clone(), tree.note(12, 8))),
        (
            403,
            ask(
                10,
                proof.clone(),
                tree.note(12, 7).replace("\n12\n", "\n13\n"),
            ),
        ),
        (400, ask(13, vec![], tree.note(12, 7))),
        (409, ask(9, tree.proof(9, 12), tree.note(12, 7))),
        (409, ask(0, vec![], tree.note(12, 7))),
        (422, ask(10, wrong, tree.note(12, 7))),
        (422, ask(10, vec![], tree.note(12, 7))),
        (422, ask(10, vec![], Tree::new(10, 3).note(10, 7))),
        (503, ask(10, proof.clone(), tree.note(12, 7))),
        (200, ask(10, proof, tree.note(12, 7))),
    ];
    for (i, (status, body)) in cases.iter().enumerate() {
        // Only the last but one comes with a clock that runs behind.
        let now = if *status == 503 { 4 } else { 6 };
        let answer = witness.add_checkpoint(body.as_bytes(), now);
        assert_eq!(answer.status(), *status, "case {i}: {answer:?}");
        assert_eq!(answer.content_type() == "text/x.tlog.size", *status == 409);
        if *status == 409 {
            assert_eq!(answer.body(), "10\n");
        }
    }
}

#[test]
fn the_first_checkpoint_takes_no_proof_and_an_empty_tree_has_the_empty_root() {
    let tree = Tree::new(4, 4);
    let request = AddCheckpoint {
        old: 0,
        proof: vec![[1; 32]],
        note: tree.note(4, 7),
    };
    let mut witness = start(1, Memory::default());
    let status =
        |w: &mut Witness<Memory>, body: String| w.add_checkpoint(body.as_bytes(), 1).status();
    assert_eq!(status(&mut witness, request.to_string()), 422);
    let (key, name) = log_key(7);
    let false_empty = Checkpoint {
        origin: ORIGIN.to_owned(),
        size: 0,
        root: [9; 32],
    };
    assert_ne!(false_empty.root, empty_root());
    let note = Note::sign(false_empty.to_string(), &name, &key).unwrap();
    let request = AddCheckpoint {
        old: 0,
        proof: vec![],
        note: note.to_string(),
    };
    assert_eq!(status(&mut witness, request.to_string()), 422);
}

#[test]
fn a_fork_shown_to_two_witnesses_is_cosigned_by_one_of_them_alone() {
    let (one, two) = (Tree::new(30, 30), Tree::new(30, 10));
    let (mut first, mut second) = (start(1, Memory::default()), start(2, Memory::default()));
    assert_eq!(first.add_checkpoint(&one.request(0, 20), 1).status(), 200);
    assert_eq!(second.add_checkpoint(&two.request(0, 20), 1).status(), 200);
    // From here on either history is stuck at one of the two.
    assert_eq!(second.add_checkpoint(&one.request(20, 30), 2).status(), 422);
    assert_eq!(first.add_checkpoint(&two.request(20, 30), 2).status(), 422);
    assert_eq!(first.add_checkpoint(&one.request(20, 30), 2).status(), 200);
    assert_eq!(first.store.evidence.len(), 1);
}

#[test]
fn two_roots_of_one_size_are_kept_as_evidence_whatever_the_old_size() {
    let mut witness = start(1, Memory::default());
    witness.add_checkpoint(&Tree::new(9, 9).request(0, 9), 1);
    let fork = Tree::new(9, 2);
    assert_eq!(
        witness.add_checkpoint(&fork.request(0, 9), 1),
        Answer::Conflict(9)
    );
    assert_eq!(witness.store.evidence.len(), 1);
}

#[test]
fn a_witness_that_starts_again_goes_on_where_it_was() {
    let tree = Tree::new(20, 20);
    let mut before = start(1, Memory::default());
    before.add_checkpoint(&tree.request(0, 15), 1);
    let mut after = start(1, store_of(&before));
    assert_eq!(
        after.add_checkpoint(&tree.request(0, 5), 2),
        Answer::Conflict(15)
    );
    assert_eq!(after.add_checkpoint(&tree.request(15, 20), 2).status(), 200);
}

#[test]
fn a_stored_note_without_the_witnesses_signature_is_not_believed() {
    let tree = Tree::new(20, 20);
    let mut store = Memory::default();
    store.notes.insert(ORIGIN.to_owned(), tree.note(5, 7));
    let mut witness = start(1, store);
    assert_eq!(
        witness.add_checkpoint(&tree.request(5, 20), 1).status(),
        503
    );
}

#[test]
fn after_a_failed_write_nothing_is_signed_until_the_store_is_opened_again() {
    let tree = Tree::new(20, 20);
    let mut witness = start(
        1,
        Memory {
            full: true,
            ..Memory::default()
        },
    );
    assert_eq!(witness.add_checkpoint(&tree.request(0, 5), 1).status(), 503);
    witness.store.full = false;
    assert_eq!(witness.add_checkpoint(&tree.request(0, 5), 1).status(), 503);
    let mut again = start(1, store_of(&witness));
    assert_eq!(again.add_checkpoint(&tree.request(0, 5), 1).status(), 200);
}

#[test]
fn a_second_key_of_a_log_is_accepted_and_the_witnesses_own_key_is_not() {
    let (signer, key) = witness_key(1);
    let logs = [log_key(7).1, log_key(8).1];
    let mut witness = Witness::new(key.clone(), signer.clone(), &logs, Memory::default()).unwrap();
    let tree = Tree::new(6, 6);
    let request = AddCheckpoint {
        old: 0,
        proof: vec![],
        note: tree.note(6, 8),
    };
    assert_eq!(
        witness
            .add_checkpoint(request.to_string().as_bytes(), 1)
            .status(),
        200
    );
    let own = VerifierKey::new(ORIGIN, *key.public_key()).unwrap();
    assert!(matches!(
        Witness::new(key.clone(), signer, &[own], Memory::default()),
        Err(WitnessSetupError::OwnKey(_))
    ));
    let other = witness_key(2).0;
    assert!(matches!(
        Witness::new(key, other, &[], Memory::default()),
        Err(WitnessSetupError::Mismatch)
    ));
}

proptest! {
    /// Whatever is asked, in whatever order: what was cosigned is one growing history.
    #[test]
    fn cosigned_checkpoints_are_one_growing_history(
        asked in prop::collection::vec((any::<bool>(), 0u64..40, 0u64..40, any::<bool>()), 1..40),
    ) {
        let trees = [Tree::new(40, 40), Tree::new(40, 12)];
        let mut witness = start(1, Memory::default());
        let mut last: Option<(u64, Hash)> = None;
        for (fork, old, new, knows) in asked {
            let tree = &trees[usize::from(fork)];
            // Half of the callers know what the witness holds.
            let old = if knows { last.map_or(0, |l| l.0) } else { old };
            let proof = if old <= new { tree.proof(old, new) } else { vec![] };
            let request = AddCheckpoint { old, proof, note: tree.note(new, 7) };
            let answer = witness.add_checkpoint(request.to_string().as_bytes(), 1);
            if answer.status() == 200 {
                let (size, root) = (new, tree.checkpoint(new).root);
                if let Some((before, before_root)) = last {
                    prop_assert!(before <= size);
                    prop_assert_eq!(tree.checkpoint(before).root, before_root);
                }
                last = Some((size, root));
            } else {
                let extends = last.is_none_or(|(size, root)| {
                    size <= new && tree.checkpoint(size).root == root
                });
                prop_assert!(!(knows && extends), "an honest request got {:?}", answer);
            }
        }
    }
}
