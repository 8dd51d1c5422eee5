//! Mirrors of ledgers that are served over real sockets.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use crate::common::{
    forge::{Forge, files},
    log_key,
    server::{Server, Trouble},
};
use countersign_ledger::{Opening, Settings, SigningKey, keys, verify, witness::WitnessKey};
use countersign_ledger_remote::mirror::{
    AlarmKind, Mirror, MirrorError, MirrorReport, MirrorSettings, Pruned, follow, mirror,
};
use serde_json::json;

mod alarms;
mod rotations;

/// A ledger that is served, and the place of its mirror.
struct Scene {
    root: tempfile::TempDir,
    forge: Forge,
    server: Server,
}

impl Scene {
    fn new(size: u64) -> Self {
        let root = tempfile::tempdir().unwrap();
        let forge = Forge::to(size);
        forge.write(&root.path().join("served"));
        let server = Server::start(&root.path().join("served"));
        Self {
            root,
            forge,
            server,
        }
    }

    fn served(&self) -> PathBuf {
        self.root.path().join("served")
    }

    fn home(&self) -> PathBuf {
        self.root.path().join("mirror")
    }

    fn settings(&self) -> MirrorSettings {
        let mut settings = MirrorSettings::new(&self.server.url(), self.home(), log_key().1);
        settings.file_max = Duration::from_secs(5);
        settings
    }

    fn grow(&mut self, size: u64) {
        self.forge.grow(size);
        self.forge.write(&self.served());
    }

    fn round(&self) -> Result<MirrorReport, MirrorError> {
        mirror(self.settings())
    }

    fn good_round(&self) -> MirrorReport {
        let report = self.round().unwrap();
        assert_eq!(report.alarm, None);
        assert_eq!(report.size(), self.forge.entries.len() as u64);
        report
    }

    /// A round that must alarm, with its evidence, and leave the copy as it was.
    fn alarming_round(&self) -> (AlarmKind, String, PathBuf) {
        let before = fs::read(self.home().join("copy/checkpoint")).ok();
        let report = self.round().unwrap();
        let alarm = report.alarm.clone().unwrap();
        assert!(report.to_string().contains("ALARM"), "{report}");
        assert_eq!(fs::read(self.home().join("copy/checkpoint")).ok(), before);
        let saved = alarm.saved.unwrap();
        let seen = fs::read(saved.join("seen.note")).unwrap();
        assert_eq!(seen, fs::read(self.served().join("checkpoint")).unwrap());
        assert_eq!(fs::read(saved.join("kept.note")).ok(), before);
        (alarm.kind, alarm.detail, saved)
    }

    fn assert_copy_is_whole(&self) {
        let copy = self.home().join("copy");
        let served = files(&self.served());
        for file in files(&copy) {
            assert!(served.contains(&file), "{} differs", file.0);
        }
        let found = verify::verify(&copy, &log_key().1, None).unwrap();
        assert!(found.is_clean(), "{:?}", found.faults);
        assert_eq!(found.entries, self.forge.entries.len() as u64);
    }
}

