//! A BERT encoder with mean pooling and a linear head, on the CPU in f32.

use candle_core::{Device, Result, Tensor};

use crate::LoadError;
use crate::kernel::{AddBias, AddBiasGelu, AddBiasNorm, Norm, Softmax};
use crate::manifest::Architecture;
use crate::weights::{Weights, transpose};

/// The weights, expanded. Shared by all backends of a set.
pub(crate) struct Encoder {
    heads: usize,
    hidden: usize,
    vocab: usize,
    positions: usize,
    words: Tensor,
    /// Position embeddings with that of the only token type added.
    places: Tensor,
    norm: Norm,
    layers: Vec<Layer>,
    head: Dense,
}

struct Layer {
    /// Query, key and value side by side; the query is already scaled.
    qkv: Dense,
    out: Dense,
    norm_attention: Norm,
    up: Dense,
    down: Dense,
    norm_ffn: Norm,
}

/// A linear map; `weight` is `[in, out]`.
struct Dense {
    weight: Tensor,
    bias: Vec<f32>,
}

impl Encoder {
    pub(crate) fn load(
        weights: &Weights<'_>,
        shape: &Architecture,
        labels: usize,
    ) -> std::result::Result<Self, LoadError> {
        let hidden = shape.hidden;
        let name = "embeddings.word_embeddings.weight";
        let words = weights.tensor(
            name,
            weights.matrix(name, shape.vocab, hidden)?,
            shape.vocab,
            hidden,
        )?;
        let name = "embeddings.position_embeddings.weight";
        let mut places = weights.matrix(name, shape.positions, hidden)?;
        let types = weights.matrix("embeddings.token_type_embeddings.weight", 2, hidden)?;
        for place in places.chunks_exact_mut(hidden) {
            for (value, addend) in place.iter_mut().zip(&types) {
                *value += addend;
            }
        }
        let places = weights.tensor(name, places, shape.positions, hidden)?;
        let layers = (0..shape.layers).map(|index| Layer::load(weights, shape, index));
        let head = weights.plain("classifier.weight", &[labels, hidden])?;
        Ok(Self {
            heads: shape.heads,
            hidden,
            vocab: shape.vocab,
            positions: shape.positions,
            words,
            places,
            norm: norm(weights, "embeddings.LayerNorm", shape)?,
            layers: layers.collect::<std::result::Result<_, _>>()?,
            head: Dense {
                weight: weights.tensor(
                    "classifier.weight",
                    transpose(&head, hidden),
                    hidden,
                    labels,
                )?,
                bias: weights.plain("classifier.bias", &[labels])?,
            },
        })
    }

    /// Logits of one window.
    pub(crate) fn logits(&self, ids: &[u32]) -> Result<Vec<f32>> {
        let tokens = ids.len();
        if tokens == 0 || tokens > self.positions {
            candle_core::bail!("a window of {tokens} tokens")
        }
        if ids
            .iter()
            .any(|id| usize::try_from(*id).map_or(true, |id| id >= self.vocab))
        {
            candle_core::bail!("a token outside the vocabulary")
        }
        let ids = Tensor::from_slice(ids, tokens, &Device::Cpu)?;
        let none = vec![0.0; self.hidden];
        let mut x = (self.words.index_select(&ids, 0)? + self.places.narrow(0, 0, tokens)?)?;
        x.inplace_op1(&AddBiasNorm {
            bias: &none,
            norm: &self.norm,
        })?;
        for layer in &self.layers {
            x = layer.forward(&x, self.heads)?;
        }
        let pooled = x.mean_keepdim(0)?;
        self.head.forward(&pooled)?.flatten_all()?.to_vec1()
    }
}

impl Layer {
    fn load(
        weights: &Weights<'_>,
        shape: &Architecture,
        index: usize,
    ) -> std::result::Result<Self, LoadError> {
        let at = |part: &str| format!("encoder.layer.{index}.{part}");
        let (hidden, ffn) = (shape.hidden, shape.ffn);
        Ok(Self {
            qkv: fused(weights, &at("attention.self"), shape)?,
            out: dense(weights, &at("attention.output.dense"), hidden, hidden)?,
            norm_attention: norm(weights, &at("attention.output.LayerNorm"), shape)?,
            up: dense(weights, &at("intermediate.dense"), hidden, ffn)?,
            down: dense(weights, &at("output.dense"), ffn, hidden)?,
            norm_ffn: norm(weights, &at("output.LayerNorm"), shape)?,
        })
    }

