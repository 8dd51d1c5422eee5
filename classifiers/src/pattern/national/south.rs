//! France, Italy, Spain, Portugal, Romania, Turkey, Croatia and Bulgaria.

use super::{NATIONAL, Rule, TAX};
use crate::pattern::checksum::{
    eleven_minus, is_day, is_uniform, mod_11_10, nth, number, starts_with_year, weighted,
};

pub(super) const RULES: &[Rule] = &[
    Rule {
        entity: "fr_nir",
        label: NATIONAL,
        alone: &[
            "# ## ## ## ### ### ##",
            "# ## ## ** ### ### ##",
            "# ## ## ## ### ###/##",
            "# ## ## ## ### ### - ##",
            "############# ##",
        ],
        told: &["###############"],
        words: &[
            "nir",
            "sécurité sociale",
            "securite sociale",
            "sécu",
            "insee",
            "numéro de sécu",
        ],
        check: is_nir,
    },
    Rule {
        entity: "fr_nir",
        label: NATIONAL,
        alone: &["###############", "#####**########"],
        told: &[],
        words: &[],
        check: is_usual_nir,
    },
    Rule {
        entity: "it_codice_fiscale",
        label: TAX,
        alone: &["&&&&&&??&??&???&", "@@@ @@@ **@** @***@"],
        told: &[],
        words: &[],
        check: is_codice_fiscale,
    },
    Rule {
        entity: "es_dni",
        label: NATIONAL,
        alone: &["########-@", "##.###.###-@"],
        told: &["########&", "######## @", "########-&"],
        words: &["dni", "nif", "documento nacional", "d.n.i."],
        check: is_dni,
    },
    Rule {
        entity: "es_dni",
        label: NATIONAL,
        alone: &["########@"],
        told: &[],
        words: &[],
        check: is_dni_and_no_literal,
    },
    Rule {
        entity: "es_nie",
        label: NATIONAL,
        alone: &["@#######@", "@-#######-@", "@-#######@"],
        told: &["&#######&"],
        words: &["nie", "extranjero"],
        check: is_nie,
    },
    Rule {
        entity: "pt_nif",
        label: TAX,
        alone: &[],
        told: &["#########", "### ### ###"],
        words: &[
            "nif",
            "contribuinte",
            "número fiscal",
            "numero fiscal",
            "niss",
        ],
        check: is_portuguese,
    },
    Rule {
        entity: "ro_cnp",
        label: NATIONAL,
        alone: &[],
        told: &["#############"],
        words: &["cnp", "cod numeric personal"],
        check: is_cnp,
    },
    Rule {
        entity: "tr_tckn",
        label: NATIONAL,
        alone: &[],
        told: &["###########"],
        words: &[
            "tckn",
            "tc kimlik",
            "t.c. kimlik",
            "kimlik",
            "tc no",
            "turkish id",
        ],
        check: is_turkish,
    },
    Rule {
        entity: "hr_oib",
        label: NATIONAL,
        alone: &[],
        told: &["###########"],
        words: &["oib", "osobni identifikacijski"],
        check: is_oib,
    },
    Rule {
        entity: "bg_egn",
        label: NATIONAL,
        alone: &[],
        told: &["##########"],
        words: &["egn", "егн", "единен граждански"],
        check: is_egn,
    },
];

/// Sex, year, month, department, commune and serial number, and 97 less the remainder. Corsica's
/// 2A and 2B count as 19 and 18.
fn is_nir(symbols: &str) -> bool {
    let (head, key) = symbols.split_at_checked(13).unwrap_or_default();
    let head = match head.get(5..7).unwrap_or_default() {
        "2A" => head.replacen("2A", "19", 1),
        "2B" => head.replacen("2B", "18", 1),
        _ => head.to_owned(),
    };
    let month = number(&head, 3..5);
    let Ok(body) = head.parse::<u64>() else {
        return false;
    };
    matches!(nth(&head, 0), 1..=4 | 7 | 8)
        && matches!(month, 1..=12 | 20..=42 | 50..=99)
        && number(&head, 5..7) > 0
        && Some(97 - body % 97) == key.parse().ok()
}

/// Of fifteen digits without a word only what nearly everybody has: a known sex and month.
fn is_usual_nir(symbols: &str) -> bool {
    matches!(nth(symbols, 0), 1 | 2) && (1..=12).contains(&number(symbols, 3..5)) && is_nir(symbols)
}

const ODD: [u32; 26] = [
    1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23,
];