fn flip(path: &Path, place: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[place] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn the_copy_of_a_growing_ledger_equals_it_byte_for_byte() {
    let mut scene = Scene::new(0);
    for size in [0, 1, 2, 255, 256, 257, 511, 512, 800, 800, 1100] {
        scene.grow(size);
        scene.good_round();
        scene.assert_copy_is_whole();
    }
    // In one step it is the same, but for partial files of sizes in between.
    let other = scene.root.path().join("second");
    let mut settings = scene.settings();
    settings.dir.clone_from(&other);
    let report = mirror(settings).unwrap();
    assert!(report.verified);
    let whole = files(&scene.home().join("copy"));
    let second = files(&other.join("copy"));
    assert!(second.iter().all(|file| whole.contains(file)));
}

#[test]
fn three_levels_of_tiles_are_mirrored_too() {
    let scene = Scene::new(65_600);
    let mut settings = scene.settings();
    // Reading it all back once more would take this test's time twice.
    settings.verify_max = 65_599;
    let report = mirror(settings).unwrap();
    assert_eq!((report.size(), report.verified), (65_600, false));
    let (copied, served) = (files(&scene.home().join("copy")), files(&scene.served()));
    assert!(copied == served, "the copy differs");
    assert!(scene.home().join("copy/tile/2/000.p/1").exists());
}

#[test]
fn an_open_mirror_fetches_only_what_is_new() {
    let mut scene = Scene::new(1000);
    let mut open = Mirror::open(scene.settings()).unwrap();
    assert!(open.round().unwrap().verified);
    scene.server.asked();
    scene.grow(1030);
    let report = open.round().unwrap();
    assert_eq!((report.size_before, report.size()), (1000, 1030));
    let asked = scene.server.asked();
    assert!(asked.len() < 12, "{asked:?}");
    assert!(
        !asked.iter().any(|path| path.starts_with("tile/entries/00")
            && !path.contains("003")
            && !path.contains("004")),
        "{asked:?}"
    );
    assert_eq!(open.round().unwrap().files, 0);
    assert_eq!(scene.server.asked(), ["checkpoint"]);
    scene.assert_copy_is_whole();
}

#[test]
fn a_full_file_stands_in_for_a_partial_one_that_is_gone() {
    let scene = Scene::new(600);
    // The ledger has grown and cleaned up, while an older checkpoint is still served.
    let note = scene.forge.note();
    Forge::to(800).write(&scene.served());
    fs::write(scene.served().join("checkpoint"), note).unwrap();
    for gone in ["tile/0/002.p/88", "tile/entries/002.p/88"] {
        fs::remove_file(scene.served().join(gone)).unwrap();
    }
    scene.good_round();
    let copy = scene.home().join("copy");
    assert!(copy.join("tile/entries/002.p/88").exists());
    assert!(
        verify::verify(&copy, &log_key().1, None)
            .unwrap()
            .is_clean()
    );
}

#[test]
fn a_ledger_that_moves_on_during_a_round_is_followed() {
    let scene = Scene::new(600);
    let grown = scene.root.path().join("grown");
    Forge::to(650).write(&grown);
    scene.server.show_after_checkpoint(&grown);
    let report = scene.round().unwrap();
    assert_eq!((report.size(), report.alarm), (650, None));
}

#[test]
fn an_interrupted_round_goes_on_where_it_was() {
    let scene = Scene::new(2000);
    for files in [1, 5, 9] {
        scene.server.fail_after(files);
        assert!(matches!(scene.round(), Err(MirrorError::Source { .. })));
        assert!(!scene.home().join("copy/checkpoint").exists());
    }
    scene.server.fail_after(-1);
    scene.server.asked();
    scene.good_round();
    let asked = scene.server.asked();
    assert!(!asked.contains(&"tile/0/000".to_owned()), "{asked:?}");
    scene.assert_copy_is_whole();
}

#[test]
fn compressed_files_are_read_and_endless_ones_are_not() {
    let scene = Scene::new(300);
    scene.server.make(Trouble::Endless);
    assert!(matches!(scene.round(), Err(MirrorError::Source { .. })));
    scene.server.make(Trouble::Gzip);
    scene.good_round();
    scene.assert_copy_is_whole();
}

#[test]
fn a_mirror_of_a_mirror_is_as_good() {
    let scene = Scene::new(600);
    scene.good_round();
    scene.server.show(&scene.home().join("copy"));
    let mut settings = scene.settings();
    settings.dir = scene.root.path().join("second");
    assert!(mirror(settings).unwrap().verified);
    let (one, two) = (
        scene.home().join("copy"),
        scene.root.path().join("second/copy"),
    );
    assert_eq!(files(&one), files(&two));
}

#[test]
fn two_mirrors_do_not_share_a_directory() {
    let scene = Scene::new(3);
    let open = Mirror::open(scene.settings()).unwrap();
    assert!(matches!(scene.round(), Err(MirrorError::Io { .. })));
    drop(open);
    scene.good_round();
}

#[test]
fn following_goes_on_through_trouble_and_stops_at_once() {
    let scene = Scene::new(100);
    let stop = tokio_util::sync::CancellationToken::new();
    let mut seen = Vec::new();
    let mut scene_of_seen = |outcome: &Result<MirrorReport, MirrorError>| {
        let size = outcome.as_ref().map(MirrorReport::size).ok();
        seen.push(size);
        match seen.len() {
            1 => scene.server.fail_after(0),
            2 => scene.server.fail_after(-1),
            3 => Forge::to(200).write(&scene.served()),
            4 => {
                scene.server.make(Trouble::Silent);
                let stop = stop.clone();
                std::thread::spawn(move || {
                    std::thread::sleep(Duration::from_millis(300));
                    stop.cancel();
                });
            }
            _ => unreachable!("the fifth round is interrupted"),
        }
    };
    let interval = Duration::from_millis(10);
    let began = Instant::now();
    follow(scene.settings(), interval, &stop, &mut scene_of_seen).unwrap();
    assert_eq!(seen, [Some(100), None, Some(100), Some(200)]);
    assert!(
        began.elapsed() < Duration::from_secs(4),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn a_server_that_never_answers_is_waited_for_no_longer_than_the_bound() {
    let scene = Scene::new(3);
    scene.server.make(Trouble::Silent);
    let mut settings = scene.settings();
    settings.file_max = Duration::from_millis(200);
    let began = Instant::now();
    assert!(matches!(mirror(settings), Err(MirrorError::Source { .. })));
    assert!(began.elapsed() < Duration::from_secs(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_copy_of_a_ledger_that_is_being_written_equals_it_byte_for_byte() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let (key, name) = keys::init(&data, "example.com/live", None).unwrap();
    let mut settings = Settings::new(&data, "example.com/live");
    settings.publish_every = Duration::from_millis(20);
    settings.min_free_bytes = 0;
    let (ledger, _) = Opening::new(settings, Arc::new(key)).open().unwrap();
    let served = data.join("ledger");
    let server = Server::start(&served);
    let home = root.path().join("mirror");
    let watched = MirrorSettings::new(&server.url(), &home, name.clone());
    let mirror_now = || {
        let watched = watched.clone();
        tokio::task::spawn_blocking(move || mirror(watched))
    };
    for n in 0..600 {
        let members = json!({"n": n}).as_object().unwrap().clone();
        ledger.append(members).await.unwrap();
        // Before anything is published there is nothing to mirror, and that is no alarm.
        if n % 60 == 59
            && let Ok(report) = mirror_now().await.unwrap()
        {
            assert_eq!(report.alarm, None);
        }
    }
    ledger.close().await.unwrap();
    let report = mirror_now().await.unwrap().unwrap();
    assert_eq!((report.size(), report.alarm), (600, None));
    let (copied, original) = (files(&home.join("copy")), files(&served));
    // The copy also has partial files of sizes that have passed; the ledger drops its own.
    for file in &original {
        let same = |copy: &&(String, Vec<u8>)| copy.0 == file.0;
        let copy = copied.iter().find(same);
        let partial = file.0.contains(".p/");
        assert!(
            copy == Some(file) || (partial && copy.is_none()),
            "{} differs",
            file.0
        );
    }
    let found = verify::verify(&home.join("copy"), &name, None).unwrap();
    assert!(found.is_clean(), "{:?}", found.faults);
    assert_eq!(found.entries, 600);
}
