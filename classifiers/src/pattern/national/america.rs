//! Canada and Latin America.

use super::{COMPANY, NATIONAL, Rule, TAX};
use crate::pattern::checksum::{
    eleven_minus, is_uniform, luhn, nth, number, starts_with_year, weighted,
};

pub(super) const RULES: &[Rule] = &[
    Rule {
        entity: "ca_sin",
        label: NATIONAL,
        alone: &[],
        told: &["### ### ###", "###-###-###", "#########"],
        words: &[
            "sin",
            "social insurance",
            "assurance sociale",
            "numéro d'assurance",
            "nas",
        ],
        check: is_sin,
    },
    Rule {
        entity: "br_cpf",
        label: TAX,
        alone: &["###.###.###-##"],
        told: &["###########", "#########-##"],
        words: &["cpf", "cadastro de pessoa"],
        check: is_cpf,
    },
    Rule {
        entity: "br_cnpj",
        label: COMPANY,
        alone: &["**.***.***/****-##"],
        told: &["##############", "************##"],
        words: &["cnpj", "cadastro nacional"],
        check: is_cnpj,
    },
    Rule {
        entity: "mx_curp",
        label: NATIONAL,
        alone: &["@@@@######@@@@@@*#"],
        told: &["&&&&######&&&&&&?#"],
        words: &["curp", "clave única", "clave unica"],
        check: is_curp,
    },
    Rule {
        entity: "cl_rut",
        label: NATIONAL,
        alone: &["##.###.###-*", "#.###.###-*"],
        told: &["########-?", "#######-?"],
        words: &["rut", "run", "rol único"],
        check: is_rut,
    },
    Rule {
        entity: "ar_cuit",
        label: TAX,
        alone: &[],
        told: &["##-########-#", "###########"],
        words: &["cuit", "cuil"],
        check: is_cuit,
    },
];

fn is_sin(symbols: &str) -> bool {
    !matches!(nth(symbols, 0), 0 | 8) && luhn(symbols)
}

fn is_cpf(symbols: &str) -> bool {
    let first = weighted(symbols, &[10, 9, 8, 7, 6, 5, 4, 3, 2]) * 10 % 11 % 10;
    let second = weighted(symbols, &[11, 10, 9, 8, 7, 6, 5, 4, 3, 2]) * 10 % 11 % 10;
    !is_uniform(symbols) && first == nth(symbols, 9) && second == nth(symbols, 10)
}

/// Since 2026 the first twelve symbols may be letters, which count as their code less 48.
fn is_cnpj(symbols: &str) -> bool {
    let weights = [6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2];
    let check = |weights: &[u32]| {
        let values = symbols.bytes().map(|b| u32::from(b.saturating_sub(48)));
        let sum: u32 = values
            .zip(weights)
            .map(|(value, weight)| value * weight)
            .sum();
        eleven_minus(sum).unwrap_or(0)
    };
    let later = weights.get(1..).unwrap_or_default();
    !is_uniform(symbols) && check(later) == nth(symbols, 12) && check(&weights) == nth(symbols, 13)
}

const STATES: &[&str] = &[
    "AS", "BC", "BS", "CC", "CL", "CM", "CS", "CH", "DF", "DG", "GT", "GR", "HG", "JC", "MC", "MN",
    "MS", "NT", "NL", "OC", "PL", "QT", "QR", "SP", "SL", "SR", "TC", "TS", "TL", "VZ", "YN", "ZS",
    "NE",
];

/// Letters of the name, date of birth, sex, state, consonants, and a check digit over an alphabet
/// with an Ñ.
fn is_curp(symbols: &str) -> bool {
    let value = |byte: u8| match byte {
        b'A'..=b'N' => u32::from(byte - b'A') + 10,
        b'O'..=b'Z' => u32::from(byte - b'A') + 11,
        other => crate::pattern::checksum::digit(other),
    };
    let places = symbols.bytes().take(17).zip((2..=18).rev());
    let sum: u32 = places.map(|(byte, weight)| value(byte) * weight).sum();
    let sex = symbols.as_bytes().get(10);
    let state = symbols.get(11..13).unwrap_or_default();
    starts_with_year(symbols.get(4..).unwrap_or_default())
        && matches!(sex, Some(b'H' | b'M' | b'X'))
        && STATES.contains(&state)
        && (10 - sum % 10) % 10 == nth(symbols, 17)
}

fn is_rut(symbols: &str) -> bool {
    let (body, check) = symbols
        .split_at_checked(symbols.len() - 1)
        .unwrap_or_default();
    let backwards: String = body.chars().rev().collect();
    let sum = weighted(&backwards, &[2, 3, 4, 5, 6, 7, 2, 3]);
    let expected = match 11 - sum % 11 {
        11 => "0".to_owned(),
        10 => "K".to_owned(),
        rest => rest.to_string(),
    };
    number(body, 0..body.len()) > 0 && check == expected
}

fn is_cuit(symbols: &str) -> bool {
    let sum = weighted(symbols, &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]);
    let kind = matches!(
        number(symbols, 0..2),
        20 | 23 | 24 | 25 | 26 | 27 | 30 | 33 | 34
    );
    kind && eleven_minus(sum).unwrap_or(9) == nth(symbols, 10)
}
