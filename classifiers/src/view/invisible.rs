//! Characters that are not seen, and where they are at home.
//!
//! Joiners belong into Persian, Indic scripts and emoji, direction marks into Hebrew and Arabic;
//! there they stay. Everywhere else they are there to take a word apart.

/// Characters that a reader does not see: `Default_Ignorable_Code_Point` of Unicode 16, control
/// characters other than white space and escape, and interlinear annotation marks.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(u32::from(c),
        0x00..=0x08 | 0x0e..=0x1a | 0x1c..=0x1f | 0x7f..=0x84 | 0x86..=0x9f
        | 0xad | 0x034f | 0x061c | 0x115f | 0x1160 | 0x17b4 | 0x17b5 | 0x180b..=0x180f
        | 0x200b..=0x200f | 0x202a..=0x202e | 0x2060..=0x206f | 0x3164
        | 0xfe00..=0xfe0f | 0xfeff | 0xffa0 | 0xfff0..=0xfffb
        | 0x1_bca0..=0x1_bca3 | 0x1_d173..=0x1_d17a | 0xe_0000..=0xe_0fff)
}

/// Whether `text` is of visible ASCII characters and white space alone.
pub(super) fn is_plain(text: &str) -> bool {
    let is_white = |b: u8| matches!(b, b'\t'..=b'\r' | 0x1b);
    text.bytes()
        .all(|b| (0x20..0x7f).contains(&b) || is_white(b))
}

/// A group of invisible characters and the visible ones beside it.
pub(super) struct Group<'a> {
    pub(super) text: &'a str,
    pub(super) left: Option<char>,
    pub(super) right: Option<char>,
}

impl Group<'_> {
    /// Whether `c`, one of the group, belongs where it stands.
    pub(super) fn is_at_home(&self, c: char) -> bool {
        if self.is_at_edge() {
            return true;
        }
        let beside = |is_kin: fn(char) -> bool| {
            self.left.is_some_and(is_kin) || self.right.is_some_and(is_kin)
        };
        let after = |is_kin: fn(char) -> bool| self.left.is_some_and(is_kin);
        match u32::from(c) {
            0x200c | 0x200d => beside(joins) || after(is_symbol),
            0x200b | 0x17b4 | 0x17b5 => beside(is_unspaced),
            0x061c | 0x200e | 0x200f | 0x202a..=0x202e | 0x2066..=0x2069 => {
                beside(is_right_to_left)
            }
            0x180b..=0x180f => after(joins),
            0x115f | 0x1160 | 0x3164 | 0xffa0 => beside(is_hangul),
            0xfe00..=0xfe0f => {
                self.is_alone() && (after(is_symbol) || after(is_han) || after(joins))
                    || self.right == Some('\u{20e3}')
                    || self.text.contains('\u{200d}') && after(is_symbol)
            }
            0xe_0100..=0xe_01ef => self.is_alone() && after(is_han),
            0xe_0020..=0xe_007f => self.is_flag(),
            _ => false,
        }
    }

    /// At the edge of a word they take nothing apart; beside a digit they part groups of digits.
    fn is_at_edge(&self) -> bool {
        let is_open = |c: Option<char>| c.is_none_or(char::is_whitespace);
        let is_digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
        is_open(self.left) && !is_digit(self.right) || is_open(self.right) && !is_digit(self.left)
    }

    fn is_alone(&self) -> bool {
        self.text.chars().nth(1).is_none()
    }

    /// A flag of a region: a black flag, tags, and the cancel tag.
    pub(super) fn is_flag(&self) -> bool {
        self.left == Some('\u{1f3f4}')
            && self.text.ends_with('\u{e007f}')
            && self.text.chars().count() <= 8
    }
}

/// Scripts whose letters are shaped by joiners.
fn joins(c: char) -> bool {
    matches!(u32::from(c),
        0x0600..=0x08ff | 0x0900..=0x109f | 0x1780..=0x18af | 0xa800..=0xabff
        | 0xfb50..=0xfdff | 0xfe70..=0xfefc | 0x1_0a00..=0x1_1fff)
}

/// Scripts without spaces between words, whose lines break at zero-width spaces.
fn is_unspaced(c: char) -> bool {
    matches!(u32::from(c), 0x0e00..=0x0fff | 0x1000..=0x109f | 0x1780..=0x17ff | 0x1950..=0x1aaf)
}

fn is_right_to_left(c: char) -> bool {
    matches!(u32::from(c),
        0x0590..=0x08ff | 0xfb1d..=0xfdff | 0xfe70..=0xfefc | 0x1_0800..=0x1_0fff | 0x1_e800..=0x1_efff)
}

fn is_hangul(c: char) -> bool {
    matches!(u32::from(c), 0x1100..=0x11ff | 0x3130..=0x318f | 0xa960..=0xa97f | 0xac00..=0xd7ff)
}

pub(super) fn is_han(c: char) -> bool {
    matches!(u32::from(c), 0x2e80..=0x2fdf | 0x3400..=0x9fff | 0xf900..=0xfaff | 0x2_0000..=0x3_ffff)
}

/// Emoji, arrows, dingbats and other signs.
fn is_symbol(c: char) -> bool {
    matches!(u32::from(c), 0xa9 | 0xae | 0x2000..=0x2bff | 0x3030..=0x303d | 0x3297 | 0x3299
        | 0x1_f000..=0x1_faff)
}
