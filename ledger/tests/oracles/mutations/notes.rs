//! Checkpoints that are not the log's.

use super::{Mutation, Scene, seen, unseen};
use crate::forge::{self, Hand};

const CHECKPOINT: &str = "ledger/checkpoint";

fn replace(scene: &Scene, from: &str, to: &str) {
    let note = scene.text(CHECKPOINT);
    let changed = note.replacen(from, to, 1);
    assert_ne!(note, changed);
    scene.write(CHECKPOINT, changed);
}

/// Another text under a signature that verifies.
fn signed(scene: &Scene, change: impl FnOnce(&mut Vec<String>)) {
    let text = forge::checkpoint_text(scene.hand.name.name(), &scene.entries);
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    change(&mut lines);
    let note = scene.hand.note(&(lines.join("\n") + "\n"));
    scene.write(CHECKPOINT, note);
}

pub(super) const CHANGES: &[Mutation] = &[
    seen("another size", CHECKPOINT, |s| {
        replace(s, "\n270\n", "\n271\n");
    }),
    seen("a smaller size, signed", "001.p/13", |s| {
        signed(s, |l| l[1] = "269".into());
    }),
    seen("a larger size, signed", "001.p/15", |s| {
        signed(s, |l| l[1] = "271".into());
    }),
    seen("a size with a zero in front, signed", CHECKPOINT, |s| {
        signed(s, |l| l[1] = "0270".into());
    }),
    seen("a size with a sign, signed", CHECKPOINT, |s| {
        signed(s, |l| l[1] = "+270".into());
    }),
    seen("another root, signed", CHECKPOINT, |s| {
        signed(s, |l| {
            l[2] = "KbvKtJnvEwN8mAfbtytvXRt1GcwWfkBkNVO5wo8mtGk=".into();
        });
    }),
    seen("a root with bits behind its end, signed", CHECKPOINT, |s| {
        signed(s, |l| {
            let at = l[2].len() - 2;
            let odd = char::from(l[2].as_bytes()[at] + 1);
            l[2].replace_range(at..=at, &odd.to_string());
        });
    }),
    seen("a root of 31 bytes, signed", CHECKPOINT, |s| {
        signed(s, |l| {
            l[2] = "KbvKtJnvEwN8mAfbtytvXRt1GcwWfkBkNVO5wo8mtA==".into();
        });
    }),
    seen("an extension line, signed", CHECKPOINT, |s| {
        signed(s, |l| l.push("more".into()));
    }),
    seen("another origin, signed", CHECKPOINT, |s| {
        signed(s, |l| l[0] = "example.com/other".into());
    }),
    seen("a tab in the text, signed", CHECKPOINT, |s| {
        signed(s, |l| l[0] += "\t");
    }),
    seen("a changed signature", CHECKPOINT, |s| {
        let at = s.read(CHECKPOINT).len() - 20;
        s.flip(CHECKPOINT, at);
    }),
    seen("a signature by another key of that name", CHECKPOINT, |s| {
        let stranger = Hand::new(9, s.hand.name.name());
        s.write(CHECKPOINT, stranger.checkpoint(&s.entries));
    }),
    seen("another key under the id of the log's", CHECKPOINT, |s| {
        let text = forge::checkpoint_text(s.hand.name.name(), &s.entries);
        let mut stranger = Hand::new(9, s.hand.name.name());
        stranger.name = s.hand.name.clone();
        s.write(CHECKPOINT, stranger.note(&text));
    }),
    seen("no signature", CHECKPOINT, |s| {
        let note = s.text(CHECKPOINT);
        let (text, _) = note.split_once("\n\n").unwrap();
        s.write(CHECKPOINT, format!("{text}\n\n"));
    }),
    // Both libraries of Go's family look at the first line of a key only.
    unseen("a second line of the key that is broken", CHECKPOINT, |s| {
        let note = s.text(CHECKPOINT) + &s.hand.line("another text\n");
        s.write(CHECKPOINT, note);
    }),
    seen("a line that is no signature", CHECKPOINT, |s| {
        s.write(CHECKPOINT, s.text(CHECKPOINT) + "more\n");
    }),
    seen("no last newline", CHECKPOINT, |s| s.cut(CHECKPOINT, 1)),
    seen("carriage returns", CHECKPOINT, |s| {
        s.write(CHECKPOINT, s.text(CHECKPOINT).replace('\n', "\r\n"));
    }),
    seen("an empty file", CHECKPOINT, |s| s.write(CHECKPOINT, "")),
];
