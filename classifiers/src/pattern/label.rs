//! What can be found: labels, entities, and the code that determines both.

use super::secret::Name;
use super::{national, secret};

/// Labels, the weightiest first: a place that several rules claim goes to the first of them.
pub(super) const LABELS: [&str; 39] = [
    "secret.private_key",
    "secret.jwt",
    "secret.aws_access_key",
    "secret.aws_secret_key",
    "secret.github_token",
    "secret.gitlab_token",
    "secret.anthropic_key",
    "secret.openai_key",
    "secret.google_api_key",
    "secret.google_oauth",
    "secret.azure_key",
    "secret.slack_token",
    "secret.stripe_key",
    "secret.package_token",
    "secret.model_key",
    "secret.messaging_token",
    "secret.commerce_key",
    "secret.cloud_token",
    "secret.service_token",
    "secret.url_credentials",
    "secret.password",
    "pii.iban",
    "pii.card",
    "pii.crypto_address",
    "pii.national_id",
    "pii.tax_id",
    "pii.health_id",
    "pii.medical_licence",
    "pii.driver_licence",
    "pii.passport",
    "pii.vehicle_id",
    "pii.device_id",
    "pii.company_id",
    "pii.bank_code",
    "pii.ssn",
    "pii.birth_date",
    "pii.email",
    "pii.ip",
    "pii.phone",
];

pub(super) const PRIVATE_KEY: Name = ("private_key", "secret.private_key");
pub(super) const IBAN: Name = ("iban", "pii.iban");
pub(super) const CARD: Name = ("card", "pii.card");
pub(super) const SSN: Name = ("us_ssn", "pii.ssn");
pub(super) const MRZ: Name = ("travel_document_line", "pii.passport");
pub(super) const BIRTH: Name = ("birth_date", "pii.birth_date");
pub(super) const EMAIL: Name = ("email", "pii.email");
pub(super) const IPV4: Name = ("ipv4", "pii.ip");
pub(super) const IPV6: Name = ("ipv6", "pii.ip");
pub(super) const MAC: Name = ("mac_address", "pii.device_id");
pub(super) const PHONE: Name = ("phone", "pii.phone");
pub(super) const CRYPTO: &str = "pii.crypto_address";

/// Every entity with its label; some stand more than once.
pub(super) fn entities() -> Vec<Name> {
    let single = [
        PRIVATE_KEY,
        IBAN,
        CARD,
        SSN,
        MRZ,
        BIRTH,
        EMAIL,
        IPV4,
        IPV6,
        MAC,
        PHONE,
        ("bitcoin_address", CRYPTO),
        ("ethereum_address", CRYPTO),
    ];
    let rules = national::rules().map(|rule| (rule.entity, rule.label));
    single
        .into_iter()
        .chain(rules)
        .chain(secret::names())
        .collect()
}

/// The code of all rules.
pub(super) const SOURCES: [&str; 32] = [
    include_str!("../pattern.rs"),
    include_str!("address.rs"),
    include_str!("birth.rs"),
    include_str!("checksum.rs"),
    include_str!("iban.rs"),
    include_str!("key_block.rs"),
    include_str!("label.rs"),
    include_str!("national.rs"),
    include_str!("national/america.rs"),
    include_str!("national/asia.rs"),
    include_str!("national/central.rs"),
    include_str!("national/documents.rs"),
    include_str!("national/north.rs"),
    include_str!("national/south.rs"),
    include_str!("national/trade.rs"),
    include_str!("national/uk.rs"),
    include_str!("national/us.rs"),
    include_str!("national/vat.rs"),
    include_str!("number.rs"),
    include_str!("number/card.rs"),
    include_str!("number/phone.rs"),
    include_str!("scan.rs"),
    include_str!("secret.rs"),
    include_str!("secret/assigned.rs"),
    include_str!("secret/placeholder.rs"),
    include_str!("secret/unprefixed.rs"),
    include_str!("secret/url.rs"),
    include_str!("secret/vendors.rs"),
    include_str!("secret/web_token.rs"),
    include_str!("shape.rs"),
    include_str!("travel.rs"),
    include_str!("wallet.rs"),
];
