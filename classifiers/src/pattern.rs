//! Personal data and credentials that their own structure gives away.
//!
//! Every rule demands more than a shape where it can: a checksum, an issuer's prefix, a plausible
//! range, a word nearby. That keeps order numbers, hashes, dates and versions quiet.
//!
//! `docs/pii.md` lists every entity with its source, its check and its words.
//!
//! # How a match can grow
//! [`PatternDetector::live_from`] rests on where matches can lie. A match lies within one run of
//! *token characters* or one run of *number characters*, is no longer than [`HOLD_MAX`], and is
//! decided by what stands before it, itself, and the rest of its run. So only the last runs of a
//! text can still change. What may hold other characters (key blocks, bearer tokens, account
//! numbers and identifiers with spaces, dates of birth, passwords) says itself whether it is still
//! open.

mod address;
mod birth;
mod checksum;
mod iban;
mod key_block;
mod label;
mod national;
mod number;
mod scan;
mod secret;
mod shape;
mod travel;
mod wallet;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use countersign_record::{DetectorRef, DetectorRun, Evaluation, Score, Span};
use sha2::{Digest, Sha256};

use self::label::LABELS;
use self::scan::{Reach, floor_boundary, is_token, word_starts};
use crate::detector::micros;
use crate::{Detector, Inspection, LabelScore, LabelledSpan};

/// Longest match in bytes, and so the longest hold, of every rule but key blocks and bearer tokens.
pub(crate) const HOLD_MAX: usize = 512;

/// A text of more bytes is read on a thread where it blocks nobody.
const INLINE_BYTES_MAX: usize = 64 << 10;

const ID: &str = "countersign-patterns";
const VERSION: &str = "2";

/// Finds `pii.*` and `secret.*` labels. Each place found scores 1.0; the thresholds are 0.5.
#[derive(Debug, Clone)]
pub struct PatternDetector {
    digest: String,
}

/// What a rule found: an index into [`LABELS`], the kind of thing, and a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Found {
    label: usize,
    entity: &'static str,
    span: Span,
}

impl Default for PatternDetector {
    fn default() -> Self {
        Self::new()
    }
}

impl PatternDetector {
    /// A detector with the built-in rules.
    pub fn new() -> Self {
        let mut hasher = Sha256::new();
        // The rules are code, so the code is what determines the scores.
        for source in label::SOURCES {
            hasher.update(source.as_bytes());
        }
        Self {
            digest: format!("sha256:{}", hex::encode(hasher.finalize())),
        }
    }

    /// Every place with a label, by position. Places do not overlap.
    ///
    /// A match at the very end of `text` is reported as it stands, although more text could extend
    /// it or show that it is none.
    pub fn find(&self, text: &str) -> Vec<(String, Span)> {
        let places = self.find_entities(text).into_iter();
        let named = places.map(|(label, _, span)| (label.to_owned(), span));
        named.collect()
    }

    /// Like [`Self::find`]: label, entity and place. An entity says more exactly what it is, for
    /// example `uk_nhs_number` of `pii.health_id`; `docs/pii.md` lists them.
    pub fn find_entities(&self, text: &str) -> Vec<(&'static str, &'static str, Span)> {
        let named = |found: Found| Some((*LABELS.get(found.label)?, found.entity, found.span));
        settle(search(text)).into_iter().filter_map(named).collect()
    }

