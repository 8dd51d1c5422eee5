//! Prefixes, alphabets and lengths as the issuers document them.

use std::sync::LazyLock;

use super::{
    Name, is_alnum_or_dash, is_alphanumeric, is_hex, is_upper_or_digit, is_url_safe, is_word,
};
use crate::pattern::checksum::crc_32;

/// Longer than any key of these issuers, and short enough for the hold.
pub(super) const BODY_MAX: usize = 400;

/// A credential that begins with `prefix` and goes on with `min` to `max` symbols of `body`.
pub(super) struct Rule {
    pub(super) entity: &'static str,
    pub(super) label: &'static str,
    pub(super) prefix: &'static str,
    pub(super) body: fn(u8) -> bool,
    pub(super) min: usize,
    pub(super) max: usize,
    /// Whether the body ends in its CRC-32. What fails it may be mistyped or of a server that
    /// issues its own, and counts when it looks drawn at random.
    pub(super) is_checksummed: bool,
}

/// A bare hexadecimal key.
pub(super) struct Told {
    pub(super) entity: &'static str,
    pub(super) label: &'static str,
    pub(super) lengths: &'static [usize],
    pub(super) is_uuid: bool,
    pub(super) words: &'static [&'static str],
}

const ANTHROPIC: Name = ("anthropic_key", "secret.anthropic_key");
const AWS: Name = ("aws_access_key", "secret.aws_access_key");
const GITHUB: Name = ("github_token", "secret.github_token");
const GITLAB: Name = ("gitlab_token", "secret.gitlab_token");
const GOOGLE: Name = ("google_api_key", "secret.google_api_key");
const OPENAI: Name = ("openai_key", "secret.openai_key");
const SLACK: Name = ("slack_token", "secret.slack_token");
const STRIPE: Name = ("stripe_key", "secret.stripe_key");

const OAUTH: &str = "secret.google_oauth";
const PACKAGE: &str = "secret.package_token";
const MODEL: &str = "secret.model_key";
const MESSAGING: &str = "secret.messaging_token";
const COMMERCE: &str = "secret.commerce_key";
const CLOUD: &str = "secret.cloud_token";
const SERVICE: &str = "secret.service_token";

