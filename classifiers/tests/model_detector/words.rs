//! A backend whose words say what it does.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};

use countersign_classifiers::{Backend, BackendError, ModelLabel, Window};
use countersign_record::{DetectorRef, Score, Span};

/// A model that reads words: `bad` scores 0.9, `panic` panics, `error` fails, `wide` answers in a
/// wrong shape, `wait` waits for the gate.
#[derive(Clone)]
pub(crate) struct Words {
    id: &'static str,
    calls: Arc<AtomicUsize>,
    gate: Arc<Mutex<Receiver<()>>>,
    entered: SyncSender<()>,
}

pub(crate) struct Controls {
    pub(crate) calls: Arc<AtomicUsize>,
    pub(crate) open: SyncSender<()>,
    pub(crate) entered: Receiver<()>,
}

const WORDS: [&str; 6] = ["bad", "panic", "error", "wide", "wait", "unplannable"];

pub(crate) fn words(id: &'static str) -> (Words, Controls) {
    let (open, gate) = sync_channel(1000);
    let (enter, entered) = sync_channel(1000);
    let calls = Arc::new(AtomicUsize::new(0));
    let gate = Arc::new(Mutex::new(gate));
    (
        Words {
            id,
            calls: Arc::clone(&calls),
            gate,
            entered: enter,
        },
        Controls {
            calls,
            open,
            entered,
        },
    )
}

pub(crate) fn ppm(ppm: u32) -> Score {
    Score::from_ppm(ppm).unwrap()
}

impl Backend for Words {
    fn describe(&self) -> DetectorRef {
        DetectorRef {
            id: self.id.to_owned(),
            version: "1".to_owned(),
            digest: "d".to_owned(),
        }
    }

    fn labels(&self) -> Vec<ModelLabel> {
        let label = |name: &str| ModelLabel {
            name: name.to_owned(),
            flag: ppm(1),
            block: ppm(800_000),
        };
        vec![label("badness"), label("nothing")]
    }

    /// One window per word, and one around all of them.
    fn plan(&self, text: &str) -> Result<Vec<Window>, BackendError> {
        if text == "unplannable" {
            return Err(BackendError::new("no tokens"));
        }
        let id = |word: &str| match WORDS.iter().position(|known| *known == word) {
            Some(at) => u32::try_from(at).unwrap(),
            None => 100 + word.bytes().map(u32::from).sum::<u32>(),
        };
        let mut windows = Vec::new();
        let mut start = 0;
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            let span = Span {
                start,
                end: start + word.len(),
            };
            windows.push(Window {
                ids: vec![id(word)],
                span,
            });
            start = span.end + 1;
        }
        if windows.len() > 1 {
            let ids = windows.iter().flat_map(|w| w.ids.clone()).collect();
            windows.insert(
                0,
                Window {
                    ids,
                    span: Span {
                        start: 0,
                        end: text.len(),
                    },
                },
            );
        }
        Ok(windows)
    }

    fn score(&mut self, windows: &[&Window]) -> Result<Vec<Vec<Score>>, BackendError> {
        self.calls.fetch_add(windows.len(), Ordering::SeqCst);
        let mut rows = Vec::new();
        for window in windows {
            let has = |word: &str| {
                let id = WORDS.iter().position(|known| *known == word).unwrap();
                window.ids.contains(&u32::try_from(id).unwrap())
            };
            if has("wait") {
                self.entered.send(()).unwrap();
                // A closed gate means that the test is over.
                let _open = self.gate.lock().unwrap().recv();
            }
            assert!(!has("panic"), "as scripted");
            if has("error") {
                return Err(BackendError::new("out of order"));
            }
            let score = if has("bad") { ppm(900_000) } else { ppm(1_000) };
            rows.push(if has("wide") {
                vec![score; 3]
            } else {
                vec![score, Score::ZERO]
            });
        }
        Ok(rows)
    }
}
