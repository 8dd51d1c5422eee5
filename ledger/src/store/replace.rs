//! Files that hold their old or their new content, whatever happens.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
};

use crate::store::Store;

/// Most files written aside at once: each holds a descriptor until it is synced.
const TOGETHER: usize = 64;

/// Writes files so that after a crash each holds either its old or its new content. `stage` is a
/// folder on the same file system that belongs to this process alone.
pub(crate) fn replace_all(
    store: &dyn Store,
    stage: &Path,
    files: &[(PathBuf, &[u8])],
) -> io::Result<()> {
    for files in files.chunks(TOGETHER) {
        let aside = |number: usize| stage.join(number.to_string());
        let mut open = Vec::with_capacity(files.len());
        for (number, (_, bytes)) in files.iter().enumerate() {
            let mut file = store.create(&aside(number))?;
            file.write(bytes)?;
            open.push(file);
        }
        // A crash before this leaves files in the stage, which the next open removes.
        store.sync_all(&mut open)?;
        drop(open);
        let mut folders = BTreeSet::new();
        for (number, (target, _)) in files.iter().enumerate() {
            let folder = target.parent().unwrap_or(Path::new("."));
            if folders.insert(folder) {
                create_dir(store, folder)?;
            }
            // A crash before a rename leaves the old content.
            store.rename(&aside(number), target)?;
        }
        // A crash before these may bring back old names; the caller goes on only afterwards.
        folders
            .iter()
            .try_for_each(|folder| store.sync_dir(folder))?;
    }
    Ok(())
}

/// [`replace_all`] for one file.
pub(crate) fn replace(
    store: &dyn Store,
    stage: &Path,
    target: &Path,
    bytes: &[u8],
) -> io::Result<()> {
    replace_all(store, stage, &[(target.to_owned(), bytes)])
}

/// Creates a folder and its parents, each durable in its parent.
pub(crate) fn create_dir(store: &dyn Store, dir: &Path) -> io::Result<()> {
    match store.create_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        other => {
            other?;
            return match dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                Some(parent) => store.sync_dir(parent),
                None => Ok(()),
            };
        }
    }
    let parent = dir.parent().ok_or(io::ErrorKind::NotFound)?;
    create_dir(store, parent)?;
    store.create_dir(dir)?;
    store.sync_dir(parent)
}
