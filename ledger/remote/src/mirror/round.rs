//! One round: compare checkpoints, prove that the new one extends the kept one, fetch, commit.

use std::cmp::Ordering;

use countersign_ledger::{
    Checkpoint,
    keys::{Handover, KeyRing},
    merkle::{consistency_proof, range_root, verify_consistency},
    verify,
};

use super::{
    Alarm, AlarmKind, Mirror, MirrorError, MirrorReport, Pruned,
    copy::read_copy,
    fetch::Fetch,
    home::Kept,
    scout::Lost,
    tiles::{Loaded, Shelf, Supply},
};

/// How often a round begins anew because the ledger has moved on.
const ATTEMPTS: usize = 5;

/// What contradicts what.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) kind: AlarmKind,
    pub(super) detail: String,
    /// The file that was served.
    pub(super) served: Option<Vec<u8>>,
}

/// Why a round stops: a finding about the ledger, or no finding at all.
#[derive(Debug)]
pub(super) enum Trouble {
    Alarm(Finding),
    Error(MirrorError),
}

impl Trouble {
    pub(super) fn alarm(kind: AlarmKind, detail: String) -> Self {
        let served = None;
        Self::Alarm(Finding {
            kind,
            detail,
            served,
        })
    }

    pub(super) fn served(kind: AlarmKind, detail: String, served: Vec<u8>) -> Self {
        let served = Some(served);
        Self::Alarm(Finding {
            kind,
            detail,
            served,
        })
    }
}

impl From<MirrorError> for Trouble {
    fn from(error: MirrorError) -> Self {
        Self::Error(error)
    }
}

impl Mirror {
    pub(super) async fn run_round(&mut self) -> Result<MirrorReport, MirrorError> {
        let mut report = MirrorReport {
            checkpoint: None,
            size_before: 0,
            files: 0,
            bytes: 0,
            verified: false,
            pruned: None,
            learned: Vec::new(),
            alarm: None,
        };
        let known = self.home.ring.clone();
        self.go(&mut report).await?;
        report.checkpoint = self.home.kept.as_ref().map(|kept| kept.checkpoint.clone());
        let is_new = |handover: &&Handover| !known.handovers().contains(handover);
        let learned = self.home.ring.handovers().iter().filter(is_new);
        report.learned = learned.cloned().collect();
        if self.home.absent > 0 && self.chains.is_none() {
            self.chains = match read_copy(&self.home).await {
                Ok(chains) => Some(chains),
                Err(Trouble::Error(error)) => return Err(error),
                Err(Trouble::Alarm(_)) => None,
            };
        }
        let recorded = self.chains.as_ref().map_or(0, |c| c.pruned_before);
        report.pruned = (self.home.absent > 0).then_some(Pruned {
            before: self.home.absent,
            recorded: recorded >= self.home.absent,
        });
        Ok(report)
    }

    /// Goes as far as the ledger is sound, and puts what is not into the report.
    async fn go(&mut self, report: &mut MirrorReport) -> Result<(), MirrorError> {
        let mut seen = self.source.checkpoint().await?;
        let recalled = self.recall(&seen).await;
        report.size_before = self.home.size();
        // Handovers that were found are believed for this round; those that carried it to a
        // checkpoint of the copy stay.
        let mut ring = self.home.ring.clone();
        if let Err(trouble) = recalled {
            report.alarm = Some(self.alarm(trouble, &seen, &ring)?);
            return Ok(());
        }
        let mut scouted = false;
        for _ in 0..ATTEMPTS {
            let mut finding = match self.advance(&seen, &ring, report).await {
                Ok(()) => break,
                Err(Trouble::Error(error)) => return Err(error),
                Err(Trouble::Alarm(finding)) => finding,
            };
            // A ledger that grows may drop its partial files of sizes that have passed. What was
            // stored is not fetched again.
            if finding.kind == AlarmKind::Missing
                && let Ok(newer) = self.source.checkpoint().await
                && newer != seen
            {
                seen = newer;
                scouted = false;
                continue;
            }
            let keys_may_be_lacking = [AlarmKind::Checkpoint, AlarmKind::Entry];
            if !scouted && keys_may_be_lacking.contains(&finding.kind) {
                scouted = true;
                match self.scout(&seen, &mut ring).await {
                    Ok(true) => continue,
                    Ok(false) => {}
                    Err(Lost::Contradiction(contradiction)) => finding = contradiction,
                    Err(Lost::Unfinished(why)) => {
                        finding.detail = format!("{}; {why}", finding.detail);
                    }
                }
            }
            report.alarm = Some(self.alarm(Trouble::Alarm(finding), &seen, &ring)?);
            break;
        }
        Ok(())
    }

    /// The alarm with its evidence saved.
    fn alarm(&self, trouble: Trouble, seen: &[u8], ring: &KeyRing) -> Result<Alarm, MirrorError> {
        match trouble {
            Trouble::Alarm(finding) => Ok(self.home.save_alarm(finding, seen, ring)),
            Trouble::Error(error) => Err(error),
        }
    }

    async fn advance(
        &mut self,
        seen: &[u8],
        ring: &KeyRing,
        report: &mut MirrorReport,
    ) -> Result<(), Trouble> {
        let new = self.opened(seen, ring)?;
        let size = self.home.size();
        match (new.checkpoint.size.cmp(&size), self.home.kept.clone()) {
            (Ordering::Greater, _) | (_, None) => self.grow(new, ring, report).await,
            (Ordering::Less, Some(kept)) => self.look_back(&new.checkpoint, &kept).await,
            (Ordering::Equal, Some(kept)) if kept.checkpoint.root != new.checkpoint.root => {
                let detail = format!("two roots are signed for size {size}");
                Err(Trouble::alarm(AlarmKind::Fork, detail))
            }
            // The same tree, perhaps with more cosignatures.
            (Ordering::Equal, Some(kept)) if kept.note != new.note => {
                Ok(self.home.commit(new, ring)?)
            }
            (Ordering::Equal, Some(_)) => Ok(()),
        }
    }

