//! Mirrors of ledgers whose key is replaced.

use countersign_ledger::{
    Ledger, VerifierKey,
    keys::{Handover, handovers_from_text},
};
use tokio::runtime::Runtime;

use super::*;
use crate::common::ORIGIN;

/// A ledger that is being written and served.
struct Live {
    ledger: Ledger,
    runtime: Runtime,
    server: Server,
    root: tempfile::TempDir,
    /// Its keys, oldest first.
    names: Vec<VerifierKey>,
    size: u64,
}

impl Live {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let runtime = Runtime::new().unwrap();
        let data = root.path().join("data");
        let (key, name) = keys::init(&data, ORIGIN, None).unwrap();
        let mut settings = Settings::new(&data, ORIGIN);
        settings.publish_every = Duration::from_millis(10);
        settings.min_free_bytes = 0;
        let entered = runtime.enter();
        let (ledger, _) = Opening::new(settings, Arc::new(key)).open().unwrap();
        drop(entered);
        let server = Server::start(&data.join("ledger"));
        Self {
            ledger,
            runtime,
            server,
            root,
            names: vec![name],
            size: 0,
        }
    }

    fn append(&mut self, count: u64) {
        for n in 0..count {
            let members = json!({"n": n}).as_object().unwrap().clone();
            let appended = self.runtime.block_on(self.ledger.append(members));
            self.size = appended.unwrap().index + 1;
        }
        self.wait();
    }

    fn rotate(&mut self, seed: u8) {
        let next = key(seed);
        let name = VerifierKey::new(ORIGIN, next.verifying_key()).unwrap();
        let members = json!({"why": "schedule"}).as_object().unwrap().clone();
        let rotated = self.ledger.rotate(Arc::new(next), members);
        self.size = self.runtime.block_on(rotated).unwrap().index + 1;
        self.names.push(name);
        self.wait();
    }

    fn wait(&self) {
        let published = self.ledger.published(self.size - 1);
        self.runtime.block_on(published).unwrap();
    }

    fn dir(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn settings(&self, dir: &str, key: usize) -> MirrorSettings {
        let (url, key) = (self.server.url(), self.names[key].clone());
        MirrorSettings::new(&url, self.dir(dir), key)
    }

    fn good_round(&self, dir: &str, key: usize) -> MirrorReport {
        let report = mirror(self.settings(dir, key)).unwrap();
        assert_eq!(report.alarm, None, "{dir}, trusting key {key}");
        assert_eq!(report.size(), self.size);
        let copy = self.dir(dir).join("copy");
        let found = verify::verify(&copy, &self.names[key], None).unwrap();
        assert_eq!(found.faults, []);
        report
    }
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

/// The handovers beside the copy, by their indices.
fn known(home: &Path) -> Vec<u64> {
    let text = fs::read_to_string(home.join("handovers")).unwrap_or_default();
    let known = handovers_from_text(&text).unwrap();
    known.iter().map(Handover::index).collect()
}

#[test]
fn whichever_key_is_trusted_a_new_mirror_follows_the_handovers() {
    let mut live = Live::new();
    live.append(300);
    live.rotate(8);
    live.append(299);
    live.rotate(9);
    live.append(20);
    for trusted in 0..3 {
        let dir = format!("mirror{trusted}");
        let report = live.good_round(&dir, trusted);
        assert!(report.verified);
        let learned: Vec<u64> = report.learned.iter().map(Handover::index).collect();
        assert_eq!(learned, [300, 600]);
        let told = format!("handed over to {}", live.names[2]);
        assert!(report.to_string().contains(&told), "{report}");
        assert_eq!(known(&live.dir(&dir)), [300, 600]);
        // What is known is not looked for again.
        live.server.asked();
        let again = live.good_round(&dir, trusted);
        assert_eq!((again.files, again.learned), (0, Vec::new()));
        assert_eq!(live.server.asked(), ["checkpoint"]);
        // Not even when it is lost: the copy holds the statements too.
        fs::remove_file(live.dir(&dir).join("handovers")).unwrap();
        live.good_round(&dir, trusted);
        assert_eq!(live.server.asked(), ["checkpoint"]);
        // Nor does it matter which key of the ledger is trusted from now on.
        live.good_round(&dir, (trusted + 1) % 3);
    }
}

#[test]
fn a_copy_from_before_the_rotations_goes_on_whichever_key_is_trusted_then() {
    let mut live = Live::new();
    live.append(300);
    for trusted in 0..3 {
        live.good_round(&format!("mirror{trusted}"), 0);
    }
    let mut open = Mirror::open(live.settings("open", 0)).unwrap();
    assert_eq!(open.round().unwrap().size(), 300);
    live.rotate(8);
    // The checkpoint is the new key's, and the handover is the last entry under it.
    let report = open.round().unwrap();
    assert_eq!((report.size(), &report.alarm), (301, &None));
    assert_eq!(report.learned.len(), 1);
    live.append(9);
    live.rotate(9);
    live.append(5);
    live.server.asked();
    for trusted in 0..3 {
        let report = live.good_round(&format!("mirror{trusted}"), trusted);
        assert_eq!((report.size_before, report.learned.len()), (300, 2));
    }
    // Entries that the copy has are not asked for again.
    let asked = live.server.asked();
    assert!(!asked.contains(&"tile/entries/000".to_owned()), "{asked:?}");
    assert_eq!(open.round().unwrap().size(), live.size);
    live.append(5);
    for trusted in 0..3 {
        live.good_round(&format!("mirror{trusted}"), trusted);
    }
    assert_eq!(open.round().unwrap().size(), live.size);
}

/// Serves `forge` and nothing else.
fn replace(scene: &Scene, forge: &Forge) {
    fs::remove_dir_all(scene.served()).unwrap();
    forge.write(&scene.served());
}

#[test]
fn a_ledger_that_a_stranger_signed_is_an_alarm_and_its_handovers_change_nothing() {
    let mut forge = Forge::new();
    forge.sign_by(&key(50));
    forge.grow(310);
    forge.hand_over(&key(51));
    // The ledger's key signed that once, but with another index.
    let (own, stranger) = (log_key().0, key(52));
    for (old, new) in [(&own, &stranger), (&stranger, &own)] {
        let index = format!("\n{}\n", forge.entries.len());
        let real = Handover::make(ORIGIN, old, new, 9999).unwrap();
        let spoilt = real.to_string().replace("\n9999\n", &index);
        forge.add(json!({"ledger": {"handover": spoilt}}));
    }
    forge.grow(600);
    for kept in [false, true] {
        let scene = Scene::new(300);
        if kept {
            scene.good_round();
        }
        replace(&scene, &forge);
        assert_eq!(scene.alarming_round().0, AlarmKind::Checkpoint);
        assert!(!scene.home().join("handovers").exists());
        // Beside the stranger's own, a copy cannot be opened either.
        let settings = MirrorSettings {
            key: VerifierKey::new(ORIGIN, key(51).verifying_key()).unwrap(),
            ..scene.settings()
        };
        let outcome = mirror(settings);
        let damaged = matches!(outcome, Err(MirrorError::Damaged { .. }));
        assert_eq!(damaged, kept, "{outcome:?}");
        if kept {
            replace(&scene, &scene.forge);
            scene.good_round();
        }
    }
}

#[test]
fn two_handovers_of_one_key_are_an_alarm_with_both_statements_as_evidence() {
    let mut scene = Scene::new(10);
    scene.forge.hand_over(&key(8));
    scene.grow(300);
    scene.good_round();
    let index = scene.forge.entries.len() as u64;
    let second = Handover::make(ORIGIN, &log_key().0, &key(9), index).unwrap();
    let before = scene.forge.clone();
    let event = json!({"ledger": {"handover": second.to_string()}});
    scene.forge.add(event);
    scene.grow(310);
    let empty = scene.root.path().join("empty");
    for dir in [scene.home(), empty] {
        let mut settings = scene.settings();
        settings.dir.clone_from(&dir);
        let report = mirror(settings).unwrap();
        let alarm = report.alarm.unwrap();
        assert_eq!(alarm.kind, AlarmKind::Handover);
        assert!(alarm.detail.contains("contradicts"), "{}", alarm.detail);
        let saved = alarm.saved.unwrap();
        let both = fs::read_to_string(saved.join("served.bin")).unwrap();
        let both = handovers_from_text(&both).unwrap();
        let keys: Vec<String> = both.iter().map(|one| one.old_key().id_hex()).collect();
        assert_eq!(keys, [log_key().1.id_hex(), log_key().1.id_hex()]);
    }
    assert_eq!(known(&scene.home()), [10]);
    // A handover that is not where it says is no second story, and no good entry either.
    scene.forge = before;
    let astray = Handover::make(ORIGIN, &key(8), &key(9), 7).unwrap();
    let event = json!({"ledger": {"handover": astray.to_string()}});
    scene.forge.add(event);
    replace(&scene, &scene.forge);
    let (kind, detail, _) = scene.alarming_round();
    assert_eq!(kind, AlarmKind::Entry);
    assert!(detail.contains("handover of entry 7"), "{detail}");
}

#[test]
fn a_handover_in_a_forked_history_is_evidence_and_does_not_stay() {
    let mut scene = Scene::new(300);
    scene.good_round();
    let mut thief = Forge::to(200);
    thief.add(json!({"n": "another"}));
    thief.grow(400);
    thief.hand_over(&key(66));
    thief.grow(500);
    replace(&scene, &thief);
    let (kind, _, saved) = scene.alarming_round();
    assert_eq!(kind, AlarmKind::Fork);
    // The evidence says how the checkpoint that was seen is one of the ledger's.
    assert_eq!(known(&saved), [400]);
    assert!(known(&scene.home()).is_empty());
    scene.forge.hand_over(&key(8));
    scene.forge.grow(600);
    replace(&scene, &scene.forge);
    scene.good_round();
    assert_eq!(known(&scene.home()), [300]);
    // A stale checkpoint by the older key is still known as such.
    replace(&scene, &Forge::to(300));
    assert_eq!(scene.alarming_round().0, AlarmKind::Rollback);
}

#[test]
fn the_search_for_handovers_is_bounded_and_an_alarm_says_what_was_not_searched() {
    let mut scene = Scene::new(0);
    scene.forge.grow(500);
    scene.forge.hand_over(&key(8));
    scene.grow(600);
    let alarm = |settings: MirrorSettings| {
        let alarm = mirror(settings).unwrap().alarm.unwrap();
        assert_eq!(alarm.kind, AlarmKind::Checkpoint);
        alarm.detail
    };
    let mut settings = scene.settings();
    settings.scout_max = 599;
    let detail = alarm(settings.clone());
    assert!(detail.contains("600 entries are claimed, the bound is 599"));
    assert_eq!(scene.server.asked(), ["checkpoint"]);
    settings.scout_max = 600;
    settings.scout_time = Duration::ZERO;
    assert!(alarm(settings.clone()).contains("longer than 0 s"));
    // Who serves a bad checkpoint cannot turn the alarm into a mere error.
    settings.scout_time = Duration::from_secs(60);
    scene.server.fail_after(1);
    let detail = alarm(settings.clone());
    assert!(detail.contains("could not be looked for"), "{detail}");
    scene.server.fail_after(-1);
    assert_eq!(mirror(settings).unwrap().alarm, None);
}

#[test]
fn a_handover_in_pruned_entries_is_brought_along_beside_the_copy() {
    let mut scene = Scene::new(100);
    let handover = scene.forge.hand_over(&key(8));
    scene.forge.grow(600);
    scene.forge.add(json!({"ledger": {"pruned_before": 512}}));
    scene.grow(700);
    for number in ["000", "001"] {
        fs::remove_file(scene.served().join("tile/entries").join(number)).unwrap();
    }
    assert_eq!(scene.alarming_round().0, AlarmKind::Checkpoint);
    fs::write(scene.home().join("handovers"), handover.to_string()).unwrap();
    let pruned = Pruned {
        before: 512,
        recorded: true,
    };
    assert_eq!(scene.good_round().pruned, Some(pruned));
    assert_eq!(scene.good_round().pruned, Some(pruned));
    fs::write(scene.home().join("handovers"), "one\n").unwrap();
    assert!(matches!(scene.round(), Err(MirrorError::Damaged { .. })));
}

#[test]
fn a_policy_that_names_an_older_key_of_the_log_still_holds_after_a_rotation() {
    let mut scene = Scene::new(3);
    scene.forge.hand_over(&key(8));
    scene.grow(6);
    for (log, holds) in [
        (log_key().1, true),
        (
            VerifierKey::new(ORIGIN, key(9).verifying_key()).unwrap(),
            false,
        ),
    ] {
        let mut settings = scene.settings();
        settings.dir = scene.root.path().join(log.id_hex());
        settings.policy = Some(format!("log {log}\nquorum none\n").parse().unwrap());
        let alarm = mirror(settings).unwrap().alarm;
        assert_eq!(
            alarm.map(|alarm| alarm.kind),
            (!holds).then_some(AlarmKind::Checkpoint)
        );
    }
}
