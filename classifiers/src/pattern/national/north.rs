//! Sweden, Denmark, Finland, Norway, Estonia and Lithuania.

use super::{NATIONAL, Rule};
use crate::pattern::checksum::{
    eleven_minus, is_day, luhn, nth, number, starts_with_day, starts_with_year, weighted,
};

pub(super) const RULES: &[Rule] = &[
    Rule {
        entity: "se_personnummer",
        label: NATIONAL,
        alone: &["######-####", "######+####", "########-####"],
        told: &["##########", "############"],
        words: &[
            "personnummer",
            "samordningsnummer",
            "personal identity number",
            "personal number",
            "pnr",
        ],
        check: is_swedish,
    },
    Rule {
        entity: "dk_cpr",
        label: NATIONAL,
        alone: &[],
        told: &["######-####", "##########", "###### ####"],
        words: &["cpr", "cpr-nr", "cpr-nummer", "personnummer", "cprnr"],
        check: is_danish,
    },
    Rule {
        entity: "fi_hetu",
        label: NATIONAL,
        alone: &["######-###*", "######+###*", "######@###*"],
        told: &["######-###?"],
        words: &["hetu", "henkilötunnus", "personbeteckning"],
        check: is_hetu,
    },
    Rule {
        entity: "no_fodselsnummer",
        label: NATIONAL,
        alone: &["###########", "###### #####"],
        told: &[],
        words: &[],
        check: is_norwegian,
    },
    Rule {
        entity: "ee_isikukood",
        label: NATIONAL,
        alone: &[],
        told: &["###########"],
        words: &[
            "isikukood",
            "asmens kodas",
            "personal code",
            "personal identification code",
        ],
        check: is_baltic,
    },
];

/// Luhn over the ten last digits; the day of a coordination number is plus 60.
fn is_swedish(symbols: &str) -> bool {
    let Some((century, ten)) = symbols.split_at_checked(symbols.len().saturating_sub(10)) else {
        return false;
    };
    let day = number(ten, 4..6);
    let day = if day > 60 { day - 60 } else { day };
    matches!(century, "" | "18" | "19" | "20")
        && is_day(day, number(ten, 2..4))
        && number(ten, 6..10) > 0
        && luhn(ten)
}

/// The check digit was given up in 2007: day, month and a word have to do.
fn is_danish(symbols: &str) -> bool {
    starts_with_day(symbols)
}

const HETU: &[u8] = b"0123456789ABCDEFHJKLMNPRSTUVWXY";

/// The remainder by 31 of date and serial number. A letter between them says the century.
fn is_hetu(symbols: &str) -> bool {
    let Some(tail) = symbols.get(symbols.len().saturating_sub(4)..) else {
        return false;
    };
    let century = symbols.get(6..symbols.len() - tail.len());
    let known = century.is_some_and(|c| c.is_empty() || "ABCDEFUVWXY".contains(c));
    let serial = number(tail, 0..3);
    let body = number(symbols, 0..6) * 1000 + serial;
    let check = HETU.get((body % 31) as usize);
    known && starts_with_day(symbols) && serial >= 2 && check == tail.as_bytes().get(3)
}

/// Two check digits. The day of a D number is plus 40.
fn is_norwegian(symbols: &str) -> bool {
    let day = number(symbols, 0..2);
    let day = if day > 40 { day - 40 } else { day };
    let first = eleven_minus(weighted(symbols, &[3, 7, 6, 1, 8, 9, 4, 5, 2]));
    let second = eleven_minus(weighted(symbols, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]));
    is_day(day, number(symbols, 2..4))
        && first == Some(nth(symbols, 9))
        && second == Some(nth(symbols, 10))
}

/// One check digit with two rows of weights. Also Lithuania's.
fn is_baltic(symbols: &str) -> bool {
    let first = weighted(symbols, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 1]) % 11;
    let second = weighted(symbols, &[3, 4, 5, 6, 7, 8, 9, 1, 2, 3]) % 11 % 10;
    let check = if first == 10 { second } else { first };
    let is_born = starts_with_year(symbols.get(1..).unwrap_or_default());
    (1..=8).contains(&nth(symbols, 0)) && is_born && check == nth(symbols, 10)
}