    /// The served checkpoint, signed by the ledger and cosigned as the policy asks.
    fn opened(&self, seen: &[u8], ring: &KeyRing) -> Result<Kept, Trouble> {
        let alarm = |detail| Trouble::alarm(AlarmKind::Checkpoint, detail);
        let note = String::from_utf8(seen.to_vec()).map_err(|e| alarm(e.to_string()))?;
        let checkpoint = Checkpoint::open_with(&note, ring).map_err(|e| alarm(e.to_string()))?;
        if let Some(policy) = &self.settings.policy {
            policy
                .open_with(&note, ring)
                .map_err(|e| alarm(e.to_string()))?;
        }
        Ok(Kept { note, checkpoint })
    }

    /// An older checkpoint than the kept one: is it at least of the same history?
    async fn look_back(&self, old: &Checkpoint, kept: &Kept) -> Result<(), Trouble> {
        let (small, large) = (old.size, kept.checkpoint.size);
        let mut shelf = Shelf::new(Supply::Copy(&self.home), large);
        let root = shelf.compute(|nodes| range_root(nodes, 0, small)).await?;
        let (kind, detail) = if root == old.root {
            let detail = format!("size {small} is served, size {large} was seen before");
            (AlarmKind::Rollback, detail)
        } else {
            let detail = format!("sizes {small} and {large} are signed for different histories");
            (AlarmKind::Fork, detail)
        };
        Err(Trouble::alarm(kind, detail))
    }

    async fn grow(
        &mut self,
        new: Kept,
        ring: &KeyRing,
        report: &mut MirrorReport,
    ) -> Result<(), Trouble> {
        let edge = self.extends(&new.checkpoint).await?;
        // Whatever interrupts what follows, the chains are then read from the copy again.
        let chains = match self.chains.take() {
            Some(chains) => chains,
            None => read_copy(&self.home).await?,
        };
        let first = self.home.kept.is_none();
        let mut fetch = Fetch {
            source: &self.source,
            home: &mut self.home,
            ring,
            size: new.checkpoint.size,
            report,
            chains,
        };
        fetch.tiles(&edge).await?;
        fetch.bundles().await?;
        let chains = fetch.chains;
        let size = new.checkpoint.size;
        if first && self.home.absent == 0 && size <= self.settings.verify_max {
            self.verify_whole(new, ring)?;
            report.verified = true;
        } else {
            self.home.commit(new, ring)?;
        }
        self.chains = Some(chains);
        Ok(())
    }

    /// Proves from the served tiles alone that the new checkpoint has its root and extends the kept
    /// one. Gives the tiles at the tree's right edge, which the root vouches for.
    async fn extends(&self, new: &Checkpoint) -> Result<Loaded, Trouble> {
        let mut shelf = Shelf::new(Supply::Source(&self.source), new.size);
        let root = shelf
            .compute(|nodes| range_root(nodes, 0, new.size))
            .await?;
        if root != new.root {
            let detail = format!("the tiles served do not give the root of size {}", new.size);
            return Err(Trouble::alarm(AlarmKind::Tile, detail));
        }
        if let Some(kept) = &self.home.kept {
            let old = &kept.checkpoint;
            let proof = shelf
                .compute(|nodes| consistency_proof(nodes, old.size, new.size))
                .await?;
            if !verify_consistency(old.size, new.size, &proof, &old.root, &new.root) {
                return Err(self.not_extended(&mut shelf, new, old).await?);
            }
        }
        Ok(shelf.into_loaded())
    }

    /// A fork needs the signed root to be that of the tiles it was compared by.
    async fn not_extended(
        &self,
        shelf: &mut Shelf<'_>,
        new: &Checkpoint,
        old: &Checkpoint,
    ) -> Result<Trouble, Trouble> {
        let before = shelf
            .compute(|nodes| range_root(nodes, 0, old.size))
            .await?;
        let proof = shelf
            .compute(|nodes| consistency_proof(nodes, old.size, new.size))
            .await?;
        let (small, large) = (old.size, new.size);
        // The served tiles carry the new root, and another root than ours at the old size.
        let proven = verify_consistency(small, large, &proof, &before, &new.root);
        Ok(if proven && before != old.root {
            let detail = format!("sizes {small} and {large} are signed for different histories");
            Trouble::alarm(AlarmKind::Fork, detail)
        } else {
            let detail = format!("the tiles served do not lead from size {small} to {large}");
            Trouble::alarm(AlarmKind::Tile, detail)
        })
    }

    /// Commits the first checkpoint and verifies what is then on the disk.
    fn verify_whole(&mut self, new: Kept, ring: &KeyRing) -> Result<(), Trouble> {
        self.home.commit(new, ring)?;
        let (copy, key) = (self.home.copy(), &self.settings.key);
        let unreadable = |error: verify::Unreadable| {
            let reason = error.to_string();
            Trouble::Error(self.home.damaged(&copy, reason))
        };
        let found = verify::verify(&copy, key, None).map_err(unreadable)?;
        match found.faults.first() {
            None => Ok(()),
            Some(fault) => {
                let detail = format!("{}: {}: {}", fault.kind, fault.place, fault.detail);
                Err(Trouble::alarm(AlarmKind::Verification, detail))
            }
        }
    }
}