    /// Every entity that can be found, and its label; sorted, without duplicates.
    pub fn entities(&self) -> Vec<(&'static str, &'static str)> {
        let mut all = label::entities();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The byte position from which `text`, were it to go on, could still complete, extend or
    /// revoke a match; always a character boundary.
    ///
    /// Whatever follows, no match that starts before it will reach beyond it or differ from what
    /// [`Self::find`] reports for `text` now. For ordinary prose it is the start of the last word.
    /// It is at most 512 bytes before the end, or where finished matches start that reach into
    /// those; inside a private key block it is up to 14 KiB before the end, inside a JSON web token
    /// 4 KiB.
    pub fn live_from(&self, text: &str) -> usize {
        let bytes = text.as_bytes();
        let last_token = bytes
            .iter()
            .rposition(|b| !is_token(*b) && !is_address(*b))
            .map_or(0, |i| i + 1);
        let runs = last_token.min(number::last_run(text));
        let held = floor_boundary(text, runs.max(text.len().saturating_sub(HOLD_MAX)));
        let live = [
            iban::open_from(text),
            shape::open_from(text),
            birth::open_from(text),
            secret::open_from(text),
            secret::assigned::open_from(text),
            secret::url::open_from(text),
            key_block::open_from(text),
        ]
        .into_iter()
        .flatten()
        .fold(held, usize::min);
        start_of_match_around(text, live)
    }
}

/// What addresses and machine-readable lines have beside [token characters](is_token).
fn is_address(byte: u8) -> bool {
    matches!(
        byte,
        b'/' | b'<' | b'?' | b'&' | b'#' | b'~' | b'!' | b'$' | b'*'
    )
}

/// `at`, or where the first of those matches starts that `at` would cut in two. A match counts also
/// where a weightier one hides it, because that one may still be revoked.
fn start_of_match_around(text: &str, at: usize) -> usize {
    let from = floor_boundary(text, at.saturating_sub(HOLD_MAX));
    let near = search(text.get(from..).unwrap_or_default());
    let mut live = at;
    while let Some(cut) = near
        .iter()
        .find(|f| from + f.span.start < live && live < from + f.span.end)
    {
        live = from + cut.span.start;
    }
    live
}

/// Every place that some rule claims.
fn search(text: &str) -> Vec<Found> {
    let mut found = Vec::new();
    let mut claim = |(entity, label): (&'static str, &'static str), start: usize, end: usize| {
        if let Some(label) = LABELS.iter().position(|known| *known == label) {
            found.push(Found {
                label,
                entity,
                span: Span { start, end },
            });
        }
    };
    for (start, end) in key_block::blocks(text) {
        claim(label::PRIVATE_KEY, start, end);
    }
    for start in word_starts(text) {
        if let Some((name, end)) = secret::token_at(text, start) {
            claim(name, start, end);
        }
        if let Reach::Closed(end) | Reach::Open(Some(end)) = iban::at(text, start) {
            claim(label::IBAN, start, end);
        }
        if let Some((name, end)) = address::network_at(text, start) {
            claim(name, start, end);
        }
        if let Some((entity, end)) = wallet::address_at(text, start) {
            claim((entity, label::CRYPTO), start, end);
        }
        if let Some(end) = travel::line_at(text, start) {
            claim(label::MRZ, start, end);
        }
        if let Reach::Closed(end) | Reach::Open(Some(end)) = birth::at(text, start) {
            claim(label::BIRTH, start, end);
        }
        shape::at(text, start, &mut |rule, end| {
            claim((rule.entity, rule.label), start, end);
        });
    }
    secret::assigned::search(text, &mut claim);
    secret::url::search(text, &mut |part| claim(part.name, part.start, part.end));
    for (start, end) in address::emails(text) {
        claim(label::EMAIL, start, end);
    }
    number::search(text, &mut claim);
    found
}

/// Gives every contested place to the weightiest label, then to the earliest and longest match.
fn settle(mut found: Vec<Found>) -> Vec<Found> {
    found.sort_by_key(|f| (f.label, f.span.start, std::cmp::Reverse(f.span.end)));
    let mut kept: std::collections::BTreeMap<usize, Found> = std::collections::BTreeMap::new();
    for candidate in found {
        let before = kept.range(..candidate.span.end).next_back();
        if before.is_none_or(|(_, other)| other.span.end <= candidate.span.start) {
            kept.insert(candidate.span.start, candidate);
        }
    }
    kept.into_values().collect()
}

impl Detector for PatternDetector {
    fn describe(&self) -> DetectorRef {
        let (id, version) = (ID.to_owned(), VERSION.to_owned());
        DetectorRef {
            id,
            version,
            digest: self.digest.clone(),
        }
    }

    fn labels(&self) -> Vec<String> {
        LABELS.iter().map(|label| (*label).to_owned()).collect()
    }

    fn inspect(
        &self,
        texts: Arc<[String]>,
        deadline: Instant,
    ) -> Pin<Box<dyn Future<Output = Inspection> + Send>> {
        let detector = self.describe();
        Box::pin(async move {
            if texts.iter().map(String::len).sum::<usize>() <= INLINE_BYTES_MAX {
                return read_all(detector, &texts, deadline);
            }
            let described = detector.clone();
            let reading = move || read_all(detector, &texts, deadline);
            tokio::task::spawn_blocking(reading)
                .await
                .unwrap_or_else(|_ended| {
                    let evaluation = Evaluation::Failed {
                        reason: "interrupted".to_owned(),
                    };
                    finish(described, Vec::new(), evaluation, 0, Instant::now())
                })
        })
    }
}

fn read_all(detector: DetectorRef, texts: &[String], deadline: Instant) -> Inspection {
    let began = Instant::now();
    let mut spans = Vec::new();
    let mut read = 0;
    for (channel, text) in texts.iter().enumerate() {
        if Instant::now() >= deadline {
            return finish(detector, spans, Evaluation::TimedOut, read, began);
        }
        spans.extend(
            settle(search(text))
                .into_iter()
                .map(|found| (channel, found)),
        );
        read += 1;
    }
    finish(detector, spans, Evaluation::Scored, read, began)
}

fn finish(
    detector: DetectorRef,
    found: Vec<(usize, Found)>,
    evaluation: Evaluation,
    texts_read: u32,
    began: Instant,
) -> Inspection {
    let half = Score::from_ppm(500_000).unwrap_or(Score::MAX);
    let mut labels: Vec<LabelScore> = LABELS
        .iter()
        .map(|label| LabelScore {
            label: (*label).to_owned(),
            score: Score::ZERO,
            flag: half,
            block: half,
            hits: 0,
            detector: detector.id.clone(),
        })
        .collect();
    let mut spans = Vec::with_capacity(found.len());
    for (channel, Found { label, span, .. }) in found {
        let Some(scored) = labels.get_mut(label) else {
            continue;
        };
        scored.score = Score::MAX;
        scored.hits = scored.hits.saturating_add(1);
        let (label, detector) = (scored.label.clone(), detector.id.clone());
        spans.push(LabelledSpan {
            label,
            channel,
            span,
            score: Score::MAX,
            detector,
        });
    }
    let elapsed_us = micros(began.elapsed());
    let run = DetectorRun {
        detector,
        evaluation,
        windows: texts_read,
        elapsed_us,
    };
    Inspection { run, labels, spans }
}

#[cfg(test)]
mod tests;
