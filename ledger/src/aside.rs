//! Setting a broken part of the data directory aside, for adapters of rebuildable parts.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Most broken copies kept beside the live one.
const MAX_KEPT: u32 = 1000;

/// Renames `path` to the first free `<path>.quarantine.<n>` and returns the new name.
///
/// Nothing is deleted: whoever looks for the cause of the damage needs the damaged bytes.
///
/// # Errors
/// When it cannot be renamed, or when 1000 broken copies are kept already.
pub fn set_aside(path: &Path) -> io::Result<PathBuf> {
    for number in 0..MAX_KEPT {
        let mut aside = path.as_os_str().to_owned();
        aside.push(format!(".quarantine.{number}"));
        let aside = PathBuf::from(aside);
        if !aside.try_exists()? {
            fs::rename(path, &aside)?;
            return Ok(aside);
        }
    }
    Err(io::Error::other("too many broken copies are kept already"))
}
