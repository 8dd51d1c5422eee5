//! From an offset inside a condition to a place in the document.

use crate::node::At;

/// The place of byte `offset` of `condition`, whose scalar starts at `at` in `document`.
///
/// White space is skipped on both sides, so plain, quoted, literal and folded scalars are all
/// followed. Where the document spells the text differently (escapes), the scalar's start is given.
pub(crate) fn locate(document: &str, at: At, condition: &str, offset: usize) -> At {
    walk(document, at, condition, offset).unwrap_or(at)
}

fn walk(document: &str, at: At, condition: &str, offset: usize) -> Option<At> {
    let mut wanted = condition
        .get(..offset)?
        .chars()
        .filter(|c| !c.is_whitespace());
    let mut here = start(document, at)?;
    for (found, place) in here.by_ref() {
        match wanted.next() {
            Some(expected) if expected == found => {}
            Some(_) => return None,
            None => return Some(place),
        }
    }
    None
}

/// The characters of the scalar at `at`, without white space, quotes and block headers.
fn start(document: &str, at: At) -> Option<impl Iterator<Item = (char, At)>> {
    let line = usize::try_from(at.line).ok()?.checked_sub(1)?;
    let column = usize::try_from(at.column).ok()?.checked_sub(1)?;
    let first = document.lines().nth(line)?.chars().nth(column)?;
    let (line, column) = match first {
        '|' | '>' => (line + 1, 0),
        '"' | '\'' => (line, column + 1),
        _ => (line, column),
    };
    let places = document
        .lines()
        .enumerate()
        .skip(line)
        .flat_map(move |(row, text)| {
            let from = if row == line { column } else { 0 };
            text.chars()
                .enumerate()
                .skip(from)
                .filter_map(move |(col, character)| {
                    let line = u32::try_from(row + 1).ok()?;
                    let column = u32::try_from(col + 1).ok()?;
                    (!character.is_whitespace()).then_some((character, At { line, column }))
                })
        });
    Some(places)
}
