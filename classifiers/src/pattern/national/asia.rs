//! Asia, Oceania, Israel and South Africa.

use super::{COMPANY, HEALTH, NATIONAL, Rule, TAX};
use crate::pattern::checksum::{
    eleven_minus, is_day, is_uniform, luhn, nth, number, starts_with_year, verhoeff, weighted,
};

pub(super) const RULES: &[Rule] = &[
    Rule {
        entity: "au_tfn",
        label: TAX,
        alone: &[],
        told: &["#########", "### ### ###", "###-###-###"],
        words: &["tfn", "tax file"],
        check: is_tfn,
    },
    Rule {
        entity: "au_medicare",
        label: HEALTH,
        alone: &[],
        told: &[
            "##########",
            "#### ##### #",
            "###########",
            "#### ##### #/#",
        ],
        words: &["medicare"],
        check: is_medicare,
    },
    Rule {
        entity: "au_abn",
        label: COMPANY,
        alone: &[],
        told: &["###########", "## ### ### ###"],
        words: &["abn", "australian business"],
        check: is_abn,
    },
    Rule {
        entity: "in_aadhaar",
        label: NATIONAL,
        alone: &["#### #### ####", "####-####-####"],
        told: &["############"],
        words: &["aadhaar", "aadhar", "uidai", "uid", "आधार"],
        check: is_aadhaar,
    },
    Rule {
        entity: "in_pan",
        label: TAX,
        alone: &["@@@@@####@"],
        told: &["&&&&&####&"],
        words: &["pan", "permanent account"],
        check: is_pan,
    },
    Rule {
        entity: "sg_nric",
        label: NATIONAL,
        alone: &["@#######@"],
        told: &["&#######&"],
        words: &["nric", "fin"],
        check: is_nric,
    },
    Rule {
        entity: "kr_rrn",
        label: NATIONAL,
        alone: &["######-#######"],
        told: &["#############"],
        words: KOREAN,
        check: is_rrn,
    },
    Rule {
        entity: "kr_rrn",
        label: NATIONAL,
        alone: &[],
        told: &["######-#######"],
        words: KOREAN,
        check: is_new_rrn,
    },
    Rule {
        entity: "cn_resident_id",
        label: NATIONAL,
        alone: &["#################*"],
        told: &["#################?"],
        words: &["身份证", "resident id", "identity card"],
        check: is_resident,
    },
    Rule {
        entity: "jp_my_number",
        label: NATIONAL,
        alone: &[],
        told: &["############", "#### #### ####", "####-####-####"],
        words: &["my number", "mynumber", "マイナンバー", "個人番号"],
        check: is_my_number,
    },
    Rule {
        entity: "il_id",
        label: NATIONAL,
        alone: &[],
        told: &["#########"],
        words: &["teudat zehut", "israeli id", "תעודת זהות", "ת.ז."],
        check: luhn,
    },
    Rule {
        entity: "za_id",
        label: NATIONAL,
        alone: &["###### #### ###", "###### #### # # #", "###### #### ## #"],
        told: &["#############"],
        words: &[
            "id number",
            "identity number",
            "id no",
            "south african id",
            "said",
        ],
        check: is_south_african,
    },
];

const KOREAN: &[&str] = &["rrn", "resident registration", "주민등록번호", "주민번호"];

fn is_tfn(symbols: &str) -> bool {
    weighted(symbols, &[1, 4, 3, 7, 5, 8, 6, 9, 10]).is_multiple_of(11) && !is_uniform(symbols)
}

fn is_medicare(symbols: &str) -> bool {
    let sum = weighted(symbols, &[1, 3, 7, 9, 1, 3, 7, 9]);
    (2..=6).contains(&nth(symbols, 0)) && sum % 10 == nth(symbols, 8) && nth(symbols, 9) > 0
}

fn is_abn(symbols: &str) -> bool {
    let sum = weighted(symbols, &[10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19]);
    nth(symbols, 0) > 0 && (sum - 10).is_multiple_of(89)
}

fn is_aadhaar(symbols: &str) -> bool {
    nth(symbols, 0) >= 2 && verhoeff(symbols) && !is_uniform(symbols)
}

/// No check known to the public; the fourth letter says what kind of taxpayer.
fn is_pan(symbols: &str) -> bool {
    let kind = symbols.as_bytes().get(3);
    kind.is_some_and(|kind| b"ABCEFGHJLPTK".contains(kind)) && number(symbols, 5..9) > 0
}

fn is_nric(symbols: &str) -> bool {
    let digits = symbols.get(1..8).unwrap_or_default();
    let sum = weighted(digits, &[2, 7, 6, 5, 4, 3, 2]) as usize;
    let (letters, offset) = match symbols.as_bytes().first() {
        Some(b'S') => (b"JZIHGFEDCBA", 0),
        Some(b'T') => (b"JZIHGFEDCBA", 4),
        Some(b'F') => (b"XWUTRQPNMLK", 0),
        Some(b'G') => (b"XWUTRQPNMLK", 4),
        Some(b'M') => (b"XWUTRQPNJLK", 3),
        _ => return false,
    };
    letters.get((sum + offset) % 11) == symbols.as_bytes().get(8)
}

fn is_rrn(symbols: &str) -> bool {
    let sum = weighted(symbols, &[2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5]);
    is_new_rrn(symbols) && (11 - sum % 11) % 10 == nth(symbols, 12)
}

/// Since October 2020 the last digits are random.
fn is_new_rrn(symbols: &str) -> bool {
    starts_with_year(symbols)
}

/// Region, date of birth, serial number, and ISO 7064 mod 11-2.
fn is_resident(symbols: &str) -> bool {
    let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum = weighted(symbols, &weights) as usize;
    matches!(number(symbols, 0..2), 11..=15 | 21..=23 | 31..=37 | 41..=46 | 50..=54 | 61..=65 | 71 | 81..=83)
        && matches!(number(symbols, 6..10), 1880..=2099)
        && is_day(number(symbols, 12..14), number(symbols, 10..12))
        && b"10X98765432".get(sum % 11) == symbols.as_bytes().get(17)
}

fn is_my_number(symbols: &str) -> bool {
    let sum = weighted(symbols, &[6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]);
    eleven_minus(sum).unwrap_or(0) == nth(symbols, 11) && !is_uniform(symbols)
}

fn is_south_african(symbols: &str) -> bool {
    starts_with_year(symbols) && nth(symbols, 10) <= 2 && luhn(symbols)
}
