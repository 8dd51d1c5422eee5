//! The model folder: its manifest, and its files once they are what the manifest says.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use countersign_record::Score;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::LoadError;

const SCHEMA: &str = "countersign/model/v1";
const MANIFEST: &str = "manifest.json";
pub(crate) const WEIGHTS: &str = "model.safetensors";
pub(crate) const TOKENIZER: &str = "tokenizer.json";
/// Windows hold two special tokens and at least one other.
const WINDOW_TOKENS_MIN: usize = 3;

/// What `manifest.json` says, as far as it determines scores.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Manifest {
    schema: String,
    pub(crate) id: String,
    pub(crate) version: String,
    pub(crate) architecture: Architecture,
    pub(crate) window_tokens: usize,
    pub(crate) labels: Vec<Label>,
    files: BTreeMap<String, File>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Architecture {
    #[serde(default = "bert")]
    kind: String,
    #[serde(default = "mean")]
    pooling: String,
    pub(crate) hidden: usize,
    pub(crate) layers: usize,
    pub(crate) heads: usize,
    pub(crate) ffn: usize,
    pub(crate) positions: usize,
    pub(crate) vocab: usize,
    pub(crate) layer_norm_eps: f32,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Label {
    pub(crate) name: String,
    pub(crate) calibration: Calibration,
    pub(crate) flag_ppm: Score,
    pub(crate) block_ppm: Score,
}

/// A logit `x` becomes the score `sigmoid(a * x + b)`.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) struct Calibration {
    pub(crate) a: f64,
    pub(crate) b: f64,
}

#[derive(Debug, Clone, Deserialize)]
struct File {
    sha256: String,
    bytes: u64,
}

fn bert() -> String {
    "bert".to_owned()
}

fn mean() -> String {
    "mean".to_owned()
}

/// A folder whose manifest was read.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    pub(crate) manifest: Manifest,
    /// SHA-256 of the manifest's bytes, in hexadecimal. It covers every file, for the manifest
    /// holds their digests.
    pub(crate) digest: String,
}

impl Folder {
    pub(crate) fn open(path: &Path) -> Result<Self, LoadError> {
        let file = path.join(MANIFEST);
        let bytes = read(&file)?;
        let invalid = |reason: String| LoadError::Invalid {
            path: file.clone(),
            reason,
        };
        let manifest: Manifest =
            serde_json::from_slice(&bytes).map_err(|error| invalid(error.to_string()))?;
        manifest.check().map_err(invalid)?;
        Ok(Self {
            path: path.to_owned(),
            manifest,
            digest: sha256(&bytes),
        })
    }

    pub(crate) fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The bytes of a file, checked against the manifest.
    pub(crate) fn file(&self, name: &str) -> Result<Vec<u8>, LoadError> {
        let path = self.path_of(name);
        let Some(expected) = self.manifest.files.get(name) else {
            let reason = format!("does not name {name}");
            return Err(LoadError::Invalid {
                path: self.path_of(MANIFEST),
                reason,
            });
        };
        let bytes = read(&path)?;
        let found = sha256(&bytes);
        let has_length = u64::try_from(bytes.len()).is_ok_and(|length| length == expected.bytes);
        if !has_length || !found.eq_ignore_ascii_case(&expected.sha256) {
            return Err(LoadError::Digest {
                path,
                expected: expected.sha256.clone(),
                found,
            });
        }
        Ok(bytes)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
    std::fs::read(path).map_err(|source| LoadError::Unreadable {
        path: path.to_owned(),
        source,
    })
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

impl Manifest {
    fn check(&self) -> Result<(), String> {
        let shape = &self.architecture;
        if self.schema != SCHEMA {
            return Err(format!("schema is {}, not {SCHEMA}", self.schema));
        }
        if shape.kind != "bert" || shape.pooling != "mean" {
            return Err(format!(
                "{} with {} pooling is not known",
                shape.kind, shape.pooling
            ));
        }
        if [
            shape.hidden,
            shape.layers,
            shape.heads,
            shape.ffn,
            shape.vocab,
        ]
        .contains(&0)
        {
            return Err("the architecture has a dimension of zero".to_owned());
        }
        if !shape.hidden.is_multiple_of(shape.heads) {
            return Err(format!(
                "{} heads do not divide {}",
                shape.heads, shape.hidden
            ));
        }
        if !(WINDOW_TOKENS_MIN..=shape.positions).contains(&self.window_tokens) {
            let (tokens, positions) = (self.window_tokens, shape.positions);
            return Err(format!(
                "a window of {tokens} tokens does not fit {positions} positions"
            ));
        }
        let mut names: Vec<&str> = self.labels.iter().map(|l| l.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        if names.is_empty() || names.len() < self.labels.len() {
            return Err("labels are missing or named twice".to_owned());
        }
        // A slope of zero or less would make the worst text score lowest.
        let is_usable = |c: Calibration| c.a.is_finite() && c.b.is_finite() && c.a > 0.0;
        match self
            .labels
            .iter()
            .find(|label| !is_usable(label.calibration))
        {
            Some(label) => Err(format!("label {} has no usable calibration", label.name)),
            None => Ok(()),
        }
    }
}
