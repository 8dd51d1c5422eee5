//! A tiny random model in the folder format.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const HIDDEN: usize = 16;
const LAYERS: usize = 2;
const FFN: usize = 24;
pub(crate) const POSITIONS: usize = 12;
pub(crate) const WINDOW: usize = 8;
const WORDS: [&str; 12] = [
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "cat", "sat", "on", "a", "mat", ".", "##s",
];
pub(crate) const LABELS: [&str; 3] = ["toxicity", "violence", "unsafe"];

pub(crate) type Tensors = BTreeMap<String, (safetensors::Dtype, Vec<usize>, Vec<u8>)>;

/// A xorshift generator, so that every run makes the same model.
struct Random(u64);

impl Random {
    fn byte(&mut self) -> u8 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.to_le_bytes()[3]
    }

    /// Between -1 and 1.
    fn value(&mut self) -> f32 {
        f32::from(self.byte()) / 127.5 - 1.0
    }
}

pub(crate) fn tensors() -> Tensors {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut tensors = Tensors::new();
    let mut matrix = |name: String, rows: usize, columns: usize| {
        let bytes = (0..rows * columns).map(|_| random.byte()).collect();
        tensors.insert(
            format!("{name}.q"),
            (safetensors::Dtype::U8, vec![rows, columns], bytes),
        );
        let scale = 0.01_f32.to_le_bytes().repeat(rows);
        tensors.insert(
            format!("{name}.scale"),
            (safetensors::Dtype::F32, vec![rows], scale),
        );
    };
    matrix(
        "embeddings.word_embeddings.weight".to_owned(),
        WORDS.len(),
        HIDDEN,
    );
    matrix(
        "embeddings.position_embeddings.weight".to_owned(),
        POSITIONS,
        HIDDEN,
    );
    matrix(
        "embeddings.token_type_embeddings.weight".to_owned(),
        2,
        HIDDEN,
    );
    let layer = |index: usize, part: &str| format!("encoder.layer.{index}.{part}");
    let mut plain = vec![("embeddings.LayerNorm.bias".to_owned(), vec![HIDDEN], None)];
    plain.push((
        "embeddings.LayerNorm.weight".to_owned(),
        vec![HIDDEN],
        Some(1.0),
    ));
    for index in 0..LAYERS {
        for (part, inputs, outputs) in [
            ("attention.self.query", HIDDEN, HIDDEN),
            ("attention.self.key", HIDDEN, HIDDEN),
            ("attention.self.value", HIDDEN, HIDDEN),
            ("attention.output.dense", HIDDEN, HIDDEN),
            ("intermediate.dense", HIDDEN, FFN),
            ("output.dense", FFN, HIDDEN),
        ] {
            matrix(layer(index, &format!("{part}.weight")), outputs, inputs);
            plain.push((layer(index, &format!("{part}.bias")), vec![outputs], None));
        }
        for part in ["attention.output.LayerNorm", "output.LayerNorm"] {
            plain.push((
                layer(index, &format!("{part}.weight")),
                vec![HIDDEN],
                Some(1.0),
            ));
            plain.push((layer(index, &format!("{part}.bias")), vec![HIDDEN], None));
        }
    }
    plain.push((
        "classifier.weight".to_owned(),
        vec![LABELS.len(), HIDDEN],
        None,
    ));
    plain.push(("classifier.bias".to_owned(), vec![LABELS.len()], None));
    for (name, shape, fixed) in plain {
        let length = shape.iter().product();
        let values = (0..length).map(|_| fixed.unwrap_or_else(|| random.value()));
        let bytes = values.flat_map(f32::to_le_bytes).collect();
        tensors.insert(name, (safetensors::Dtype::F32, shape, bytes));
    }
    tensors
}

fn tokenizer() -> Value {
    let vocab: serde_json::Map<String, Value> = WORDS
        .iter()
        .enumerate()
        .map(|(id, word)| ((*word).to_owned(), json!(id)))
        .collect();
    let special = |id: usize| {
        json!({"id": id, "content": WORDS[id], "single_word": false, "lstrip": false,
               "rstrip": false, "normalized": false, "special": true})
    };
    json!({
        "version": "1.0", "truncation": {"direction": "Right", "max_length": 4,
            "strategy": "LongestFirst", "stride": 0}, "padding": null,
        "added_tokens": (0..4).map(special).collect::<Vec<_>>(),
        "normalizer": {"type": "BertNormalizer", "clean_text": true,
            "handle_chinese_chars": true, "strip_accents": null, "lowercase": true},
        "pre_tokenizer": {"type": "BertPreTokenizer"}, "post_processor": null, "decoder": null,
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocab},
    })
}

pub(crate) fn manifest() -> Value {
    let label = |name: &&str| {
        json!({"name": name, "calibration": {"a": 1.5, "b": -0.25},
               "flag_ppm": 400_000, "block_ppm": 800_000})
    };
    json!({
        "schema": "countersign/model/v1", "id": "tiny", "version": "7",
        "architecture": {"kind": "bert", "pooling": "mean", "hidden": HIDDEN, "layers": LAYERS,
            "heads": 4, "ffn": FFN, "positions": POSITIONS, "vocab": WORDS.len(),
            "layer_norm_eps": 1e-12},
        "window_tokens": WINDOW, "labels": LABELS.iter().map(label).collect::<Vec<_>>(),
    })
}

pub(crate) fn write(dir: &Path, tensors: &Tensors, mut manifest: Value) {
    let views = tensors.iter().map(|(name, (dtype, shape, bytes))| {
        let view = safetensors::tensor::TensorView::new(*dtype, shape.clone(), bytes).unwrap();
        (name.clone(), view)
    });
    let weights = safetensors::serialize(views.collect::<Vec<_>>(), None).unwrap();
    let tokenizer = serde_json::to_vec(&tokenizer()).unwrap();
    let entry =
        |bytes: &[u8]| json!({"sha256": hex::encode(Sha256::digest(bytes)), "bytes": bytes.len()});
    if manifest.get("files").is_none() {
        manifest["files"] =
            json!({"model.safetensors": entry(&weights), "tokenizer.json": entry(&tokenizer)});
    }
    std::fs::write(dir.join("model.safetensors"), weights).unwrap();
    std::fs::write(dir.join("tokenizer.json"), tokenizer).unwrap();
    std::fs::write(
        dir.join("manifest.json"),
        serde_json::to_vec(&manifest).unwrap(),
    )
    .unwrap();
}
