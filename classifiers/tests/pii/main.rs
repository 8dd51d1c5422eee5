//! Personal identifiers and credentials through the public API: published examples, an independent
//! implementation of the checks, unseen sentences, foreign code, random digits, time.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a broken fixture must fail the test, and what is measured or skipped must be seen"
)]

mod code;
mod digits;
mod documented;
mod examples;
mod oracle;
mod published;
mod secrets;
mod sentences;
mod speed;

use std::sync::LazyLock;

use countersign_classifiers::PatternDetector;
use countersign_record::Span;

static PATTERNS: LazyLock<PatternDetector> = LazyLock::new(PatternDetector::new);

/// What is found: entities and what they cover.
fn find(text: &str) -> Vec<(&'static str, &str)> {
    let found = PATTERNS.find_entities(text).into_iter();
    let covered =
        |(_, entity, span): (_, &'static str, Span)| (entity, &text[span.start..span.end]);
    found.map(covered).collect()
}

/// A generator of numbers whose seed a failing test prints; `COUNTERSIGN_SEED` replays it.
struct Random(u64);

impl Random {
    fn new() -> Self {
        let given = std::env::var("COUNTERSIGN_SEED").ok();
        let seed = given.and_then(|seed| seed.parse().ok()).unwrap_or(1_u64);
        println!("COUNTERSIGN_SEED={seed}");
        let mut random = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        for _ in 0..8 {
            random.below(2);
        }
        random
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// As many symbols of an alphabet.
    fn draw(&mut self, alphabet: &str, length: usize) -> String {
        let symbols: Vec<char> = alphabet.chars().collect();
        (0..length).map(|_| self.pick(&symbols)).collect()
    }

    /// A shape in which `#` is a digit, `@` a capital and `%` a letter for a birth's month.
    fn shape(&mut self, shape: &str) -> String {
        let one = |c: char, random: &mut Self| match c {
            '#' => random.draw("0123456789", 1),
            '@' => random.draw("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 1),
            '%' => random.draw("ABCDEHLMPRST", 1),
            other => other.to_string(),
        };
        shape.chars().map(|c| one(c, self)).collect()
    }
}

/// For every split: what is released holds only whole matches that were already known then.
fn assert_never_released_in_part(text: &str) {
    let whole = PATTERNS.find(text);
    for split in (0..=text.len()).filter(|at| text.is_char_boundary(*at)) {
        let prefix = &text[..split];
        let live = PATTERNS.live_from(prefix);
        assert!(prefix.is_char_boundary(live), "{live} in {prefix:?}");
        let known = PATTERNS.find(prefix);
        for found in whole.iter().filter(|(_, span)| span.start < live) {
            assert!(
                found.1.end <= live && known.contains(found),
                "split at {split} releases a part of {found:?} in {text:?}"
            );
        }
    }
}
