use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn a_request_reads_as_it_was_written(
        old in 0..=i64::MAX as u64,
        proof in prop::collection::vec(any::<[u8; 32]>(), 0..=MAX_PROOF),
    ) {
        let note = Tree::new(3, 3).note(3, 7);
        let request = AddCheckpoint { old, proof, note };
        let read = AddCheckpoint::parse(request.to_string().as_bytes());
        prop_assert_eq!(read, Ok(request));
    }

    #[test]
    fn whatever_reads_as_a_request_prints_the_same_bytes(
        mut body in Just(Tree::new(7, 7).request(3, 7)),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let place = place.index(body.len());
        body[place] = byte;
        if let Ok(read) = AddCheckpoint::parse(&body) {
            prop_assert_eq!(read.to_string().into_bytes(), body);
        }
    }
}

#[test]
fn only_the_exact_form_is_a_request() {
    let hash = "PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=";
    let good = format!("old 20\n{hash}\n\nnote\n");
    assert!(AddCheckpoint::parse(good.as_bytes()).is_ok());
    for bad in [
        good.replace("old 20", "old 020"),
        good.replace("old 20", "old +20"),
        good.replace("old 20", "old  20"),
        good.replace("old 20", "old -1"),
        good.replace("old 20", "OLD 20"),
        good.replace("old 20", "old 9223372036854775808"),
        good.replace("old 20\n", ""),
        good.replace(hash, &hash[..40]),
        good.replace(hash, &hash.replace('=', "")),
        good.replace("aw=", "ax="),
        good.replace("\n\n", "\n"),
        good.replace('\n', "\r\n"),
        format!("old 20\n{}\nnote\n", format!("{hash}\n").repeat(64)),
        format!("old 0\n\n{}", "x".repeat(MAX_REQUEST)),
    ] {
        assert!(AddCheckpoint::parse(bad.as_bytes()).is_err(), "{bad}");
    }
    let most = format!("old 20\n{}\nnote\n", format!("{hash}\n").repeat(63));
    assert_eq!(
        AddCheckpoint::parse(most.as_bytes()).unwrap().proof.len(),
        63
    );
}
