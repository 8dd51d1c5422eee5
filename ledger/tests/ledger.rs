//! The ledger through its public API: durability, publication, recovery, rollback.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::{fs, time::Duration};

use common::{Home, append, members};
use countersign_ledger::{
    AppendError, Checkpoint, MemoryIndex, OpenError, SigningKey, VerifierKey, receipt,
    verify::{FaultKind, verify},
};

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_appends_are_all_durable_gapless_and_found() {
    let home = Home::new();
    let (ledger, _) = home.open();
    let tasks: Vec<_> = (0..600)
        .map(|i| {
            let ledger = ledger.clone();
            tokio::spawn(async move { (i, ledger.append(members(i)).await.unwrap()) })
        })
        .collect();
    let mut indices = Vec::new();
    for task in tasks {
        let (i, sequenced) = task.await.unwrap();
        let found = common::find(&ledger, "id", &format!("id-{i}")).await;
        assert_eq!(found, [sequenced.index]);
        assert_eq!(sequenced.index, sequenced.seq);
        indices.push(sequenced.index);
    }
    indices.sort_unstable();
    assert_eq!(indices, (0..600).collect::<Vec<u64>>());
    ledger.close().await.unwrap();
    let found = verify(home.path(), &home.name, None).unwrap();
    assert_eq!(found.faults, []);
    assert_eq!((found.entries, found.pending), (600, 0));
    assert_eq!(found.chains.len(), 1);
    assert_eq!(found.into_range().unwrap().entries().count(), 600);
}

#[tokio::test]
async fn a_just_acknowledged_entry_is_read_and_found_before_it_is_published() {
    let mut home = Home::new();
    home.settings.publish_every = Duration::from_hours(1);
    let (ledger, _) = home.open();
    append(&ledger, 0..3).await;
    assert_eq!(ledger.find("id", "id-1").unwrap(), [1]);
    assert!(ledger.read(2).unwrap().is_some());
    assert_eq!(ledger.read(3).unwrap(), None);
    assert_eq!(ledger.receipt(1).unwrap(), None);
    assert_eq!(ledger.head().published, None);
}

#[tokio::test]
async fn acknowledged_entries_survive_a_drop_without_close() {
    let mut home = Home::new();
    home.settings.publish_every = Duration::from_hours(1);
    let (ledger, first) = home.open();
    assert!(first.clean_stop);
    append(&ledger, 0..20).await;
    let before: Vec<_> = (0..20).map(|i| ledger.read(i).unwrap().unwrap()).collect();
    drop(ledger);
    let pending = verify(home.path(), &home.name, None).unwrap();
    assert_eq!(
        (pending.faults.len(), pending.entries, pending.pending),
        (0, 0, 20)
    );
    let (ledger, recovery) = home.open();
    assert_eq!(
        (recovery.entries, recovery.torn_bytes, recovery.clean_stop),
        (20, 0, false)
    );
    append(&ledger, 20..21).await;
    let after: Vec<_> = (0..20).map(|i| ledger.read(i).unwrap().unwrap()).collect();
    assert_eq!(before, after);
    ledger.close().await.unwrap();
    let (ledger, recovery) = home.open();
    assert_eq!((recovery.entries, recovery.clean_stop), (21, true));
    assert_eq!(common::find(&ledger, "id", "id-20").await, [20]);
    drop(ledger);
    assert_eq!(verify(home.path(), &home.name, None).unwrap().faults, []);
}

#[tokio::test]
async fn a_torn_tail_is_cut_off_and_not_called_tampering() {
    let mut home = Home::new();
    home.settings.publish_every = Duration::from_hours(1);
    let (ledger, _) = home.open();
    append(&ledger, 0..5).await;
    drop(ledger);
    let segment = home.path().join("wal/0000000000000000.wal");
    let whole = fs::read(&segment).unwrap();
    fs::write(&segment, &whole[..whole.len() - 7]).unwrap();
    let found = verify(home.path(), &home.name, None).unwrap();
    assert_eq!((found.faults.len(), found.pending), (0, 4));
    assert!(
        found.notes.iter().any(|note| note.contains("torn tail")),
        "{:?}",
        found.notes
    );
    let (ledger, recovery) = home.open();
    assert_eq!(recovery.entries, 4);
    assert!(recovery.torn_bytes > 0);
    append(&ledger, 4..6).await;
    ledger.close().await.unwrap();
    let found = verify(home.path(), &home.name, None).unwrap();
    assert_eq!((found.faults.as_slice(), found.entries), ([].as_slice(), 6));
}

#[tokio::test]
async fn receipts_verify_offline_and_for_their_entry_only() {
    let home = Home::new();
    let (ledger, _) = home.open();
    append(&ledger, 0..300).await;
    ledger.close().await.unwrap();
    let (ledger, _) = home.open();
    for index in [0, 1, 255, 256, 299] {
        let text = ledger.receipt(index).unwrap().unwrap();
        let entry = ledger.read(index).unwrap().unwrap();
        let found = receipt::verify(&text, &entry, &home.name).unwrap();
        assert_eq!((found.index, found.checkpoint.size), (index, 300));
        let other = ledger.read((index + 1) % 300).unwrap().unwrap();
        assert!(receipt::verify(&text, &other, &home.name).is_err());
    }
}

