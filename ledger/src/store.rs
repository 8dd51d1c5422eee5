//! Port: the file system under a ledger. One call is one thing that can fail or be cut off by a
//! crash, so that tests can make each of them do so.

use std::{
    fmt,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    path::Path,
};

mod replace;

pub(crate) use replace::{create_dir, replace, replace_all};

/// Threads that wait for the disk at once when many files are synced.
const SYNC_THREADS: usize = 8;

/// A file being written from its start or at its end.
pub trait WriteFile: Send {
    /// Writes all of `bytes` behind what is there. After an error any part of them may be there.
    ///
    /// # Errors
    /// The system's.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Makes what was written durable. After an error it may be durable or not, and a second call
    /// that succeeds says nothing: the caller must stop and read the file again.
    ///
    /// # Errors
    /// The system's.
    fn sync(&mut self) -> io::Result<()>;
}

/// Held as long as this process alone may write.
pub trait Lock: Send + Sync {}

/// The operations of a file system that a ledger needs.
///
/// Contract: a file's content is durable after [`WriteFile::sync`], its name after
/// [`Store::sync_dir`] of its folder; until then a crash may undo either, in any order. A rename is
/// atomic. Errors leave open whether the operation took place.
pub trait Store: Send + Sync + fmt::Debug {
    /// The content of a file; `None` when there is none.
    ///
    /// # Errors
    /// The system's.
    fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>>;

    /// The names of the files and folders in a folder, in no order; none when it is not there.
    ///
    /// # Errors
    /// The system's.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Creates a file, or empties it.
    ///
    /// # Errors
    /// The system's.
    fn create(&self, path: &Path) -> io::Result<Box<dyn WriteFile>>;

    /// Opens a file at its end; creates it when needed.
    ///
    /// # Errors
    /// The system's.
    fn append(&self, path: &Path) -> io::Result<Box<dyn WriteFile>>;

    /// Renames, over a file that may be there.
    ///
    /// # Errors
    /// The system's.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file; it is no error when there is none.
    ///
    /// # Errors
    /// The system's.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Removes a folder if it is empty; says whether it is gone.
    fn remove_empty_dir(&self, path: &Path) -> bool;

    /// Creates one folder; it is no error when it is there.
    ///
    /// # Errors
    /// The system's.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a folder durable.
    ///
    /// # Errors
    /// The system's.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Free bytes on the file system of `path`.
    ///
    /// # Errors
    /// The system's.
    fn free_bytes(&self, path: &Path) -> io::Result<u64>;

    /// Takes the lock of `path` without waiting; `None` when another process holds it.
    ///
    /// # Errors
    /// The system's.
    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>>;

    /// Syncs several files.
    ///
    /// # Errors
    /// The first of the system's; all files were tried or none.
    fn sync_all(&self, files: &mut [Box<dyn WriteFile>]) -> io::Result<()> {
        files.iter_mut().try_for_each(|file| file.sync())
    }
}

/// The machine's own file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

impl WriteFile for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

impl Lock for File {}

impl Store for Disk {
    fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        none_when_absent(fs::read(path))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for item in none_when_absent(fs::read_dir(dir))?.into_iter().flatten() {
            names.push(item?.file_name().to_string_lossy().into_owned());
        }
        Ok(names)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn WriteFile>> {
        Ok(Box::new(File::create(path)?))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn WriteFile>> {
        let mut options = OpenOptions::new();
        Ok(Box::new(options.create(true).append(true).open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        none_when_absent(fs::remove_file(path)).map(|_| ())
    }

    fn remove_empty_dir(&self, path: &Path) -> bool {
        fs::remove_dir(path).is_ok()
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        match fs::create_dir(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        fs4::available_space(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Lock>>> {
        let mut options = OpenOptions::new();
        let file = options
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Box::new(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Side by side: the disk takes the syncs of many files for little more than the time of one.
    fn sync_all(&self, files: &mut [Box<dyn WriteFile>]) -> io::Result<()> {
        let share = files.len().div_ceil(SYNC_THREADS).max(1);
        std::thread::scope(|scope| {
            let threads: Vec<_> = files
                .chunks_mut(share)
                .map(|files| scope.spawn(|| files.iter_mut().try_for_each(|file| file.sync())))
                .collect();
            threads.into_iter().try_for_each(|thread| {
                let panicked = Err(io::Error::other("a thread that synced files panicked"));
                thread.join().unwrap_or(panicked)
            })
        })
    }
}

fn none_when_absent<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
