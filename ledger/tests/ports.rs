//! The ledger and what it is put together with: guard, clock, keys, index, witnesses.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use common::{Home, append, members};
use countersign_ledger::{
    Checkpoint, Clock, Disk, FolderGuard, Index, IndexError, IndexRow, IndexStore, MemoryIndex,
    OpenError, SigningKey, VerifierKey, WitnessError, Witnesses, entry, receipt, verify::verify,
};

#[tokio::test]
async fn a_second_guard_exposes_a_whole_directory_that_was_rolled_back() {
    let home = Home::new();
    let place = tempfile::tempdir().unwrap();
    let open = |from: &Path| {
        let folder = place.path().join("guard");
        let guard = FolderGuard::open(Arc::new(Disk), folder).unwrap();
        let mut opening = home.opening();
        opening = opening.second_guard(Box::new(guard));
        assert_eq!(from, home.path());
        opening.open()
    };
    let (ledger, _) = open(home.path()).unwrap();
    append(&ledger, 0..5).await;
    ledger.close().await.unwrap();
    drop(ledger);
    let old = tempfile::tempdir().unwrap();
    common::copy(home.path(), old.path());
    let (ledger, _) = open(home.path()).unwrap();
    append(&ledger, 5..9).await;
    ledger.close().await.unwrap();
    drop(ledger);
    fs::remove_dir_all(home.path().join("ledger")).unwrap();
    fs::remove_dir_all(home.path().join("guard")).unwrap();
    fs::remove_dir_all(home.path().join("wal")).unwrap();
    common::copy(old.path(), home.path());
    assert_eq!(verify(home.path(), &home.name, None).unwrap().faults, []);
    assert!(matches!(open(home.path()), Err(OpenError::Rollback(_))));
}

#[tokio::test]
async fn a_clock_behind_the_last_checkpoint_signs_nothing_until_it_caught_up() {
    let mut home = Home::new();
    home.settings.publish_every = Duration::from_millis(5);
    let offset = Arc::new(AtomicI64::new(0));
    let seconds = offset.clone();
    home.settings.clock = Clock::new(move || {
        jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds.load(Ordering::SeqCst))
    });
    let (ledger, _) = home.open();
    append(&ledger, 0..1).await;
    ledger.published(0).await.unwrap();
    offset.store(-60, Ordering::SeqCst);
    append(&ledger, 1..2).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let head = ledger.head();
    assert_eq!((head.size, head.published.unwrap().size), (2, 1));
    assert!(head.stalled.unwrap().contains("clock is behind"));
    offset.store(0, Ordering::SeqCst);
    ledger.published(1).await.unwrap();
    assert_eq!(ledger.head().stalled, None);
    ledger.close().await.unwrap();
    drop(ledger);
    offset.store(-60, Ordering::SeqCst);
    assert!(matches!(
        home.try_open(),
        Err(OpenError::ClockBehind { .. })
    ));
}

#[tokio::test]
async fn pruned_entries_are_gone_and_their_receipts_still_verify() {
    let home = Home::new();
    let (ledger, _) = home.open();
    append(&ledger, 0..700).await;
    ledger.published(699).await.unwrap();
    let (entry, old) = (
        ledger.read(3).unwrap().unwrap(),
        ledger.receipt(3).unwrap().unwrap(),
    );
    ledger.prune(600, members(700)).await.unwrap();
    assert_eq!(ledger.read(511).unwrap(), None);
    assert!(ledger.read(512).unwrap().is_some());
    let new = ledger.receipt(3).unwrap().unwrap();
    assert_ne!(old, new);
    for text in [old, new] {
        assert_eq!(receipt::verify(&text, &entry, &home.name).unwrap().index, 3);
    }
    ledger.close().await.unwrap();
    drop(ledger);
    let (ledger, _) = home.open();
    assert_eq!(common::find(&ledger, "id", "id-600").await, [600]);
    assert!(common::find(&ledger, "id", "id-3").await.is_empty());
    append(&ledger, 701..702).await;
    ledger.close().await.unwrap();
}

#[tokio::test]
async fn another_key_takes_over_and_its_statement_is_in_the_ledger() {
    let mut home = Home::new();
    let (ledger, _) = home.open();
    append(&ledger, 0..3).await;
    let next = SigningKey::from_bytes(&[9; 32]);
    let handed = ledger
        .rotate(Arc::new(next.clone()), members(3))
        .await
        .unwrap();
    append(&ledger, 4..6).await;
    let new = VerifierKey::new(home.name.name(), next.verifying_key()).unwrap();
    ledger.published(handed.index).await.unwrap();
    let old_key = entry::open(&ledger.read(3).unwrap().unwrap(), &home.name).map(|_| ());
    let new_key = entry::open(&ledger.read(4).unwrap().unwrap(), &new).map(|_| ());
    assert_eq!((old_key, new_key), (Ok(()), Ok(())));
    ledger.close().await.unwrap();
    assert_eq!(
        Checkpoint::open(&ledger.checkpoint(), &new).unwrap().size,
        6
    );
    let stranger = VerifierKey::new(
        home.name.name(),
        SigningKey::from_bytes(&[7; 32]).verifying_key(),
    );
    for index in [0, 3, 4] {
        let (entry, text) = (ledger.read(index).unwrap(), ledger.receipt(index).unwrap());
        let (entry, text) = (entry.unwrap(), text.unwrap());
        // Whichever of the two keys the reader has: the receipt leads to the other.
        for key in [&home.name, &new] {
            let found = receipt::verify(&text, &entry, key).unwrap();
            assert_eq!((found.index, found.checkpoint.size), (index, 6));
        }
        assert!(receipt::verify(&text, &entry, stranger.as_ref().unwrap()).is_err());
        let bare: String = text
            .split_inclusive('\n')
            .filter(|line| !line.starts_with("extra "))
            .collect();
        let told = receipt::verify(&bare, &entry, &home.name);
        assert!(told.is_err(), "the old key signed no checkpoint of six");
    }
    drop(ledger);
    home.become_key(next);
    let (ledger, recovery) = home.open();
    assert_eq!(recovery.key, new);
    append(&ledger, 6..7).await;
    ledger.close().await.unwrap();
}

