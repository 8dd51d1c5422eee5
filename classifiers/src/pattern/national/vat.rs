//! Numbers of companies: VAT numbers of Europe with their countries' checks, after a word that
//! tells them.

use super::{COMPANY, Rule, central, south, uk};
use crate::pattern::checksum::{
    eleven_minus, is_uniform, luhn, mod_11_10, mod_97, nth, number, weighted,
};

const WORDS: &[&str] = &[
    "vat",
    "vat-id",
    "ust-idnr",
    "ust-id",
    "ust.-id",
    "umsatzsteuer",
    "uid",
    "tva",
    "iva",
    "p.iva",
    "partita iva",
    "btw",
    "btw-nummer",
    "moms",
    "momsnr",
    "alv",
    "nip",
    "dič",
    "dic",
    "ič dph",
    "adószám",
    "cif",
    "nif",
    "tax",
    "oib",
    "cui",
    "pvm",
    "pvn",
    "kmkr",
    "afm",
    "αφμ",
    "ддс",
    "ddv",
];

pub(super) const RULES: &[Rule] = &[
    Rule {
        entity: "eu_vat",
        label: COMPANY,
        alone: &["ATU########", "NL#########B##"],
        told: &[
            "@@#########",
            "@@########",
            "@@##########",
            "@@###########",
            "@@############",
            "@@*#######@",
            "@@#######@",
            "@@#######@@",
            "FR**#########",
            "ES@########",
            "@@ #########",
            "@@ ########",
            "@@ ##########",
            "@@ ###########",
            "@@ ############",
            "@@ ### ### ###",
            "@@ ### #### ##",
            "BE ####.###.###",
            "FR ** ### ### ###",
            "FR ** #########",
            "NL #########B##",
            "ATU ########",
        ],
        words: WORDS,
        check: is_vat,
    },
    Rule {
        entity: "ch_uid",
        label: COMPANY,
        alone: &["CHE-###.###.###", "CHE#########", "CHE ### ### ###"],
        told: &[],
        words: &[],
        check: is_swiss,
    },
];

fn is_vat(symbols: &str) -> bool {
    let Some((country, number)) = symbols.split_at_checked(2) else {
        return false;
    };
    let is_digits = number.bytes().all(|b| b.is_ascii_digit());
    if is_uniform(number) {
        return false;
    }
    match (country, number.len(), is_digits) {
        ("AT", 9, false) => is_austrian(number.get(1..).unwrap_or_default()),
        ("BE", 10, true) => is_belgian(number),
        ("BG", 9, true) => is_bulgarian(number),
        ("CY", 9, false) => is_cypriot(number),
        ("CZ", 8, true) => is_czech(number),
        ("DE", 9, true) => nth(number, 0) != 0 && mod_11_10(number),
        ("DK", 8, true) => weighted(number, &[2, 7, 6, 5, 4, 3, 2, 1]).is_multiple_of(11),
        ("EE", 9, true) => weighted(number, &[3, 7, 1, 3, 7, 1, 3, 7, 1]).is_multiple_of(10),
        ("EL" | "GR", 9, true) => is_greek(number),
        ("ES", 9, false) => is_spanish(number),
        ("FI", 8, true) => {
            eleven_minus(weighted(number, &[7, 9, 10, 5, 8, 4, 2])) == Some(nth(number, 7))
        }
        ("FR" | "MC", 11, true) => is_french(number),
        ("GB" | "XI", 9, true) => is_british(number),
        ("HR", 11, true) => mod_11_10(number),
        ("HU", 8, true) => weighted(number, &[9, 7, 3, 1, 9, 7, 3, 1]).is_multiple_of(10),
        ("IE", 8 | 9, false) => uk::is_ppsn(number),
        ("IT", 11, true) => is_italian(number),
        ("LT", 9 | 12, true) => is_lithuanian(number),
        ("LU", 8, true) => self::number(number, 0..6) % 89 == self::number(number, 6..8),
        ("LV", 11, true) => is_latvian(number),
        ("MT", 8, true) => {
            let sum = weighted(number, &[3, 4, 6, 7, 8, 9]);
            u64::from(37 - sum % 37) == self::number(number, 6..8)
        }
        ("NL", 12, false) => {
            let is_person = number.get(..9).is_some_and(central::is_bsn);
            is_person || mod_97(symbols.bytes())
        }
        ("PL", 10, true) => weighted(number, &[6, 5, 7, 2, 3, 4, 5, 6, 7]) % 11 == nth(number, 9),
        ("PT", 9, true) => south::is_portuguese(number),
        ("RO", 8..=10, true) => is_romanian(number),
        ("SE", 12, true) => number.ends_with("01") && number.get(..10).is_some_and(luhn),
        ("SI", 8, true) => is_slovenian(number),
        ("SK", 10, true) => self::number(number, 0..10).is_multiple_of(11),
        _ => false,
    }
}

