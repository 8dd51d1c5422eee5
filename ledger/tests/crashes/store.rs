//! The port that the ledger writes through, on the simulated machine.

use std::{io, path::Path, path::PathBuf};

use countersign_ledger::store::{Lock, Store, WriteFile};

use crate::{
    faults::{Fault, Kind, Verdict},
    machine::{Inside, Machine, Node},
};

/// One process's view of the machine's files.
#[derive(Debug, Clone)]
pub(crate) struct SimStore {
    machine: Machine,
    process: u64,
}

impl SimStore {
    /// For a process that starts now.
    pub(crate) fn new(machine: &Machine) -> Self {
        Self {
            process: machine.inside().process,
            machine: machine.clone(),
        }
    }

    /// Runs one operation as the plan has it.
    fn run<T>(&self, kind: Kind, go: impl FnOnce(&mut Inside) -> io::Result<T>) -> io::Result<T> {
        self.run_faulty(kind, go, |_, _| {})
    }

    fn run_faulty<T>(
        &self,
        kind: Kind,
        go: impl FnOnce(&mut Inside) -> io::Result<T>,
        part: impl FnOnce(&mut Inside, Fault),
    ) -> io::Result<T> {
        let mut inside = self.machine.inside();
        if inside.process != self.process {
            return Err(io::Error::other("the process is gone"));
        }
        let eio = || io::Error::from_raw_os_error(5);
        match inside.plan.judge(kind)? {
            Verdict::Go => go(&mut inside),
            Verdict::Fault(Fault::Stored) => go(&mut inside).and(Err(eio())),
            Verdict::Fault(fault) => {
                part(&mut inside, fault);
                Err(match fault {
                    Fault::Full => io::ErrorKind::StorageFull.into(),
                    _ => eio(),
                })
            }
        }
    }

    fn open(&self, file: usize) -> Box<dyn WriteFile> {
        Box::new(SimFile {
            store: self.clone(),
            file,
        })
    }
}

struct SimFile {
    store: SimStore,
    file: usize,
}

impl WriteFile for SimFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let file = self.file;
        self.store.run_faulty(
            Kind::Write,
            |inside| {
                inside.files.append(file, bytes);
                Ok(())
            },
            |inside, fault| {
                let part = match fault {
                    Fault::Full => bytes.len() / 2,
                    Fault::Short => inside.plan.chance.below(bytes.len() as u64) as usize,
                    _ => 0,
                };
                inside.files.append(file, &bytes[..part]);
            },
        )
    }

    fn sync(&mut self) -> io::Result<()> {
        let file = self.file;
        self.store.run_faulty(
            Kind::Sync,
            |inside| {
                inside.files.sync(file);
                Ok(())
            },
            |inside, fault| {
                if fault == Fault::SyncLost {
                    inside.files.lose(file);
                }
            },
        )
    }
}

struct SimLock {
    store: SimStore,
    path: PathBuf,
}

impl Lock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut inside = self.store.machine.inside();
        if inside.process == self.store.process {
            inside.locks.remove(&self.path);
        }
    }
}

impl Store for SimStore {
    fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        self.run(Kind::Read, |inside| {
            let file = inside.files.file(path)?;
            Ok(file.map(|file| inside.files.content(file).to_vec()))
        })
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.run(Kind::List, |inside| Ok(inside.files.children(dir)))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn WriteFile>> {
        let file = self.run(Kind::Create, |inside| match inside.files.file(path)? {
            Some(file) => {
                inside.files.cut(file, 0);
                Ok(file)
            }
            None => inside.files.make_file(path),
        })?;
        Ok(self.open(file))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn WriteFile>> {
        let file = self.run(Kind::Open, |inside| match inside.files.file(path)? {
            Some(file) => Ok(file),
            None => inside.files.make_file(path),
        })?;
        Ok(self.open(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.run(Kind::Rename, |inside| inside.files.rename(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.run(Kind::Remove, |inside| inside.files.remove(path))
    }

    fn remove_empty_dir(&self, path: &Path) -> bool {
        let removed = self.run(Kind::Remove, |inside| Ok(inside.files.remove_folder(path)));
        removed.unwrap_or(false)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.run(Kind::CreateFolder, |inside| inside.files.make_folder(path))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.run(Kind::SyncFolder, |inside| inside.files.sync_folder(path))
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        self.run(Kind::FreeBytes, |inside| match inside.files.node(path) {
            Some(Node::Folder | Node::File(_)) => Ok(1 << 40),
            None => Err(io::ErrorKind::NotFound.into()),
        })
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        self.run(Kind::Lock, |inside| {
            if inside.files.file(path)?.is_none() {
                inside.files.make_file(path)?;
            }
            if !inside.locks.insert(path.to_owned()) {
                return Ok(None);
            }
            let lock = SimLock {
                store: self.clone(),
                path: path.to_owned(),
            };
            Ok(Some(Box::new(lock) as Box<dyn Lock>))
        })
    }
}
