use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::PatternDetector;
use crate::Detector;
use countersign_record::{Evaluation, Score};

/// Text with one finding: its label and what it covers.
const FOUND: &[(&str, &str, &str)] = &[
    (
        "pii.email",
        "Write to jane.doe+news@mail.example.co.uk, please.",
        "jane.doe+news@mail.example.co.uk",
    ),
    (
        "pii.email",
        "我的邮箱是wang@example.cn。",
        "wang@example.cn",
    ),
    (
        "pii.phone",
        "Ring me: +49 (0)30 901820-0 today.",
        "+49 (0)30 901820-0",
    ),
    ("pii.phone", "Reach us at (415) 555-0132.", "(415) 555-0132"),
    (
        "pii.phone",
        "It is 415-555-0132, ask for Bo.",
        "415-555-0132",
    ),
    ("pii.phone", "My office is +442079460958", "+442079460958"),
    (
        "pii.phone",
        "London 020 7946 0958 answers.",
        "020 7946 0958",
    ),
    ("pii.phone", "my phone number is 4155550132.", "4155550132"),
    (
        "pii.iban",
        "Pay DE89 3704 0044 0532 0130 00 now.",
        "DE89 3704 0044 0532 0130 00",
    ),
    (
        "pii.iban",
        "IBAN:GB29NWBK60161331926819.",
        "GB29NWBK60161331926819",
    ),
    (
        "pii.card",
        "Charge 4111 1111 1111 1111 please",
        "4111 1111 1111 1111",
    ),
    ("pii.card", "4111-1111-1111-1111", "4111-1111-1111-1111"),
    (
        "pii.card",
        "amex 378282246310005, thanks",
        "378282246310005",
    ),
    ("pii.card", "amex 3782 822463 10005!", "3782 822463 10005"),
    (
        "pii.card",
        "card 5555 5555 5555 4444 12/27 123",
        "5555 5555 5555 4444",
    ),
    (
        "pii.card",
        "4111\u{a0}1111\u{a0}1111\u{a0}1111",
        "4111\u{a0}1111\u{a0}1111\u{a0}1111",
    ),
    ("pii.ssn", "He gave 219-09-9999 as his.", "219-09-9999"),
    ("pii.ssn", "SSN: 219099999", "219099999"),
    ("pii.ip", "from 203.0.113.42: denied", "203.0.113.42"),
    ("pii.ip", "client 8.8.4.4 asked", "8.8.4.4"),
    (
        "pii.ip",
        "seen at 2001:db8:85a3::8a2e:370:7334.",
        "2001:db8:85a3::8a2e:370:7334",
    ),
    (
        "secret.aws_access_key",
        "key=AKIAIOSFODNN7EXAMPLE;",
        "AKIAIOSFODNN7EXAMPLE",
    ),
    (
        "secret.github_token",
        "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
        "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    ),
    (
        "secret.openai_key",
        "sk-proj-aB3dE5fG7hI9jK1lM3nO5pQ7-rS9_tU",
        "sk-proj-aB3dE5fG7hI9jK1lM3nO5pQ7-rS9_tU",
    ),
    (
        "secret.openai_key",
        "use sk-aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5zA7bC9dE1fG3 here",
        "sk-aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5zA7bC9dE1fG3",
    ),
    (
        "secret.anthropic_key",
        "sk-ant-api03-aB3dE5fG7hI9jK1lM3nO5pQ7rS9-AA",
        "sk-ant-api03-aB3dE5fG7hI9jK1lM3nO5pQ7rS9-AA",
    ),
    (
        "secret.google_api_key",
        "AIzaSyA1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q",
        "AIzaSyA1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q",
    ),
    (
        "secret.slack_token",
        "xoxb-17653672481-19874698323-pdFZKVeTuE8sk7oOHBrzbqgy",
        "xoxb-17653672481-19874698323-pdFZKVeTuE8sk7oOHBrzbqgy",
    ),
    (
        "secret.stripe_key",
        "STRIPE=sk_live_4eC39HqLyjWDarjtT1zdp7dc",
        "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
    ),
    (
        "secret.jwt",
        "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P",
    ),
    ("secret.private_key", KEY_TEXT, KEY),
];

const KEY_TEXT: &str = "Here:\n-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMIIEowIBAAKCAQEA2Z3qX2BTLS4e0aDvVq3w7TDk\nq83vEjRWeA==\n-----END RSA PRIVATE KEY-----\nKeep it.";
const KEY: &str = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMIIEowIBAAKCAQEA2Z3qX2BTLS4e0aDvVq3w7TDk\nq83vEjRWeA==\n-----END RSA PRIVATE KEY-----";

/// Text without any finding.
const QUIET: &[&str] = &[
    "123e4567-e89b-12d3-a456-426614174000",
    "550e8400-e29b-41d4-a716-446655440000 and 12345678-1234-1234-1234-123456789012",
    "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
    "sha 4111111111111111411111111111111141111111",
    "version 10.0.19.4 of the tool, v2.11.0.17, Chrome/120.0.6099.109, 1.2.3.4",
    "Order 1234567890123456 shipped on 2024-01-15, invoice 2024-000123-4567.",
    "On 01-02-2024 12:30 and 2024.01.15; at 1700000000000 ms; 12/31/1999",
    "pi is 3.14159265358979323846, e is 2.71828182845904523536, 0.4111111111111111",
    "ISBN 978-3-16-148410-0, part 12-3456-78, 100 000 000 people, 1,234,567.89 EUR",
    "127.0.0.1 and 0.0.0.0 and 255.255.255.255 and 300.1.2.3",
    "std::net::Ipv6Addr, a::b, ::1, 12:30:45, aa:bb:cc:dd:ee:ff",
    "git@github.com:org/repo.git, npm@latest, icon@2x.png, pkg@1.0.0-beta.rc, @user",
    "000-12-3456, 666-12-3456, 912-34-5678, 123-00-4567, 123-45-0000",
    "sk-loading-indicator-with-a-long-name, sk-XXXXXXXXXXXXXXXXXXXXXXXXXXXXXXXX, ghp_short",
    "AKIA, AKIAlowercaseletters0, AKIAIOSFODNN7EXAMPLEMORE",
    "DE89 3704 0044 0532 0130 01, DE12345, GB29NWBK60161331926818",
    "4111 1111 1111 1112, 1234 5678 9012 3456",
    "-----BEGIN CERTIFICATE-----\nMIIDdzCCAl+gAwIBAgIEAgAAuTANBgkqhkiG9w0BAQUFADBa\n-----END CERTIFICATE-----",
    "A key starts with -----BEGIN PRIVATE KEY----- and then comes base64.",
    "eyJ is how a token starts; eyJhbGci.eyJ is none",
    "Rooms 101, 102, 103 and 415 to 555; scores 21-19, 18-21, 21-15.",
];

fn find(text: &str) -> Vec<(String, String)> {
    let covered = |(label, span): (String, countersign_record::Span)| {
        (label, text[span.start..span.end].to_owned())
    };
    PatternDetector::new()
        .find(text)
        .into_iter()
        .map(covered)
        .collect()
}

#[test]
fn every_label_is_found_where_it_stands_and_nothing_else_is() {
    for (label, text, place) in FOUND {
        assert_eq!(
            find(text),
            [((*label).to_owned(), (*place).to_owned())],
            "in {text:?}"
        );
    }
    let detector = PatternDetector::new();
    for label in detector.labels() {
        assert!(
            FOUND.iter().any(|(known, _, _)| *known == label),
            "{label} has no example"
        );
    }
}

#[test]
fn hashes_versions_dates_and_order_numbers_are_quiet() {
    for text in QUIET {
        assert_eq!(find(text), [], "in {text:?}");
    }
}

#[test]
fn a_private_key_that_the_text_cuts_off_is_found_as_far_as_it_goes() {
    let cut = &KEY_TEXT[..KEY_TEXT.len() - 50];
    assert_eq!(
        find(cut),
        [(
            "secret.private_key".to_owned(),
            cut["Here:\n".len()..].to_owned()
        )]
    );
}

#[test]
fn a_text_with_several_findings_yields_them_in_order_without_overlap() {
    let text: String = FOUND
        .iter()
        .map(|(_, text, _)| format!("{text}\n"))
        .collect();
    let found = PatternDetector::new().find(&text);
    assert_eq!(found.len(), FOUND.len(), "{found:?}");
    assert!(
        found
            .windows(2)
            .all(|pair| pair[0].1.end <= pair[1].1.start)
    );
}

/// For every split: what is released holds only whole matches that were already known then.
fn assert_never_released_in_part(text: &str) {
    let detector = PatternDetector::new();
    let whole = detector.find(text);
    for split in (0..=text.len()).filter(|at| text.is_char_boundary(*at)) {
        let prefix = &text[..split];
        let live = detector.live_from(prefix);
        assert!(prefix.is_char_boundary(live), "{live} in {prefix:?}");
        let known = detector.find(prefix);
        for found in whole.iter().filter(|(_, span)| span.start < live) {
            assert!(
                found.1.end <= live,
                "split at {split} releases a part of {found:?} in {text:?}"
            );
            assert!(
                known.contains(found),
                "split at {split}: {found:?} unknown in {text:?}"
            );
        }
    }
}

#[test]
fn no_split_of_a_known_example_releases_a_part_of_a_match() {
    for (_, text, _) in FOUND {
        assert_never_released_in_part(text);
        assert_never_released_in_part(&format!("Well, {text} And so on. {text}"));
    }
    for text in QUIET {
        assert_never_released_in_part(text);
    }
}

#[test]
fn a_long_token_is_not_released_before_it_ends() {
    let jwt = format!(
        "eyJ{}.eyJ{}.{}",
        "a1B2".repeat(200),
        "c3D4".repeat(300),
        "e5_-".repeat(100)
    );
    assert_never_released_in_part(&format!("token {jwt} end"));
    let body = "MIIEowIBAAKCAQEA2Z3qX2BTLS4e0aDvVq3w7TDkq83vEjRWeA".repeat(60);
    let key = format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----");
    let detector = PatternDetector::new();
    for split in (0..=key.len()).step_by(97) {
        assert_eq!(detector.live_from(&key[..split]), 0, "at {split}");
    }
    assert_eq!(detector.live_from(&format!("{key} ")), key.len() + 1);
}

#[test]
fn prose_is_held_for_no_more_than_its_last_word() {
    let prose = "Most texts hold nothing at all, in 2024 as before. Thus the hold must be short";
    let detector = PatternDetector::new();
    for split in 0..prose.len() {
        let prefix = &prose[..split];
        let word = prefix.rfind(' ').map_or(0, |at| at + 1);
        let held_number = prefix.ends_with("2024 ");
        assert!(
            held_number || detector.live_from(prefix) >= word,
            "at {split}"
        );
    }
    assert_eq!(detector.live_from("你好，世界"), "你好，世界".len());
}

#[test]
fn an_endless_word_or_number_is_held_for_512_bytes_only() {
    let detector = PatternDetector::new();
    for unit in [
        "a", "1", "1 ", "@", "-", "+", "(", "a.", "eyJ", "DE89", "4111 ",
    ] {
        let text = unit.repeat(20_000 / unit.len());
        let held = text.len() - detector.live_from(&text);
        assert!(held <= 512, "{held} bytes for {unit:?}");
    }
}

#[test]
fn hostile_texts_take_linear_time() {
    let detector = PatternDetector::new();
    for unit in [
        "eyJ.",
        "-----BEGIN PRIVATE KEY-----",
        "a@",
        "1 ",
        "sk-",
        "sk-ant-",
        "DE89 ",
        "(1",
        "+1 ",
        "1.",
        "a:",
        "-----END ",
        "xoxb-",
    ] {
        let text = unit.repeat(60_000 / unit.len());
        let began = Instant::now();
        detector.find(&text);
        detector.live_from(&text);
        assert!(
            began.elapsed() < Duration::from_secs(10),
            "{unit:?}: {:?}",
            began.elapsed()
        );
    }
}

/// Pieces that rules are made of, so that random texts come near them.
fn piece() -> impl Strategy<Value = String> {
    let parts = prop::sample::select(vec![
        "+1",
        "415",
        "555",
        "0132",
        "4111",
        "1111",
        "-",
        " ",
        ".",
        ":",
        "@",
        "(",
        ")",
        "_",
        "/",
        "\n",
        "\u{a0}",
        "é",
        "界",
        "a",
        "Z",
        "sk-",
        "sk-ant-",
        "ghp_",
        "eyJ",
        "DE89",
        "3704 0044 0532 0130 00",
        "-----BEGIN ",
        "PRIVATE KEY",
        "-----",
        "-----END ",
        "MIIEowIBAAKCAQEA2Z3qX2BTLS4e0aDvVq3w7TDk",
        "example.com",
        "jane",
        "10.0.0.7",
        "2001:db8::1",
        "219-09-9999",
        "SSN ",
        "phone ",
        "AKIA",
        "IOSFODNN7EXAMPLE",
        "aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3x",
        "00",
        "7",
    ]);
    let example =
        prop::sample::select(FOUND.iter().map(|(_, _, place)| *place).collect::<Vec<_>>());
    prop_oneof![6 => parts.prop_map(str::to_owned), 1 => example.prop_map(str::to_owned)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_split_of_a_random_text_releases_a_part_of_a_match(
        pieces in prop::collection::vec(piece(), 1..12)
    ) {
        assert_never_released_in_part(&pieces.concat());
    }

    #[test]
    fn any_text_is_read_without_a_panic(text in "\\PC{0,200}") {
        let detector = PatternDetector::new();
        for (_, span) in detector.find(&text) {
            prop_assert!(text.get(span.start..span.end).is_some_and(|place| !place.is_empty()));
        }
        prop_assert!(text.is_char_boundary(detector.live_from(&text)));
    }
}

#[tokio::test]
async fn an_inspection_names_channel_label_and_place() {
    let detector = PatternDetector::new();
    let texts: Arc<[String]> = ["nothing", "mail a@b.example or c@d.example"]
        .map(str::to_owned)
        .into();
    let deadline = Instant::now() + Duration::from_secs(60);
    let inspection = detector.inspect(Arc::clone(&texts), deadline).await;
    assert_eq!(inspection.run.evaluation, Evaluation::Scored);
    assert_eq!(inspection.labels.len(), detector.labels().len());
    let email = inspection
        .labels
        .iter()
        .find(|l| l.label == "pii.email")
        .unwrap();
    assert_eq!((email.score, email.hits), (Score::MAX, 2));
    let places: Vec<_> = inspection
        .spans
        .iter()
        .map(|s| (s.channel, s.span.start))
        .collect();
    assert_eq!(places, [(1, 5), (1, 20)]);
    assert!(
        inspection
            .labels
            .iter()
            .all(|l| l.hits == 0 || l.label == "pii.email")
    );
}

#[tokio::test]
async fn a_large_inspection_finds_what_a_small_one_finds() {
    let text = format!("{} mail a@b.example", "word ".repeat(40_000));
    let deadline = Instant::now() + Duration::from_secs(60);
    let inspection = PatternDetector::new()
        .inspect(Arc::new([text]), deadline)
        .await;
    assert_eq!(inspection.run.evaluation, Evaluation::Scored);
    assert_eq!(inspection.spans.len(), 1);
}

#[tokio::test]
async fn an_inspection_after_its_deadline_is_timed_out() {
    let texts: Arc<[String]> = Arc::new(["a@b.example".to_owned()]);
    let inspection = PatternDetector::new().inspect(texts, Instant::now()).await;
    assert_eq!(inspection.run.evaluation, Evaluation::TimedOut);
}