    fn forward(&self, x: &Tensor, heads: usize) -> Result<Tensor> {
        let (tokens, hidden) = x.dims2()?;
        let qkv = self.qkv.forward(x)?;
        let part = |nth: usize| {
            let split = (tokens, heads, hidden / heads);
            let part = qkv.narrow(1, nth * hidden, hidden)?.contiguous()?;
            part.reshape(split)?.transpose(0, 1)?.contiguous()
        };
        let (query, key, value) = (part(0)?, part(1)?, part(2)?);
        let attention = query.matmul(&key.transpose(1, 2)?)?;
        attention.inplace_op1(&Softmax(tokens))?;
        let mixed = attention.matmul(&value)?.transpose(0, 1)?.contiguous()?;
        let out = mixed.reshape((tokens, hidden))?.matmul(&self.out.weight)?;
        let x = self.norm_attention.after(&out, x, &self.out.bias)?;
        let inner = x.matmul(&self.up.weight)?;
        inner.inplace_op1(&AddBiasGelu(&self.up.bias))?;
        let out = inner.matmul(&self.down.weight)?;
        self.norm_ffn.after(&out, &x, &self.down.bias)
    }
}

impl Norm {
    /// The norm of a step's output, its bias and the step's input.
    fn after(&self, out: &Tensor, input: &Tensor, bias: &[f32]) -> Result<Tensor> {
        let sum = (out + input)?;
        sum.inplace_op1(&AddBiasNorm { bias, norm: self })?;
        Ok(sum)
    }
}

impl Dense {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let out = x.matmul(&self.weight)?;
        out.inplace_op1(&AddBias(&self.bias))?;
        Ok(out)
    }
}

fn dense(
    weights: &Weights<'_>,
    name: &str,
    inputs: usize,
    outputs: usize,
) -> std::result::Result<Dense, LoadError> {
    let weight = format!("{name}.weight");
    let matrix = transpose(&weights.matrix(&weight, outputs, inputs)?, inputs);
    Ok(Dense {
        weight: weights.tensor(&weight, matrix, inputs, outputs)?,
        bias: weights.plain(&format!("{name}.bias"), &[outputs])?,
    })
}

/// Query, key and value in one map, so that the input is read once.
fn fused(
    weights: &Weights<'_>,
    name: &str,
    shape: &Architecture,
) -> std::result::Result<Dense, LoadError> {
    let hidden = shape.hidden;
    let mut rows = Vec::with_capacity(3 * hidden * hidden);
    let mut bias = Vec::with_capacity(3 * hidden);
    for part in ["query", "key", "value"] {
        let scale = if part == "query" {
            query_scale(shape)
        } else {
            1.0
        };
        let matrix = weights.matrix(&format!("{name}.{part}.weight"), hidden, hidden)?;
        rows.extend(matrix.iter().map(|w| w * scale));
        let addends = weights.plain(&format!("{name}.{part}.bias"), &[hidden])?;
        bias.extend(addends.iter().map(|b| b * scale));
    }
    let weight = weights.tensor(name, transpose(&rows, hidden), hidden, 3 * hidden)?;
    Ok(Dense { weight, bias })
}

#[allow(
    clippy::cast_precision_loss,
    reason = "a head has some dozen dimensions"
)]
fn query_scale(shape: &Architecture) -> f32 {
    1.0 / ((shape.hidden / shape.heads) as f32).sqrt()
}

fn norm(
    weights: &Weights<'_>,
    name: &str,
    shape: &Architecture,
) -> std::result::Result<Norm, LoadError> {
    Ok(Norm {
        gain: weights.plain(&format!("{name}.weight"), &[shape.hidden])?,
        offset: weights.plain(&format!("{name}.bias"), &[shape.hidden])?,
        epsilon: shape.layer_norm_eps,
    })
}
