//! Cutting a text into windows of tokens.
//!
//! Two families cover a text. *Context windows* slide over all of it with half an overlap.
//! *Sentence windows* hold one sentence each, so that a sentence is read alone wherever in a text
//! it stands and whatever surrounds it: padding a harmful sentence with harmless ones cannot thin
//! it out. A sentence of only a word or two is read together with its neighbour.
//!
//! Pure: it sees token offsets and the text, not ids.

use std::collections::HashSet;
use std::ops::Range;

use countersign_record::Span;

/// Sentences with fewer tokens say little alone.
const TOKENS_ALONE_MIN: usize = 4;

/// Windows over a text whose tokens lie at `offsets`, as ranges of token indices.
///
/// `content_tokens` is how many tokens a window holds besides special ones; zero counts as one.
/// Every token is in at least one window; no window is larger than `content_tokens`; no two are
/// equal. Context windows come first.
pub fn plan(text: &str, offsets: &[Span], content_tokens: usize) -> Vec<Range<usize>> {
    let size = content_tokens.max(1);
    let mut windows = slide(0..offsets.len(), size);
    let sentences = sentences(text, offsets);
    if sentences.len() > 1 {
        for sentence in alone(&sentences) {
            windows.extend(slide(sentence, size));
        }
    }
    let mut seen = HashSet::new();
    windows.retain(|window| seen.insert((window.start, window.end)));
    windows
}

/// The bytes that a window of tokens covers.
pub fn span_of(offsets: &[Span], window: &Range<usize>) -> Span {
    let covered = offsets.get(window.clone()).unwrap_or_default();
    let start = covered.iter().map(|s| s.start).min().unwrap_or(0);
    Span {
        start,
        end: covered.iter().map(|s| s.end).max().unwrap_or(start),
    }
}

/// Windows of `size` over `tokens` with half an overlap; the last one ends with the last token.
fn slide(tokens: Range<usize>, size: usize) -> Vec<Range<usize>> {
    let mut windows = Vec::new();
    let mut start = tokens.start;
    while start < tokens.end {
        let end = (start + size).min(tokens.end);
        windows.push(start..end);
        if end == tokens.end {
            break;
        }
        start += (size / 2).max(1);
    }
    windows
}

fn sentences(text: &str, offsets: &[Span]) -> Vec<Range<usize>> {
    let mut sentences = Vec::new();
    let mut start = 0;
    for (index, pair) in offsets.windows(2).enumerate() {
        let [before, after] = pair else { continue };
        if ends_sentence(text, *before, *after) {
            sentences.push(start..index + 1);
            start = index + 1;
        }
    }
    if start < offsets.len() {
        sentences.push(start..offsets.len());
    }
    sentences
}

/// Whether a sentence ends between two neighbouring tokens.
fn ends_sentence(text: &str, before: Span, after: Span) -> bool {
    let gap = text
        .get(before.end..after.start.max(before.end))
        .unwrap_or_default();
    if gap.contains(['\n', '\r', '\u{2028}', '\u{2029}', '\u{85}']) {
        return true;
    }
    let until = text.get(..before.end).unwrap_or_default();
    let last = until.trim_end_matches(['"', '\'', ')', ']', '}', '*', '_', '\u{201d}', '\u{2019}']);
    match last.chars().next_back() {
        Some('.' | '!' | '?' | '…' | ';') => !gap.is_empty(),
        Some('。' | '！' | '？' | '｡') => {
            let next = text.get(after.start..).unwrap_or_default();
            !next.starts_with(['”', '」', '』'])
        }
        _ => false,
    }
}

/// Sentences as they are read alone. Short ones also form a window with what follows them, or at
/// the end with what precedes them; a long one keeps its own window whatever its neighbours are.
fn alone(sentences: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut out = Vec::new();
    let mut short_from = None;
    let mut long_before: Option<Range<usize>> = None;
    for sentence in sentences {
        let from = short_from.unwrap_or(sentence.start);
        if sentence.len() >= TOKENS_ALONE_MIN {
            out.push(sentence.clone());
            if short_from.take().is_some() {
                out.push(from..sentence.end);
            }
            long_before = Some(sentence.clone());
        } else if sentence.end - from >= TOKENS_ALONE_MIN {
            out.push(from..sentence.end);
            short_from = None;
            long_before = None;
        } else {
            short_from = Some(from);
        }
    }
    if let Some(from) = short_from {
        let end = sentences.last().map_or(from, |s| s.end);
        out.push(long_before.map_or(from, |s| s.start)..end);
    }
    out
}

#[cfg(test)]
mod tests;
