//! The United Kingdom and Ireland.

use super::{HEALTH, LICENCE, NATIONAL, Rule, TAX};
use crate::pattern::checksum::{is_uniform, nth, number, weighted};

pub(super) const RULES: &[Rule] = &[
    Rule {
        entity: "uk_nhs_number",
        label: HEALTH,
        alone: &[],
        told: &["### ### ####", "###-###-####", "##########"],
        words: &["nhs", "national health", "health number", "patient"],
        check: is_nhs,
    },
    Rule {
        entity: "uk_nino",
        label: NATIONAL,
        alone: &["@@######@", "@@ ## ## ## @", "@@-##-##-##-@", "@@ ###### @"],
        told: &["&&######&", "@@###### @"],
        words: &["national insurance", "nino", "ni number", "ni no"],
        check: is_nino,
    },
    Rule {
        entity: "uk_utr",
        label: TAX,
        alone: &[],
        told: &["##########", "##### #####", "### ### ####"],
        words: &["utr", "unique taxpayer", "self assessment"],
        check: is_utr,
    },
    Rule {
        entity: "uk_driving_licence",
        label: LICENCE,
        alone: &["@****######***@@", "@**** ###### ***@@"],
        told: &[],
        words: &[],
        check: is_driver,
    },
    Rule {
        entity: "ie_ppsn",
        label: NATIONAL,
        alone: &["#######@@"],
        told: &["#######@", "####### @", "#######&", "#######&&"],
        words: &["pps", "ppsn", "personal public service"],
        check: is_ppsn,
    },
];

fn is_nhs(symbols: &str) -> bool {
    let sum = weighted(symbols, &[10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
    sum.is_multiple_of(11) && !is_uniform(symbols)
}

/// No check digit; the letters that are never given out are known.
fn is_nino(symbols: &str) -> bool {
    let prefix = symbols.get(..2).unwrap_or_default();
    let never = ["BG", "GB", "KN", "NK", "NT", "TN", "ZZ"];
    let first = !prefix.starts_with(['D', 'F', 'I', 'Q', 'U', 'V']);
    let second = !prefix.ends_with(['D', 'F', 'I', 'O', 'Q', 'U', 'V']);
    first && second && !never.contains(&prefix) && symbols.ends_with(['A', 'B', 'C', 'D'])
}

/// The first digit checks the nine others.
fn is_utr(symbols: &str) -> bool {
    let rest = symbols.get(1..).unwrap_or_default();
    let sum = weighted(rest, &[6, 7, 8, 9, 10, 5, 4, 3, 2]);
    nth("21987654321", (sum % 11) as usize) == nth(symbols, 0)
}

/// Surname, decade, month (women's plus 50), day and year of birth, initials.
fn is_driver(symbols: &str) -> bool {
    let name = symbols.get(..5).unwrap_or_default();
    let padding = name.trim_start_matches(|c: char| c.is_ascii_uppercase());
    let initials = symbols.get(11..13).unwrap_or_default();
    let is_initials = initials
        .bytes()
        .all(|b| b.is_ascii_uppercase() || b == b'9');
    let month = number(symbols, 6..8) % 50;
    padding.bytes().all(|b| b == b'9')
        && number(symbols, 6..8) < 63
        && crate::pattern::checksum::is_day(number(symbols, 8..10), month)
        && is_initials
        && !initials.starts_with('9')
}

/// Mod 23 over seven digits and the second letter, the first letter being the remainder. Also the
/// tail of an Irish VAT number.
pub(super) fn is_ppsn(symbols: &str) -> bool {
    let letters = symbols.get(7..).unwrap_or_default().as_bytes();
    let place = |letter: u8| match letter {
        b'A'..=b'V' => u32::from(letter - b'A') + 1,
        b'W' => 0,
        _ => 23,
    };
    let second = letters.get(1).map_or(0, |letter| place(*letter));
    let sum = weighted(symbols, &[8, 7, 6, 5, 4, 3, 2]) + 9 * second;
    let known = matches!(letters.get(1), None | Some(b'A'..=b'I' | b'T' | b'W'));
    letters.first().is_some_and(|l| place(*l) == sum % 23) && known
}
