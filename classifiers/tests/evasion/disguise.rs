//! Ways to write a secret so that it is read, but not by its letters.

use std::fmt::Write as _;

/// A way to write, and whether it can write this secret.
pub(crate) type Disguise = (&'static str, fn(&str) -> Option<String>);

pub(crate) const DISGUISES: &[Disguise] = &[
    ("zero-width spaces between", |s| {
        Some(between(s, "\u{200b}"))
    }),
    ("several invisible characters between", |s| {
        Some(between(s, "\u{200d}\u{2060}\u{feff}"))
    }),
    ("soft hyphens between", |s| Some(between(s, "\u{ad}"))),
    ("direction overrides between", |s| {
        Some(between(s, "\u{202e}\u{200f}"))
    }),
    ("variation selectors between", |s| {
        Some(between(s, "\u{fe0f}"))
    }),
    ("control characters between", |s| Some(between(s, "\u{8}"))),
    ("tags between", |s| Some(between(s, "\u{e0041}"))),
    ("strokes through it", |s| {
        Some(s.chars().map(|c| format!("{c}\u{336}")).collect())
    }),
    ("tags", |s| Some(s.chars().filter_map(tag).collect())),
    ("variation selectors as bytes", |s| {
        Some(s.bytes().filter_map(selector).collect())
    }),
    ("full width", |s| Some(s.chars().map(full_width).collect())),
    ("mathematical letters", |s| {
        Some(s.chars().map(bold).collect())
    }),
    ("look-alikes", |s| Some(s.chars().map(look_alike).collect())),
    ("spaces between", |s| Some(between(s, " "))),
    ("dots between", |s| {
        (!s.contains('.')).then(|| between(s, "."))
    }),
    ("base64", |s| Some(base64(s, true))),
    ("base64 without padding", |s| Some(base64(s, false))),
    ("base64 twice", |s| Some(base64(&base64(s, true), true))),
    ("base64 three times", |s| {
        Some(base64(&base64(&base64(s, false), true), false))
    }),
    ("base64 of full width", |s| {
        let wide: String = s.chars().map(full_width).collect();
        Some(base64(&wide, true))
    }),
    ("base64 with invisible characters", |s| {
        Some(between(&base64(s, false), "\u{200b}"))
    }),
    ("hexadecimal", |s| Some(hexadecimal(s, ""))),
    ("pairs of hexadecimal digits", |s| Some(hexadecimal(s, " "))),
    ("base64 of hexadecimal", |s| {
        Some(base64(&hexadecimal(s, ""), true))
    }),
    ("percent-encoding", |s| Some(each_byte(s, "%", ""))),
    ("percent-encoding twice", |s| Some(each_byte(s, "%25", ""))),
    ("percent-encoded base64", |s| {
        Some(each_byte(&base64(s, true), "%", ""))
    }),
    ("decimal references", |s| {
        Some(s.chars().map(|c| format!("&#{};", u32::from(c))).collect())
    }),
    ("hexadecimal references", |s| Some(each_byte(s, "&#x", ";"))),
    ("references of some characters", |s| {
        Some(
            s.replace('1', "&#49;")
                .replace('I', "&#0073;")
                .replace('@', "&commat;"),
        )
    }),
    ("backslash u", |s| Some(each_byte(s, "\\u00", ""))),
    ("backslash u in braces", |s| Some(each_byte(s, "\\u{", "}"))),
    ("backslash x", |s| Some(each_byte(s, "\\x", ""))),
];

fn between(s: &str, with: &str) -> String {
    let chars: Vec<String> = s.chars().map(String::from).collect();
    chars.join(with)
}

fn tag(c: char) -> Option<char> {
    char::from_u32(0xe_0000 + u32::from(c))
}

fn selector(byte: u8) -> Option<char> {
    let value = u32::from(byte);
    char::from_u32(if value < 16 {
        0xfe00 + value
    } else {
        0xe_0100 + value - 16
    })
}

fn full_width(c: char) -> char {
    char::from_u32(u32::from(c) + 0xfee0).unwrap()
}

fn bold(c: char) -> char {
    let moved = |first: char, to: u32| char::from_u32(u32::from(c) - u32::from(first) + to);
    match c {
        '0'..='9' => moved('0', 0x1_d7ce),
        'A'..='Z' => moved('A', 0x1_d400),
        'a'..='z' => moved('a', 0x1_d41a),
        _ => None,
    }
    .unwrap_or(c)
}

/// Cyrillic, Greek and Cherokee letters, and digits of Arabic.
fn look_alike(c: char) -> char {
    match c {
        'a' => 'а',
        'e' => 'е',
        'o' => 'о',
        'p' => 'р',
        'A' => 'А',
        'E' => 'Е',
        'I' => 'І',
        'K' => 'Κ',
        'N' => 'Ν',
        'O' => 'Ο',
        'P' => 'Р',
        'S' => 'Ѕ',
        'L' => 'Ꮮ',
        '1' => '١',
        '4' => '٤',
        _ => c,
    }
}

pub(crate) fn base64(s: &str, is_padded: bool) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in s.as_bytes().chunks(3) {
        let bits = group
            .iter()
            .chain(&[0, 0])
            .take(3)
            .fold(0_usize, |bits, byte| (bits << 8) | usize::from(*byte));
        for place in 0..4 {
            if place <= group.len() {
                out.push(char::from(ALPHABET[(bits >> (18 - 6 * place)) & 63]));
            } else if is_padded {
                out.push('=');
            }
        }
    }
    out
}

fn hexadecimal(s: &str, separator: &str) -> String {
    let pairs: Vec<String> = s.bytes().map(|byte| format!("{byte:02x}")).collect();
    pairs.join(separator)
}

fn each_byte(s: &str, before: &str, after: &str) -> String {
    s.bytes().fold(String::new(), |mut out, byte| {
        write!(out, "{before}{byte:02X}{after}").unwrap();
        out
    })
}