fn is_austrian(number: &str) -> bool {
    let crossed = number.bytes().take(7).enumerate().map(|(place, byte)| {
        let value = crate::pattern::checksum::digit(byte) * (1 + u32::from(place % 2 == 1));
        value / 10 + value % 10
    });
    (10 - (crossed.sum::<u32>() + 4) % 10) % 10 == nth(number, 7)
}

fn is_belgian(symbols: &str) -> bool {
    nth(symbols, 0) < 2 && 97 - number(symbols, 0..8) % 97 == number(symbols, 8..10)
}

fn is_bulgarian(symbols: &str) -> bool {
    let first = weighted(symbols, &[1, 2, 3, 4, 5, 6, 7, 8]) % 11;
    let second = weighted(symbols, &[3, 4, 5, 6, 7, 8, 9, 10]) % 11 % 10;
    (if first == 10 { second } else { first }) == nth(symbols, 8)
}

fn is_cypriot(symbols: &str) -> bool {
    let values = symbols.bytes().take(8).enumerate().map(|(place, byte)| {
        if place % 2 == 0 {
            south::odd_value(byte)
        } else {
            crate::pattern::checksum::digit(byte)
        }
    });
    let letter = char::from_u32(u32::from(b'A') + values.sum::<u32>() % 26);
    symbols.chars().last() == letter
}

fn is_czech(symbols: &str) -> bool {
    let rest = 11 - weighted(symbols, &[8, 7, 6, 5, 4, 3, 2]) % 11;
    rest % 10 == nth(symbols, 7) && nth(symbols, 0) != 9
}

fn is_greek(symbols: &str) -> bool {
    weighted(symbols, &[256, 128, 64, 32, 16, 8, 4, 2]) % 11 % 10 == nth(symbols, 8)
}

/// Of a person, or of a company: a letter for its kind and a check digit or letter.
fn is_spanish(symbols: &str) -> bool {
    if south::is_dni(symbols) || south::is_nie(symbols) {
        return true;
    }
    let kind = symbols.starts_with(|c| "ABCDEFGHJNPQRSUVW".contains(c));
    let crossed = symbols
        .bytes()
        .skip(1)
        .take(7)
        .enumerate()
        .map(|(place, byte)| {
            let value = crate::pattern::checksum::digit(byte) * (1 + u32::from(place % 2 == 0));
            value / 10 + value % 10
        });
    let check = (10 - crossed.sum::<u32>() % 10) % 10;
    let letter = b"JABCDEFGHI".get(check as usize);
    let last = symbols.as_bytes().get(8);
    kind && (last == letter || last.is_some_and(|b| *b == b'0' + check as u8))
}

fn is_french(symbols: &str) -> bool {
    let company = symbols.get(2..).unwrap_or_default();
    luhn(company) && (12 + 3 * (number(company, 0..9) % 97)) % 97 == number(symbols, 0..2)
}

/// The eighth to tenth digits are the tax office.
fn is_italian(symbols: &str) -> bool {
    matches!(number(symbols, 7..10), 1..=100 | 120 | 121 | 888 | 999) && luhn(symbols)
}

fn is_british(symbols: &str) -> bool {
    let sum = u64::from(weighted(symbols, &[8, 7, 6, 5, 4, 3, 2])) + number(symbols, 7..9);
    // The two other remainders came with later series.
    matches!(sum % 97, 0 | 42 | 55)
}

fn is_lithuanian(symbols: &str) -> bool {
    let body = symbols.len() - 1;
    let wheel = |from: usize| {
        let places = symbols.bytes().take(body).enumerate();
        let values = places.map(|(place, byte)| {
            let weight = u32::try_from((place + from) % 9 + 1).unwrap_or(0);
            weight * crate::pattern::checksum::digit(byte)
        });
        values.sum::<u32>() % 11
    };
    let check = if wheel(0) == 10 {
        wheel(2) % 10
    } else {
        wheel(0)
    };
    nth(symbols, body - 1) == 1 && check == nth(symbols, body)
}

/// Of a company; a person's begins with a day of birth.
fn is_latvian(symbols: &str) -> bool {
    let sum = weighted(symbols, &[9, 1, 4, 8, 3, 10, 2, 5, 7, 6, 1]);
    nth(symbols, 0) > 3 && sum % 11 == 3
}

fn is_romanian(symbols: &str) -> bool {
    let Some((body, check)) = symbols.split_at_checked(symbols.len() - 1) else {
        return false;
    };
    let padded = format!("{body:0>9}");
    weighted(&padded, &[7, 5, 3, 2, 1, 7, 5, 3, 2]) * 10 % 11 % 10 == nth(check, 0)
}

fn is_slovenian(symbols: &str) -> bool {
    let rest = 11 - weighted(symbols, &[8, 7, 6, 5, 4, 3, 2]) % 11;
    rest != 11 && rest % 10 == nth(symbols, 7) && nth(symbols, 0) > 0
}

fn is_swiss(symbols: &str) -> bool {
    let number = symbols.get(3..).unwrap_or_default();
    eleven_minus(weighted(number, &[5, 4, 3, 2, 7, 6, 5, 4])) == Some(nth(number, 8))
}
