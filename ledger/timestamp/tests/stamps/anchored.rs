//! The anchorer: when it asks, what it keeps, and what it says of itself.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use countersign_ledger::VerifierKey;
use countersign_ledger_timestamp::{
    Anchor, AnchorFault, Anchorer, Anchors, Pace, Roots, StampError, Status, verify_all,
};
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::authority::{Authority, Key};
use crate::http::{Manner, Server};
use crate::{ledger_key, note};

const PACE: Pace = Pace {
    period: Duration::from_millis(50),
    retry_first: Duration::from_millis(20),
    retry_max: Duration::from_millis(100),
};

/// An anchorer at work over a ledger whose size the test sets.
struct Scene {
    data: tempfile::TempDir,
    root: Vec<u8>,
    server: Server,
    size: Arc<AtomicU64>,
    status: watch::Receiver<Status>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Scene {
    async fn start(pace: Pace) -> Option<Self> {
        let authority = Authority::with(Key::P256)?;
        let root = authority.root();
        let server = Server::start(Arc::new(authority), note(1)).await;
        let data = tempfile::tempdir().unwrap();
        let size = Arc::new(AtomicU64::new(0));
        let (status, stop, task) = run(&server, &root, data.path(), &size, pace);
        Some(Self {
            data,
            root,
            server,
            size,
            status,
            stop,
            task,
        })
    }

    async fn until(&mut self, what: &str, is_it: impl FnMut(&Status) -> bool) -> Status {
        let waited = timeout(Duration::from_secs(20), self.status.wait_for(is_it)).await;
        assert!(waited.is_ok(), "{what}");
        waited.unwrap().unwrap().clone()
    }

    async fn stop(self) -> (tempfile::TempDir, Vec<u8>, Server, Arc<AtomicU64>) {
        self.stop.send(true).unwrap();
        timeout(Duration::from_secs(5), self.task)
            .await
            .unwrap()
            .unwrap();
        (self.data, self.root, self.server, self.size)
    }
}

type Running = (watch::Receiver<Status>, watch::Sender<bool>, JoinHandle<()>);

fn run(server: &Server, root: &[u8], data: &Path, size: &Arc<AtomicU64>, pace: Pace) -> Running {
    let anchorer = Anchorer::new(server.client(Some(root)), Anchors::of(data), pace);
    let status = anchorer.status();
    let (stop, stopped) = watch::channel(false);
    let size = Arc::clone(size);
    let task = tokio::spawn(anchorer.run(move || note(size.load(Ordering::SeqCst)), stopped));
    (status, stop, task)
}

fn key() -> VerifierKey {
    ledger_key().1
}

#[tokio::test(flavor = "multi_thread")]
async fn each_growth_is_stamped_once_and_all_that_is_stored_verifies() {
    let Some(mut scene) = Scene::start(PACE).await else {
        return;
    };
    let before = Timestamp::now();
    sleep(Duration::from_millis(200)).await;
    assert_eq!(scene.server.asked(), 0, "an empty ledger was stamped");
    for size in [1, 2, 300] {
        scene.size.store(size, Ordering::SeqCst);
        let what = format!("no token for {size} entries");
        let reached = |status: &Status| status.last_success.is_some_and(|s| s.size == size);
        scene.until(&what, reached).await;
    }
    sleep(Duration::from_millis(200)).await;
    assert_eq!(
        scene.server.asked(),
        3,
        "a ledger that did not grow was stamped"
    );
    let (data, root, ..) = scene.stop().await;
    let roots = Roots::from_pem(&root).unwrap();
    let checked = verify_all(data.path(), &roots, &key()).unwrap();
    let sizes: Vec<u64> = checked.iter().map(|checked| checked.size).collect();
    assert_eq!(sizes, [1, 2, 300]);
    for checked in checked {
        let (checkpoint, stamp) = checked.result.unwrap();
        assert_eq!(checkpoint.size, checked.size);
        let off = stamp.time.duration_since(before).as_secs();
        assert!(off.abs() < 60, "{off}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_told_and_retried_until_it_is_mended() {
    let Some(mut scene) = Scene::start(PACE).await else {
        return;
    };
    scene.server.behave(Manner::Busy);
    scene.size.store(5, Ordering::SeqCst);
    let status = scene
        .until("no retries", |status| status.failures >= 3)
        .await;
    assert_eq!(status.last_success, None);
    let reason = status.last_error.unwrap().reason;
    assert!(reason.contains("503"), "{reason}");
    scene.server.behave(Manner::Honest);
    let status = scene
        .until("no recovery", |status| status.last_success.is_some())
        .await;
    assert_eq!(status.failures, 0);
    assert!(
        status.last_error.is_some(),
        "the last error stays to be seen"
    );
    assert_eq!(status.last_success.unwrap().size, 5);
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_cannot_be_stored_is_a_failure_like_another() {
    let Some(mut scene) = Scene::start(PACE).await else {
        return;
    };
    let folder = scene.data.path().join("anchors");
    fs::write(&folder, "a file where the folder belongs").unwrap();
    scene.size.store(5, Ordering::SeqCst);
    scene
        .until("no failure", |status| status.failures >= 2)
        .await;
    fs::remove_file(&folder).unwrap();
    scene
        .until("no recovery", |status| status.last_success.is_some())
        .await;
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_keeps_to_the_period_and_knows_the_newest_token() {
    let pace = Pace {
        period: Duration::from_secs(3600),
        ..PACE
    };
    let Some(mut scene) = Scene::start(pace).await else {
        return;
    };
    scene.size.store(5, Ordering::SeqCst);
    let status = scene
        .until("no token", |status| status.last_success.is_some())
        .await;
    let (data, root, server, size) = scene.stop().await;
    size.store(6, Ordering::SeqCst);
    let (mut resumed, stop, task) = run(&server, &root, data.path(), &size, pace);
    let known = resumed.wait_for(|status| status.last_success.is_some());
    let known = timeout(Duration::from_secs(5), known)
        .await
        .unwrap()
        .unwrap()
        .clone();
    assert_eq!(known.last_success, status.last_success);
    sleep(Duration::from_millis(300)).await;
    assert_eq!(server.asked(), 1, "the period was not kept over a restart");
    // Without anybody who could stop it, it stops by itself.
    drop(stop);
    timeout(Duration::from_secs(5), task)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newest_token_that_cannot_be_read_keeps_its_size_and_calls_for_another() {
    let Some(authority) = Authority::with(Key::P256) else {
        return;
    };
    let root = authority.root();
    let server = Server::start(Arc::new(authority), note(1)).await;
    let data = tempfile::tempdir().unwrap();
    let spoilt = Anchor {
        size: 5,
        note: note(5).into_bytes(),
        response: b"spoilt".to_vec(),
    };
    Anchors::of(data.path()).write(&spoilt).unwrap();
    let size = Arc::new(AtomicU64::new(5));
    let (mut status, stop, task) = run(&server, &root, data.path(), &size, PACE);
    sleep(Duration::from_millis(200)).await;
    assert_eq!(
        server.asked(),
        0,
        "a size that has its token was stamped again"
    );
    size.store(6, Ordering::SeqCst);
    let stamped = status.wait_for(|status| status.last_success.is_some_and(|s| s.size == 6));
    timeout(Duration::from_secs(20), stamped)
        .await
        .unwrap()
        .unwrap();
    stop.send(true).unwrap();
    task.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_does_not_wait_for_a_silent_authority() {
    let Some(scene) = Scene::start(PACE).await else {
        return;
    };
    scene.server.behave(Manner::Silent);
    scene.size.store(5, Ordering::SeqCst);
    while scene.server.asked() == 0 {
        sleep(Duration::from_millis(10)).await;
    }
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_stored_fault_is_told_with_the_size_it_is_at() {
    let Some(mut scene) = Scene::start(PACE).await else {
        return;
    };
    for size in [1, 2, 3, 4] {
        scene.size.store(size, Ordering::SeqCst);
        let reached = |status: &Status| status.last_success.is_some_and(|s| s.size == size);
        scene.until("no token", reached).await;
    }
    let (data, root, ..) = scene.stop().await;
    let folder = data.path().join("anchors");
    fs::copy(folder.join("1.tsr"), folder.join("2.tsr")).unwrap();
    fs::rename(folder.join("3.note"), folder.join("30.note")).unwrap();
    fs::rename(folder.join("3.tsr"), folder.join("30.tsr")).unwrap();
    fs::remove_file(folder.join("4.note")).unwrap();
    let roots = Roots::from_pem(&root).unwrap();
    let checked = verify_all(data.path(), &roots, &key()).unwrap();
    let [one, two, four, thirty] = checked.as_slice() else {
        panic!("{checked:?}");
    };
    assert!(one.result.is_ok() && one.size == 1);
    let fault = |checked: &countersign_ledger_timestamp::Checked| {
        format!("{}: {}", checked.size, checked.result.as_ref().unwrap_err())
    };
    assert!(matches!(
        two.result,
        Err(AnchorFault::Stamp(StampError::Imprint))
    ));
    assert_eq!(fault(two), "2: the timestamp belongs to another note");
    assert!(matches!(four.result, Err(AnchorFault::Unreadable(_))));
    assert!(
        matches!(thirty.result, Err(AnchorFault::Size(3))),
        "{}",
        fault(thirty)
    );
    // Under another key the same notes are nobody's checkpoints.
    let other = countersign_ledger::SigningKey::from_bytes(&[9; 32]);
    let other = VerifierKey::new("stamped.example", other.verifying_key()).unwrap();
    let checked = verify_all(data.path(), &roots, &other).unwrap();
    assert!(matches!(checked[0].result, Err(AnchorFault::Note(_))));
}
