//! Texts with their views, and findings brought back from the views.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use countersign_record::{DetectorRun, Evaluation};

use crate::Inspection;
use crate::detector::micros;
use crate::view::{self, View, ViewLimits, views};

/// Texts of more bytes are expanded on a thread where that blocks nobody.
const INLINE_BYTES_MAX: usize = 64 << 10;

/// What the detectors read: the texts, then the views of all of them.
pub(super) struct Expansion {
    pub(super) texts: Arc<[String]>,
    /// How many of them are originals.
    originals: usize,
    /// Each view with the text that it is of. Their own texts have moved to `texts`.
    views: Vec<(usize, View)>,
    pub(super) run: DetectorRun,
}

impl Expansion {
    pub(super) async fn of(texts: Arc<[String]>, limits: ViewLimits) -> Self {
        if texts.iter().map(String::len).sum::<usize>() <= INLINE_BYTES_MAX {
            return Self::make(texts, limits);
        }
        let began = Instant::now();
        let theirs = Arc::clone(&texts);
        tokio::task::spawn_blocking(move || Self::make(theirs, limits))
            .await
            .unwrap_or_else(|_ended| {
                let evaluation = Evaluation::Failed {
                    reason: "interrupted".to_owned(),
                };
                Self::new(texts, Vec::new(), evaluation, began)
            })
    }

    fn make(texts: Arc<[String]>, limits: ViewLimits) -> Self {
        let began = Instant::now();
        let mut made = Vec::new();
        let mut left = limits;
        let mut is_truncated = false;
        for (channel, text) in texts.iter().enumerate() {
            let views = views(text, &left);
            left.memory_max = left.memory_max.saturating_sub(views.memory());
            is_truncated |= views.truncated;
            made.extend(views.list.into_iter().map(|view| (channel, view)));
        }
        let evaluation = if is_truncated {
            Evaluation::Skipped {
                reason: "views_limit".to_owned(),
            }
        } else {
            Evaluation::Scored
        };
        Self::new(texts, made, evaluation, began)
    }

    fn new(
        texts: Arc<[String]>,
        mut views: Vec<(usize, View)>,
        evaluation: Evaluation,
        began: Instant,
    ) -> Self {
        let originals = texts.len();
        let texts = if views.is_empty() {
            texts
        } else {
            let read = views.iter_mut().map(|(_, v)| std::mem::take(&mut v.text));
            texts.iter().cloned().chain(read).collect()
        };
        let run = DetectorRun {
            detector: view::describe(),
            evaluation,
            windows: u32::try_from(views.len()).unwrap_or(u32::MAX),
            elapsed_us: micros(began.elapsed()),
        };
        Self {
            texts,
            originals,
            views,
            run,
        }
    }

    /// Moves findings in views to where they are in the originals. A place that several readings
    /// name counts once, with its highest score.
    pub(super) fn bring_home(&self, inspection: &mut Inspection) {
        if self.views.is_empty() {
            return;
        }
        let mut known = HashMap::new();
        let mut repeated: HashMap<String, u32> = HashMap::new();
        let mut spans = Vec::with_capacity(inspection.spans.len());
        for mut span in inspection.spans.drain(..) {
            if let Some(index) = span.channel.checked_sub(self.originals) {
                let Some((channel, view)) = self.views.get(index) else {
                    continue;
                };
                span.channel = *channel;
                span.span = view.to_original(span.span);
            }
            let place = (span.label.clone(), span.channel, span.span);
            let at = *known.entry(place).or_insert(spans.len());
            match spans.get_mut(at) {
                None => spans.push(span),
                Some(first) => {
                    first.score = first.score.max(span.score);
                    let count = repeated.entry(span.label).or_default();
                    *count = count.saturating_add(1);
                }
            }
        }
        inspection.spans = spans;
        for label in &mut inspection.labels {
            let repeats = repeated.get(&label.label).copied().unwrap_or_default();
            label.hits = label.hits.saturating_sub(repeats);
        }
    }
}
