//! Durable file replacement.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

/// Writes `bytes` to `target` so that after a crash it holds either its old or its new content.
/// `stage` is on the same file system and belongs to this process alone.
pub(crate) fn replace(stage: &Path, target: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(stage)?;
    file.write_all(bytes)?;
    // A crash before this leaves the stage file, which the next open removes.
    file.sync_all()?;
    let parent = target.parent().unwrap_or(Path::new("."));
    create_dir(parent)?;
    // A crash before the rename leaves the old content.
    fs::rename(stage, target)?;
    // A crash before this may bring back the old name; the caller goes on only afterwards.
    sync_dir(parent)
}

/// Creates a directory and its parents, each durable in its parent.
pub(crate) fn create_dir(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        create_dir(parent)?;
        match fs::create_dir(dir) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        return sync_dir(parent);
    }
    fs::create_dir_all(dir)
}

pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// The content of a file, or `None` when there is no such file.
pub(crate) fn read_optional(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

pub(crate) fn invalid(detail: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, detail.into())
}
