//! The model: one thread, one answer at a time, token by token as they come.

use std::fs::File;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use candle_core::quantized::gguf_file::Content;
use candle_core::{D, Device, Result, Tensor};
use candle_transformers::models::quantized_gemma3::ModelWeights;
use tokio::sync::mpsc;

use crate::vocabulary::Vocabulary;

/// Questions that may wait; a further one is refused.
const WAITING_MAX: usize = 8;
/// Pieces of an answer that may wait for a slow reader.
const PIECES_MAX: usize = 64;

/// A part of an answer.
#[derive(Debug)]
pub enum Part {
    /// More text.
    Text(String),
    /// The end: tokens read, tokens said, and whether the bound on them cut the answer.
    End {
        /// Tokens of the question.
        read: usize,
        /// Tokens of the answer.
        said: usize,
        /// The bound was reached before the model had finished.
        cut: bool,
    },
}

struct Question {
    text: String,
    tokens_max: usize,
    answer: mpsc::Sender<Part>,
}

/// A way to ask the model.
#[derive(Clone)]
pub struct Model(SyncSender<Question>);

impl Model {
    /// Loads the model of `path` and starts its thread.
    ///
    /// # Errors
    /// A file that is no model of this kind.
    pub fn load(path: &Path) -> Result<Self> {
        let mut file = File::open(path)?;
        let content = Content::read(&mut file)?;
        let vocabulary = Vocabulary::read(&content)?;
        let weights = ModelWeights::from_gguf(content, &mut file, &Device::Cpu)?;
        let (sender, questions) = sync_channel(WAITING_MAX);
        std::thread::spawn(move || serve(&vocabulary, weights, &questions));
        Ok(Self(sender))
    }

    /// Asks; `None` when too many questions wait.
    pub fn ask(&self, text: String, tokens_max: usize) -> Option<mpsc::Receiver<Part>> {
        let (answer, parts) = mpsc::channel(PIECES_MAX);
        let question = Question {
            text,
            tokens_max,
            answer,
        };
        match self.0.try_send(question) {
            Ok(()) => Some(parts),
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => None,
        }
    }
}

fn serve(vocabulary: &Vocabulary, mut weights: ModelWeights, questions: &Receiver<Question>) {
    while let Ok(question) = questions.recv() {
        if let Err(error) = answer(vocabulary, &mut weights, &question) {
            eprintln!("model-server: {error}");
        }
    }
}

/// Always the likeliest token, so that the same question has the same answer.
fn answer(vocabulary: &Vocabulary, weights: &mut ModelWeights, question: &Question) -> Result<()> {
    let mut next = vocabulary.prompt(&question.text);
    let (read, mut position, mut said, mut pending) = (next.len(), 0, 0, Vec::new());
    let cut = loop {
        let input = Tensor::new(next.as_slice(), &Device::Cpu)?.unsqueeze(0)?;
        let logits = weights.forward(&input, position)?.squeeze(0)?;
        position += next.len();
        let token = logits.argmax(D::Minus1)?.to_scalar::<u32>()?;
        if vocabulary.ends(token) {
            break false;
        }
        said += 1;
        pending.extend(vocabulary.bytes(token));
        if let Ok(text) = String::from_utf8(pending.clone()) {
            pending.clear();
            if question.answer.blocking_send(Part::Text(text)).is_err() {
                return Ok(());
            }
        }
        if said >= question.tokens_max {
            break true;
        }
        next = vec![token];
    };
    // A reader that has left needs no end.
    let _left = question.answer.blocking_send(Part::End { read, said, cut });
    Ok(())
}
