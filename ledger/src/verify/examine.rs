//! One verification from beginning to end.

use std::sync::Arc;

use crate::{
    keys::KeyRing,
    layout::{Kind, Tile},
    note::Checkpoint,
    verify::{
        Fault, FaultKind, MAX_FAULTS, Unreadable, Verification, VerifiedRange, Verifier, handovers,
        heads::Heads,
        log,
        pass::{Orders, Pass},
        pipeline,
        target::Target,
    },
};

/// What was found, and what repairing needs to know beyond that.
#[derive(Debug)]
pub(crate) struct Examined {
    pub(crate) found: Verification,
    /// Faults of tiles, each with its tile; for mending they stand here alone.
    pub(crate) tile_faults: Vec<(Tile, Fault)>,
    /// Tiles that are right and that nothing needs any more.
    pub(crate) leftovers: Vec<Tile>,
    /// Sizes whose tiles must all be there.
    pub(crate) needed: Vec<u64>,
    /// Size of the newest head, when every head is signed and has the root of the leaves.
    pub(crate) proven: Option<u64>,
}

/// How tiles are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Everything must follow from the entries.
    Verify,
    /// Find out what can be made again: entries with a fault do not speak for the tree, and the
    /// tiles of the guard's size are wanted too.
    Repair,
}

/// Examines the target for a verifier.
pub(crate) fn examine(
    target: &Arc<Target>,
    verifier: &Verifier,
    purpose: Purpose,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Examined, Unreadable> {
    let heads = Heads::read(target)?;
    let key = &verifier.key;
    let size = heads.plausible_size().unwrap_or(0);
    let note = heads.checkpoint.as_ref().map(|head| head.note.as_str());
    let examination = Examination {
        target,
        verifier,
        purpose,
        heads: &heads,
    };
    let one_key = match note {
        Some(note) => handovers::seems_of_one_key(target, size, note, key)?,
        None => true,
    };
    if one_key {
        let (examined, again) = examination.with(KeyRing::trusting(key.clone()), progress)?;
        if !again {
            return Ok(examined);
        }
    }
    let ring = handovers::collect(target, size, key)?;
    examination
        .with(ring, progress)
        .map(|(examined, _)| examined)
}

struct Examination<'a> {
    target: &'a Arc<Target>,
    verifier: &'a Verifier,
    purpose: Purpose,
    heads: &'a Heads,
}

impl Examination<'_> {
    /// Examines with the keys of `ring`; also says whether other keys may be behind what was found.
    fn with(
        &self,
        ring: KeyRing,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(Examined, bool), Unreadable> {
        let (target, verifier, heads) = (self.target, self.verifier, self.heads);
        let mut found = Verification::default();
        heads.check_checkpoint(target, &ring, &mut found);
        let size = heads.plausible_size().unwrap_or(0);
        let orders = orders(self.purpose, size, heads, &ring);
        let older = verifier.since.iter().map(|since| since.text.size);
        let mut pass = Pass::begin(target, &ring, orders, heads.sizes().chain(older));
        pipeline::run(target, size, &ring, verifier.threads, &mut |bundle| {
            pass.take(bundle)?;
            progress(pass.frontier.size(), size);
            Ok(())
        })?;
        if target.is_data_dir() {
            log::check(&mut pass, size, &mut found.notes)?;
        }
        pass.end()?;
        found.pending = pass.frontier.size() - size;
        let tile_faults = collect(&mut pass, size, &mut found);
        heads.check_roots(&pass, &verifier.since, &mut found)?;
        let other_key = |fault: &Fault| fault.kind == FaultKind::Authority;
        let again = pass.unknown_handover || found.faults.iter().any(other_key);
        (found.bytes, found.files) = target.read_so_far();
        found.key = Some(verifier.key.clone());
        found.range = range(self, &mut pass, &found);
        let (leftovers, needed) = (pass.leftovers, pass.orders.needed);
        let proven = heads.proven(&ring, &pass.marks);
        found.ring = Some(ring);
        let examined = Examined {
            found,
            tile_faults,
            leftovers,
            needed,
            proven,
        };
        Ok((examined, again))
    }
}

fn orders(purpose: Purpose, size: u64, heads: &Heads, ring: &KeyRing) -> Orders {
    let mut needed = vec![size];
    if purpose == Purpose::Repair {
        let guard = heads
            .guard
            .as_ref()
            .and_then(|head| Checkpoint::open_with(&head.note, ring).ok());
        needed.extend(
            guard
                .map(|guard| guard.size)
                .filter(|guarded| *guarded > size),
        );
    }
    Orders {
        limit: if purpose == Purpose::Repair {
            10 * MAX_FAULTS
        } else {
            MAX_FAULTS
        },
        needed,
        mending: purpose == Purpose::Repair,
    }
}

/// Moves the faults of the pass over, in reading order: bundles and entries, log, tiles.
fn collect(pass: &mut Pass<'_>, size: u64, found: &mut Verification) -> Vec<(Tile, Fault)> {
    let (missing, pruned) = pass.judge_absence(size);
    let mut faults = std::mem::take(&mut pass.entry_faults);
    for number in missing {
        if let Some(tile) = Tile::at(Kind::Entries, number, size) {
            let fault = Fault {
                kind: FaultKind::MissingFile,
                place: pass.target.tile_name(&tile),
                detail: "a bundle of entries is missing".to_owned(),
            };
            faults.push((number, fault));
        }
    }
    // Stable: faults of one bundle stay in the order in which they were found.
    faults.sort_by_key(|(number, _)| *number);
    let tile_faults = std::mem::take(&mut pass.tile_faults);
    for (_, fault) in faults {
        found.add(fault);
    }
    if !pass.orders.mending {
        for (_, fault) in &tile_faults {
            found.add(fault.clone());
        }
    }
    found.omitted += pass.omitted;
    found.entries = pass.entries;
    found.chains = pass.chains.list();
    found.pruned = pruned;
    if pruned > 0 {
        found.notes.push(format!(
            "{pruned} entries are pruned, as an entry permits; their hashes are here"
        ));
    }
    if pass.chains.unlinked > 0 {
        let unlinked = pass.chains.unlinked;
        found.notes.push(format!(
            "{unlinked} entries follow absent ones: their prev cannot be checked"
        ));
    }
    tile_faults
}

fn range(
    examination: &Examination<'_>,
    pass: &mut Pass<'_>,
    found: &Verification,
) -> Option<Box<VerifiedRange>> {
    let checkpoint = found.checkpoint.clone()?;
    let head = examination.heads.checkpoint.as_ref()?;
    found.is_clean().then(|| {
        Box::new(VerifiedRange {
            target: examination.target.clone(),
            checkpoint,
            key: examination.verifier.key.clone(),
            ring: pass.ring.clone(),
            checkpoint_note: head.note.clone(),
            chains: found.chains.clone(),
            pruned: found.pruned,
            absent: std::mem::take(&mut pass.absent).into(),
            roots: std::mem::take(&mut pass.roots).into(),
        })
    })
}