/// A longer prefix stands before a shorter one that it starts with.
const RULES: &[Rule] = &[
    rule(AWS, "AKIA", is_upper_or_digit, 16, 16),
    rule(AWS, "ASIA", is_upper_or_digit, 16, 16),
    rule(AWS, "ABIA", is_upper_or_digit, 16, 16),
    rule(AWS, "ACCA", is_upper_or_digit, 16, 16),
    rule(GITHUB, "github_pat_", is_word, 40, BODY_MAX),
    checked(GITHUB, "ghp_", 30),
    checked(GITHUB, "gho_", 30),
    checked(GITHUB, "ghu_", 30),
    checked(GITHUB, "ghs_", 30),
    checked(GITHUB, "ghr_", 30),
    rule(GITLAB, "glpat-", is_token, 20, BODY_MAX),
    rule(GITLAB, "gldt-", is_token, 20, BODY_MAX),
    rule(GITLAB, "glrt-", is_token, 20, BODY_MAX),
    rule(GITLAB, "glrtr-", is_token, 20, BODY_MAX),
    rule(GITLAB, "glcbt-", is_token, 20, BODY_MAX),
    rule(GITLAB, "glptt-", is_token, 20, BODY_MAX),
    rule(GITLAB, "glft-", is_token, 20, BODY_MAX),
    rule(GITLAB, "glsoat-", is_token, 20, BODY_MAX),
    rule(GITLAB, "glimt-", is_token, 20, BODY_MAX),
    rule(GITLAB, "glagent-", is_token, 20, BODY_MAX),
    rule(GITLAB, "gloas-", is_token, 20, BODY_MAX),
    rule(ANTHROPIC, "sk-ant-", is_url_safe, 20, BODY_MAX),
    rule(("openrouter_key", MODEL), "sk-or-v1-", is_hex, 64, 64),
    rule(OPENAI, "sk-proj-", is_url_safe, 20, BODY_MAX),
    rule(OPENAI, "sk-svcacct-", is_url_safe, 20, BODY_MAX),
    rule(OPENAI, "sk-admin-", is_url_safe, 20, BODY_MAX),
    rule(OPENAI, "sk-None-", is_url_safe, 20, BODY_MAX),
    rule(OPENAI, "sk-", is_alphanumeric, 20, BODY_MAX),
    rule(GOOGLE, "AIza", is_url_safe, 35, 35),
    rule(
        ("google_oauth_secret", OAUTH),
        "GOCSPX-",
        is_url_safe,
        28,
        28,
    ),
    rule(
        ("google_oauth_access", OAUTH),
        "ya29.",
        is_url_safe,
        40,
        BODY_MAX,
    ),
    rule(
        ("google_oauth_refresh", OAUTH),
        "1//0",
        is_url_safe,
        40,
        200,
    ),
    rule(SLACK, "xoxb-", is_alnum_or_dash, 16, BODY_MAX),
    rule(SLACK, "xoxa-", is_alnum_or_dash, 16, BODY_MAX),
    rule(SLACK, "xoxp-", is_alnum_or_dash, 16, BODY_MAX),
    rule(SLACK, "xoxr-", is_alnum_or_dash, 16, BODY_MAX),
    rule(SLACK, "xoxs-", is_alnum_or_dash, 16, BODY_MAX),
    rule(SLACK, "xoxe-", is_alnum_or_dash, 16, BODY_MAX),
    rule(SLACK, "xoxe.xox", is_token, 16, BODY_MAX),
    rule(SLACK, "xapp-", is_alnum_or_dash, 16, BODY_MAX),
    rule(STRIPE, "sk_live_", is_alphanumeric, 16, BODY_MAX),
    rule(STRIPE, "sk_test_", is_alphanumeric, 16, BODY_MAX),
    rule(STRIPE, "rk_live_", is_alphanumeric, 16, BODY_MAX),
    rule(STRIPE, "rk_test_", is_alphanumeric, 16, BODY_MAX),
    rule(STRIPE, "whsec_", is_alphanumeric, 24, BODY_MAX),
    checked(("npm_token", PACKAGE), "npm_", 36),
    rule(
        ("pypi_token", PACKAGE),
        "pypi-AgE",
        is_url_safe,
        50,
        BODY_MAX,
    ),
    rule(("crates_io_token", PACKAGE), "cio", is_alphanumeric, 32, 32),
    rule(("docker_token", PACKAGE), "dckr_pat_", is_url_safe, 27, 27),
    rule(("docker_token", PACKAGE), "dckr_oat_", is_url_safe, 32, 32),
    rule(("rubygems_token", PACKAGE), "rubygems_", is_hex, 48, 48),
    rule(("nuget_key", PACKAGE), "oy2", is_lower_or_digit, 43, 43),
    rule(("huggingface_token", MODEL), "hf_", is_alphanumeric, 34, 37),
    rule(
        ("huggingface_token", MODEL),
        "api_org_",
        is_alphanumeric,
        34,
        34,
    ),
    rule(("replicate_token", MODEL), "r8_", is_alphanumeric, 37, 37),
    rule(("groq_key", MODEL), "gsk_", is_alphanumeric, 52, 52),
    rule(("xai_key", MODEL), "xai-", is_alphanumeric, 80, 80),
    rule(("perplexity_key", MODEL), "pplx-", is_alphanumeric, 40, 64),
    rule(("twilio_key", MESSAGING), "SK", is_hex, 32, 32),
    rule(("mailgun_key", MESSAGING), "key-", is_hex, 32, 32),
    rule(
        ("brevo_key", MESSAGING),
        "xkeysib-",
        is_alnum_or_dash,
        81,
        81,
    ),
    rule(("shopify_token", COMMERCE), "shpat_", is_hex, 32, 32),
    rule(("shopify_token", COMMERCE), "shpca_", is_hex, 32, 32),
    rule(("shopify_token", COMMERCE), "shppa_", is_hex, 32, 32),
    rule(("shopify_token", COMMERCE), "shpss_", is_hex, 32, 32),
    rule(("square_token", COMMERCE), "EAAA", is_url_safe, 60, 60),
    rule(("square_token", COMMERCE), "sq0atp-", is_url_safe, 22, 22),
    rule(("square_token", COMMERCE), "sq0csp-", is_url_safe, 43, 43),
    rule(
        ("braintree_token", COMMERCE),
        "access_token$production$",
        is_braintree,
        49,
        49,
    ),
    rule(
        ("razorpay_key", COMMERCE),
        "rzp_live_",
        is_alphanumeric,
        14,
        14,
    ),
    rule(("digitalocean_token", CLOUD), "dop_v1_", is_hex, 64, 64),
    rule(("digitalocean_token", CLOUD), "doo_v1_", is_hex, 64, 64),
    rule(("digitalocean_token", CLOUD), "dor_v1_", is_hex, 64, 64),
    rule(("databricks_token", CLOUD), "dapi", is_hex_or_dash, 32, 34),
    rule(("heroku_key", CLOUD), "HRKU-", is_url_safe, 36, 64),
    rule(
        ("cloudflare_origin_key", CLOUD),
        "v1.0-",
        is_hex_or_dash,
        150,
        175,
    ),
    rule(("vault_token", CLOUD), "hvs.", is_url_safe, 24, BODY_MAX),
    rule(("vault_token", CLOUD), "hvb.", is_url_safe, 24, BODY_MAX),
    rule(("vault_token", CLOUD), "hvr.", is_url_safe, 24, BODY_MAX),
    rule(("pulumi_token", CLOUD), "pul-", is_hex, 40, 40),
    rule(("doppler_token", CLOUD), "dp.pt.", is_alphanumeric, 40, 44),
    rule(("supabase_token", CLOUD), "sbp_", is_hex, 40, 40),
    rule(("netlify_token", CLOUD), "nfp_", is_alphanumeric, 36, 40),
    rule(
        ("planetscale_token", CLOUD),
        "pscale_tkn_",
        is_token,
        32,
        64,
    ),
    rule(
        ("atlassian_token", SERVICE),
        "ATATT3",
        is_padded,
        60,
        BODY_MAX,
    ),
    rule(
        ("atlassian_token", SERVICE),
        "ATCTT3",
        is_padded,
        60,
        BODY_MAX,
    ),
    rule(
        ("atlassian_token", SERVICE),
        "ATBB",
        is_alphanumeric,
        32,
        32,
    ),
    rule(("linear_key", SERVICE), "lin_api_", is_alphanumeric, 40, 40),
    rule(("linear_key", SERVICE), "lin_oauth_", is_hex, 64, 64),
    rule(("notion_token", SERVICE), "ntn_", is_alphanumeric, 40, 50),
    rule(
        ("notion_token", SERVICE),
        "secret_",
        is_alphanumeric,
        43,
        43,
    ),
    rule(
        ("newrelic_key", SERVICE),
        "NRAK-",
        is_upper_or_digit,
        27,
        27,
    ),
    rule(("newrelic_key", SERVICE), "NRII-", is_url_safe, 32, 32),
    rule(("figma_token", SERVICE), "figd_", is_url_safe, 40, 48),
    rule(("sentry_token", SERVICE), "sntryu_", is_hex, 64, 64),
    rule(
        ("sentry_token", SERVICE),
        "sntrys_",
        is_padded,
        60,
        BODY_MAX,
    ),
    rule(("grafana_token", SERVICE), "glsa_", is_word, 41, 41),
    rule(("grafana_token", SERVICE), "glc_", is_padded, 32, BODY_MAX),
    rule(("postman_key", SERVICE), "PMAK-", is_hex_or_dash, 59, 59),
    rule(("contentful_token", SERVICE), "CFPAT-", is_url_safe, 43, 43),
];

