use super::Extract;
use crate::report::ReportError;

#[test]
fn a_range_over_the_bound_is_refused() {
    let entries = || (0..3u64).map(|index| Ok((index, b"{}".to_vec())));
    assert!(Extract::read_at_most(entries(), 3).is_ok());
    let refused = Extract::read_at_most(entries(), 2);
    assert!(matches!(refused, Err(ReportError::TooLarge { max: 2 })));
}

#[test]
fn a_break_in_a_chain_is_located() {
    let entries: [&[u8]; 3] = [
        br#"{"chain_uid":"a","seq":0}"#,
        br#"{"chain_uid":"b","seq":0}"#,
        br#"{"chain_uid":"a","seq":2}"#,
    ];
    let extract = Extract::read(
        (0u64..)
            .zip(entries)
            .map(|(index, entry)| Ok((index, entry.to_vec()))),
    )
    .unwrap();
    assert_eq!(extract.chains["a"].breaks, [2]);
    assert_eq!(extract.chains["b"].breaks, [0u64; 0]);
    assert_eq!(extract.unread.len(), 3);
}
