//! Published examples are found where they stand; one wrong digit, and they are not.

use super::examples::{CHECKED, Example, SHAPED};
use super::{PATTERNS, assert_never_released_in_part, find};
use proptest::prelude::*;

/// Checks that leave some wrong digits unnoticed by design: no more than one in as many.
const LEAKY: &[(&str, usize)] = &[
    // Two remainders share a check digit.
    ("uk_utr", 9),
    // Weights that have a factor in common with ten.
    ("mx_curp", 12),
    // The last digit counts the cards of a family.
    ("au_medicare", 9),
    // The Dutch suffix has no check of its own; remainders share digits elsewhere.
    ("eu_vat", 5),
    // Nationality and the optional part have none.
    ("travel_document_line", 3),
];

fn all() -> impl Iterator<Item = &'static Example> {
    CHECKED.iter().chain(SHAPED)
}

#[test]
fn every_published_example_is_found_exactly_where_it_stands() {
    let wrong: Vec<String> = all()
        .filter_map(|(entity, sentence, value)| {
            let text = sentence.replace("{}", value);
            let found = find(&text);
            (found != [(*entity, *value)]).then(|| format!("{entity} in {text:?}: {found:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_single_wrong_digit_is_noticed_by_every_check() {
    let mut leaky = Vec::new();
    for (entity, sentence, value) in CHECKED {
        let (mut tried, mut passed) = (0, 0);
        for (at, _) in value.char_indices().filter(|(_, c)| c.is_ascii_digit()) {
            for digit in ('0'..='9').filter(|digit| !value[at..].starts_with(*digit)) {
                let mut corrupted = (*value).to_owned();
                corrupted.replace_range(at..=at, &digit.to_string());
                let text = sentence.replace("{}", &corrupted);
                tried += 1;
                passed += usize::from(find(&text).contains(&(*entity, corrupted.as_str())));
            }
        }
        println!("{entity:<22} {passed:>3} of {tried:>3} corruptions pass");
        let share = LEAKY
            .iter()
            .find(|(known, _)| known == entity)
            .map_or(20, |(_, share)| *share);
        if passed * share > tried {
            leaky.push((entity, value, passed, tried));
        }
    }
    assert!(leaky.is_empty(), "{leaky:?}");
}

#[test]
fn no_split_of_a_published_example_releases_a_part_of_it() {
    for (_, sentence, value) in all() {
        let text = sentence.replace("{}", value);
        assert_never_released_in_part(&text);
        assert_never_released_in_part(&format!("{text} Thus, {text} 12 more, B {text}"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn examples_among_any_text_are_found_on_character_boundaries(
        before in "\\PC{0,40}", after in "\\PC{0,40}", which in 0..CHECKED.len() + SHAPED.len()
    ) {
        let (_, sentence, value) = all().nth(which).unwrap();
        let text = format!("{before}{}{after}", sentence.replace("{}", value));
        let found = PATTERNS.find_entities(&text);
        for (_, entity, span) in &found {
            prop_assert!(text.get(span.start..span.end).is_some_and(|s| !s.is_empty()), "{entity}");
        }
        prop_assert!(found.windows(2).all(|pair| pair[0].2.end <= pair[1].2.start));
        prop_assert!(text.is_char_boundary(PATTERNS.live_from(&text)));
    }

    #[test]
    fn no_split_of_examples_among_pieces_releases_a_part_of_a_match(
        pieces in prop::collection::vec((0..CHECKED.len() + SHAPED.len(), 0_usize..60, " |, |-|/|\n|=|1|A|\u{a0}|é| 12 | AB | of "), 1..5)
    ) {
        let mut text = String::new();
        for (which, cut, between) in pieces {
            let (_, sentence, value) = all().nth(which).unwrap();
            let whole = sentence.replace("{}", value);
            let kept = if cut < whole.len() && cut > 20 && whole.is_char_boundary(cut) { cut } else { whole.len() };
            text.push_str(&whole[..kept]);
            text.push_str(&between);
        }
        assert_never_released_in_part(&text);
    }
}
