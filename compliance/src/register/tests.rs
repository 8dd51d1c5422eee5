use jiff::civil::{Date, date};

use super::*;
use crate::kind::ReportType;

fn shipped() -> Register {
    Register::shipped().unwrap()
}

fn named(id: &str) -> Obligation {
    let found = shipped().entries.into_iter().find(|entry| entry.id == id);
    found.unwrap_or_else(|| panic!("no entry {id}"))
}

fn from(id: &str) -> Vec<Date> {
    named(id).applies.iter().map(|a| a.from).collect()
}

#[test]
fn every_figure_of_an_entry_stands_in_the_words_noted_from_its_source() {
    let mut figures = 0;
    for entry in shipped().entries {
        let mut needed: Vec<String> = Vec::new();
        let day = |at: Date| at.strftime("%-d %b %Y").to_string();
        needed.extend(entry.applies.iter().map(|applies| day(applies.from)));
        needed.extend(entry.retention.as_ref().map(Floor::words));
        for deadline in &entry.deadlines {
            let business = deadline.of.contains("business");
            let unit = if business { "business days" } else { "days" };
            needed.push(format!("{} {unit}", deadline.days));
        }
        for words in needed {
            assert!(entry.says.contains(&words), "{}: {words}", entry.id);
            figures += 1;
        }
    }
    assert!(figures > 30, "{figures}");
}

#[test]
fn no_entry_says_more_than_a_source_can() {
    for entry in shipped().entries {
        let words = format!("{} {}", entry.title, entry.says).to_lowercase();
        for claim in [
            "compliant",
            "complies",
            "you must",
            "guarantee",
            "ensures",
            "certif",
        ] {
            let quoted = entry.id == "us-fre-902" && claim == "certif";
            assert!(quoted || !words.contains(claim), "{}: {claim}", entry.id);
        }
        let unsure = [
            "not verified",
            "not re-read",
            "not read",
            "from memory",
            "pending",
        ];
        if unsure.iter().any(|doubt| words.contains(doubt)) {
            assert_ne!(entry.confidence, Confidence::Primary, "{}", entry.id);
        }
    }
}

#[test]
fn the_changes_of_2026_are_in_it() {
    let high_risk = [date(2027, 12, 2), date(2028, 8, 2)];
    for id in ["eu-aia-12", "eu-aia-19", "eu-aia-72", "eu-aia-73"] {
        assert_eq!(from(id), high_risk, "{id}");
    }
    assert_eq!(from("eu-aia-50"), [date(2026, 8, 2), date(2026, 12, 2)]);
    assert_eq!(from("us-co-sb26-189"), [date(2027, 1, 1)]);
    assert_eq!(
        named("us-co-sb26-189").retention.map(|r| r.months),
        Some(36)
    );
    let stand = [
        ("us-co-sb24-205", Status::Repealed),
        ("us-sr-11-7", Status::Rescinded),
        ("us-fre-707", Status::NotAdopted),
        ("us-il-subpart-j", Status::Withdrawn),
        ("us-il-hb3773", Status::InForce),
        ("pren-18229-1", Status::Draft),
    ];
    for (id, status) in stand {
        assert_eq!(named(id).status, status, "{id}");
    }
    let days: Vec<u32> = named("eu-aia-73")
        .deadlines
        .iter()
        .map(|d| d.days)
        .collect();
    assert_eq!(days, [15, 2, 10]);
}

#[test]
fn nothing_was_checked_after_the_register_was_made() {
    let register = shipped();
    let made: Date = register.version.get(..10).unwrap().parse().unwrap();
    for entry in &register.entries {
        assert!(entry.last_checked <= made, "{}", entry.id);
    }
}

#[test]
fn every_report_has_entries_and_every_entry_names_reports_that_exist() {
    let register = shipped();
    for kind in ReportType::ALL {
        assert!(register.of(kind.code()).count() > 0, "{kind}");
    }
    for entry in &register.entries {
        for code in &entry.reports {
            assert!(code.parse::<ReportType>().is_ok(), "{}: {code}", entry.id);
        }
    }
}

#[test]
fn a_register_that_contradicts_itself_is_refused() {
    let refused = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut value: serde_json::Value = serde_json::from_str(SHIPPED).unwrap();
        change(&mut value);
        Register::read(&value.to_string()).is_err()
    };
    assert!(!refused(&|_| {}));
    assert!(refused(
        &|v| v["entries"][1]["id"] = v["entries"][0]["id"].clone()
    ));
    assert!(refused(
        &|v| v["entries"][0]["applies"] = serde_json::json!([])
    ));
    assert!(refused(&|v| v["entries"][0]["says"] = " ".into()));
    assert!(refused(&|v| v["entries"][0]["id"] = "Art 12".into()));
    assert!(refused(
        &|v| v["entries"][1]["retention"]["months"] = 0.into()
    ));
    assert!(refused(
        &|v| v["entries"][0]["reports"] = serde_json::json!([])
    ));
    assert!(refused(&|v| v["entries"][0]["odd"] = 1.into()));
    assert!(refused(&|v| v["entries"][0]["last_checked"] = "soon".into()));
}
