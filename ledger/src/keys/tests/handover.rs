use super::*;

#[test]
fn a_handover_prints_as_it_is_read_and_says_what_it_was_made_of() {
    let made = handover(1, 2, 41);
    let text = made.to_string();
    assert_eq!(
        text.split("\n\n").next().unwrap(),
        format!(
            "countersign/handover/v1\n{ORIGIN}\n{}\n{}\n41",
            name(1),
            name(2)
        )
    );
    let read = Handover::parse(&text).unwrap();
    assert_eq!(read, made);
    assert_eq!(read.to_string(), text);
    assert_eq!((read.origin(), read.index()), (ORIGIN, 41));
    assert_eq!((read.old_key(), read.new_key()), (&name(1), &name(2)));
}

#[test]
fn both_signatures_are_needed_in_their_order() {
    let made = handover(1, 2, 41);
    let (head, lines) = {
        let text = made.to_string();
        let (head, lines) = text.split_once("\n\n").unwrap();
        let lines: Vec<String> = lines.lines().map(|line| format!("{line}\n")).collect();
        (format!("{head}\n\n"), lines)
    };
    let stranger = handover(1, 3, 41).to_string();
    let stranger = stranger.lines().last().unwrap();
    for bad in [
        lines[0].clone(),
        lines[1].clone(),
        format!("{}{}", lines[1], lines[0]),
        format!("{}{}", lines[0], lines[0]),
        format!("{}{}{}", lines[0], lines[1], lines[1]),
        format!("{}{}{stranger}\n", lines[0], lines[1]),
        format!("{}{stranger}\n", lines[0]),
    ] {
        assert!(Handover::parse(&format!("{head}{bad}")).is_err(), "{bad}");
    }
    Handover::parse(&format!("{head}{}{}", lines[0], lines[1])).unwrap();
}

#[test]
fn every_changed_byte_of_a_handover_is_refused() {
    let text = handover(1, 2, 41).to_string();
    for at in 0..text.len() {
        for flip in [1, 0x10] {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= flip;
            if let Ok(changed) = String::from_utf8(bytes) {
                assert!(Handover::parse(&changed).is_err(), "byte {at}: {changed}");
            }
        }
    }
}

#[test]
fn loose_spellings_are_refused_even_when_both_keys_signed_them() {
    let [old, new] = [name(1), name(2)];
    let other = VerifierKey::new("example.com/other", key(2).verifying_key()).unwrap();
    for text in [
        format!("countersign/handover/v2\n{ORIGIN}\n{old}\n{new}\n4\n"),
        format!("countersign/handover/v1\n{ORIGIN}\n{old}\n{new}\n04\n"),
        format!("countersign/handover/v1\n{ORIGIN}\n{old}\n{new}\n+4\n"),
        format!("countersign/handover/v1\n{ORIGIN}\n{old}\n{new}\n4\nmore\n"),
        format!("countersign/handover/v1\n{ORIGIN}\n{old}\n{new}\n4\n\n"),
        format!("countersign/handover/v1\nexample.com/other\n{old}\n{new}\n4\n"),
        format!("countersign/handover/v1\n{ORIGIN}\n{old}\n{other}\n4\n"),
        format!("countersign/handover/v1\n{ORIGIN}\n{new}\n{old}\n4\n"),
    ] {
        let mut note = crate::Note::sign(text.clone(), &old, &key(1)).unwrap();
        note.add_signature(&new, &key(2)).unwrap();
        assert!(Handover::parse(&note.to_string()).is_err(), "{text}");
    }
}

#[test]
fn a_key_does_not_follow_itself() {
    let result = Handover::make(ORIGIN, &key(1), &key(1), 0);
    assert!(matches!(result, Err(HandoverError::Malformed(_))));
}

#[test]
fn a_list_of_handovers_reads_as_it_was_printed() {
    let list: Vec<_> = (1..6).map(|n| handover(n, n + 1, n.into())).collect();
    for count in 0..=list.len() {
        let text = handovers_to_text(&list[..count]).unwrap();
        assert_eq!(handovers_from_text(&text).unwrap(), list[..count]);
    }
}

#[test]
fn loose_lists_are_refused() {
    let (one, two) = (handover(1, 2, 1).to_string(), handover(2, 3, 2).to_string());
    for bad in [
        "\n".to_owned(),
        format!("\n{one}"),
        format!("{one}\n"),
        format!("{one}{two}"),
        format!("{one}\n\n{two}"),
        format!("{one}\n{two}\n"),
        format!("{one}\n{}", two.trim_end()),
        format!("{one}\nmore\n"),
    ] {
        assert!(handovers_from_text(&bad).is_err(), "{bad:?}");
    }
}
