//! Twice the text takes about twice the time, whatever it is.

use std::time::Duration;

use super::PATTERNS;

/// How long this thread has had a core, so that what runs beside it does not count.
fn time_on_core() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or(0);
    Duration::new(seconds, nanoseconds)
}

fn shortest(text: &str) -> Duration {
    let once = || {
        let began = time_on_core();
        std::hint::black_box(PATTERNS.find(text));
        std::hint::black_box(PATTERNS.live_from(text));
        time_on_core().saturating_sub(began)
    };
    (0..4).map(|_| once()).min().unwrap_or_default()
}

#[test]
fn the_time_grows_with_the_text_and_no_faster() {
    PATTERNS.find("warm");
    for unit in [
        "A plain sentence about nothing, with 12 words and one number. ",
        "password = ",
        "password: \"",
        "api_key=a1",
        "https://a:",
        "://",
        "x:y@",
        "?sig=",
        "P<UTO",
        "L898902C3",
        "123456789 ",
        "123 456 789 ",
        "AB 12 34 ",
        "born 12 March ",
        "bc1q",
        "1A1z",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "00:1A:",
        "eyJhbGciOiJIUzI1NiJ9.",
        "M1.",
        "12345678:AA",
        "RSSMRA85T10A562S ",
        "VAT DE136695976 ",
        "hvs.",
        "-",
        "界",
    ] {
        let text = |bytes: usize| unit.repeat(bytes / unit.len());
        let (small, large) = (shortest(&text(16_000)), shortest(&text(128_000)));
        println!("{unit:?}: {small:?}, eight times as much {large:?}");
        // Eight times, and room for a busy machine; quadratic growth would be sixty-four times.
        assert!(
            large < small * 28 + Duration::from_millis(5),
            "{unit:?}: {small:?}, {large:?}"
        );
    }
}
