//! Identifiers that states and regulated trades give out.
//!
//! Numbers that a stranger's order number could be as well are taken only after a word that tells
//! them; `docs/pii.md` lists each with its source and its words.

mod america;
mod asia;
mod central;
mod documents;
mod north;
mod south;
mod trade;
mod uk;
mod us;
mod vat;

use super::shape::Rule;

const NATIONAL: &str = "pii.national_id";
const TAX: &str = "pii.tax_id";
const HEALTH: &str = "pii.health_id";
const PASSPORT: &str = "pii.passport";
const LICENCE: &str = "pii.driver_licence";
const MEDICAL: &str = "pii.medical_licence";
const COMPANY: &str = "pii.company_id";
const BANK: &str = "pii.bank_code";
const VEHICLE: &str = "pii.vehicle_id";
const DEVICE: &str = "pii.device_id";

/// All rules.
pub(super) fn rules() -> impl Iterator<Item = &'static Rule> {
    let rooms: [&'static [Rule]; 10] = [
        us::RULES,
        uk::RULES,
        central::RULES,
        south::RULES,
        north::RULES,
        america::RULES,
        asia::RULES,
        trade::RULES,
        vat::RULES,
        documents::RULES,
    ];
    rooms.into_iter().flatten()
}

/// A check for numbers that carry none: the shape and the word have to do.
fn any(_symbols: &str) -> bool {
    true
}