#[tokio::test]
async fn a_rotation_that_a_crash_cut_short_goes_on_with_the_next_key() {
    let mut home = Home::new();
    home.settings.publish_every = Duration::from_hours(1);
    let (ledger, _) = home.open();
    append(&ledger, 0..3).await;
    let next = SigningKey::from_bytes(&[9; 32]);
    ledger
        .rotate(Arc::new(next.clone()), members(3))
        .await
        .unwrap();
    append(&ledger, 4..5).await;
    drop(ledger);
    assert!(matches!(home.try_open(), Err(OpenError::Wal(_))));
    let (ledger, recovery) = home
        .opening()
        .next_signer(Arc::new(next.clone()))
        .open()
        .unwrap();
    assert_eq!(recovery.key.public_key(), &next.verifying_key());
    append(&ledger, 5..6).await;
    ledger.close().await.unwrap();
    assert!(Checkpoint::open(&ledger.checkpoint(), &recovery.key).is_ok());
}

/// Fails on demand; what it gives is what memory gives.
struct Fickle(Box<dyn Index>, Arc<AtomicBool>);

impl Fickle {
    fn check(&self) -> Result<(), IndexError> {
        if self.1.swap(false, Ordering::SeqCst) {
            return Err(IndexError("the disk of the index is gone".to_owned()));
        }
        Ok(())
    }
}

impl Index for Fickle {
    fn applied(&self) -> Result<u64, IndexError> {
        self.0.applied()
    }
    fn apply(&mut self, rows: &[IndexRow], applied: u64) -> Result<(), IndexError> {
        self.check()?;
        self.0.apply(rows, applied)
    }
    fn find(&self, member: &str, value: &str) -> Result<Vec<u64>, IndexError> {
        self.check()?;
        self.0.find(member, value)
    }
    fn clear(&mut self) -> Result<(), IndexError> {
        self.0.clear()
    }
}

struct FickleStore(Arc<AtomicBool>);

impl IndexStore for FickleStore {
    fn open(&mut self) -> Result<Box<dyn Index>, IndexError> {
        let inside = Box::new(MemoryIndex::default());
        Ok(Box::new(Fickle(inside, self.0.clone())))
    }
    fn set_aside(&mut self) -> Result<(), IndexError> {
        Ok(())
    }
}

#[tokio::test]
async fn a_broken_index_is_built_anew_while_appends_go_on() {
    let mut home = Home::new();
    home.settings.publish_every = Duration::from_millis(5);
    let broken = Arc::new(AtomicBool::new(false));
    let index = Box::new(FickleStore(broken.clone()));
    let (ledger, _) = home.opening().index(index).open().unwrap();
    append(&ledger, 0..300).await;
    ledger.published(299).await.unwrap();
    assert_eq!(common::find(&ledger, "id", "id-7").await, [7]);
    broken.store(true, Ordering::SeqCst);
    append(&ledger, 300..600).await;
    ledger.published(599).await.unwrap();
    assert_eq!(ledger.poisoned(), None);
    for wanted in [7, 299, 300, 599] {
        assert_eq!(
            common::find(&ledger, "id", &format!("id-{wanted}")).await,
            [wanted]
        );
    }
    assert_eq!(ledger.index_status().rebuilt, 1);
    ledger.close().await.unwrap();
}

struct Fake(Arc<AtomicBool>);

impl Witnesses for Fake {
    fn cosign(
        &mut self,
        note: &str,
        size: u64,
        proof: &mut dyn FnMut(u64) -> std::io::Result<Vec<[u8; 32]>>,
    ) -> Result<Vec<String>, WitnessError> {
        assert!(note.ends_with('\n') && proof(1).is_ok() && size > 0);
        if self.0.load(Ordering::SeqCst) {
            Ok(vec!["\u{2014} witness.example AAAAAAAA".to_owned()])
        } else {
            Err(WitnessError::NoQuorum("nobody answers".to_owned()))
        }
    }
}

#[tokio::test]
async fn nothing_is_published_without_the_witnesses_and_all_of_it_with_them() {
    let mut home = Home::new();
    home.settings.publish_every = Duration::from_millis(5);
    let awake = Arc::new(AtomicBool::new(false));
    let open = || {
        home.opening()
            .witnesses(Box::new(Fake(awake.clone())))
            .open()
            .unwrap()
    };
    let (ledger, _) = open();
    append(&ledger, 0..5).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    append(&ledger, 5..9).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let head = ledger.head();
    assert_eq!((head.size, head.published), (9, None));
    assert!(head.stalled.unwrap().contains("nobody answers"));
    assert!(ledger.close().await.is_err());
    drop(ledger);
    let (ledger, _) = open();
    awake.store(true, Ordering::SeqCst);
    ledger.published(8).await.unwrap();
    assert!(
        ledger
            .checkpoint()
            .ends_with("\u{2014} witness.example AAAAAAAA\n")
    );
    ledger.close().await.unwrap();
    assert_eq!(verify(home.path(), &home.name, None).unwrap().faults, []);
}