/// What a symbol at an odd place counts for; digits count as the letters A to J.
pub(super) fn odd_value(symbol: u8) -> u32 {
    let place = match symbol {
        b'0'..=b'9' => symbol - b'0',
        b'A'..=b'Z' => symbol - b'A',
        _ => 0,
    };
    ODD.get(usize::from(place)).copied().unwrap_or(0)
}

/// Letters of the name, date and place of birth, and a letter over all. Namesakes have letters in
/// place of digits.
fn is_codice_fiscale(symbols: &str) -> bool {
    let digits: Option<String> = [6, 7, 9, 10, 12, 13, 14]
        .into_iter()
        .map(|at| {
            let symbol = *symbols.as_bytes().get(at)?;
            let swapped = "LMNPQRSTUV".find(char::from(symbol));
            match swapped {
                Some(digit) => char::from_digit(u32::try_from(digit).ok()?, 10),
                None => symbol.is_ascii_digit().then_some(char::from(symbol)),
            }
        })
        .collect();
    let Some(digits) = digits else {
        return false;
    };
    let is_month = symbols
        .get(8..9)
        .is_some_and(|month| "ABCDEHLMPRST".contains(month));
    let day = number(&digits, 2..4);
    let values = symbols.bytes().take(15).enumerate().map(|(place, symbol)| {
        if place % 2 == 0 {
            odd_value(symbol)
        } else if symbol.is_ascii_digit() {
            u32::from(symbol - b'0')
        } else {
            u32::from(symbol.saturating_sub(b'A'))
        }
    });
    let letter = char::from_u32(u32::from(b'A') + values.sum::<u32>() % 26);
    is_month && matches!(day, 1..=31 | 41..=71) && symbols.chars().last() == letter
}

const DNI_LETTERS: &[u8] = b"TRWAGMYFPDXBNJZSQVHLCKE";

pub(super) fn is_dni(symbols: &str) -> bool {
    let letter = DNI_LETTERS.get((number(symbols, 0..8) % 23) as usize);
    letter == symbols.as_bytes().get(8) && number(symbols, 0..8) > 0
}

/// `12345678L` and its like are number literals in many languages.
fn is_dni_and_no_literal(symbols: &str) -> bool {
    is_dni(symbols) && !symbols.ends_with(['D', 'E', 'F', 'L', 'M', 'B', 'K'])
}

pub(super) fn is_nie(symbols: &str) -> bool {
    let first = match symbols.as_bytes().first() {
        Some(b'X') => "0",
        Some(b'Y') => "1",
        Some(b'Z') => "2",
        _ => return false,
    };
    is_dni(&format!("{first}{}", symbols.get(1..).unwrap_or_default()))
}

pub(super) fn is_portuguese(symbols: &str) -> bool {
    let sum = weighted(symbols, &[9, 8, 7, 6, 5, 4, 3, 2]);
    let known = matches!(nth(symbols, 0), 1..=3 | 5 | 6 | 8 | 9);
    known && eleven_minus(sum).unwrap_or(0) == nth(symbols, 8)
}

fn is_cnp(symbols: &str) -> bool {
    let sum = weighted(symbols, &[2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9]) % 11;
    let check = if sum == 10 { 1 } else { sum };
    let is_born = starts_with_year(symbols.get(1..).unwrap_or_default());
    let is_county = matches!(number(symbols, 7..9), 1..=48 | 51 | 52 | 70 | 80..=83);
    nth(symbols, 0) > 0 && is_born && is_county && check == nth(symbols, 12)
}

fn is_turkish(symbols: &str) -> bool {
    let odd = weighted(symbols, &[1, 0, 1, 0, 1, 0, 1, 0, 1]);
    let even = weighted(symbols, &[0, 1, 0, 1, 0, 1, 0, 1]);
    let sum = weighted(symbols, &[1; 10]);
    nth(symbols, 0) != 0
        && (odd * 7 + 9 * even) % 10 == nth(symbols, 9)
        && sum % 10 == nth(symbols, 10)
}

fn is_oib(symbols: &str) -> bool {
    mod_11_10(symbols) && !is_uniform(symbols)
}

/// Months from 21 stand for the 19th century, from 41 for the 21st.
fn is_egn(symbols: &str) -> bool {
    let sum = weighted(symbols, &[2, 4, 8, 5, 10, 9, 7, 3, 6]);
    let month = number(symbols, 2..4);
    is_day(number(symbols, 4..6), month % 20) && month < 60 && sum % 11 % 10 == nth(symbols, 9)
}
