//! The write-ahead log and the marker of a clean stop.

use crate::{
    keys::VerifierKey,
    layout::clean_text,
    verify::{FaultKind, Unreadable, Verification, entries::Tree, files::Target},
    wal,
};

/// Checks `wal/`: frames of published entries against them, later ones as a continuation.
pub(super) fn check(
    target: &Target,
    published: u64,
    tree: &mut Tree,
    found: &mut Verification,
    key: &VerifierKey,
) -> Result<(), Unreadable> {
    if !target.path("wal").is_dir() {
        found.fault(FaultKind::MissingFile, "wal", "the directory is missing");
        return Ok(());
    }
    let clean = target.read("wal/clean", found)?;
    if clean.is_none() {
        found
            .notes
            .push("the last stop was not clean, or the ledger is in use".to_owned());
    }
    let mut segments = Vec::new();
    for name in target.list("wal")? {
        match name.as_str() {
            "wal/clean" => {}
            "wal/lock"
                if target
                    .path(&name)
                    .metadata()
                    .is_ok_and(|meta| meta.len() == 0) => {}
            name if name.starts_with("wal/stage/") && clean.is_none() => {
                found
                    .notes
                    .push("a half-written file is left in wal/stage".to_owned());
            }
            _ => {
                if let Some(first) = segment_first(&name) {
                    segments.push((first, name));
                } else {
                    let detail = "no such file belongs here";
                    found.fault(FaultKind::UnexpectedFile, name, detail);
                }
            }
        }
    }
    segments.sort();
    let mut next = segments.first().map(|(first, _)| *first);
    let count = segments.len();
    for (number, (first, name)) in segments.into_iter().enumerate() {
        if next != Some(first) || first > tree.entries.len() as u64 && !tree.incomplete {
            let detail = "entries are missing before this segment";
            found.fault(FaultKind::Wal, name.clone(), detail);
        }
        let may_be_torn = number + 1 == count && clean.is_none();
        let segment = Segment {
            first,
            name: &name,
            may_be_torn,
            published,
        };
        next = segment.check(target, tree, found, key)?;
    }
    let size = tree.entries.len() as u64;
    if let Some(clean) = clean
        && (clean != clean_text(size).as_bytes() || size != published)
        && !tree.incomplete
    {
        let detail = format!("it does not mark a stop at {published} entries, all published");
        found.fault(FaultKind::CleanMarker, "wal/clean", detail);
    }
    Ok(())
}

fn segment_first(name: &str) -> Option<u64> {
    let stem = name.strip_prefix("wal/")?.strip_suffix(".wal")?;
    let first = u64::from_str_radix(stem, 16).ok()?;
    (format!("{first:016x}") == stem).then_some(first)
}

struct Segment<'a> {
    first: u64,
    name: &'a str,
    may_be_torn: bool,
    published: u64,
}

impl Segment<'_> {
    /// Gives the index that the next segment must begin with.
    fn check(
        &self,
        target: &Target,
        tree: &mut Tree,
        found: &mut Verification,
        key: &VerifierKey,
    ) -> Result<Option<u64>, Unreadable> {
        let Some(bytes) = target.read(self.name, found)? else {
            return Ok(None);
        };
        let scan = wal::scan(&bytes, self.first);
        for (index, offset, entry) in &scan.frames {
            let place = format!("{} entry {index} byte {offset}", self.name);
            if tree.incomplete {
                continue;
            }
            let slot = usize::try_from(*index).unwrap_or(usize::MAX);
            match tree.entries.get(slot) {
                Some(published) if published.as_slice() == *entry => {}
                Some(_) => found.fault(FaultKind::Wal, place, "it is not the published entry"),
                None if slot == tree.entries.len() => tree.add(entry, &place, key, found),
                None => {}
            }
        }
        let next = self.first + scan.frames.len() as u64;
        if scan.good < bytes.len() {
            let place = format!("{} entry {next} byte {}", self.name, scan.good);
            if self.may_be_torn && !scan.frames_after_bad && next >= self.published {
                let torn = bytes.len() - scan.good;
                found.notes.push(format!(
                    "{place}: a torn tail of {torn} bytes, never acknowledged"
                ));
            } else {
                found.fault(FaultKind::Wal, place, "a frame is damaged");
            }
        }
        Ok(Some(next))
    }
}
