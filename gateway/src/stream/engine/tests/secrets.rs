//! A number or a credential that arrives in pieces: not one of its characters leaves.

use super::DIALECTS;
use super::judge::{answer, carry, carry_with_glances, framing, whole};
use crate::route::StreamMode;

const BEFORE: &str = "please write down what comes next and keep it well: ";
const AFTER: &str = " and that is all there is to say about it. ";
const SECRETS: [&str; 4] = [
    "4539 5787 6362 1486",
    "4539578763621486",
    "DE89 3704 0044 0532 0130 00",
    "AKIAQ3EGXKZ7WLP5TVRN",
];

/// The answer around the secrets has neither digits nor capitals, and they have nothing else.
fn assert_nothing_of(secret: &str, bytes: &[u8], what: &str) {
    let text = answer(bytes).replace("redacted:pii.", "");
    let left = text.find(|c: char| c.is_ascii_digit() || c.is_ascii_uppercase());
    assert_eq!(left, None, "{what}: of {secret:?} something left in {text}");
}

#[test]
fn a_secret_split_at_any_place_never_leaves() {
    for dialect in DIALECTS {
        for secret in SECRETS {
            for at in 0..=secret.len() {
                let pieces = [BEFORE, &secret[..at], &secret[at..], AFTER, AFTER, AFTER];
                let stream = whole(dialect, &pieces);
                let what = format!("{} cut at {at}", dialect.name());
                let outcome = carry(
                    (dialect, framing(dialect)),
                    StreamMode::Hold,
                    [stream.as_slice()],
                );
                assert_nothing_of(secret, &outcome.released, &what);
                let each_byte = stream.chunks(1);
                let outcome = carry_with_glances(
                    (dialect, framing(dialect)),
                    StreamMode::Hold,
                    each_byte,
                    |_| true,
                );
                assert_nothing_of(secret, &outcome.released, &what);
            }
        }
    }
}

#[test]
fn a_secret_that_comes_letter_by_letter_never_leaves() {
    for dialect in DIALECTS {
        for secret in SECRETS {
            let mut pieces = vec![BEFORE];
            let letters: Vec<String> = secret.chars().map(String::from).collect();
            pieces.extend(letters.iter().map(String::as_str));
            pieces.extend([AFTER, AFTER, AFTER]);
            let stream = whole(dialect, &pieces);
            let each_line = stream.split_inclusive(|byte| *byte == b'\n');
            let outcome = carry_with_glances(
                (dialect, framing(dialect)),
                StreamMode::Hold,
                each_line,
                |_| true,
            );
            assert_nothing_of(secret, &outcome.released, dialect.name());
            let text = String::from_utf8_lossy(&outcome.released);
            assert!(outcome.denied || text.contains("redacted:"), "{secret}");
        }
    }
}

/// A card number and a credential as nobody writes them but to hide them.
fn disguised() -> Vec<(&'static str, String)> {
    let spaced = |text: &str, with: &str| {
        let letters: Vec<String> = text.chars().map(String::from).collect();
        letters.join(with)
    };
    let full_width = |text: &str| -> String {
        let wide = |c: char| char::from_u32(u32::from(c) + 0xfee0).filter(|_| c.is_ascii_digit());
        text.chars().map(|c| wide(c).unwrap_or(c)).collect()
    };
    vec![
        ("full width", full_width("4539578763621486")),
        ("zero width", spaced("AKIAQ3EGXKZ7WLP5TVRN", "\u{200b}")),
        ("zero width", spaced("4539578763621486", "\u{2060}")),
        ("base64", "QUtJQVEzRUdYS1o3V0xQNVRWUk4=".to_owned()),
        (
            "percent",
            "%41%4B%49%41%51%33%45%47%58%4B%5A%37%57%4C%50%35%54%56%52%4E".to_owned(),
        ),
    ]
}

#[test]
fn a_disguised_secret_split_at_any_place_never_leaves() {
    for dialect in DIALECTS {
        let kind = (dialect, framing(dialect));
        for (disguise, secret) in disguised() {
            let places = (0..=secret.len()).filter(|at| secret.is_char_boundary(*at));
            for at in places {
                let pieces = [BEFORE, &secret[..at], &secret[at..], AFTER, AFTER, AFTER];
                let stream = whole(dialect, &pieces);
                let each_line = stream.split_inclusive(|byte| *byte == b'\n');
                let outcome = carry_with_glances(kind, StreamMode::Hold, each_line, |_| true);
                let text = answer(&outcome.released);
                let plain = |c: char| c.is_ascii_lowercase() || " .:[]_".contains(c);
                let found = outcome.denied || text.contains("[redacted:");
                assert!(found, "{disguise} hid {secret:?}, cut at {at}");
                let left = text.find(|c| !plain(c));
                assert_eq!(
                    left,
                    None,
                    "{disguise}, {} cut at {at}: {text}",
                    dialect.name()
                );
            }
        }
    }
}
