use super::{BYTES_MAX, DEPTH_MAX, prescan};

fn refusal(text: &str) -> String {
    prescan(text).expect_err(text).message
}

#[test]
fn ordinary_conditions_pass() {
    for text in [
        "signals.toxicity.score >= 0.8 && (signals.hate.present || \"hr\" in tags)",
        "tags.exists(t, t.startsWith('hr-')) ? sizes.bytes > 10 : false",
        "model == \"a(((b\" && route != 'it\\'s'",
        "metadata[\"team\"] == \"x\"\n  && !not_evaluated",
    ] {
        assert_eq!(prescan(text), Ok(()), "{text}");
    }
}

#[test]
fn every_way_to_nest_is_bounded() {
    let n = DEPTH_MAX + 1;
    for text in [
        format!("{}true{}", "(".repeat(n), ")".repeat(n)),
        format!("{}1{}", "[".repeat(n), "]".repeat(n)),
        format!("{}true", "!".repeat(n)),
        format!("{}1 == 1", "-".repeat(n)),
        format!("a{}", ".b".repeat(n)),
        format!("a{}", "[0]".repeat(n)),
        format!("1{} == 1", " + 1".repeat(n)),
        format!("true{}", " == true".repeat(n)),
        format!("true{}", " in a".repeat(n)),
        format!("{}true", "true ? true : ".repeat(n)),
        format!("{}true", "true && true ? true : ".repeat(n)),
    ] {
        assert!(refusal(&text).contains("deeper"), "{text}");
    }
}

#[test]
fn a_long_flat_disjunction_is_not_deep() {
    let text = vec!["signals.hate.present"; 100].join(" || ");
    assert_eq!(prescan(&text), Ok(()));
}

#[test]
fn nothing_hides_in_strings_or_comments() {
    assert!(refusal("\"abc").contains("does not end"));
    assert!(refusal("'a\n'").contains("does not end"));
    assert!(refusal("\"a\\").contains("does not end"));
    assert!(refusal("r\"\\\"").contains("prefix"));
    assert!(refusal("\"\"\"a\"\"\"").contains("triple"));
    assert!(refusal("true // (((").contains("comments"));
    assert!(refusal("a.`b`").contains("no meaning"));
    assert!(refusal("a \u{a0} b").contains("no meaning"));
}

#[test]
fn brackets_must_match() {
    assert!(refusal("(true]").contains("closes none"));
    assert!(refusal("true)").contains("closes none"));
    assert!(refusal("(true").contains("not closed"));
}

#[test]
fn the_length_limit_is_exact() {
    let fits = format!("{}true", " ".repeat(BYTES_MAX - 4));
    assert_eq!(prescan(&fits), Ok(()));
    assert!(refusal(&format!(" {fits}")).contains("longer"));
}
