//! Telephone numbers. International ones stand for themselves; North American and British ones by
//! their shape; all others need a word nearby that says so.

use super::super::scan::{byte_before, has_word_before, is_alnum, is_attached_after};
use super::{Accepted, Run, is_gap};

const PHONE_WORDS: [&str; 17] = [
    "phone",
    "phones",
    "telephone",
    "tel",
    "call",
    "mobile",
    "cell",
    "cellphone",
    "fax",
    "whatsapp",
    "sms",
    "dial",
    "telefon",
    "telefono",
    "ring",
    "text",
    "hotline",
];
const BRITISH: [&[usize]; 4] = [&[3, 4, 4], &[4, 3, 4], &[5, 6], &[5, 3, 3]];
const DATES: [&[usize]; 4] = [&[4, 2, 2], &[2, 2, 4], &[1, 2, 4], &[2, 1, 4]];
/// Digits of an international number without its `+`.
const INTERNATIONAL: std::ops::RangeInclusive<usize> = 8..=15;
const GROUPS_MAX: usize = 7;

/// The number that starts with group `index`: where it starts, its sign included, and its last
/// group.
pub(super) fn read(run: &Run<'_>, index: usize) -> Option<(usize, Accepted)> {
    let start = run.groups.get(index)?.start;
    if byte_before(run.text, start) == Some(b'+') {
        return international(run, index).map(|last| (start - 1, last));
    }
    north_american(run, index)
        .or_else(|| british(run, index).map(|last| (start, last)))
        .or_else(|| told(run, index).map(|last| (start, last)))
}

fn international(run: &Run<'_>, index: usize) -> Option<Accepted> {
    let sign = run.groups.get(index)?.start - 1;
    let first = run.digits(index);
    if is_alnum(byte_before(run.text, sign)) || first.starts_with('0') {
        return None;
    }
    // Numbers of the North American plan have eleven digits, so that more cannot belong to it.
    let exact = first == "1" || first.len() == 11 && first.starts_with('1');
    let max = if exact { 11 } else { *INTERNATIONAL.end() };
    let (last, digits) = gather(run, index, max);
    let fits = if exact {
        digits == 11
    } else {
        INTERNATIONAL.contains(&digits)
    };
    let long_enough = last > index || digits > 8;
    (fits && long_enough && !is_attached_after(run.text, run.end(last))).then_some(last)
}

/// Groups from `index` on as long as they hold together and have no more than `max` digits.
fn gather(run: &Run<'_>, index: usize, max: usize) -> (Accepted, usize) {
    let mut last = index;
    let mut digits = run.digits(index).len();
    while let Some(gap) = run.gap_after(last) {
        let more = run.digits(last + 1).len();
        let joins = gap.chars().count() <= 3 && gap.chars().all(is_gap);
        if !joins || digits + more > max || last + 1 - index >= GROUPS_MAX {
            break;
        }
        digits += more;
        last += 1;
    }
    (last, digits)
}

/// `(415) 555-0132`, `415-555-0132`, with or without a leading 1.
fn north_american(run: &Run<'_>, index: usize) -> Option<(usize, Accepted)> {
    let group = run.groups.get(index)?;
    let has_trunk = run.digits(index) == "1" && is_single_or_bracket(run.gap_after(index)?);
    let area = if has_trunk { index + 1 } else { index };
    let last = area + 2;
    let starts = |i: usize| {
        run.digits(i)
            .starts_with(|c: char| ('2'..='9').contains(&c))
    };
    let lengths = [area, area + 1, last].map(|i| run.digits(i).len());
    if lengths != [3, 3, 4] || !starts(area) || !starts(area + 1) {
        return None;
    }
    let (first_gap, second_gap) = (run.gap_after(area)?, run.gap_after(area + 1)?);
    let area_start = run.groups.get(area)?.start;
    let is_bracketed = byte_before(run.text, area_start) == Some(b'(')
        && matches!(first_gap, ")" | ") " | ")-" | ")\u{a0}");
    let is_plain = first_gap == second_gap && first_gap.chars().count() == 1 && first_gap != "/";
    let is_second = second_gap.chars().count() == 1 && second_gap.chars().all(super::is_separator);
    let joined = |gap: Option<&str>| gap == Some(second_gap) || gap == Some("-");
    let goes_on = joined(run.gap_after(last))
        || !has_trunk && joined(index.checked_sub(1).and_then(|i| run.gap_after(i)));
    if !(is_bracketed || is_plain) || !is_second || goes_on || run.is_attached(index, last) {
        return None;
    }
    let opens = is_bracketed && !has_trunk;
    Some((if opens { group.start - 1 } else { group.start }, last))
}

fn is_single_or_bracket(gap: &str) -> bool {
    matches!(gap, " (" | "-(" | "(") || gap.chars().count() == 1
}

fn british(run: &Run<'_>, index: usize) -> Option<Accepted> {
    let digits = run.digits(index);
    let is_trunk = digits.starts_with('0') && !digits.starts_with("00");
    let shape = BRITISH
        .iter()
        .find(|shape| is_trunk && run.has_shape(index, shape))?;
    let last = index + shape.len() - 1;
    let is_dotted = run.gap_after(index) == Some(".");
    (!is_dotted && !run.is_attached(index, last)).then_some(last)
}

/// Any plausible number right after a word for telephones.
fn told(run: &Run<'_>, index: usize) -> Option<Accepted> {
    let start = run.groups.get(index)?.start;
    let (last, digits) = gather(run, index, 13);
    let is_date = DATES.iter().any(|shape| run.has_shape(index, shape));
    let fits = (7..=13).contains(&digits) && !is_date && !run.is_attached(index, last);
    (fits && has_word_before(run.text, start, 24, &PHONE_WORDS)).then_some(last)
}
