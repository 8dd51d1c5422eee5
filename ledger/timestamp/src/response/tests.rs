use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Option<Timestamp> {
    parse_time(&Any::new(Tag::GeneralizedTime, text.as_bytes()).unwrap())
}

#[test]
fn times_are_read_with_and_without_a_fraction() {
    let expect = |text: &str, time: &str| assert_eq!(read(text), Some(time.parse().unwrap()));
    expect("20261124101112Z", "2026-11-24T10:11:12Z");
    expect("20261124101112.5Z", "2026-11-24T10:11:12.5Z");
    expect(
        "20261124101112.123456789123Z",
        "2026-11-24T10:11:12.123456789Z",
    );
    expect("20240229000000Z", "2024-02-29T00:00:00Z");
}

#[test]
fn what_is_no_time_in_utc_is_refused() {
    for text in [
        "",
        "Z",
        "20261124101112",
        "20261124101112+0100",
        "202611241011Z",
        "20261324101112Z",
        "20230229000000Z",
        "20261124101160Z",
        "20261124101112.Z",
        "20261124101112.-5Z",
        "2026112410111\u{e9}Z",
    ] {
        assert_eq!(read(text), None, "{text}");
    }
    let other = Any::new(Tag::Utf8String, "20261124101112Z".as_bytes()).unwrap();
    assert_eq!(parse_time(&other), None);
}

#[test]
fn an_accuracy_that_is_none_is_refused() {
    let state = |seconds, millis, micros| {
        accuracy(&Accuracy {
            seconds,
            millis,
            micros,
        })
    };
    assert_eq!(
        state(Some(1), Some(500), Some(100)),
        Ok(Duration::from_micros(1_500_100))
    );
    assert_eq!(state(None, None, None), Ok(Duration::ZERO));
    assert_eq!(state(Some(3600), None, None), Ok(ACCURACY_MAX));
    for (seconds, millis, micros) in [
        (Some(3601), None, None),
        (Some(u64::MAX), Some(999), Some(999)),
        (None, Some(0), None),
        (None, Some(1000), None),
        (None, None, Some(-1)),
    ] {
        assert_eq!(state(seconds, millis, micros), Err(StampError::Accuracy));
    }
}

#[test]
fn a_refusal_is_told_in_the_authoritys_words_and_failure_bits() {
    // status 2, "no \u{7} way", failure bit 25
    let refusal =
        b"\x30\x17\x30\x15\x02\x01\x02\x30\x09\x0C\x07no \x07way\x03\x05\x06\x00\x00\x00\x40";
    let error = Response::parse(&refusal[..]).unwrap_err();
    let text = "the authority granted no timestamp (status 2: no  way; failure bit 25)";
    assert_eq!(error.to_string(), text);
}

#[test]
fn an_answer_over_the_limit_is_not_looked_at() {
    let error = Response::parse(&vec![0x30; RESPONSE_MAX + 1]).unwrap_err();
    assert_eq!(error, StampError::Malformed("it is too long"));
}

proptest! {
    #[test]
    fn random_bytes_are_refused_and_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        prop_assert!(Response::parse(&bytes).is_err());
    }

    #[test]
    fn random_bytes_that_begin_like_an_answer_never_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..1000),
    ) {
        let body = [b"\x30\x03\x02\x01\x00".as_slice(), &bytes].concat();
        let answer = Any::new(Tag::Sequence, body).unwrap();
        prop_assert!(Response::parse(&der::Encode::to_der(&answer).unwrap()).is_err());
    }
}
