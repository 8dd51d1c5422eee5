//! The United States. Social security numbers are read in `number.rs`.

use super::{BANK, COMPANY, HEALTH, MEDICAL, PASSPORT, Rule, TAX};
use crate::pattern::checksum::{is_uniform, luhn, nth, number, weighted};

pub(super) const RULES: &[Rule] = &[
    Rule {
        entity: "us_itin",
        label: TAX,
        alone: &["###-##-####"],
        told: &["#########", "### ## ####"],
        words: &["itin", "taxpayer identification", "taxpayer id", "tax id"],
        check: is_itin,
    },
    Rule {
        entity: "us_ein",
        label: COMPANY,
        alone: &[],
        told: &["##-#######", "#########"],
        words: &[
            "ein",
            "fein",
            "employer identification",
            "employer id",
            "federal tax id",
            "irs number",
        ],
        check: is_ein,
    },
    Rule {
        entity: "us_aba_routing",
        label: BANK,
        alone: &[],
        told: &["#########", "####-####-#"],
        words: &["routing", "aba", "rtn", "transit number"],
        check: is_routing,
    },
    Rule {
        entity: "us_npi",
        label: MEDICAL,
        alone: &[],
        told: &["##########"],
        words: &["npi", "provider identifier", "provider id"],
        check: is_npi,
    },
    Rule {
        entity: "us_dea",
        label: MEDICAL,
        alone: &[],
        told: &["@*#######", "@*-#######"],
        words: &["dea", "prescriber", "registrant"],
        check: is_dea,
    },
    Rule {
        entity: "us_medicare_mbi",
        label: HEALTH,
        alone: &["#@*#-@*#-@@##"],
        told: &["#@*#@*#@@##", "#@*# @*# @@##"],
        words: &["medicare", "mbi", "beneficiary"],
        check: is_mbi,
    },
    Rule {
        entity: "us_passport",
        label: PASSPORT,
        alone: &[],
        told: &["@########"],
        words: &["passport"],
        check: super::any,
    },
];

/// Issued to taxpayers without a social security number: 9xx with a middle pair in use.
fn is_itin(symbols: &str) -> bool {
    let middle = number(symbols, 3..5);
    nth(symbols, 0) == 9 && matches!(middle, 50..=65 | 70..=88 | 90..=92 | 94..=99)
}

/// No check digit; only prefixes that a campus of the tax office assigned.
fn is_ein(symbols: &str) -> bool {
    let prefix = number(symbols, 0..2);
    !matches!(
        prefix,
        0 | 7..=9 | 17..=19 | 28 | 29 | 49 | 69 | 70 | 78 | 79 | 89 | 96 | 97
    )
}

fn is_routing(symbols: &str) -> bool {
    let district = number(symbols, 0..2);
    matches!(district, 0..=12 | 21..=32 | 61..=72 | 80)
        && weighted(symbols, &[3, 7, 1, 3, 7, 1, 3, 7, 1]).is_multiple_of(10)
        && !is_uniform(symbols)
}

/// Luhn over the number with the prefix of health cards, 80840.
fn is_npi(symbols: &str) -> bool {
    matches!(nth(symbols, 0), 1 | 2) && luhn(&format!("80840{symbols}"))
}

fn is_dea(symbols: &str) -> bool {
    let kinds = symbols.starts_with(|c: char| "ABCDEFGHJKLMPRSTUX".contains(c));
    let second = symbols.as_bytes().get(1);
    let is_second = second.is_some_and(|b| b.is_ascii_uppercase() || *b == b'9');
    let digits = symbols.get(2..).unwrap_or_default();
    let sum = weighted(digits, &[1, 2, 1, 2, 1, 2]);
    kinds && is_second && sum % 10 == nth(digits, 6)
}

/// No check digit, but a strict shape: S, L, O, I, B and Z are not used.
fn is_mbi(symbols: &str) -> bool {
    nth(symbols, 0) != 0 && !symbols.contains(['S', 'L', 'O', 'I', 'B', 'Z'])
}
