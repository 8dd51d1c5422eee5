use super::{escape, grouped, to_milliseconds};

#[test]
fn markup_and_hidden_characters_are_spelt_out() {
    assert_eq!(
        escape("<b a=\"1\">'&"),
        "&lt;b a=&quot;1&quot;&gt;&#39;&amp;"
    );
    assert_eq!(
        escape("a\u{202e}b\u{0}c\u{feff}"),
        "a[U+202E]b[U+0000]c[U+FEFF]"
    );
    assert_eq!(escape("two\nlines \u{e9}"), "two\nlines \u{e9}");
}

#[test]
fn digits_are_grouped_in_threes() {
    assert_eq!(grouped(0), "0");
    assert_eq!(grouped(999), "999");
    assert_eq!(grouped(1_234_567), "1\u{202f}234\u{202f}567");
}

#[test]
fn times_are_cut_to_milliseconds_and_other_text_is_kept() {
    assert_eq!(
        to_milliseconds("2026-11-24T05:06:07.123456789Z"),
        "2026-11-24 05:06:07.123Z"
    );
    assert_eq!(
        to_milliseconds("2026-11-24T05:06:07Z"),
        "2026-11-24 05:06:07Z"
    );
    assert_eq!(to_milliseconds("no time"), "no time");
}
