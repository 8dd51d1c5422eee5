//! Germany, Austria, Switzerland, the Low Countries, Poland, Czechia and Slovakia.

use super::{NATIONAL, Rule, TAX};
use crate::pattern::checksum::{ean_13, is_day, is_uniform, mod_11_10, nth, number, weighted};

pub(super) const RULES: &[Rule] = &[
    Rule {
        entity: "de_steuer_id",
        label: TAX,
        alone: &["## ### ### ###"],
        told: &["###########"],
        words: &[
            "steuer-id",
            "steuer id",
            "steuerid",
            "steuer-identifikationsnummer",
            "steueridentifikationsnummer",
            "identifikationsnummer",
            "idnr",
            "steuernummer",
            "tin",
            "tax id",
            "tax identification",
        ],
        check: is_steuer_id,
    },
    Rule {
        entity: "de_pension",
        label: NATIONAL,
        alone: &["########@###", "## ###### @ ###", "## ###### @ ## #"],
        told: &[],
        words: &[],
        check: is_pension,
    },
    Rule {
        entity: "at_svnr",
        label: NATIONAL,
        alone: &[],
        told: &["##########", "#### ######", "####-######"],
        words: &[
            "svnr",
            "sv-nummer",
            "sv-nr",
            "sozialversicherungsnummer",
            "versicherungsnummer",
            "vsnr",
            "social security",
            "social insurance",
        ],
        check: is_svnr,
    },
    Rule {
        entity: "ch_ahv",
        label: NATIONAL,
        alone: &["756.####.####.##", "756##########", "756 #### #### ##"],
        told: &[],
        words: &[],
        check: ean_13,
    },
    Rule {
        entity: "nl_bsn",
        label: NATIONAL,
        alone: &[],
        told: &["#########", "####.##.###", "### ### ###", "#### ## ###"],
        words: &[
            "bsn",
            "burgerservicenummer",
            "burger service nummer",
            "sofinummer",
            "citizen service number",
        ],
        check: is_bsn,
    },
    Rule {
        entity: "be_national_number",
        label: NATIONAL,
        alone: &["##.##.##-###.##", "## ## ## ### ##"],
        told: &["###########"],
        words: &[
            "rijksregisternummer",
            "registre national",
            "rijksregister",
            "insz",
            "niss",
            "nationaal nummer",
            "national number",
            "national register",
            "numéro national",
        ],
        check: is_belgian,
    },
    Rule {
        entity: "pl_pesel",
        label: NATIONAL,
        alone: &[],
        told: &["###########"],
        words: &["pesel", "numer ewidencyjny", "national id"],
        check: is_pesel,
    },
    Rule {
        entity: "cz_birth_number",
        label: NATIONAL,
        alone: &["######/####"],
        told: &["##########", "######/###"],
        words: &[
            "rodné číslo",
            "rodne cislo",
            "rodného čísla",
            "rodným číslem",
            "rč",
            "birth number",
        ],
        check: is_birth_number,
    },
];

/// ISO 7064 mod 11,10; of the first ten digits one comes two or three times, no other twice.
fn is_steuer_id(symbols: &str) -> bool {
    let first = symbols.get(..10).unwrap_or_default();
    let times = |d: u8| first.bytes().filter(|b| *b == b'0' + d).count();
    let repeated: Vec<usize> = (0..10).map(times).filter(|n| *n > 1).collect();
    nth(symbols, 0) != 0 && matches!(repeated.as_slice(), [2 | 3]) && mod_11_10(symbols)
}

/// Area, birth date, initial, serial number, check digit.
fn is_pension(symbols: &str) -> bool {
    let Some(letter) = symbols
        .as_bytes()
        .get(8)
        .copied()
        .filter(u8::is_ascii_uppercase)
    else {
        return false;
    };
    let place = u32::from(letter - b'A') + 1;
    let (head, tail) = (
        symbols.get(..8).unwrap_or_default(),
        symbols.get(9..11).unwrap_or_default(),
    );
    let digits = format!("{head}{place:02}{tail}");
    let crossed = digits
        .bytes()
        .zip([2_u32, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1])
        .map(|(byte, weight)| {
            let product = crate::pattern::checksum::digit(byte) * weight;
            product / 10 + product % 10
        });
    let area = number(symbols, 0..2);
    let is_born = is_day(number(symbols, 2..4) % 50, number(symbols, 4..6));
    (2..=89).contains(&area) && is_born && crossed.sum::<u32>() % 10 == nth(symbols, 11)
}

/// Serial number, check digit, birth date; months 13 to 15 stand for unknown days.
fn is_svnr(symbols: &str) -> bool {
    let sum = weighted(symbols, &[3, 7, 9, 0, 5, 8, 4, 2, 1, 6]);
    let (day, month) = (number(symbols, 4..6), number(symbols, 6..8));
    let is_born = is_day(day, month) || (1..=31).contains(&day) && (13..=15).contains(&month);
    nth(symbols, 0) != 0 && is_born && sum % 11 == nth(symbols, 3)
}

/// The test of eleven, the last digit counting against the others.
pub(super) fn is_bsn(symbols: &str) -> bool {
    let sum = weighted(symbols, &[9, 8, 7, 6, 5, 4, 3, 2]);
    sum > 0 && sum % 11 == nth(symbols, 8)
}

/// 97 less the remainder; those born from 2000 on have a 2 before their number, until 2039.
fn is_belgian(symbols: &str) -> bool {
    let (head, check) = (number(symbols, 0..9), number(symbols, 9..11));
    let month = number(symbols, 2..4) % 20;
    let is_born = month == 0 || is_day(number(symbols, 4..6), month);
    let passes = |head: u64| 97 - head % 97 == check;
    number(symbols, 2..4) < 60
        && is_born
        && !is_uniform(symbols)
        && (passes(head) || number(symbols, 0..2) < 40 && passes(2_000_000_000 + head))
}

/// The month says the century.
fn is_pesel(symbols: &str) -> bool {
    let sum = weighted(symbols, &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]);
    is_day(number(symbols, 4..6), number(symbols, 2..4) % 20) && sum.is_multiple_of(10)
}

/// Divisible by eleven, with an old exception; numbers of nine digits, until 1953, have no check.
fn is_birth_number(symbols: &str) -> bool {
    let month = number(symbols, 2..4);
    let month = match month {
        1..=12 => month,
        21..=32 => month - 20,
        51..=62 => month - 50,
        71..=82 => month - 70,
        _ => return false,
    };
    let body = number(symbols, 0..9);
    let is_old = symbols.len() == 9 && number(symbols, 0..2) < 54;
    let is_exception = body % 11 == 10 && nth(symbols, 9) == 0;
    let is_checked =
        symbols.len() == 10 && (number(symbols, 0..10).is_multiple_of(11) || is_exception);
    is_day(number(symbols, 4..6), month) && (is_old || is_checked)
}
