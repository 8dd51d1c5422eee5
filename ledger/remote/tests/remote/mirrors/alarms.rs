//! What a mirror calls an alarm, and what it does not.

use super::*;

#[test]
fn a_fork_is_an_alarm_wherever_it_begins_and_whatever_size_it_has() {
    for (fork, size) in [
        (0, 700),
        (10, 600),
        (599, 600),
        (599, 900),
        (300, 500),
        (10, 300),
    ] {
        let scene = Scene::new(600);
        scene.good_round();
        let mut other = Forge::to(fork);
        other.add(json!({"n": "another"}));
        other.grow(size);
        fs::remove_dir_all(scene.served()).unwrap();
        other.write(&scene.served());
        let (kind, detail, saved) = scene.alarming_round();
        assert_eq!(
            kind,
            AlarmKind::Fork,
            "fork at {fork}, size {size}: {detail}"
        );
        // Seen again, it is the same alarm.
        assert_eq!(scene.alarming_round().2, saved);
        // The evidence is two notes that bear the ledger's signature.
        for note in ["kept.note", "seen.note"] {
            let note = fs::read_to_string(saved.join(note)).unwrap();
            countersign_ledger::Checkpoint::open(&note, &log_key().1).unwrap();
        }
    }
}

#[test]
fn a_ledger_that_was_rolled_back_is_an_alarm_and_the_copy_keeps_what_it_had() {
    let scene = Scene::new(600);
    scene.good_round();
    fs::remove_dir_all(scene.served()).unwrap();
    Forge::to(500).write(&scene.served());
    assert_eq!(scene.alarming_round().0, AlarmKind::Rollback);
    // When the cache is no longer stale, all is well.
    scene.forge.write(&scene.served());
    scene.good_round();
}

#[test]
fn a_flipped_bit_in_any_served_file_is_an_alarm_that_names_it() {
    for (path, kind) in [
        ("checkpoint", AlarmKind::Checkpoint),
        ("tile/0/000", AlarmKind::Tile),
        ("tile/0/001", AlarmKind::Tile),
        ("tile/0/002.p/88", AlarmKind::Tile),
        ("tile/1/000.p/2", AlarmKind::Tile),
        ("tile/entries/000", AlarmKind::Bundle),
        ("tile/entries/002.p/88", AlarmKind::Bundle),
    ] {
        let scene = Scene::new(600);
        let file = scene.served().join(path);
        let length = fs::metadata(&file).unwrap().len();
        let places = [0, length / 2, length - 3];
        for place in places.map(|place| usize::try_from(place).unwrap()) {
            flip(&file, place);
            let (found, detail, saved) = scene.alarming_round();
            assert_eq!(found, kind, "{path} byte {place}: {detail}");
            if kind == AlarmKind::Bundle {
                assert!(detail.contains(path), "{detail}");
                let served = fs::read(saved.join("served.bin")).unwrap();
                assert!(served == fs::read(&file).unwrap(), "{detail}");
            }
            flip(&file, place);
        }
        // What was stored in between does no harm.
        scene.good_round();
        scene.assert_copy_is_whole();
    }
}

#[test]
fn a_flipped_bit_in_the_copy_is_called_damage_of_the_copy() {
    let mut scene = Scene::new(600);
    scene.good_round();
    scene.grow(700);
    for path in [
        "tile/0/000",
        "tile/1/000.p/2",
        "tile/entries/001",
        "tile/0/002.p/88",
        "checkpoint",
    ] {
        let file = scene.home().join("copy").join(path);
        flip(&file, 40);
        let outcome = scene.round();
        assert!(
            matches!(outcome, Err(MirrorError::Damaged { .. })),
            "{path}: {outcome:?}"
        );
        flip(&file, 40);
    }
    scene.good_round();
}

