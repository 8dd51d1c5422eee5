//! The records of a range, read once.

use std::collections::BTreeMap;

use countersign_ledger::{
    RangeError,
    merkle::{Hash, leaf_hash},
};
use countersign_record::{Body, DecisionBody, Record};
use jiff::Timestamp;
use serde::Deserialize;

use crate::{query::Query, report::ReportError};

/// Most entries that one report is made from; a larger range is refused.
pub(crate) const MAX_ENTRIES: usize = 1_000_000;

/// Why an entry is not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Unread {
    /// Another schema, or not of its shape.
    Schema,
    /// Its time is no RFC 3339 instant.
    Time,
}

/// One record with its place in the ledger.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) index: u64,
    pub(crate) chain: String,
    pub(crate) at: Timestamp,
    pub(crate) record: Record,
}

impl Placed {
    pub(crate) fn decision(&self) -> Option<&DecisionBody> {
        match &self.record.body {
            Body::Decision(body) => Some(body),
            _ => None,
        }
    }
}

/// One writer's chain as these entries show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ChainSeen {
    pub(crate) first_seq: u64,
    pub(crate) last_seq: u64,
    pub(crate) entries: Vec<u64>,
    pub(crate) breaks: Vec<u64>,
    /// Leaf hash of its last entry.
    pub(crate) head: Hash,
}

/// Every entry of a range, readable or not, in order of index.
#[derive(Debug, Default)]
pub(crate) struct Extract {
    pub(crate) records: Vec<Placed>,
    pub(crate) unread: Vec<(u64, Unread)>,
    pub(crate) chains: BTreeMap<String, ChainSeen>,
}

#[derive(Deserialize)]
struct Link {
    #[serde(default)]
    chain_uid: String,
    #[serde(default)]
    seq: u64,
}

impl Extract {
    pub(crate) fn read(
        entries: impl Iterator<Item = Result<(u64, Vec<u8>), RangeError>>,
    ) -> Result<Self, ReportError> {
        Self::read_at_most(entries, MAX_ENTRIES)
    }

    /// Reads entries in ascending order of their index.
    pub(crate) fn read_at_most(
        entries: impl Iterator<Item = Result<(u64, Vec<u8>), RangeError>>,
        max: usize,
    ) -> Result<Self, ReportError> {
        let mut extract = Self::default();
        for (count, entry) in entries.enumerate() {
            if count == max {
                return Err(ReportError::TooLarge { max });
            }
            let (index, bytes) = entry?;
            let link: Link = serde_json::from_slice(&bytes).unwrap_or(Link {
                chain_uid: String::new(),
                seq: 0,
            });
            extract.link(index, &link, &bytes);
            extract.place(index, &bytes, link.chain_uid);
        }
        Ok(extract)
    }

    fn link(&mut self, index: u64, link: &Link, bytes: &[u8]) {
        let chain = self
            .chains
            .entry(link.chain_uid.clone())
            .or_insert_with(|| ChainSeen {
                first_seq: link.seq,
                last_seq: link.seq,
                entries: Vec::new(),
                breaks: Vec::new(),
                head: [0; 32],
            });
        if !chain.entries.is_empty() && Some(link.seq) != chain.last_seq.checked_add(1) {
            chain.breaks.push(index);
        }
        chain.last_seq = link.seq;
        // The range's own chain list may reach past the checkpoint; this never does.
        chain.head = leaf_hash(bytes);
        chain.entries.push(index);
    }

    fn place(&mut self, index: u64, bytes: &[u8], chain: String) {
        let Ok(record) = Record::from_entry(bytes) else {
            self.unread.push((index, Unread::Schema));
            return;
        };
        match record.ts.parse::<Timestamp>() {
            Ok(at) => self.records.push(Placed {
                index,
                chain,
                at,
                record,
            }),
            Err(_) => self.unread.push((index, Unread::Time)),
        }
    }

    pub(crate) fn within<'a>(&'a self, query: &'a Query) -> impl Iterator<Item = &'a Placed> {
        self.records.iter().filter(|placed| query.selects(placed))
    }

    pub(crate) fn decisions<'a>(
        &'a self,
        query: &'a Query,
    ) -> impl Iterator<Item = (&'a Placed, &'a DecisionBody)> {
        self.within(query)
            .filter_map(|placed| Some((placed, placed.decision()?)))
    }
}

#[cfg(test)]
mod tests;
