//! The adapter: a model folder as a [`Backend`].

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use countersign_classifiers::{Backend, BackendError, ModelLabel, Window, window};
use countersign_record::{DetectorRef, Score, Span};
use tokenizers::Tokenizer;

use crate::LoadError;
use crate::encoder::Encoder;
use crate::manifest::{Calibration, Folder, Label, TOKENIZER, WEIGHTS};
use crate::weights::Weights;

/// The tokenizer's word limit: what is longer becomes one unknown token, which says nothing.
const WORD_CHARS_MAX: usize = 100;

/// Where a model runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Device {
    /// The processor, in f32.
    #[default]
    Cpu,
}

/// A model folder, loaded. Copies share the weights.
#[derive(Clone)]
pub struct CandleBackend {
    model: Arc<Model>,
}

struct Model {
    detector: DetectorRef,
    labels: Vec<Label>,
    /// Tokens of a window besides the two special ones.
    content_tokens: usize,
    tokenizer: Tokenizer,
    first: u32,
    last: u32,
    encoder: Encoder,
}

/// Loads a model once, for `n` backends (at least one) that share its weights.
///
/// # Errors
/// As [`CandleBackend::load`].
pub fn load_set(dir: &Path, n: usize) -> Result<Vec<Box<dyn Backend>>, LoadError> {
    let backend = CandleBackend::load(dir, Device::Cpu)?;
    Ok((0..n.max(1))
        .map(|_| Box::new(backend.clone()) as Box<dyn Backend>)
        .collect())
}

impl CandleBackend {
    /// Loads the model in `dir`.
    ///
    /// # Errors
    /// [`LoadError`] when a file is missing, is not the one the manifest names, or does not fit the
    /// architecture.
    pub fn load(dir: &Path, device: Device) -> Result<Self, LoadError> {
        let Device::Cpu = device;
        let folder = Folder::open(dir)?;
        let manifest = folder.manifest.clone();
        let (tokenizer, first, last) = tokenizer(&folder)?;
        let bytes = folder.file(WEIGHTS)?;
        let path = folder.path_of(WEIGHTS);
        let weights = Weights::parse(&path, &bytes)?;
        let encoder = Encoder::load(&weights, &manifest.architecture, manifest.labels.len())?;
        let digest = format!("sha256:{}", folder.digest);
        let (id, version) = (manifest.id, manifest.version);
        Ok(Self {
            model: Arc::new(Model {
                detector: DetectorRef {
                    id,
                    version,
                    digest,
                },
                labels: manifest.labels,
                content_tokens: manifest.window_tokens - 2,
                tokenizer,
                first,
                last,
                encoder,
            }),
        })
    }

    /// The uncalibrated outputs for one window, one per label.
    ///
    /// # Errors
    /// [`BackendError`] when the window does not fit the model.
    pub fn logits(&self, window: &Window) -> Result<Vec<f32>, BackendError> {
        self.model
            .encoder
            .logits(&window.ids)
            .map_err(|e| BackendError::new(e.to_string()))
    }
}

impl fmt::Debug for CandleBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CandleBackend")
            .field("detector", &self.model.detector)
            .finish()
    }
}

impl Backend for CandleBackend {
    fn describe(&self) -> DetectorRef {
        self.model.detector.clone()
    }

    fn labels(&self) -> Vec<ModelLabel> {
        let label = |l: &Label| {
            let name = l.name.clone();
            ModelLabel {
                name,
                flag: l.flag_ppm,
                block: l.block_ppm,
            }
        };
        self.model.labels.iter().map(label).collect()
    }

    fn plan(&self, text: &str) -> Result<Vec<Window>, BackendError> {
        let model = &self.model;
        let (ids, offsets) = model.tokens(text)?;
        let windows = window::plan(text, &offsets, model.content_tokens)
            .into_iter()
            .map(|range| {
                let content = ids.get(range.clone()).unwrap_or_default();
                let ids = [&[model.first], content, &[model.last]].concat();
                Window {
                    ids,
                    span: window::span_of(&offsets, &range),
                }
            });
        Ok(windows.collect())
    }

