use std::{
    io,
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
};

use serde_json::json;

use super::*;
use crate::{
    index::MemoryIndex,
    verify::verify,
    wal::{AppendFile, OpenSegment},
};

/// Fails from the given call on; an append that fails has written half.
struct Failing {
    file: Box<dyn AppendFile>,
    fault: Fault,
    calls: Arc<AtomicU32>,
}

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    Full,
    Sync,
}

impl AppendFile for Failing {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.calls.fetch_add(1, Ordering::SeqCst) >= 3 && self.fault == Fault::Full {
            self.file.append(&bytes[..bytes.len() / 2])?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.append(bytes)
    }
    fn sync(&mut self) -> io::Result<()> {
        if self.calls.load(Ordering::SeqCst) > 3 {
            return Err(io::Error::other("the disk is gone"));
        }
        self.file.sync()
    }
}

fn failing(fault: Fault) -> OpenSegment {
    let plain = plain_segments();
    let calls = Arc::new(AtomicU32::new(0));
    Box::new(move |path: &Path| {
        Ok(Box::new(Failing {
            file: plain(path)?,
            fault,
            calls: calls.clone(),
        }))
    })
}

fn members(i: u64) -> Map<String, Value> {
    json!({ "id": i.to_string() }).as_object().cloned().unwrap()
}

fn settings(dir: &Path) -> Settings {
    let mut settings = Settings::new(dir, "example.com/ledger");
    settings.min_free_bytes = 0;
    settings.index_members = vec!["id".into()];
    settings
}

async fn refused_then_consistent(fault: Fault, refusal: fn(&AppendError) -> bool) {
    let dir = tempfile::tempdir().unwrap();
    let (key, name) = crate::keys::init(dir.path(), "example.com/ledger", None).unwrap();
    let index = || Box::new(MemoryIndex::default());
    let (ledger, _) =
        Ledger::open_on(settings(dir.path()), key.clone(), index(), failing(fault)).unwrap();
    for i in 0..3 {
        ledger.append(members(i)).await.unwrap();
    }
    let error = ledger.append(members(3)).await.unwrap_err();
    assert!(refusal(&error), "{error:?}");
    assert!(matches!(
        ledger.append(members(4)).await,
        Err(AppendError::Poisoned(_))
    ));
    assert!(ledger.poisoned().is_some());
    assert!(matches!(ledger.close().await, Err(CloseError::Failed(_))));
    drop(ledger);
    let (ledger, recovery) = Ledger::open(settings(dir.path()), key, index()).unwrap();
    assert!(
        recovery.entries >= 3 && !recovery.clean_stop,
        "{recovery:?}"
    );
    assert_eq!(recovery.torn_bytes > 0, fault == Fault::Full);
    for i in 0..3 {
        assert_eq!(ledger.find("id", &i.to_string()).unwrap(), [i]);
    }
    ledger.append(members(9)).await.unwrap();
    ledger.close().await.unwrap();
    assert_eq!(verify(dir.path(), &name, None).unwrap().faults, []);
}

#[tokio::test]
async fn a_full_disk_refuses_clearly_and_leaves_a_ledger_that_opens_again() {
    refused_then_consistent(Fault::Full, |error| *error == AppendError::NoSpace).await;
}

#[tokio::test]
async fn a_failed_sync_poisons_the_writer_until_it_is_opened_again() {
    refused_then_consistent(Fault::Sync, |e| matches!(e, AppendError::Poisoned(_))).await;
}

#[tokio::test]
async fn a_dropped_append_keeps_its_entry() {
    let dir = tempfile::tempdir().unwrap();
    let (key, _) = crate::keys::init(dir.path(), "example.com/ledger", None).unwrap();
    let index = Box::new(MemoryIndex::default());
    let (ledger, _) = Ledger::open(settings(dir.path()), key, index).unwrap();
    {
        let mut append = Box::pin(ledger.append(members(0)));
        let once = std::future::poll_fn(|context| {
            std::task::Poll::Ready(append.as_mut().poll(context).is_ready())
        });
        assert!(!once.await || ledger.head().size == 1);
    }
    ledger.append(members(1)).await.unwrap();
    assert_eq!(ledger.find("id", "0").unwrap(), [0]);
    assert_eq!(ledger.find("id", "1").unwrap(), [1]);
}

#[test]
fn settings_without_room_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = settings(dir.path());
    settings.queue = 0;
    let key = SigningKey::from_bytes(&[1; 32]);
    let opened = Ledger::open(settings, key, Box::new(MemoryIndex::default()));
    assert!(matches!(opened, Err(OpenError::Settings(_))));
}
