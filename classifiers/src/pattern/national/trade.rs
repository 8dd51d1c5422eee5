//! Devices, vehicles and banks: numbers of international trade registers.

use super::{BANK, DEVICE, Rule, VEHICLE};
use crate::pattern::checksum::{digit, is_uniform, luhn};

pub(super) const RULES: &[Rule] = &[
    Rule {
        entity: "imei",
        label: DEVICE,
        alone: &[],
        told: &[
            "###############",
            "##-######-######-#",
            "## ###### ###### #",
        ],
        words: &["imei", "device id", "handset", "device identifier"],
        check: is_imei,
    },
    Rule {
        entity: "vin",
        label: VEHICLE,
        alone: &[],
        told: &["*****************"],
        words: &[
            "vin",
            "chassis",
            "vehicle identification",
            "vehicle id",
            "fahrgestellnummer",
            "fin",
            "fahrzeugidentifikationsnummer",
            "numéro de châssis",
        ],
        check: is_vin,
    },
    Rule {
        entity: "bic",
        label: BANK,
        alone: &[],
        told: &["@@@@@@**", "@@@@@@*****"],
        words: &["bic", "swift", "swift-code", "bic-code"],
        check: is_bic,
    },
];

fn is_imei(symbols: &str) -> bool {
    luhn(symbols) && !is_uniform(symbols)
}

/// What a symbol of a vehicle's number counts for; I, O and Q are not used.
fn vehicle_value(symbol: u8) -> Option<u32> {
    match symbol {
        b'0'..=b'9' => Some(digit(symbol)),
        b'A'..=b'H' => Some(u32::from(symbol - b'A') + 1),
        b'J'..=b'N' | b'P' | b'R' => Some(u32::from(symbol - b'J') + 1),
        b'S'..=b'Z' => Some(u32::from(symbol - b'S') + 2),
        _ => None,
    }
}

/// The ninth symbol is a check digit in North America and China. Elsewhere (region S to Z) it need
/// not be one; there the last four symbols must be digits.
fn is_vin(symbols: &str) -> bool {
    let weights = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    let Some(values) = symbols
        .bytes()
        .map(vehicle_value)
        .collect::<Option<Vec<_>>>()
    else {
        return false;
    };
    let sum: u32 = values
        .iter()
        .zip(weights)
        .map(|(value, weight)| value * weight)
        .sum();
    let check = match sum % 11 {
        10 => b'X',
        rest => b'0' + u8::try_from(rest).unwrap_or(0),
    };
    let bytes = symbols.as_bytes();
    let is_checked = bytes.get(8) == Some(&check);
    let is_european = bytes.first().is_some_and(|b| (b'S'..=b'Z').contains(b));
    let serial = bytes.get(13..).unwrap_or_default();
    let is_mixed = bytes.iter().any(u8::is_ascii_digit) && bytes.iter().any(u8::is_ascii_uppercase);
    is_mixed && (is_checked || is_european && serial.iter().all(u8::is_ascii_digit))
}

/// ISO 3166-1 codes.
const COUNTRIES: &str = "AD AE AF AG AI AL AM AO AR AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL \
    BM BN BO BQ BR BS BT BW BY BZ CA CD CF CG CH CI CK CL CM CN CO CR CU CV CW CY CZ DE DJ DK DM \
    DO DZ EC EE EG ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GT GU GW \
    GY HK HN HR HT HU ID IE IL IM IN IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA \
    LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX \
    MY MZ NA NC NE NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PR PS PT PW PY QA RE RO RS \
    RU RW SA SB SC SD SE SG SI SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TG TH TJ TK TL TM TN TO \
    TR TT TV TW TZ UA UG US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW";

fn is_bic(symbols: &str) -> bool {
    let country = symbols.get(4..6).unwrap_or_default();
    COUNTRIES.split(' ').any(|known| known == country)
}
