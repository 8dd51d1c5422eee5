//! What is found is documented, and what is documented is found.

use std::collections::BTreeSet;

use super::PATTERNS;
use super::examples::{CHECKED, SHAPED};
use super::secrets::assembled;
use countersign_classifiers::Detector;

const PAGE: &str = include_str!("../../../docs/pii.md");

#[test]
fn every_entity_and_label_has_its_row_in_the_page() {
    for (entity, label) in PATTERNS.entities() {
        let row = PAGE
            .lines()
            .find(|line| line.starts_with(&format!("| `{entity}` |")));
        let row = row.unwrap_or_else(|| panic!("{entity} has no row"));
        assert!(
            row.contains(&format!("`{label}`")),
            "{entity} is {label}: {row}"
        );
    }
    let known: BTreeSet<&str> = PATTERNS
        .entities()
        .into_iter()
        .map(|(entity, _)| entity)
        .collect();
    for line in PAGE.lines().filter(|line| line.starts_with("| `")) {
        let entity = line.split('`').nth(1).unwrap_or_default();
        assert!(known.contains(entity), "{entity} is documented and unknown");
    }
}

#[test]
fn every_entity_has_an_example_and_every_label_an_entity() {
    let mut shown: BTreeSet<String> = CHECKED
        .iter()
        .chain(SHAPED)
        .map(|e| e.0.to_owned())
        .collect();
    shown.extend(
        assembled()
            .into_iter()
            .map(|(entity, _, _)| entity.to_owned()),
    );
    let mut labels = BTreeSet::new();
    for (entity, label) in PATTERNS.entities() {
        assert!(shown.contains(entity), "{entity} has no example");
        labels.insert(label.to_owned());
    }
    assert_eq!(labels, PATTERNS.labels().into_iter().collect());
}

#[test]
fn every_file_of_the_rules_is_in_the_digest() {
    let room = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/pattern");
    let register = std::fs::read_to_string(room.join("label.rs")).unwrap();
    let mut folders = vec![room.clone()];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(&room).unwrap().display().to_string();
            if name.starts_with("tests") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                files += 1;
                assert!(
                    register.contains(&format!("include_str!(\"{name}\")")),
                    "{name}"
                );
            }
        }
    }
    assert!(files > 20);
}
