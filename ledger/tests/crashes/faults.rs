//! What goes wrong, and at which operation.

use std::io;

use crate::chance::Chance;

/// A kind of operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Read,
    List,
    Create,
    Open,
    Write,
    Sync,
    SyncFolder,
    Rename,
    Remove,
    CreateFolder,
    FreeBytes,
    Lock,
}

impl Kind {
    fn changes(self) -> bool {
        !matches!(self, Self::Read | Self::List | Self::FreeBytes | Self::Lock)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// The operation fails before it takes effect.
    Error,
    /// No space: half of a write is there.
    Full,
    /// A part of a write is there, then an error.
    Short,
    /// The operation takes effect and yet an error is told.
    Stored,
    /// A sync fails; what it was about may be synced by a later one.
    SyncKept,
    /// A sync fails, and what it was about is never written although readers see it.
    SyncLost,
    /// The machine loses power: nothing happens any more.
    Power,
    /// The machine loses power while a sync is at work.
    PowerInSync,
    /// The process is killed; what it wrote stays in the machine's memory.
    Kill,
}

impl Fault {
    pub(crate) const ALL: [Self; 9] = [
        Self::Error,
        Self::Full,
        Self::Short,
        Self::Stored,
        Self::SyncKept,
        Self::SyncLost,
        Self::Power,
        Self::PowerInSync,
        Self::Kill,
    ];

    /// Whether it differs from the other faults at such an operation.
    pub(crate) fn fits(self, kind: Kind) -> bool {
        match self {
            Self::Error => true,
            Self::Full => matches!(
                kind,
                Kind::Write | Kind::Create | Kind::CreateFolder | Kind::Rename
            ),
            Self::Short => kind == Kind::Write,
            Self::SyncKept => matches!(kind, Kind::Sync | Kind::SyncFolder),
            Self::SyncLost | Self::PowerInSync => kind == Kind::Sync,
            Self::Stored | Self::Power | Self::Kill => kind.changes(),
        }
    }

    /// Whether the process ends there and then.
    pub(crate) fn ends(self) -> bool {
        matches!(self, Self::Power | Self::PowerInSync | Self::Kill)
    }
}

/// What an operation is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Go,
    Fault(Fault),
}

/// A fault at the operation of this number among those that it fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Planned {
    pub(crate) fault: Fault,
    pub(crate) at: u64,
}

/// The faults that are still to come, and what was counted.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    planned: Vec<(Planned, u64)>,
    /// Which faults came, and at what.
    pub(crate) came: Vec<(Fault, Kind)>,
    /// Operations that each fault fits, so far.
    pub(crate) counted: Vec<(Fault, u64)>,
    dead: bool,
    /// Nothing goes wrong for now.
    pub(crate) held: bool,
    pub(crate) chance: Chance,
}

impl Plan {
    pub(crate) fn new(planned: &[Planned], chance: Chance) -> Self {
        Self {
            planned: planned.iter().map(|planned| (*planned, 0)).collect(),
            came: Vec::new(),
            counted: Fault::ALL.iter().map(|fault| (*fault, 0)).collect(),
            dead: false,
            held: false,
            chance,
        }
    }

    /// Counts an operation and decides over it.
    pub(crate) fn judge(&mut self, kind: Kind) -> io::Result<Verdict> {
        if self.dead {
            return Err(io::Error::other("the machine is off"));
        }
        if self.held {
            return Ok(Verdict::Go);
        }
        for (fault, count) in &mut self.counted {
            *count += u64::from(fault.fits(kind));
        }
        let mut due = None;
        for (slot, (planned, seen)) in self.planned.iter_mut().enumerate() {
            if planned.fault.fits(kind) {
                due = due.or((*seen == planned.at).then_some((slot, planned.fault)));
                *seen += 1;
            }
        }
        let Some((slot, fault)) = due else {
            return Ok(Verdict::Go);
        };
        self.planned.remove(slot);
        self.came.push((fault, kind));
        self.dead = fault.ends();
        if self.dead {
            return Err(io::Error::other("the machine goes off"));
        }
        Ok(Verdict::Fault(fault))
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.dead
    }

    /// The next process starts.
    pub(crate) fn revive(&mut self) {
        self.dead = false;
    }

    /// Nothing goes wrong any more.
    pub(crate) fn calm(&mut self) {
        self.planned.clear();
    }
}
