//! Text to tokens and back, from what the model's own file says of its vocabulary.

use std::collections::HashMap;

use candle_core::quantized::gguf_file::{Content, Value};
use candle_core::{Result, bail};

/// Stands for a space inside pieces.
const SPACE: char = '\u{2581}';

/// The pieces of a scored vocabulary: of all neighbours, the pair that joins to the best piece joins first.
#[derive(Debug)]
pub struct Vocabulary {
    pieces: Vec<String>,
    scores: Vec<f32>,
    ids: HashMap<String, u32>,
    begin: u32,
    end: u32,
}

impl Vocabulary {
    /// Reads it from a model file's metadata.
    ///
    /// # Errors
    /// A file whose vocabulary is of another kind.
    pub fn read(content: &Content) -> Result<Self> {
        let get = |key: &str| match content.metadata.get(key) {
            Some(value) => Ok(value),
            None => bail!("the model file has no {key}"),
        };
        let kind = get("tokenizer.ggml.model")?.to_string()?;
        if kind != "llama" {
            bail!("the vocabulary is of kind {kind}, not llama");
        }
        let pieces = get("tokenizer.ggml.tokens")?.to_vec()?.iter();
        let pieces: Vec<String> = pieces
            .map(|piece| piece.to_string().cloned())
            .collect::<Result<_>>()?;
        let scores = get("tokenizer.ggml.scores")?.to_vec()?.iter();
        let scores = scores.map(Value::to_f32).collect::<Result<_>>()?;
        let numbered = (0_u32..).zip(&pieces);
        let ids = numbered.map(|(id, piece)| (piece.clone(), id)).collect();
        Ok(Self {
            pieces,
            scores,
            ids,
            begin: get("tokenizer.ggml.bos_token_id")?.to_u32()?,
            end: get("tokenizer.ggml.eos_token_id")?.to_u32()?,
        })
    }

    /// The tokens of a text that the model is to go on with.
    pub fn prompt(&self, text: &str) -> Vec<u32> {
        let mut tokens = vec![self.begin];
        tokens.extend(self.tokens(text));
        tokens
    }

    /// Whether the model says with `token` that it has answered.
    pub fn ends(&self, token: u32) -> bool {
        self.end == token
    }

    fn tokens(&self, text: &str) -> Vec<u32> {
        let text = text.replace(' ', &SPACE.to_string());
        let mut pieces: Vec<String> = text.chars().map(String::from).collect();
        loop {
            let joined = pieces.windows(2).enumerate().filter_map(|(at, pair)| {
                let id = *self.ids.get(&pair.concat())?;
                Some((at, *self.scores.get(id as usize)?))
            });
            let Some((at, _)) = joined.max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))
            else {
                break;
            };
            let second = pieces.remove(at + 1);
            pieces[at].push_str(&second);
        }
        pieces
            .iter()
            .flat_map(|piece| self.spelled(piece))
            .collect()
    }

    /// A piece's token; what the vocabulary does not know is spelled in bytes.
    fn spelled(&self, piece: &str) -> Vec<u32> {
        match self.ids.get(piece) {
            Some(id) => vec![*id],
            None => piece
                .bytes()
                .filter_map(|b| self.ids.get(&format!("<0x{b:02X}>")).copied())
                .collect(),
        }
    }

    /// The bytes of a token; they need not be whole characters.
    pub fn bytes(&self, token: u32) -> Vec<u8> {
        let piece = self.pieces.get(token as usize).map_or("", String::as_str);
        let byte = piece.strip_prefix("<0x").and_then(|p| p.strip_suffix('>'));
        match byte.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => vec![byte],
            None => piece.replace(SPACE, " ").into_bytes(),
        }
    }
}
