use super::{scaled, shortened, step};

#[test]
fn steps_are_round_and_give_at_most_five_lines() {
    for (max, expected) in [
        (0, 1),
        (1, 1),
        (4, 1),
        (5, 2),
        (8, 2),
        (9, 5),
        (21, 10),
        (4001, 2000),
    ] {
        assert_eq!(step(max), expected, "for {max}");
    }
    assert!(step(u64::MAX) > 0);
}

#[test]
fn parts_scale_without_overflow() {
    assert_eq!(scaled(1, 2, 100), 500);
    assert_eq!(scaled(u64::MAX, u64::MAX, 100), 1000);
    assert_eq!(scaled(0, 0, 100), 0);
}

#[test]
fn long_names_are_cut_between_characters() {
    let name = "\u{e4}".repeat(40);
    assert_eq!(shortened(&name).chars().count(), 22);
    assert_eq!(shortened("short"), "short");
}
