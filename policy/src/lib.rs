//! Policy documents with CEL rules: signals and facts to a decision.
//!
//! A [`Policy`] is a YAML document whose rules each hold one CEL condition. [`Policy::evaluate`]
//! is pure and total: it reads no clock and no file, always answers, and answers the same for the
//! same [`Facts`]. The most severe effect among the matching rules wins, every match is recorded,
//! and a condition that cannot be evaluated is an outcome of its own, never a quiet `false`.
//!
//! A document is refused whole, with every fault at its line and column, before it can decide
//! anything: unknown keys, labels, variables and functions, and conditions whose evaluation would
//! not be bounded.
//!
//! Start at [`Policy::parse`], then [`Policy::evaluate`].

mod bind;
mod case;
mod condition;
mod document;
mod error;
mod facts;
mod lint;
mod locate;
mod node;
mod policy;
mod prescan;
mod vocabulary;

pub use error::{PolicyError, PolicyErrors};
pub use facts::{Facts, SignalFact, Sizes};
pub use policy::{On, Policy, Rule, TestResult};

/// The policy in force when the operator names none. Its id is `default`.
pub const DEFAULT_POLICY: &str = include_str!("../policies/default.yaml");

/// Labels of the shipped detectors: the model's, then those of validators and taggers.
pub const TAXONOMY: &[&str] = &[
    "toxicity",
    "hate",
    "harassment",
    "violence",
    "sexual",
    "sexual_minors",
    "self_harm",
    "illicit",
    "weapons",
    "jailbreak",
    "injection",
    "stereotype",
    "unsafe",
    "pii.email",
    "pii.phone",
    "pii.iban",
    "pii.card",
    "pii.ssn",
    "pii.ip",
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
    "pii.birth_date",
    "secret.aws_access_key",
    "secret.github_token",
    "secret.openai_key",
    "secret.anthropic_key",
    "secret.google_api_key",
    "secret.slack_token",
    "secret.stripe_key",
    "secret.private_key",
    "secret.jwt",
    "secret.aws_secret_key",
    "secret.gitlab_token",
    "secret.google_oauth",
    "secret.azure_key",
    "secret.package_token",
    "secret.model_key",
    "secret.messaging_token",
    "secret.commerce_key",
    "secret.cloud_token",
    "secret.service_token",
    "secret.url_credentials",
    "secret.password",
];
