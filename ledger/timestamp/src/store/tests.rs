use super::*;

fn anchor(size: u64) -> Anchor {
    Anchor {
        size,
        note: format!("note {size}").into_bytes(),
        response: format!("token {size}").into_bytes(),
    }
}

#[test]
fn what_was_written_is_read_back_in_the_order_of_sizes() {
    let dir = tempfile::tempdir().unwrap();
    let anchors = Anchors::of(dir.path());
    assert_eq!(anchors.sizes().unwrap(), Vec::<u64>::new());
    for size in [100, 9, 2_000_000_000_000] {
        anchors.write(&anchor(size)).unwrap();
    }
    let read: Result<Vec<_>, _> = anchors.list().unwrap().collect();
    let expected: Vec<_> = [9, 100, 2_000_000_000_000].map(anchor).into();
    assert_eq!(read.unwrap(), expected);
    assert!(!dir.path().join("anchors/stage").exists());
}

#[test]
fn the_first_token_of_a_size_is_never_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let anchors = Anchors::of(dir.path());
    anchors.write(&anchor(7)).unwrap();
    let other = Anchor {
        note: b"other".to_vec(),
        ..anchor(7)
    };
    let error = anchors.write(&other).unwrap_err();
    assert!(matches!(error, StoreError::Exists(7)));
    assert_eq!(anchors.read(7).unwrap(), anchor(7));
}

#[test]
fn what_a_crash_left_half_written_counts_as_absent_and_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let anchors = Anchors::of(dir.path());
    let folder = dir.path().join("anchors");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("7.note"), "older note").unwrap();
    fs::write(folder.join("stage"), "half a tok").unwrap();
    assert_eq!(anchors.sizes().unwrap(), Vec::<u64>::new());
    anchors.write(&anchor(7)).unwrap();
    assert_eq!(anchors.read(7).unwrap(), anchor(7));
}

#[test]
fn other_files_are_no_tokens_and_a_token_without_its_note_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("anchors");
    fs::create_dir(&folder).unwrap();
    for name in ["08.tsr", "+9.tsr", "x.tsr", "10.tsr.bak", "11.note", ".tsr"] {
        fs::write(folder.join(name), "").unwrap();
    }
    fs::write(folder.join("12.tsr"), "").unwrap();
    let anchors = Anchors::of(dir.path());
    assert_eq!(anchors.sizes().unwrap(), [12]);
    let error = anchors.read(12).unwrap_err();
    assert!(error.to_string().contains("12.note"), "{error}");
}

#[test]
fn a_token_longer_than_any_honest_one_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let anchors = Anchors::of(dir.path());
    let long = Anchor {
        response: vec![0; RESPONSE_MAX + 1],
        ..anchor(3)
    };
    anchors.write(&long).unwrap();
    let error = anchors.read(3).unwrap_err();
    assert!(matches!(error, StoreError::TooLong { .. }), "{error}");
}
