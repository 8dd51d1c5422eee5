//! Files that are whole or not there, and directories that are synced once for many files.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// Directories with new names in them that are not yet durable.
#[derive(Debug, Default)]
pub(crate) struct Unsynced(BTreeSet<PathBuf>);

impl Unsynced {
    /// Writes a file that has either its old or its new content after a crash. The new name is
    /// durable after [`Unsynced::sync`]. `stage` is on the same file system and this process's own.
    pub(crate) fn put(&mut self, stage: &Path, target: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = File::create(stage)?;
        file.write_all(bytes)?;
        // A crash before this leaves the stage file, which the next write replaces.
        file.sync_all()?;
        let parent = target.parent().unwrap_or(Path::new("."));
        self.create_dir(parent)?;
        fs::rename(stage, target)?;
        self.0.insert(parent.to_owned());
        Ok(())
    }

    /// Takes note of a file whose name may not be durable, with those of its directories.
    pub(crate) fn note(&mut self, file: &Path) {
        self.0.extend(
            file.ancestors()
                .skip(1)
                .filter(|dir| dir.is_dir())
                .map(Path::to_owned)
                .take(6),
        );
    }

    /// Makes a directory and its parents.
    pub(crate) fn create_dir(&mut self, dir: &Path) -> io::Result<()> {
        if dir.is_dir() {
            return Ok(());
        }
        if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            self.create_dir(parent)?;
            self.0.insert(parent.to_owned());
        }
        match fs::create_dir(dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    }

    /// Makes every new name durable.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        // A crash before this may lose any of the names; whoever needs them all goes on afterwards.
        for dir in &self.0 {
            File::open(dir)?.sync_all()?;
        }
        self.0.clear();
        Ok(())
    }
}

/// Replaces one file durably.
pub(crate) fn replace(stage: &Path, target: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut unsynced = Unsynced::default();
    unsynced.put(stage, target, bytes)?;
    unsynced.sync()
}

/// The content of a file, or `None` when there is no such file.
pub(crate) fn read_optional(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Locks `path` for this process, for as long as the file is held open.
pub(crate) fn lock(path: &Path) -> io::Result<File> {
    let file = File::create(path)?;
    file.try_lock().map_err(|error| {
        let in_use = format!("{}: in use: {error}", path.display());
        io::Error::new(io::ErrorKind::ResourceBusy, in_use)
    })?;
    Ok(file)
}