    fn score(&mut self, windows: &[&Window]) -> Result<Vec<Vec<Score>>, BackendError> {
        let calibrations = || self.model.labels.iter().map(|label| label.calibration);
        let row = |window: &&Window| {
            let logits = self.logits(window)?;
            logits
                .into_iter()
                .zip(calibrations())
                .map(|(x, c)| score(x, c))
                .collect()
        };
        windows.iter().map(row).collect()
    }
}

impl Model {
    /// Token ids without special ones, and the bytes each stands for.
    fn tokens(&self, text: &str) -> Result<(Vec<u32>, Vec<Span>), BackendError> {
        let (mut ids, mut offsets) = (Vec::new(), Vec::new());
        let mut from = 0;
        for (start, end) in overlong_words(text) {
            self.encode(text, from..start, &mut ids, &mut offsets)?;
            let mut at = start;
            while at < end {
                let rest = text.get(at..end).unwrap_or_default();
                let length = rest
                    .char_indices()
                    .nth(WORD_CHARS_MAX)
                    .map_or(rest.len(), |(i, _)| i);
                self.encode(text, at..at + length, &mut ids, &mut offsets)?;
                at += length;
            }
            from = end;
        }
        self.encode(text, from..text.len(), &mut ids, &mut offsets)?;
        Ok((ids, offsets))
    }

    fn encode(
        &self,
        text: &str,
        range: std::ops::Range<usize>,
        ids: &mut Vec<u32>,
        offsets: &mut Vec<Span>,
    ) -> Result<(), BackendError> {
        let base = range.start;
        let Some(part) = text.get(range).filter(|part| !part.is_empty()) else {
            return Ok(());
        };
        let encoding = self
            .tokenizer
            .encode(part, false)
            .map_err(|_error| BackendError::new("the text could not be tokenised"))?;
        ids.extend(encoding.get_ids());
        let moved = |(start, end): &(usize, usize)| Span {
            start: base + start,
            end: base + end,
        };
        offsets.extend(encoding.get_offsets().iter().map(moved));
        Ok(())
    }
}

/// Stretches of letters and digits that are too long for a word of the tokenizer.
fn overlong_words(text: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let (mut start, mut length) = (0, 0);
    let ends = text.char_indices().chain([(text.len(), ' ')]);
    for (at, c) in ends {
        if c.is_whitespace() || c.is_ascii_punctuation() {
            if length > WORD_CHARS_MAX {
                found.push((start, at));
            }
            (start, length) = (at + c.len_utf8(), 0);
        } else {
            length += 1;
        }
    }
    found
}

fn tokenizer(folder: &Folder) -> Result<(Tokenizer, u32, u32), LoadError> {
    let path = folder.path_of(TOKENIZER);
    let invalid = |reason: String| LoadError::Invalid {
        path: path.clone(),
        reason,
    };
    let bytes = folder.file(TOKENIZER)?;
    let mut tokenizer = Tokenizer::from_bytes(bytes).map_err(|error| invalid(error.to_string()))?;
    tokenizer
        .with_truncation(None)
        .map_err(|error| invalid(error.to_string()))?;
    tokenizer.with_padding(None);
    // `[SEP]` written in a text is text; it must not look like the end of a window.
    tokenizer.set_encode_special_tokens(true);
    let special = |name: &str| {
        tokenizer
            .token_to_id(name)
            .ok_or_else(|| invalid(format!("has no token {name}")))
    };
    let (first, last) = (special("[CLS]")?, special("[SEP]")?);
    let (size, vocab) = (
        tokenizer.get_vocab_size(true),
        folder.manifest.architecture.vocab,
    );
    if size > vocab {
        return Err(invalid(format!(
            "has {size} tokens, the model knows {vocab}"
        )));
    }
    Ok((tokenizer, first, last))
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a probability in parts per million lies between 0 and 1 000 000"
)]
fn score(logit: f32, calibration: Calibration) -> Result<Score, BackendError> {
    let x = calibration.a * f64::from(logit) + calibration.b;
    let probability = 1.0 / (1.0 + (-x).exp());
    if probability.is_nan() {
        return Err(BackendError::new("the model gave no number"));
    }
    let ppm = (probability * f64::from(Score::MAX.ppm())).round() as u32;
    Score::from_ppm(ppm).map_err(|error| BackendError::new(error.to_string()))
}
