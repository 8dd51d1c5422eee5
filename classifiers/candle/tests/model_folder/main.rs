//! A model folder is loaded whole or refused with the file and the reason. The model is tiny and
//! random, made here.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod tiny;

use countersign_classifiers::{Backend, Window};
use countersign_classifiers_candle::{CandleBackend, Device, LoadError, load_set};
use countersign_record::{Score, Span};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use self::tiny::{LABELS, POSITIONS, Tensors, WINDOW, manifest, tensors, write};

fn folder() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), &tensors(), manifest());
    dir
}

fn load(dir: &TempDir) -> Result<CandleBackend, LoadError> {
    CandleBackend::load(dir.path(), Device::Cpu)
}

/// The message of the refusal, without the folder.
fn refusal(dir: &TempDir) -> String {
    let message = load(dir).unwrap_err().to_string();
    message.replace(&format!("{}/", dir.path().display()), "")
}

#[test]
fn a_folder_describes_itself_by_the_digest_of_its_manifest() {
    let dir = folder();
    let backend = load(&dir).unwrap();
    let described = backend.describe();
    let bytes = std::fs::read(dir.path().join("manifest.json")).unwrap();
    assert_eq!(
        (described.id.as_str(), described.version.as_str()),
        ("tiny", "7")
    );
    assert_eq!(
        described.digest,
        format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
    );
    let labels = backend.labels();
    assert_eq!(
        labels.iter().map(|l| l.name.as_str()).collect::<Vec<_>>(),
        LABELS
    );
    assert_eq!(
        (labels[0].flag.ppm(), labels[0].block.ppm()),
        (400_000, 800_000)
    );
}

#[test]
fn a_missing_file_is_named() {
    for file in ["manifest.json", "model.safetensors", "tokenizer.json"] {
        let dir = folder();
        std::fs::remove_file(dir.path().join(file)).unwrap();
        let error = load(&dir).unwrap_err();
        assert!(matches!(&error, LoadError::Unreadable { path, .. } if path.ends_with(file)));
    }
}

#[test]
fn a_changed_file_is_refused_by_its_digest() {
    for file in ["model.safetensors", "tokenizer.json"] {
        let dir = folder();
        let path = dir.path().join(file);
        let mut bytes = std::fs::read(&path).unwrap();
        let last = bytes.len() - 2;
        bytes[last] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        let error = load(&dir).unwrap_err();
        assert!(matches!(&error, LoadError::Digest { path, .. } if path.ends_with(file)));
    }
}

#[test]
fn a_tensor_that_does_not_fit_is_named_with_its_shape() {
    let refuse = |change: &dyn Fn(&mut Tensors)| {
        let dir = tempfile::tempdir().unwrap();
        let mut tensors = tensors();
        change(&mut tensors);
        write(dir.path(), &tensors, manifest());
        refusal(&dir)
    };
    let name = "encoder.layer.1.output.dense.weight.q";
    let missing = refuse(&|t| drop(t.remove(name)));
    assert_eq!(
        missing,
        format!("model.safetensors: tensor {name}: missing")
    );
    let turned = refuse(&|t| t.get_mut(name).unwrap().1.reverse());
    let reason = "is U8 [24, 16], expected U8 [16, 24]";
    assert_eq!(
        turned,
        format!("model.safetensors: tensor {name}: {reason}")
    );
    let not_a_number = refuse(&|t| {
        t.get_mut("classifier.bias").unwrap().2[..4].copy_from_slice(&f32::NAN.to_le_bytes());
    });
    assert!(not_a_number.contains("tensor classifier.bias: holds a value that is no number"));
}

