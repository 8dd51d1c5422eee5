//! Harmless machine text: code, lock files, hashes, images, logs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{PATTERNS, Random};

/// Labels that foreign code does hold: authors, examples of addresses, keys of tests.
const EXPECTED: &[&str] = &["pii.email", "pii.ip", "secret.private_key"];
const BYTES_MAX: usize = 6 << 20;
const KINDS: &[&str] = &[
    "rs", "toml", "md", "json", "lock", "js", "c", "h", "s", "txt", "yml", "html",
];

fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if path.is_dir() {
            files(&path, into);
        } else if path
            .extension()
            .is_some_and(|kind| KINDS.iter().any(|known| kind == *known))
        {
            into.push(path);
        }
    }
}

fn tally<'a>(
    texts: impl Iterator<Item = &'a str>,
    alarms: &mut BTreeMap<String, Vec<String>>,
) -> usize {
    texts
        .map(|text| {
            for (label, entity, span) in PATTERNS.find_entities(text) {
                let place = text[span.start..span.end].chars().take(48).collect();
                alarms
                    .entry(format!("{label} {entity}"))
                    .or_default()
                    .push(place);
            }
            text.len()
        })
        .sum()
}

#[test]
fn foreign_source_code_raises_few_false_alarms() {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let mut all = Vec::new();
    if let Some(home) = home {
        files(&home.join("registry/src"), &mut all);
    }
    if all.len() < 1_000 {
        println!("no sources of crates here; nothing is measured");
        return;
    }
    all.sort();
    // Files from everywhere rather than all of the first crates.
    let step = 37;
    let spread = (0..step).flat_map(|from| all.iter().skip(from).step_by(step));
    let mut alarms = BTreeMap::new();
    let mut bytes = 0;
    for path in spread {
        if bytes > BYTES_MAX {
            break;
        }
        if let Ok(text) = std::fs::read_to_string(path)
            && text.len() < 400_000
        {
            bytes += tally(std::iter::once(text.as_str()), &mut alarms);
        }
    }
    let mut counted = 0;
    for (what, places) in &alarms {
        println!(
            "{:>5}  {what}: {:?}",
            places.len(),
            &places[..places.len().min(4)]
        );
        if !EXPECTED.iter().any(|label| what.starts_with(label)) {
            counted += places.len();
        }
    }
    let each = counted as f64 * 1e6 / bytes as f64;
    println!("{counted} false alarms in {bytes} bytes: {each:.2} per million");
    assert!(each <= 6.0, "{each:.2} per million bytes");
}

/// A line of each kind of machine text.
fn line(random: &mut Random) -> String {
    const HEX: &str = "0123456789abcdef";
    const BASE64: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    match random.below(14) {
        0 => [8, 4, 4, 4, 12].map(|n| random.draw(HEX, n)).join("-"),
        1 => format!("sha256:{}", random.draw(HEX, 64)),
        2 => format!("commit {}", random.draw(HEX, 40)),
        3 => format!("data:image/png;base64,{}", random.draw(BASE64, 400)),
        4 => format!("checksum = \"{}\"", random.draw(HEX, 64)),
        5 => format!("\"integrity\": \"sha512-{}==\"", random.draw(BASE64, 86)),
        6 => format!(
            "color: #{}; border: {}px",
            random.draw(HEX, 6),
            random.below(90)
        ),
        7 => format!(
            "v{}.{}.{}-rc.{}",
            random.below(40),
            random.below(99),
            random.below(999),
            random.below(9)
        ),
        8 => format!(
            "order {} of {}",
            random.shape("##########"),
            random.shape("2024-##-##")
        ),
        9 => format!(
            "17{}.{} ts={}",
            random.shape("########"),
            random.shape("######"),
            random.shape("17###########")
        ),
        10 => format!(
            "function {}(t,e){{var n={};return t>>>{}^e}}",
            random.draw(BASE64, 2),
            random.shape("#######"),
            random.below(32)
        ),
        11 => format!("etag: W/\"{}\"", random.draw(HEX, 32)),
        12 => format!(
            "{}:{:02}:{:02}.{} [{}] id={}",
            random.below(24),
            random.below(60),
            random.below(60),
            random.shape("###"),
            random.shape("####"),
            random.draw(HEX, 16)
        ),
        _ => format!(
            "INSERT INTO t VALUES ({}, '{}', {});",
            random.shape("########"),
            random.draw(HEX, 24),
            random.shape("###.##")
        ),
    }
}

#[test]
fn generated_machine_text_raises_hardly_any_alarm() {
    let mut random = Random::new();
    let lines: Vec<String> = (0..30_000).map(|_| line(&mut random)).collect();
    let text = lines.join("\n");
    let mut alarms = BTreeMap::new();
    let bytes = tally(std::iter::once(text.as_str()), &mut alarms);
    let count: usize = alarms.values().map(Vec::len).sum();
    let each = count as f64 * 1e6 / bytes as f64;
    println!("{alarms:?}\n{count} in {bytes} bytes: {each:.2} per million");
    assert!(each <= 5.0, "{alarms:?}");
}