#[tokio::test]
async fn refusals_are_typed_and_take_no_place() {
    let mut home = Home::new();
    home.settings.max_pending = 2;
    home.settings.publish_every = Duration::from_hours(1);
    let (ledger, _) = home.open();
    let float = serde_json::from_str(r#"{"x":1.5}"#).unwrap();
    assert!(matches!(
        ledger.append(float).await,
        Err(AppendError::NotCanonical(_))
    ));
    let mut long = members(0);
    long.insert("x".into(), "a".repeat(70_000).into());
    assert!(matches!(
        ledger.append(long).await,
        Err(AppendError::TooLarge(_))
    ));
    append(&ledger, 0..2).await;
    assert_eq!(
        ledger.append(members(2)).await,
        Err(AppendError::Overloaded)
    );
    assert_eq!(ledger.head().size, 2);
    ledger.close().await.unwrap();
    assert_eq!(ledger.append(members(2)).await, Err(AppendError::Closed));
}

#[tokio::test]
async fn a_nearly_full_file_system_refuses_without_harm() {
    let mut home = Home::new();
    home.settings.min_free_bytes = u64::MAX;
    let (ledger, _) = home.open();
    assert_eq!(ledger.append(members(0)).await, Err(AppendError::NoSpace));
    assert_eq!(ledger.poisoned(), None);
    drop(ledger);
    home.settings.min_free_bytes = 0;
    let (ledger, _) = home.open();
    append(&ledger, 0..2).await;
    ledger.close().await.unwrap();
    assert_eq!(verify(home.path(), &home.name, None).unwrap().faults, []);
}

#[tokio::test]
async fn tiles_rolled_back_to_an_older_copy_are_neither_opened_nor_clean() {
    let home = Home::new();
    let (ledger, _) = home.open();
    append(&ledger, 0..10).await;
    ledger.close().await.unwrap();
    let old = tempfile::tempdir().unwrap();
    common::copy(&home.path().join("ledger"), &old.path().join("ledger"));
    let (ledger, _) = home.open();
    append(&ledger, 10..20).await;
    ledger.close().await.unwrap();
    let since = Checkpoint::open(&ledger.checkpoint(), &home.name).unwrap();
    fs::remove_dir_all(home.path().join("ledger")).unwrap();
    common::copy(&old.path().join("ledger"), &home.path().join("ledger"));
    let found = verify(&home.path().join("ledger"), &home.name, Some(&since)).unwrap();
    assert_eq!(found.faults[0].kind, FaultKind::Rollback);
    drop(ledger);
    for entry in fs::read_dir(home.path().join("wal")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "wal") {
            fs::remove_file(path).unwrap();
        }
    }
    let found = verify(home.path(), &home.name, None).unwrap();
    assert!(
        found.faults.iter().any(|f| f.kind == FaultKind::Rollback),
        "{:?}",
        found.faults
    );
    assert!(matches!(home.try_open(), Err(OpenError::Rollback(_))));
}

#[tokio::test]
async fn a_crash_between_guard_and_checkpoint_is_finished_by_the_next_open() {
    let home = Home::new();
    let (ledger, _) = home.open();
    append(&ledger, 0..10).await;
    ledger.close().await.unwrap();
    let older = ledger.checkpoint();
    drop(ledger);
    let (ledger, _) = home.open();
    append(&ledger, 10..20).await;
    ledger.close().await.unwrap();
    drop(ledger);
    fs::write(home.path().join("ledger/checkpoint"), older).unwrap();
    fs::remove_file(home.path().join("wal/clean")).unwrap();
    assert_eq!(verify(home.path(), &home.name, None).unwrap().faults, []);
    drop(home.open());
    let guard = fs::read(home.path().join("guard/checkpoint")).unwrap();
    assert_eq!(
        fs::read(home.path().join("ledger/checkpoint")).unwrap(),
        guard
    );
    assert_eq!(verify(home.path(), &home.name, None).unwrap().faults, []);
}

#[tokio::test]
async fn partial_tiles_stay_until_the_tile_is_full_and_no_longer() {
    let mut home = Home::new();
    home.settings.publish_every = Duration::from_millis(5);
    let (ledger, _) = home.open();
    for i in 0..20 {
        append(&ledger, i..i + 1).await;
        ledger.published(i).await.unwrap();
    }
    let partials = home.path().join("ledger/tile/0/000.p");
    assert_eq!(fs::read_dir(&partials).unwrap().count(), 20);
    append(&ledger, 20..256).await;
    ledger.close().await.unwrap();
    assert!(!partials.exists());
    assert!(!home.path().join("ledger/tile/entries/000.p").exists());
    assert_eq!(verify(home.path(), &home.name, None).unwrap().faults, []);
}

#[test]
fn two_writers_cannot_open_one_ledger() {
    let home = Home::new();
    let _first = home.open();
    assert!(matches!(home.try_open(), Err(OpenError::Locked(_))));
}

#[tokio::test]
async fn another_key_verifies_nothing() {
    let home = Home::new();
    let (ledger, _) = home.open();
    append(&ledger, 0..3).await;
    ledger.close().await.unwrap();
    let other = SigningKey::from_bytes(&[3; 32]).verifying_key();
    let other = VerifierKey::new(home.name.name(), other).unwrap();
    let found = verify(home.path(), &other, None).unwrap();
    assert_eq!(found.faults[0].kind, FaultKind::Checkpoint);
    assert!(found.faults.iter().any(|f| f.kind == FaultKind::Authority));
    assert!(found.into_range().is_err());
}

#[test]
fn the_index_in_memory_keeps_the_contract() {
    countersign_ledger::conformance::check_index(&mut MemoryIndex::default()).unwrap();
}