/// Words are names that stand near, or the names of the variables in the issuers' manuals.
pub(super) const TOLD: &[Told] = &[
    told(
        "heroku_key",
        CLOUD,
        &[36],
        true,
        &["heroku", "heroku_api_key"],
    ),
    told(
        "cloudflare_key",
        CLOUD,
        &[37],
        false,
        &["cloudflare", "cf_api_key", "x-auth-key"],
    ),
    told("datadog_key", SERVICE, &[32, 40], false, DATADOG),
    told(
        "newrelic_key",
        SERVICE,
        &[40],
        false,
        &["newrelic", "new relic", "new_relic_license_key"],
    ),
    told(
        "twilio_key",
        MESSAGING,
        &[32],
        false,
        &["twilio", "twilio_auth_token"],
    ),
];
const DATADOG: &[&str] = &["datadog", "dd_api_key", "dd-api-key", "dd_app_key"];

const fn told(
    entity: &'static str,
    label: &'static str,
    lengths: &'static [usize],
    is_uuid: bool,
    words: &'static [&'static str],
) -> Told {
    Told {
        entity,
        label,
        lengths,
        is_uuid,
        words,
    }
}

const fn rule(
    (entity, label): Name,
    prefix: &'static str,
    body: fn(u8) -> bool,
    min: usize,
    max: usize,
) -> Rule {
    Rule {
        entity,
        label,
        prefix,
        body,
        min,
        max,
        is_checksummed: false,
    }
}

