//! Views: what a text says once its disguise is taken off.
//!
//! Detectors read a text as it stands. Whoever wants to slip something past them writes it so that
//! people and models still read it and detectors do not: in full-width letters, with zero-width
//! characters between them, in Cyrillic look-alikes, in base64. [`views`] undoes such disguises.
//! Each result is an extra text to read beside the original, with an exact way back
//! ([`View::to_original`]), and only made when it differs.
//!
//! A chain of steps is applied one on top of the other: escapes undone, compatible characters
//! folded, look-alikes folded, spelled-out words joined; the text after each step that changed
//! something is a view. From there hidden characters and encoded pieces are read; what they say
//! goes through the same chain again, three levels deep.
//!
//! `docs/evasion.md` says what is undone and what is not.

mod encoded;
mod escape;
mod fold;
mod hidden;
mod invisible;
mod live;
mod map;
mod skeleton;
mod spaced;

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use countersign_record::{DetectorRef, Span};
use sha2::{Digest, Sha256};

use self::map::{OffsetMap, OverBudget, Rewriter, Rewritten};

/// Id under which the views appear among the detectors of an assessment.
const ID: &str = "countersign-views";
const VERSION: &str = "1";

/// Parts pieces that have nothing to do with each other: no match reaches across it, and a sentence
/// ends at it.
const BREAK: &str = "\u{2029}";

/// Which disguise a view takes off. A view also has those off that come before it in its chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ViewKind {
    /// Percent-encoding, HTML character references, `\u` and `\x` escapes.
    Unescaped,
    /// Compatible characters folded (full width, ligatures, mathematical letters), invisible
    /// characters dropped.
    Folded,
    /// Look-alike letters folded to Latin.
    Skeleton,
    /// Spelled-out words joined.
    Joined,
    /// What Unicode tags and variation selectors hide.
    Hidden,
    /// What base64 and hexadecimal pieces say.
    Decoded,
}

/// Bounds of what [`views`] makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ViewLimits {
    /// Views of one text.
    pub views_max: usize,
    /// Encodings within encodings.
    pub depth_max: usize,
    /// Bytes decoded from the encoded pieces of one text, over all depths.
    pub decoded_bytes_max: usize,
    /// Memory that the views of one inspection may take, texts and offset maps, in bytes.
    pub memory_max: usize,
}

impl Default for ViewLimits {
    fn default() -> Self {
        Self {
            views_max: 24,
            depth_max: 3,
            decoded_bytes_max: 64 << 10,
            memory_max: 32 << 20,
        }
    }
}

/// A reading of a text with a disguise taken off.
#[derive(Debug, Clone)]
pub struct View {
    /// What it says.
    pub text: String,
    /// Which disguise was taken off last.
    pub kind: ViewKind,
    /// How many encodings it was within.
    pub depth: usize,
    /// From the original to this text, one map per step.
    path: Path,
}

impl View {
    /// The range of the original text that covers everything `span` came from, also what was
    /// dropped in between. On character boundaries when `span` is.
    pub fn to_original(&self, span: Span) -> Span {
        self.path
            .iter()
            .rev()
            .fold(span, |span, map| map.to_source(span))
    }
}

/// The views of one text.
#[derive(Debug, Clone, Default)]
pub struct Views {
    /// In the order in which they were made. Each differs from the text that it was made from; a
    /// text that stands disguised in two places is in two views.
    pub list: Vec<View>,
    /// Whether a bound was reached, so that some view is missing.
    pub truncated: bool,
    memory: usize,
}

impl Views {
    /// Bytes of memory that they take.
    pub fn memory(&self) -> usize {
        self.memory
    }
}

/// The views of `text`. Most texts have none. Never panics; the same text gives the same views.
pub fn views(text: &str, limits: &ViewLimits) -> Views {
    let mut making = Making {
        limits,
        decoded: 0,
        made: Views::default(),
    };
    let reading = Reading {
        text: Cow::Borrowed(text),
        path: Vec::new(),
        depth: 0,
    };
    making.made.truncated = making.expand(reading).is_err();
    making.made
}

/// The version of the views. Its digest covers the code and the versions of the Unicode tables.
pub fn describe() -> DetectorRef {
    static DIGEST: LazyLock<String> = LazyLock::new(digest);
    DetectorRef {
        id: ID.to_owned(),
        version: VERSION.to_owned(),
        digest: DIGEST.clone(),
    }
}