#[test]
fn a_manifest_that_makes_no_sense_is_refused_with_the_reason() {
    let refuse = |change: &dyn Fn(&mut Value)| {
        let dir = tempfile::tempdir().unwrap();
        let mut manifest = manifest();
        change(&mut manifest);
        write(dir.path(), &tensors(), manifest);
        refusal(&dir)
    };
    for (reason, change) in [
        (
            "schema is other, not countersign/model/v1",
            json!({"schema": "other"}),
        ),
        (
            "a window of 13 tokens does not fit 12 positions",
            json!({"window_tokens": 13}),
        ),
        (
            "a window of 2 tokens does not fit 12 positions",
            json!({"window_tokens": 2}),
        ),
        ("labels are missing or named twice", json!({"labels": []})),
        ("does not name tokenizer.json", json!({"files": {}})),
        ("missing field `version`", json!({"version": null})),
    ] {
        let message = refuse(&|manifest| {
            for (key, value) in change.as_object().unwrap() {
                match value {
                    Value::Null => drop(manifest.as_object_mut().unwrap().remove(key)),
                    value => manifest[key] = value.clone(),
                }
            }
        });
        let expected = format!("manifest.json: {reason}");
        assert!(
            message.starts_with(&expected),
            "{message:?} is not {expected:?}"
        );
    }
    let flat = refuse(&|manifest| manifest["labels"][1]["calibration"]["a"] = json!(0.0));
    assert_eq!(
        flat,
        "manifest.json: label violence has no usable calibration"
    );
    let uneven = refuse(&|manifest| manifest["architecture"]["heads"] = json!(3));
    assert_eq!(uneven, "manifest.json: 3 heads do not divide 16");
    let over = refuse(&|manifest| manifest["labels"][0]["block_ppm"] = json!(1_000_001));
    assert!(over.contains("over 1000000"), "{over}");
    let small = refuse(&|manifest| manifest["architecture"]["vocab"] = json!(11));
    assert!(
        small.contains("tokenizer.json: has 12 tokens, the model knows 11"),
        "{small}"
    );
}

#[test]
fn a_long_text_is_covered_without_truncation() {
    let text = "the cat sat on a mat. ".repeat(300);
    let windows = load(&folder()).unwrap().plan(&text).unwrap();
    let mut covered = vec![false; text.len()];
    for window in &windows {
        assert!(window.ids.len() <= WINDOW);
        assert_eq!(
            (window.ids.first(), window.ids.last()),
            (Some(&2), Some(&3))
        );
        covered[window.span.start..window.span.end].fill(true);
    }
    assert!(
        text.bytes()
            .zip(&covered)
            .all(|(byte, covered)| *covered || byte == b' ')
    );
}

#[test]
fn a_windows_scores_depend_on_nothing_but_its_ids() {
    let mut backend = load(&folder()).unwrap();
    let text = "the cat sat. a mat sat on the cats on a mat";
    let windows = backend.plan(text).unwrap();
    assert!(windows.len() > 2);
    let together = backend.score(&windows.iter().collect::<Vec<_>>()).unwrap();
    for (window, row) in windows.iter().zip(&together).rev() {
        assert_eq!(&backend.score(&[window]).unwrap()[0], row);
    }
    assert!(
        together.iter().any(|row| *row != together[0]),
        "scores say nothing"
    );
}

#[test]
fn special_tokens_and_overlong_words_in_a_text_are_read_as_text() {
    let backend = load(&folder()).unwrap();
    let windows = backend.plan("cat [SEP] mat").unwrap();
    assert!(
        windows
            .iter()
            .all(|w| !w.ids[1..w.ids.len() - 1].contains(&3)),
        "{windows:?}"
    );
    let long = "x".repeat(450);
    let windows = backend.plan(&format!("cat {long} mat")).unwrap();
    let tokens: usize = windows[0].ids.len() - 2;
    assert_eq!(
        tokens,
        WINDOW - 2,
        "one token for the whole word says nothing about it"
    );
}

#[test]
fn windows_that_the_model_cannot_read_are_errors() {
    let mut backend = load(&folder()).unwrap();
    for ids in [vec![], vec![4; POSITIONS + 1], vec![12]] {
        let window = Window {
            ids,
            span: Span { start: 0, end: 0 },
        };
        assert!(backend.score(&[&window]).is_err());
    }
}

#[test]
fn a_set_shares_one_model() {
    let dir = folder();
    let mut set = load_set(dir.path(), 3).unwrap();
    assert_eq!(set.len(), 3);
    let windows = set[0].plan("the cat sat").unwrap();
    let rows: Vec<Vec<Vec<Score>>> = set
        .iter_mut()
        .map(|b| b.score(&[&windows[0]]).unwrap())
        .collect();
    assert!(rows.iter().all(|row| *row == rows[0]));
    assert_eq!(load_set(dir.path(), 0).unwrap().len(), 1);
}
