//! A value split at every byte across the events of every dialect is redacted whole.

use countersign_record::Span;
use countersign_wire::{Dialect, Edit, Framing};

use crate::made;
use crate::recordings::{channels, frames};
use crate::stream_redaction::{edits_for, rewritten};

const SECRET: &str = "4111 1111 1111 1111";

pub(crate) fn edits(texts: &[String], needle: &str) -> Vec<Edit> {
    let in_text = |(channel, text): (usize, &String)| -> Vec<Edit> {
        text.match_indices(needle)
            .map(|(start, found)| Edit {
                channel,
                span: Span {
                    start,
                    end: start + found.len(),
                },
                replacement: "[gone]".to_owned(),
            })
            .collect()
    };
    texts.iter().enumerate().flat_map(in_text).collect()
}

/// What is left of the secret in a stream: its digits, in any string, and as bytes of them.
fn assert_gone(dialect: Dialect, framing: Framing, out: &str, what: &str) {
    let (frames, _) = frames(dialect, framing, out);
    for text in channels(&frames) {
        assert!(!text.contains("11"), "{what}: {text}\n{out}");
        assert!(!text.contains("41"), "{what}: {text}\n{out}");
    }
    assert!(!out.contains("11"), "{what}: {out}");
    assert!(!out.contains("49,49"), "{what}: as bytes: {out}");
    assert!(
        !out.contains("[49]") && !out.contains("[52]"),
        "{what}: as bytes: {out}"
    );
}

#[test]
fn a_secret_split_at_every_byte_leaves_nothing_in_any_dialect() {
    let mut streams = 0;
    for (dialect, framing) in made::SPOKEN {
        for first in 0..=SECRET.len() {
            for second in [first, (first + 1).min(SECRET.len()), SECRET.len()] {
                let deltas = [
                    format!("zz> {}", &SECRET[..first]),
                    SECRET[first..second].to_owned(),
                    format!("{} zé", &SECRET[second..]),
                ];
                let stream = made::stream(dialect, &deltas);
                let (frames, reader) = frames(dialect, framing, &stream);
                assert!(reader.is_complete_at_end(), "{stream}");
                let edits = edits_for(&frames, SECRET);
                let out = rewritten(&frames, &edits);
                assert_gone(
                    dialect,
                    framing,
                    &out,
                    &format!("{dialect:?} {first} {second}"),
                );
                assert!(
                    out.contains("[redacted:card]") && out.contains("zz> "),
                    "{out}"
                );
                streams += 1;
            }
        }
    }
    println!("{streams} streams, {} places each", SECRET.len());
    assert!(streams > 400);
}

#[test]
fn a_secret_said_byte_by_byte_leaves_nothing_in_any_dialect() {
    for (dialect, framing) in made::SPOKEN {
        let deltas: Vec<String> = format!("zz> {SECRET} zé")
            .chars()
            .map(String::from)
            .collect();
        let stream = made::stream(dialect, &deltas);
        let (frames, _) = frames(dialect, framing, &stream);
        let out = rewritten(&frames, &edits_for(&frames, SECRET));
        assert_gone(dialect, framing, &out, &format!("{dialect:?}"));
    }
}

#[test]
fn a_name_whose_letters_are_cut_into_bytes_is_redacted_with_its_bytes() {
    let deltas = ["Zo", "\\xc3", "\\xab", " says hi"].map(str::to_owned);
    let bytes: [&[u8]; 4] = [b"Zo", &[0xc3], &[0xab], b" says hi"];
    let stream = made::chat_with_bytes(&deltas, &bytes);
    let (frames, _) = frames(Dialect::OpenAiChat, Framing::Sse, &stream);
    assert!(channels(&frames).iter().any(|t| t == "Zoë says hi"));
    let out = rewritten(&frames, &edits_for(&frames, "Zoë"));
    assert!(
        !out.contains("\"Zo\"") && !out.contains("[90,111]"),
        "{out}"
    );
    assert!(!out.contains("xab") && !out.contains("171"), "{out}");
    assert!(out.contains(" says hi"));
}
