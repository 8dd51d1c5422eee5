//! Attacks on single entries.

use std::{fs, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};
use countersign_ledger::{SigningKey, VerifierKey, entry};
use serde_json::json;

use crate::{
    attack::{
        Attack,
        Power::{Files, OtherKey},
    },
    controls::{
        self,
        Hand::{Naive, Recomputing},
    },
    forge::{
        Entries, bundle, canonical, edited, frame, object, read_bundle, read_frames, seal,
        set_signature, signature, unreduced, write_bundle,
    },
    world::members,
};

/// The attacked entry: in the middle of the second bundle.
const ENTRY: usize = 300;
const AT_ENTRY: &[&str] = &["ledger/tile/entries/001 entry 300"];

/// Replaces the attacked entry and derives everything else anew.
fn rewrite(dir: &Path, change: impl FnOnce(&[u8]) -> Vec<u8>) {
    let mut entries = Entries::read(dir);
    let changed = change(&entries.published[ENTRY]);
    assert_ne!(changed, entries.published[ENTRY]);
    entries.published[ENTRY] = changed;
    entries.write(dir);
}

/// Changes the text of the attacked entry and derives everything else anew.
fn respell(dir: &Path, from: &str, to: &str) {
    rewrite(dir, |entry| {
        let text = std::str::from_utf8(entry).unwrap();
        text.replacen(from, to, 1).into_bytes()
    });
}

/// Puts entries in, takes them out or moves them, and derives everything else anew. As many stay
/// published as the signed checkpoint says.
fn rearrange(dir: &Path, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
    let mut entries = Entries::read(dir);
    let size = entries.published.len();
    change(&mut entries.published);
    entries.keep_size(size);
    entries.write(dir);
}

/// Changes one bundle and nothing else.
fn in_bundle(dir: &Path, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
    let path = dir.join("ledger").join(bundle(1, 580));
    let mut entries = read_bundle(&path);
    change(&mut entries);
    write_bundle(&path, &entries);
}

/// Changes one frame of the log and gives it the right checksum.
fn in_log(dir: &Path, segment: &str, index: usize) {
    let path = dir.join(segment);
    let mut bytes = Vec::new();
    for (i, entry) in read_frames(&path) {
        let entry = if i == index { edited(&entry) } else { entry };
        bytes.extend(frame(i, &entry));
    }
    fs::write(path, bytes).unwrap();
}

/// An entry of the attacker's at the attacked place, signed with `key` in the name of `name`.
fn planted(entries: &[Vec<u8>], (key, name): (&SigningKey, &VerifierKey)) -> Vec<u8> {
    let link = entry::parse(&entries[ENTRY - 1]).unwrap().next();
    seal(members("bad", 300), &link, (key, name))
}

pub(crate) fn edits() -> Vec<Attack> {
    vec![
        Attack::new("edit an entry in its bundle", Files, |_, dir| {
            in_bundle(dir, |entries| entries[44] = edited(&entries[44]));
        })
        .found_at(AT_ENTRY)
        .control(Naive, |lines| controls::edit(&mut lines[ENTRY])),
        Attack::new(
            "edit an entry, derive tiles and log anew",
            Files,
            |_, dir| {
                rewrite(dir, edited);
            },
        )
        .found_at(AT_ENTRY)
        .control(Recomputing, |lines| controls::edit(&mut lines[ENTRY])),
        Attack::new(
            "edit a pending entry in the log, checksum made right",
            Files,
            |_, dir| {
                in_log(dir, "wal/0000000000000244.wal", 590);
            },
        )
        .found_at(&["wal/0000000000000244.wal entry 590"])
        .control(Naive, |lines| controls::edit(&mut lines[590])),
        Attack::new(
            "edit a published entry in the log alone, checksum made right",
            Files,
            |_, dir| {
                in_log(dir, "wal/00000000000001d6.wal", 500);
            },
        )
        .found_at(&["wal/00000000000001d6.wal entry 500"]),
        Attack::new(
            "change the time in an entry, derive anew",
            Files,
            |_, dir| {
                respell(dir, "\"time\":\"2026", "\"time\":\"2025");
            },
        )
        .found_at(AT_ENTRY)
        .control(Recomputing, |lines| {
            lines[ENTRY] = lines[ENTRY].replacen("2026", "2025", 1);
        }),
    ]
}

pub(crate) fn unsigned() -> Vec<Attack> {
    vec![
        Attack::new(
            "insert an entry of the attacker's, derive anew",
            OtherKey,
            |world, dir| {
                let (key, name) = &world.other;
                rearrange(dir, |entries| {
                    entries.insert(ENTRY, planted(entries, (key, name)));
                });
            },
        )
        .found_at(AT_ENTRY)
        .control(Recomputing, |lines| {
            lines.insert(ENTRY, controls::planted(300));
        }),
        Attack::new(
            "the same, attested with the true key's id",
            OtherKey,
            |world, dir| {
                let key = &world.other.0;
                rearrange(dir, |entries| {
                    entries.insert(ENTRY, planted(entries, (key, world.name())));
                });
            },
        )
        .found_at(AT_ENTRY)
        .control(Recomputing, |lines| {
            lines.insert(ENTRY, controls::planted(300));
        }),
        Attack::new(
            "an unsigned event of the ledger put into an entry, derive anew",
            Files,
            |_, dir| {
                rewrite(dir, |entry| {
                    let mut members = object(entry);
                    members.insert("ledger".into(), json!({"pruned_before": 256}));
                    canonical(&members)
                });
            },
        )
        .found_at(AT_ENTRY),
    ]
}

