//! The controls: the same entries in a plain log and in a bare hash chain, each audited as well as
//! its kind allows with what the auditor is said to hold.

use std::ops::Range;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::world::{ENTRIES, Knowledge, RECEIPT_INDEX, members};

/// What an attack does to the lines of a control.
pub(crate) type Change = fn(&mut Vec<String>);

/// Whether the attacker computes the chain anew after the change. No secret is needed for that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hand {
    Naive,
    Recomputing,
}

/// One JSON object per line. The auditor parses each line.
pub(crate) struct PlainLog;

/// As the plain log, and each line holds the SHA-256 of the line before. The auditor computes all
/// of them.
pub(crate) struct HashChain;

/// A kind of control.
pub(crate) trait Control {
    /// The honest file.
    fn honest() -> Vec<String>;
    /// Puts right what can be put right without a secret.
    fn recompute(lines: &mut [String]);
    /// The first line that the auditor objects to, counted from 0 as entries are. Of the honest
    /// lines they look only at what they are said to have noted.
    fn audit(lines: &[String], honest: &[String], knowledge: Knowledge) -> Option<usize>;
}

pub(crate) fn value(line: &str) -> Value {
    serde_json::from_str(line).unwrap()
}

fn hash(line: &str) -> String {
    hex::encode(Sha256::digest(line))
}

fn not_json(lines: &[String]) -> Option<usize> {
    let parses = |line: &String| serde_json::from_str::<Value>(line).is_ok_and(|v| v.is_object());
    lines.iter().position(|line| !parses(line))
}

impl Control for PlainLog {
    fn honest() -> Vec<String> {
        let line = |i| Value::Object(members("own", i)).to_string();
        (0..ENTRIES).map(line).collect()
    }

    fn recompute(_: &mut [String]) {}

    /// Whoever holds an older state noted how many lines there were; who holds a receipt has a
    /// copy of the line besides.
    fn audit(lines: &[String], honest: &[String], knowledge: Knowledge) -> Option<usize> {
        let count = usize::try_from(knowledge.size().unwrap_or(0)).unwrap();
        let kept = usize::try_from(RECEIPT_INDEX).unwrap();
        let differs = knowledge == Knowledge::Receipt && lines.get(kept) != Some(&honest[kept]);
        not_json(lines)
            .or(differs.then_some(kept))
            .or((lines.len() < count).then_some(lines.len()))
    }
}

impl Control for HashChain {
    fn honest() -> Vec<String> {
        let mut lines = PlainLog::honest();
        Self::recompute(&mut lines);
        lines
    }

    fn recompute(lines: &mut [String]) {
        let mut prev = "0".repeat(64);
        for line in lines {
            let mut members = value(line);
            // A line that already links stays as it is spelled.
            if members["prev"] != json!(prev) {
                members["prev"] = json!(prev);
                *line = members.to_string();
            }
            prev = hash(line);
        }
    }

    /// Whoever holds an older state, a receipt or a witness's note has the number of lines and the
    /// hash of the last of them.
    fn audit(lines: &[String], honest: &[String], knowledge: Knowledge) -> Option<usize> {
        if let Some(bad) = not_json(lines) {
            return Some(bad);
        }
        let mut prev = "0".repeat(64);
        for (index, line) in lines.iter().enumerate() {
            if value(line)["prev"] != json!(prev) {
                return Some(index);
            }
            prev = hash(line);
        }
        let last = usize::try_from(knowledge.size()?).unwrap() - 1;
        match lines.get(last) {
            None => Some(lines.len()),
            Some(line) => (hash(line) != hash(&honest[last])).then_some(last),
        }
    }
}

/// What each auditor says after the attack.
pub(crate) fn judge<C: Control>(hand: Hand, change: Change) -> [Option<usize>; 4] {
    let honest = C::honest();
    let mut lines = honest.clone();
    assert_eq!(
        Knowledge::ALL.map(|k| C::audit(&lines, &honest, k)),
        [None; 4],
        "the honest file"
    );
    change(&mut lines);
    if hand == Hand::Recomputing {
        C::recompute(&mut lines);
    }
    Knowledge::ALL.map(|knowledge| C::audit(&lines, &honest, knowledge))
}

pub(crate) fn edit(line: &mut String) {
    let mut members = value(line);
    members["n"] = json!(999);
    *line = members.to_string();
}

/// The lines of another file of the same kind.
pub(crate) fn another(name: &str, count: u64) -> Vec<String> {
    let line = |i| Value::Object(members(name, i)).to_string();
    let mut lines: Vec<String> = (0..count).map(line).collect();
    HashChain::recompute(&mut lines);
    lines
}

/// Puts lines of another file in their place.
pub(crate) fn replace(lines: &mut [String], range: Range<usize>, name: &str) {
    let theirs = another(name, ENTRIES);
    lines[range.clone()].clone_from_slice(&theirs[range]);
}

/// A line of the attacker's.
pub(crate) fn planted(index: u64) -> String {
    another("bad", index + 1).pop().unwrap()
}