const fn checked(name: Name, prefix: &'static str, min: usize) -> Rule {
    Rule {
        is_checksummed: true,
        ..rule(name, prefix, is_alphanumeric, min, BODY_MAX)
    }
}

/// The rules whose prefix `rest` starts with, the longest first.
pub(super) fn starting_like(rest: &[u8]) -> impl Iterator<Item = &'static Rule> {
    static BY_FIRST: LazyLock<[Vec<&'static Rule>; 128]> = LazyLock::new(|| {
        std::array::from_fn(|byte| {
            let starts = |rule: &&Rule| rule.prefix.bytes().next().map(usize::from) == Some(byte);
            RULES.iter().filter(starts).collect()
        })
    });
    let bucket = rest
        .first()
        .and_then(|byte| BY_FIRST.get(usize::from(*byte)));
    bucket
        .map(Vec::as_slice)
        .unwrap_or_default()
        .iter()
        .copied()
        .filter(|rule| rest.starts_with(rule.prefix.as_bytes()))
}

/// Every entity of this module with its label.
pub(super) fn names() -> impl Iterator<Item = Name> {
    let told = TOLD.iter().map(|rule| (rule.entity, rule.label));
    RULES
        .iter()
        .map(|rule| (rule.entity, rule.label))
        .chain(told)
}

/// Thirty symbols and their CRC-32 in base 62, six symbols.
pub(super) fn ends_in_checksum(body: &[u8]) -> bool {
    const DIGITS: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let Some((random, check)) = body.split_at_checked(30).filter(|_| body.len() == 36) else {
        return false;
    };
    let mut rest = crc_32(random) as usize;
    check.iter().rev().all(|symbol| {
        let expected = DIGITS.get(rest % 62);
        rest /= 62;
        expected == Some(symbol)
    })
}

/// `8-4-4-4-12` hexadecimal digits.
pub(super) fn is_uuid(body: &[u8]) -> bool {
    let groups = body.split(|b| *b == b'-').map(<[u8]>::len);
    body.iter().all(|b| is_hex_or_dash(*b)) && groups.eq([8, 4, 4, 4, 12])
}

fn is_hex_or_dash(byte: u8) -> bool {
    byte.is_ascii_hexdigit() || byte == b'-'
}

fn is_lower_or_digit(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

fn is_token(byte: u8) -> bool {
    is_url_safe(byte) || byte == b'.'
}

fn is_padded(byte: u8) -> bool {
    is_url_safe(byte) || matches!(byte, b'=' | b'+')
}

fn is_braintree(byte: u8) -> bool {
    is_lower_or_digit(byte) || byte == b'$'
}
