//! The write-ahead log and the marker of a clean stop.

use crate::{
    layout::{WIDTH, clean_text},
    merkle::{Hash, leaf_hash},
    verify::{
        FaultKind, Unreadable,
        pass::{IN_LOG, Pass},
        target::Target,
    },
    wal,
};

/// Pending entries that are checked together.
const TOGETHER: usize = 256;

/// The segments of the log in order: index of the first frame, name.
pub(crate) fn segments(target: &Target) -> Result<Vec<(u64, String)>, Unreadable> {
    let mut found = Vec::new();
    if target.path("wal").is_dir() {
        target.walk("wal", |name| {
            found.extend(segment_first(&name).map(|first| (first, name)));
        })?;
    }
    found.sort();
    Ok(found)
}

fn segment_first(name: &str) -> Option<u64> {
    let stem = name.strip_prefix("wal/")?.strip_suffix(".wal")?;
    let first = u64::from_str_radix(stem, 16).ok()?;
    (format!("{first:016x}") == stem).then_some(first)
}

/// Checks `wal/`: frames of published entries against them, later ones as a continuation.
pub(crate) fn check(
    pass: &mut Pass<'_>,
    published: u64,
    notes: &mut Vec<String>,
) -> Result<(), Unreadable> {
    let target = pass.target;
    if !target.path("wal").is_dir() {
        pass.fault(
            IN_LOG,
            FaultKind::MissingFile,
            "wal",
            "the directory is missing",
        );
        return Ok(());
    }
    let clean = target.read("wal/clean")?;
    if clean.is_none() {
        notes.push("the last stop was not clean, or the ledger is in use".to_owned());
    }
    check_names(pass, clean.is_some(), notes)?;
    let segments = segments(target)?;
    let mut next = segments.first().map(|(first, _)| *first);
    let count = segments.len();
    for (number, (first, name)) in segments.into_iter().enumerate() {
        if next != Some(first) || first > pass.frontier.size() {
            let detail = "entries are missing before this segment";
            pass.fault(IN_LOG, FaultKind::Wal, name.clone(), detail);
        }
        let segment = Segment {
            first,
            name: &name,
            may_be_torn: number + 1 == count && clean.is_none(),
            published,
        };
        next = segment.check(pass, notes)?;
    }
    let size = pass.frontier.size();
    if let Some(clean) = clean
        && (clean != clean_text(size).as_bytes() || size != published)
    {
        let detail = format!("it does not mark a stop at {published} entries, all published");
        pass.fault(IN_LOG, FaultKind::CleanMarker, "wal/clean", detail);
    }
    Ok(())
}

fn check_names(
    pass: &mut Pass<'_>,
    clean: bool,
    notes: &mut Vec<String>,
) -> Result<(), Unreadable> {
    let target = pass.target;
    target.walk("wal", |name| match name.as_str() {
        "wal/clean" => {}
        "wal/lock"
            if target
                .path(&name)
                .metadata()
                .is_ok_and(|meta| meta.len() == 0) => {}
        stage if !clean && (stage == "wal/stage" || stage.starts_with("wal/stage/")) => {
            notes.push(format!("a half-written file is left in {stage}"));
        }
        _ if segment_first(&name).is_some() => {}
        _ => {
            let detail = "no such file belongs here";
            pass.fault(IN_LOG, FaultKind::UnexpectedFile, name, detail);
        }
    })
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
        pass: &mut Pass<'_>,
        notes: &mut Vec<String>,
    ) -> Result<Option<u64>, Unreadable> {
        let Some(bytes) = pass.target.read(self.name)? else {
            return Ok(None);
        };
        let scan = wal::scan(&bytes, self.first);
        let mut pending: Vec<(String, &[u8])> = Vec::new();
        let mut published = Published::default();
        for (index, offset, entry) in &scan.frames {
            let place = format!("{} entry {index} byte {offset}", self.name);
            let size = pass.frontier.size() + pending.len() as u64;
            if *index < self.published {
                if published
                    .leaf(pass, *index, self.published)?
                    .is_some_and(|leaf| leaf != leaf_hash(entry))
                {
                    let detail = "it is not the published entry";
                    pass.fault(IN_LOG, FaultKind::Wal, place, detail);
                }
            } else if *index == size {
                pending.push((place, entry));
            }
            if pending.len() == TOGETHER {
                pass.take_pending(&pending)?;
                pending.clear();
            }
        }
        pass.take_pending(&pending)?;
        let next = self.first + scan.frames.len() as u64;
        if scan.good < bytes.len() {
            let place = format!("{} entry {next} byte {}", self.name, scan.good);
            if self.may_be_torn && !scan.frames_after_bad && next >= self.published {
                let torn = bytes.len() - scan.good;
                notes.push(format!(
                    "{place}: a torn tail of {torn} bytes, never acknowledged"
                ));
            } else {
                pass.fault(IN_LOG, FaultKind::Wal, place, "a frame is damaged");
            }
        }
        Ok(Some(next))
    }
}

/// The leaves of the published bundle that frames are being compared with.
#[derive(Default)]
struct Published {
    number: Option<u64>,
    leaves: Vec<Option<Hash>>,
}

impl Published {
    fn leaf(&mut self, pass: &Pass<'_>, index: u64, size: u64) -> Result<Option<Hash>, Unreadable> {
        let number = index / WIDTH;
        if self.number != Some(number) {
            self.leaves = pass.leaves_again(number, size)?;
            self.number = Some(number);
        }
        let slot = usize::try_from(index % WIDTH).unwrap_or(usize::MAX);
        Ok(self.leaves.get(slot).copied().flatten())
    }
}