pub(crate) fn arrangements() -> Vec<Attack> {
    vec![
        Attack::new("delete an entry from its bundle", Files, |_, dir| {
            in_bundle(dir, |entries| drop(entries.remove(44)));
        })
        .found_at(&["ledger/tile/entries/001"])
        .control(Naive, |lines| drop(lines.remove(ENTRY))),
        Attack::new("delete an entry, fill up, derive anew", Files, |_, dir| {
            rearrange(dir, |entries| drop(entries.remove(ENTRY)));
        })
        .found_at(AT_ENTRY)
        .control(Recomputing, |lines| drop(lines.remove(ENTRY))),
        Attack::new("duplicate an entry, derive anew", Files, |_, dir| {
            rearrange(dir, |entries| {
                entries.insert(ENTRY, entries[ENTRY - 1].clone());
            });
        })
        .found_at(AT_ENTRY)
        .control(Recomputing, |lines| {
            lines.insert(ENTRY, lines[ENTRY - 1].clone());
        }),
        Attack::new(
            "let two entries change places in their bundle",
            Files,
            |_, dir| {
                in_bundle(dir, |entries| entries.swap(44, 45));
            },
        )
        .found_at(AT_ENTRY)
        .control(Naive, |lines| lines.swap(ENTRY, ENTRY + 1)),
        Attack::new(
            "let two entries change places, derive anew",
            Files,
            |_, dir| {
                rearrange(dir, |entries| entries.swap(ENTRY, 500));
            },
        )
        .found_at(AT_ENTRY)
        .control(Recomputing, |lines| lines.swap(ENTRY, 500)),
        Attack::new(
            "let two bundles change places, derive anew",
            Files,
            |_, dir| {
                rearrange(dir, |entries| entries[..512].rotate_left(256));
            },
        )
        .found_at(&["ledger/tile/entries/000 entry 0"])
        .control(Recomputing, |lines| lines[..512].rotate_left(256)),
    ]
}

pub(crate) fn signatures() -> Vec<Attack> {
    vec![
        Attack::new(
            "another encoding of a signature (`s + L`), derive anew",
            Files,
            |_, dir| {
                rewrite(dir, |entry| {
                    let mut members = object(entry);
                    let changed = unreduced(&signature(&members));
                    set_signature(&mut members, &STANDARD.encode(changed));
                    canonical(&members)
                });
            },
        )
        .found_at(AT_ENTRY),
        Attack::new(
            "another base64 spelling of a signature, derive anew",
            Files,
            |_, dir| {
                rewrite(dir, |entry| {
                    let mut members = object(entry);
                    let spelled = STANDARD.encode(signature(&members));
                    // The last letter before the padding has four bits to spare.
                    let (text, last) = (&spelled[..85], spelled.as_bytes()[85]);
                    let spare = char::from(last + 1);
                    set_signature(&mut members, &format!("{text}{spare}=="));
                    canonical(&members)
                });
            },
        )
        .found_at(AT_ENTRY),
    ]
}

pub(crate) fn spellings() -> Vec<Attack> {
    vec![
        Attack::new("a space in an entry, derive anew", Files, |_, dir| {
            respell(dir, "\"n\":300", "\"n\": 300");
        })
        .found_at(AT_ENTRY)
        .control(Recomputing, |lines| {
            lines[ENTRY] = lines[ENTRY].replacen("\"n\":", "\"n\": ", 1);
        }),
        Attack::new(
            "a letter written as an escape, derive anew",
            Files,
            |_, dir| {
                respell(dir, "\"id\":\"own", "\"id\":\"\\u006fwn");
            },
        )
        .found_at(AT_ENTRY)
        .control(Recomputing, |lines| {
            lines[ENTRY] = lines[ENTRY].replacen("\"own", "\"\\u006fwn", 1);
        }),
        Attack::new("a member given twice, derive anew", Files, |_, dir| {
            respell(dir, "\"n\":300", "\"n\":999,\"n\":300");
        })
        .found_at(AT_ENTRY)
        .control(Recomputing, |lines| {
            lines[ENTRY] = lines[ENTRY].replacen("\"n\":", "\"n\":999,\"n\":", 1);
        }),
        Attack::new("a member moved to the end, derive anew", Files, |_, dir| {
            rewrite(dir, |entry| {
                let text = std::str::from_utf8(entry)
                    .unwrap()
                    .replacen("\"n\":300,", "", 1);
                format!("{},\"n\":300}}", text.trim_end_matches('}')).into_bytes()
            });
        })
        .found_at(AT_ENTRY)
        .control(Recomputing, |lines| {
            let rest = lines[ENTRY].replacen("\"n\":300,", "", 1);
            lines[ENTRY] = format!("{},\"n\":300}}", rest.trim_end_matches('}'));
        }),
        Attack::new(
            "a number written in another way, derive anew",
            Files,
            |_, dir| {
                respell(dir, "\"n\":300", "\"n\":3e2");
            },
        )
        .found_at(AT_ENTRY)
        .control(Recomputing, |lines| {
            lines[ENTRY] = lines[ENTRY].replacen("\"n\":300", "\"n\":3e2", 1);
        }),
    ]
}
