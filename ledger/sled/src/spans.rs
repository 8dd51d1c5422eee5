//! The least and the greatest value of each member in a write. Ids ascend with time, so that all
//! writes but one or two are known not to hold one without being read.

use std::collections::BTreeMap;

use countersign_ledger::IndexRow;

/// First byte of the key of every write's spans.
const SPANS: u8 = 3;

/// Least and greatest value by member.
#[derive(Debug, Default)]
pub(crate) struct Spans(BTreeMap<String, (String, String)>);

impl Spans {
    /// Widens the span of the row's member to its value.
    pub(crate) fn widen(&mut self, row: &IndexRow) {
        match self.0.get_mut(&row.member) {
            None => {
                let span = (row.value.clone(), row.value.clone());
                self.0.insert(row.member.clone(), span);
            }
            Some((least, _)) if row.value < *least => least.clone_from(&row.value),
            Some((_, greatest)) if row.value > *greatest => greatest.clone_from(&row.value),
            Some(_) => {}
        }
    }

    /// `u32_be length || bytes` of member, least and greatest value, for every member.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (member, (least, greatest)) in &self.0 {
            for part in [member, least, greatest] {
                let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
                bytes.extend_from_slice(&length.to_be_bytes());
                bytes.extend_from_slice(part.as_bytes());
            }
        }
        bytes
    }
}

/// Where a write's spans lie.
pub(crate) fn key(write: u64) -> Vec<u8> {
    let mut key = vec![SPANS];
    key.extend_from_slice(&write.to_be_bytes());
    key
}

/// What the keys of all spans begin with.
pub(crate) const PREFIX: &[u8] = &[SPANS];

/// The write whose spans lie under `key`; `None` when the key is malformed.
pub(crate) fn write(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.get(1..)?.try_into().ok()?))
}

/// Whether `value` lies in the span of `member`; `None` when the bytes are malformed.
pub(crate) fn hold(mut bytes: &[u8], member: &str, value: &str) -> Option<bool> {
    let mut held = false;
    while !bytes.is_empty() {
        let [of, least, greatest] = [part(&mut bytes)?, part(&mut bytes)?, part(&mut bytes)?];
        held |= of == member.as_bytes() && (least..=greatest).contains(&value.as_bytes());
    }
    Some(held)
}

fn part<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (part, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    Some(part)
}