fn digest() -> String {
    let mut hasher = Sha256::new();
    for source in [
        include_str!("view.rs"),
        include_str!("view/encoded.rs"),
        include_str!("view/encoded/alphabet.rs"),
        include_str!("view/escape.rs"),
        include_str!("view/fold.rs"),
        include_str!("view/hidden.rs"),
        include_str!("view/invisible.rs"),
        include_str!("view/map.rs"),
        include_str!("view/skeleton.rs"),
        include_str!("view/spaced.rs"),
    ] {
        hasher.update(source.as_bytes());
    }
    for (major, minor, update) in [
        unicode_normalization::UNICODE_VERSION,
        char::UNICODE_VERSION,
    ] {
        hasher.update([major, minor, update]);
    }
    let (major, minor, update) = unicode_security::UNICODE_VERSION;
    hasher.update(format!("{major}.{minor}.{update}"));
    format!("sha256:{}", hex::encode(hasher.finalize()))
}

/// What a step of the chain made of a source.
#[derive(Debug)]
struct Step {
    /// `None` when the source stays as it is.
    made: Option<Rewritten>,
    /// Until where in the source nothing that follows can change the result.
    settled: usize,
}

impl Step {
    fn unchanged(source: &str) -> Self {
        Self {
            made: None,
            settled: source.len(),
        }
    }

    fn of(rewriter: Rewriter<'_>, settled: usize) -> Result<Self, OverBudget> {
        let made = rewriter.finish()?;
        Ok(Self { made, settled })
    }
}

/// What was read out of a source.
#[derive(Debug, Default)]
struct Children {
    made: Rewritten,
    /// Where something starts that the end of the source leaves open.
    open: Option<usize>,
    /// Whether the budget ended before the source did.
    is_cut: bool,
}

type Undo = fn(&str, usize) -> Result<Step, OverBudget>;

/// What comes after escapes, one on top of the other.
const CHAIN: [(ViewKind, Undo); 3] = [
    (ViewKind::Folded, fold::undo),
    (ViewKind::Skeleton, skeleton::undo),
    (ViewKind::Joined, spaced::undo),
];

type Path = Vec<Arc<OffsetMap>>;

/// A text on its way through the chain.
struct Reading<'a> {
    text: Cow<'a, str>,
    path: Path,
    depth: usize,
}

struct Making<'a> {
    limits: &'a ViewLimits,
    decoded: usize,
    made: Views,
}

impl Making<'_> {
    /// Makes all views of what `reading` begins with.
    fn expand(&mut self, mut reading: Reading<'_>) -> Result<(), OverBudget> {
        let mut level = 0;
        while self.step(ViewKind::Unescaped, escape::undo, &mut reading)? {
            level += 1;
            if level > self.limits.depth_max {
                return Err(OverBudget);
            }
        }
        let (hidden, hidden_path) = (hidden::read(&reading.text), reading.path.clone());
        for (kind, undo) in CHAIN {
            self.step(kind, undo, &mut reading)?;
        }
        let budget = self.limits.decoded_bytes_max.saturating_sub(self.decoded);
        let decoded = encoded::read(&reading.text, budget);
        let depth = reading.depth + 1;
        self.descend(ViewKind::Hidden, hidden, hidden_path, depth)?;
        self.descend(ViewKind::Decoded, decoded, reading.path, depth)
    }

    /// Applies a step, and keeps the result when there is one.
    fn step(
        &mut self,
        kind: ViewKind,
        undo: Undo,
        reading: &mut Reading<'_>,
    ) -> Result<bool, OverBudget> {
        let Some(made) = undo(&reading.text, self.memory_left())?.made else {
            return Ok(false);
        };
        self.keep(made, kind, reading)?;
        Ok(true)
    }

    /// Keeps what was read out of a text, and makes the views of that.
    fn descend(
        &mut self,
        kind: ViewKind,
        child: Children,
        path: Path,
        depth: usize,
    ) -> Result<(), OverBudget> {
        if child.made.text.is_empty() {
            return Ok(());
        }
        self.decoded += child.made.text.len();
        if child.is_cut || depth > self.limits.depth_max {
            return Err(OverBudget);
        }
        let text = Cow::Borrowed("");
        let mut reading = Reading { text, path, depth };
        self.keep(child.made, kind, &mut reading)?;
        self.expand(reading)
    }

    /// Makes what was made the reading, and a view.
    fn keep(
        &mut self,
        made: Rewritten,
        kind: ViewKind,
        reading: &mut Reading<'_>,
    ) -> Result<(), OverBudget> {
        let bytes = made.bytes();
        if bytes > self.memory_left() || self.made.list.len() >= self.limits.views_max {
            return Err(OverBudget);
        }
        reading.path.push(Arc::new(made.map));
        reading.text = Cow::Owned(made.text.clone());
        self.made.memory += bytes;
        self.made.list.push(View {
            text: made.text,
            kind,
            depth: reading.depth,
            path: reading.path.clone(),
        });
        Ok(())
    }

    fn memory_left(&self) -> usize {
        self.limits.memory_max.saturating_sub(self.made.memory)
    }
}

#[cfg(test)]
mod tests;