#[test]
fn entries_that_were_pruned_are_missed_by_a_new_mirror_and_kept_by_an_old_one() {
    let mut scene = Scene::new(300);
    scene.good_round();
    scene.forge.grow(900);
    let event = json!({"ledger": {"pruned_before": 768}, "n": 0});
    scene.forge.add(event);
    let prune = |scene: &Scene| {
        for number in ["000", "001", "002"] {
            fs::remove_file(scene.served().join("tile/entries").join(number)).unwrap();
        }
    };
    scene.grow(1000);
    prune(&scene);
    let pruned = Pruned {
        before: 768,
        recorded: true,
    };
    let mut new = scene.settings();
    new.dir = scene.root.path().join("new");
    for size in [1000, 1100] {
        assert_eq!(scene.good_round().pruned, Some(pruned));
        let report = mirror(new.clone()).unwrap();
        assert_eq!(report.alarm, None);
        assert_eq!((report.size(), report.pruned), (size, Some(pruned)));
        scene.grow(1100);
        prune(&scene);
    }
    // The old mirror keeps what it had, the last entries of it in a bundle that was never full.
    let copy = scene.home().join("copy/tile/entries");
    assert!(copy.join("000").exists() && copy.join("001.p/44").exists());
    assert!(!copy.join("001").exists() && !new.dir.join("copy/tile/entries/000").exists());
}

#[test]
fn old_entries_that_are_withheld_without_a_record_are_reported_as_such() {
    let scene = Scene::new(600);
    fs::remove_file(scene.served().join("tile/entries/000")).unwrap();
    let report = scene.good_round();
    let pruned = Pruned {
        before: 256,
        recorded: false,
    };
    assert_eq!(report.pruned, Some(pruned));
    assert!(report.to_string().contains("no entry says"), "{report}");
    // A mirror that opens the copy again says the same.
    assert_eq!(scene.good_round().pruned, Some(pruned));
}

#[test]
fn a_missing_file_in_the_middle_or_at_the_end_is_an_alarm() {
    for path in [
        "tile/entries/001",
        "tile/entries/002.p/88",
        "tile/0/000",
        "tile/0/002.p/88",
        "tile/1/000.p/2",
    ] {
        let scene = Scene::new(600);
        fs::remove_file(scene.served().join(path)).unwrap();
        let (kind, detail, _) = scene.alarming_round();
        assert_eq!(kind, AlarmKind::Missing, "{path}: {detail}");
        assert!(detail.contains(path), "{detail}");
        scene.forge.write(&scene.served());
        scene.good_round();
        scene.assert_copy_is_whole();
    }
}

#[test]
fn an_entry_that_the_ledgers_key_did_not_sign_or_that_breaks_its_chain_is_an_alarm() {
    let mut stranger = Scene::new(10);
    let key = SigningKey::from_bytes(&[9; 32]);
    stranger.forge.add_signed_by(json!({"n": 10}), &key);
    let mut broken = Scene::new(10);
    broken.forge.seq += 1;
    for (scene, why) in [
        (&mut stranger, "signature"),
        (&mut broken, "next of its chain"),
    ] {
        scene.good_round_of_ten();
        scene.grow(12);
        let (kind, detail, _) = scene.alarming_round();
        assert_eq!(kind, AlarmKind::Entry);
        assert!(
            detail.contains("entry 10") && detail.contains(why),
            "{detail}"
        );
    }
}

impl Scene {
    fn good_round_of_ten(&self) {
        let report = self.round().unwrap();
        assert_eq!((report.size(), report.alarm), (10, None));
    }
}

#[test]
fn a_checkpoint_without_its_quorum_is_an_alarm_where_a_policy_asks_for_one() {
    let scene = Scene::new(3);
    let key = SigningKey::from_bytes(&[1; 32]);
    let witness = WitnessKey::new("witness.example/w1", key.verifying_key()).unwrap();
    let mut settings = scene.settings();
    settings.policy = Some(
        format!("witness w1 {witness}\nquorum w1\n")
            .parse()
            .unwrap(),
    );
    let alarm = mirror(settings.clone()).unwrap().alarm.unwrap();
    assert_eq!(alarm.kind, AlarmKind::Checkpoint);
    let note = scene.forge.note();
    let (text, _) = countersign_ledger::witness::parts(&note).unwrap();
    let line = countersign_ledger::witness::cosign(&witness, &key, text, 1).unwrap();
    let merged = countersign_ledger::witness::append(&note, &[line]).unwrap();
    fs::write(scene.served().join("checkpoint"), &merged).unwrap();
    assert_eq!(mirror(settings).unwrap().alarm, None);
    let copied = fs::read_to_string(scene.home().join("copy/checkpoint")).unwrap();
    assert_eq!(copied, merged);
}
