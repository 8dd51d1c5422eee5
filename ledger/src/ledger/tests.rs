use std::{
    io,
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
};

use serde_json::json;

use super::*;
use crate::{
    store::{Disk, Lock, WriteFile},
    verify::verify,
};

/// The disk, whose write-ahead log fails from the given call on; a write that fails has written
/// half.
#[derive(Debug)]
struct Failing {
    fault: Fault,
    calls: Arc<AtomicU32>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    Full,
    Sync,
}

struct FailingFile {
    file: Box<dyn WriteFile>,
    fault: Fault,
    calls: Arc<AtomicU32>,
}

impl WriteFile for FailingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.calls.fetch_add(1, Ordering::SeqCst) >= 3 && self.fault == Fault::Full {
            self.file.write(&bytes[..bytes.len() / 2])?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.write(bytes)
    }
    fn sync(&mut self) -> io::Result<()> {
        if self.calls.load(Ordering::SeqCst) > 3 {
            return Err(io::Error::other("the disk is gone"));
        }
        self.file.sync()
    }
}

impl Store for Failing {
    fn append(&self, path: &Path) -> io::Result<Box<dyn WriteFile>> {
        Ok(Box::new(FailingFile {
            file: Disk.append(path)?,
            fault: self.fault,
            calls: self.calls.clone(),
        }))
    }
    fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        Disk.read(path)
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        Disk.list(dir)
    }
    fn create(&self, path: &Path) -> io::Result<Box<dyn WriteFile>> {
        Disk.create(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Disk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        Disk.remove(path)
    }
    fn remove_empty_dir(&self, path: &Path) -> bool {
        Disk.remove_empty_dir(path)
    }
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        Disk.create_dir(path)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        Disk.sync_dir(path)
    }
    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        Disk.free_bytes(path)
    }
    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        Disk.lock(path)
    }
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
    let opening = || Opening::new(settings(dir.path()), Arc::new(key.clone()));
    let failing = Arc::new(Failing {
        fault,
        calls: Arc::default(),
    });
    let (ledger, _) = opening().store(failing).open().unwrap();
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
    let (ledger, recovery) = opening().open().unwrap();
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
    let (ledger, _) = Opening::new(settings(dir.path()), Arc::new(key))
        .open()
        .unwrap();
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
    let key = ed25519_dalek::SigningKey::from_bytes(&[1; 32]);
    let opened = Opening::new(settings, Arc::new(key)).open();
    assert!(matches!(opened, Err(OpenError::Settings(_))));
}
