//! Values by pointer, for scoring endpoints.

use countersign_wire::{Dialect, Document, Extraction, ExtractionError, Limits, Pointer, Scalar};

const BODY: &str = r#" {"instances" : [ {"age":41,"income":1.50e+4,"name":"A\u00e9 \"n\"",
    "x":[[], {} ,-0], "a/b":{"m~n":true,"":false}, "big":12345678901234567890123, "none":null} ] } "#;

fn document() -> Document {
    Document::parse(BODY.into(), Dialect::KserveV1, &Limits::default()).unwrap()
}

fn at(pointer: &str) -> Option<Scalar> {
    document().at(&Pointer::parse(pointer).unwrap())
}

#[test]
fn a_pointer_finds_its_value_and_numbers_are_as_they_were_written() {
    let number = |text: &str| Some(Scalar::Number(text.to_owned()));
    assert_eq!(at("/instances/0/age"), number("41"));
    assert_eq!(at("/instances/0/income"), number("1.50e+4"));
    assert_eq!(at("/instances/0/big"), number("12345678901234567890123"));
    assert_eq!(at("/instances/0/x/2"), number("-0"));
    let name = Scalar::Text("Aé \"n\"".to_owned());
    assert_eq!(at("/instances/0/name"), Some(name));
    assert_eq!(at("/instances/0/a~1b/m~0n"), Some(Scalar::Bool(true)));
    assert_eq!(at("/instances/0/a~1b/"), Some(Scalar::Bool(false)));
}

#[test]
fn what_is_no_scalar_or_not_there_is_not_found() {
    for pointer in [
        "",
        "/instances",
        "/instances/1",
        "/instances/00",
        "/instances/-",
        "/instances/0/none",
        "/instances/0/x/0",
        "/instances/0/x/1/a",
        "/instances/0/age/0",
        "/Instances/0/age",
        "/instances/0/x/3",
        "/instances/99999999999999999999",
        "/instances/0/name/0",
    ] {
        assert_eq!(at(pointer), None, "{pointer}");
    }
}

#[test]
fn a_configuration_that_cannot_be_is_refused_with_its_reason() {
    let refused = |name: &str, pointer: &str| Extraction::new([(name, pointer)]).unwrap_err();
    for pointer in ["age", "/a~2", "/a~", "#/a"] {
        let error = ExtractionError::Pointer {
            pointer: pointer.to_owned(),
        };
        assert_eq!(refused("age", pointer), error);
    }
    for name in ["", "1st", "a-b", "é", &"x".repeat(65)] {
        assert!(
            matches!(refused(name, "/a"), ExtractionError::Name { .. }),
            "{name}"
        );
    }
    assert_eq!(
        refused("a", &format!("/{}", "x".repeat(1024))),
        ExtractionError::TooLong { limit: 1024 }
    );
    assert!(matches!(
        Extraction::new([("a", "/a"), ("a", "/b")]),
        Err(ExtractionError::Twice { .. })
    ));
    let many: Vec<_> = (0..65).map(|i| (format!("n{i}"), "/a")).collect();
    assert_eq!(
        Extraction::new(many).unwrap_err(),
        ExtractionError::TooMany { limit: 64 }
    );
}

#[test]
fn an_extraction_gives_what_is_there_and_short_enough() {
    let body = format!("{{\"a\":1,\"long\":\"{}\"}}", "x".repeat(4097));
    let document = Document::parse(body.into(), Dialect::Raw, &Limits::default()).unwrap();
    let wanted = [("a", "/a"), ("long", "/long"), ("missing", "/b")];
    let extraction = Extraction::new(wanted).unwrap();
    assert_eq!(
        extraction.of(&document),
        [("a", Scalar::Number("1".to_owned()))]
    );
}
