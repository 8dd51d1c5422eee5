//! Private keys between `-----BEGIN … PRIVATE KEY-----` and its end line.

use super::scan::Reach;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";
/// Longest name between the dashes.
const NAME_MAX: usize = 64;
/// Longest block; an RSA key of 16,384 bits needs 12,700 bytes.
const BLOCK_MAX: usize = 14 << 10;
/// As many base64 characters in a row are key material even when the block has no end.
const MATERIAL_MIN: usize = 32;

/// Key blocks, in order. A block that the text cuts off counts as far as it goes.
pub(super) fn blocks(text: &str) -> Vec<(usize, usize)> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    for (start, _) in text.match_indices(BEGIN) {
        if found.last().is_some_and(|(_, end)| start < *end) {
            continue;
        }
        if let Reach::Closed(end) | Reach::Open(Some(end)) = block_at(text, start) {
            found.push((start, end));
        }
    }
    found
}

/// Where a block starts that the end of the text leaves open.
pub(super) fn open_from(text: &str) -> Option<usize> {
    let starts = text.match_indices(BEGIN).map(|(start, _)| start);
    starts
        .filter(|start| text.len() - start <= BLOCK_MAX)
        .find(|start| matches!(block_at(text, *start), Reach::Open(_)))
}

fn block_at(text: &str, start: usize) -> Reach {
    let limit = start.saturating_add(BLOCK_MAX);
    let Some(name) = name_after(text, start + BEGIN.len()) else {
        return Reach::No;
    };
    let Name::Ended {
        is_private_key,
        end: body_start,
    } = name
    else {
        return Reach::Open(None);
    };
    if !is_private_key {
        return Reach::No;
    }
    let bytes = text.as_bytes();
    let mut at = body_start;
    let (mut in_a_row, mut has_material) = (0, false);
    while let Some(byte) = bytes.get(at) {
        if at >= limit || !is_body(*byte) {
            return settled(at, has_material);
        }
        if *byte == b'-' {
            let rest = bytes.get(at..).unwrap_or_default();
            if rest.starts_with(BEGIN.as_bytes()) {
                return settled(at, has_material);
            }
            if rest.starts_with(END.as_bytes())
                && let Some(Name::Ended { end, .. }) = name_after(text, at + END.len())
            {
                return Reach::Closed(end);
            }
        }
        in_a_row = if is_material(*byte) { in_a_row + 1 } else { 0 };
        has_material |= in_a_row >= MATERIAL_MIN;
        at += 1;
    }
    if at >= limit {
        settled(at, has_material)
    } else {
        Reach::Open(has_material.then_some(at))
    }
}

fn settled(end: usize, has_material: bool) -> Reach {
    if has_material {
        Reach::Closed(end)
    } else {
        Reach::No
    }
}

enum Name {
    /// The text ends within the name or its dashes.
    Cut,
    Ended {
        is_private_key: bool,
        end: usize,
    },
}

/// The name between the dashes of a begin or end line.
fn name_after(text: &str, start: usize) -> Option<Name> {
    let rest = text.as_bytes().get(start..)?;
    let is_name = |b: &&u8| b.is_ascii_uppercase() || b.is_ascii_digit() || **b == b' ';
    let length = rest.iter().take(NAME_MAX + 1).take_while(is_name).count();
    if length > NAME_MAX {
        return None;
    }
    let dashes = rest
        .get(length..)?
        .iter()
        .take(DASHES.len())
        .take_while(|b| **b == b'-')
        .count();
    let end = start + length + dashes;
    if dashes < DASHES.len() {
        return (end == text.len()).then_some(Name::Cut);
    }
    let name = text.get(start..start + length)?;
    Some(Name::Ended {
        is_private_key: name.contains("PRIVATE KEY"),
        end,
    })
}

fn is_material(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

/// Base64, the headers of an encrypted key, and line ends, also as written inside JSON.
fn is_body(byte: u8) -> bool {
    is_material(byte)
        || matches!(
            byte,
            b'\n' | b'\r' | b'\t' | b' ' | b'\\' | b':' | b',' | b'-' | b'"' | b'.'
        )
}
