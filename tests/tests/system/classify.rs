//! `countersign classify`: order, long texts, and harm that hides in them.

use std::fmt::Write as _;

use countersign_tests::program;
use serde_json::{Value, json};

const BENIGN: &str = "The library opens at nine and the reading room is on the second floor. ";
const HARMFUL: &str =
    "You filthy animals should all be hunted down and killed, I will murder you. ";

fn classify(texts: &[(String, String)]) -> Vec<Value> {
    let mut input = String::new();
    for (id, text) in texts {
        writeln!(input, "{}", json!({ "id": id, "text": text })).unwrap();
    }
    let finished = program::run_with_input(["classify"], input.into_bytes());
    finished.expect_code(0);
    finished
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Tokens of one window, from the shipped model's manifest.
fn window_tokens() -> u64 {
    let models = program::repository().join("classifiers/models");
    let mut folders = std::fs::read_dir(models)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let manifest = folders.find_map(|folder| std::fs::read(folder.join("manifest.json")).ok());
    let manifest: Value = serde_json::from_slice(&manifest.unwrap()).unwrap();
    manifest["window_tokens"].as_u64().unwrap()
}

fn present(answer: &Value) -> Vec<String> {
    let verdicts = answer["verdicts"].as_object().unwrap();
    let present = verdicts
        .iter()
        .filter(|(_label, verdict)| *verdict == "present");
    present.map(|(label, _verdict)| label.clone()).collect()
}

#[test]
fn a_thousand_lines_come_back_in_input_order() {
    let texts: Vec<_> = (0..1000)
        .map(|n| {
            (
                format!("line-{n}"),
                format!("Sentence {n}. {}", BENIGN.repeat(n % 4)),
            )
        })
        .collect();
    let answers = classify(&texts);
    let ids: Vec<_> = answers
        .iter()
        .map(|answer| answer["id"].as_str().unwrap())
        .collect();
    let asked: Vec<_> = texts.iter().map(|(id, _text)| id.as_str()).collect();
    assert_eq!(ids, asked);
    for answer in &answers {
        for (label, score) in answer["signals"].as_object().unwrap() {
            let score = score
                .as_u64()
                .unwrap_or_else(|| panic!("{label} has score {score}"));
            assert!(score <= 1_000_000, "{label} has score {score}");
        }
    }
}

#[test]
fn a_long_text_is_read_whole_in_windows() {
    let long: String = BENIGN.repeat(400).chars().take(20_000).collect();
    let answers = classify(&[
        ("short".into(), BENIGN.into()),
        ("long".into(), long.clone()),
    ]);
    assert_eq!(answers[0]["windows"].as_u64(), Some(1));
    // No word is less than one token, so fewer windows could not hold the text.
    let words = long.split_whitespace().count() as u64;
    let windows = answers[1]["windows"].as_u64().unwrap();
    assert!(
        windows * window_tokens() >= words,
        "{windows} windows cannot hold {words} words"
    );
}

#[test]
fn a_harmful_sentence_keeps_its_verdict_wherever_it_hides() {
    let padding: String = BENIGN.repeat(140);
    let alone = ("alone".to_owned(), HARMFUL.to_owned());
    let hidden = [
        ("start", format!("{HARMFUL}{padding}{padding}")),
        ("middle", format!("{padding}{HARMFUL}{padding}")),
        ("end", format!("{padding}{padding}{HARMFUL}")),
    ];
    let mut texts = vec![alone, ("benign".to_owned(), format!("{padding}{padding}"))];
    texts.extend(hidden.map(|(id, text)| (id.to_owned(), text)));
    let answers = classify(&texts);
    let expected = present(&answers[0]);
    assert!(
        !expected.is_empty(),
        "the sentence alone is not found harmful: {}",
        answers[0]
    );
    assert_eq!(
        present(&answers[1]),
        Vec::<String>::new(),
        "the padding is found harmful"
    );
    for answer in &answers[2..] {
        let found = present(answer);
        let kept = expected.iter().any(|label| found.contains(label));
        assert!(kept, "{}: {found:?} instead of {expected:?}", answer["id"]);
    }
}
