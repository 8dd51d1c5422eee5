use super::*;

fn segment(first: u64, count: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    (first..first + count).for_each(|i| frame(&mut bytes, i, format!("entry {i}").as_bytes()));
    bytes
}

#[test]
fn frames_are_read_as_they_were_written() {
    let bytes = segment(5, 3);
    let found = scan(&bytes, 5);
    let read: Vec<_> = found
        .frames
        .iter()
        .map(|(index, _, entry)| (*index, *entry))
        .collect();
    assert_eq!(
        read,
        [(5, b"entry 5".as_slice()), (6, b"entry 6"), (7, b"entry 7")]
    );
    assert_eq!((found.good, found.frames_after_bad), (bytes.len(), false));
}

#[test]
fn a_tail_cut_anywhere_is_torn_and_not_damaged() {
    let bytes = segment(0, 3);
    let last = segment(0, 2).len();
    for cut in last + 1..bytes.len() {
        let found = scan(&bytes[..cut], 0);
        assert_eq!((found.frames.len(), found.good), (2, last));
        assert!(!found.frames_after_bad);
    }
}

#[test]
fn a_flipped_byte_before_whole_frames_is_damage() {
    let bytes = segment(0, 3);
    let one = segment(0, 1).len();
    for at in 0..one {
        let mut changed = bytes.clone();
        changed[at] ^= 0x40;
        let found = scan(&changed, 0);
        assert_eq!(found.good, 0, "byte {at}");
        assert!(found.frames_after_bad, "byte {at}");
    }
}

#[test]
fn a_sector_that_never_arrived_is_torn_also_before_whole_frames() {
    let entry = "x".repeat(700);
    let mut bytes = segment(0, 3);
    let synced = bytes.len();
    (3..9).for_each(|i| frame(&mut bytes, i, entry.as_bytes()));
    let length = bytes.len();
    for sector in synced / SECTOR..length / SECTOR {
        let mut torn = bytes.clone();
        torn[synced.max(sector * SECTOR)..(sector + 1) * SECTOR].fill(0);
        let found = scan(&torn, 0);
        assert!(
            found.good >= synced && found.good < length,
            "sector {sector}"
        );
        assert!(!found.frames_after_bad, "sector {sector}");
    }
}
