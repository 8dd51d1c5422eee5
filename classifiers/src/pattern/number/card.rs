//! Payment card numbers: an issuer's prefix, its length, and the Luhn check digit.

use super::super::checksum::luhn;
use super::super::scan::has_word_before;
use super::{Accepted, Run};

const SHAPES: [&[usize]; 4] = [&[4, 4, 4, 4, 3], &[4, 4, 4, 4], &[4, 6, 5], &[4, 6, 4]];
const CARD_WORDS: [&str; 6] = ["card", "cards", "visa", "credit", "debit", "pan"];

/// The card number that starts with group `index`.
pub(super) fn read(run: &Run<'_>, index: usize) -> Option<Accepted> {
    let single = (13..=19).contains(&run.digits(index).len()) && !run.is_fraction(index);
    if single && is_card(run, index, index) {
        return Some(index);
    }
    let lasts = SHAPES.iter().filter(|shape| is_grouped(run, index, shape));
    lasts
        .map(|shape| index + shape.len() - 1)
        .find(|last| is_card(run, index, *last))
}

/// An expiry date or a check value may follow after a space, so only dashes bind further groups.
fn is_grouped(run: &Run<'_>, index: usize, shape: &[usize]) -> bool {
    let last = index + shape.len() - 1;
    let Some(separator) = run.gap_after(index) else {
        return false;
    };
    let fits = (index..=last)
        .zip(shape)
        .all(|(i, length)| run.digits(i).len() == *length);
    let before = index.checked_sub(1).and_then(|i| run.gap_after(i));
    let is_bound = separator == "-" && (before == Some("-") || run.gap_after(last) == Some("-"));
    fits && separator.chars().count() == 1
        && separator.chars().all(super::is_separator)
        && (index..last).all(|i| run.gap_after(i) == Some(separator))
        && !is_bound
}

fn is_card(run: &Run<'_>, first: usize, last: usize) -> bool {
    let digits: String = (first..=last).map(|i| run.digits(i)).collect();
    let start = run.groups.get(first).map_or(0, |group| group.start);
    let told = || has_word_before(run.text, start, 32, &CARD_WORDS);
    let issued = is_issued(&digits) && (digits.len() > 13 || told());
    issued && luhn(&digits) && !run.is_inside_word(first, last)
}

fn is_issued(digits: &str) -> bool {
    let prefix = |n: usize| {
        digits
            .get(..n)
            .and_then(|p| p.parse::<u32>().ok())
            .unwrap_or(0)
    };
    let (two, three, four, six) = (prefix(2), prefix(3), prefix(4), prefix(6));
    match digits.len() {
        // Visa's old length.
        13 => digits.starts_with('4'),
        // Diners Club.
        14 => matches!(three, 300..=305) || matches!(two, 36 | 38 | 39),
        // American Express.
        15 => matches!(two, 34 | 37),
        // Visa, Mastercard, Mir, Discover, JCB, UnionPay, RuPay, Maestro, Diners Club.
        16 => {
            digits.starts_with('4')
                || matches!(two, 36 | 38 | 39 | 51..=55 | 62 | 65)
                || matches!(three, 300..=305 | 508 | 644..=649)
                || matches!(four, 2200..=2204 | 2221..=2720 | 3528..=3589 | 6011)
                || is_maestro(four)
                || matches!(six, 606_985..=608_500 | 817_000..=820_299)
        }
        17 | 18 => two == 62 || is_maestro(four),
        19 => {
            digits.starts_with('4')
                || matches!(two, 62 | 65)
                || matches!(three, 644..=649)
                || matches!(four, 3528..=3589 | 6011)
                || is_maestro(four)
        }
        _ => false,
    }
}

fn is_maestro(four: u32) -> bool {
    matches!(four, 5018 | 5020 | 5038 | 5893 | 6304 | 6759 | 6761..=6763)
}
