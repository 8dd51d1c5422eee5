use super::Indexes;

#[test]
fn neighbours_join_and_repeats_count_once() {
    let indexes = Indexes::of(vec![9, 3, 4, 5, 4, 11]);
    assert_eq!(indexes.line(9), "3-5, 9, 11");
    assert_eq!(indexes.count(), 5);
    assert_eq!((indexes.first(), indexes.last()), (Some(3), Some(11)));
}

#[test]
fn a_bounded_listing_says_how_many_indexes_it_leaves_out() {
    let indexes = Indexes::of(vec![1, 3, 5, 6, 7]);
    assert_eq!(indexes.shown(2), (vec!["1".to_owned(), "3".to_owned()], 3));
    assert_eq!(indexes.line(2), "1, 3 and 3 more");
    assert_eq!(Indexes::default().line(2), "");
}
