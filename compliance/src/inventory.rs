//! R19: models, vendors, detectors and policies as they were seen.

use std::collections::{BTreeMap, BTreeSet};

use countersign_record::{DecisionBody, Side};

use crate::{
    document::{Block, Cell, Section, Table},
    extract::Placed,
    frame::{self, columns},
    indexes::Indexes,
    measure::{Metric, Tally},
    summary::{Summary, bodies, policy_name},
};

/// Something seen in decision records.
#[derive(Default)]
struct Sighting {
    at: Vec<u64>,
    first: String,
    last: String,
    routes: BTreeSet<String>,
}

impl Sighting {
    fn add(&mut self, placed: &Placed, body: &DecisionBody) {
        if self.at.is_empty() {
            self.first.clone_from(&placed.record.ts);
        }
        self.last.clone_from(&placed.record.ts);
        self.at.push(placed.index);
        self.routes.insert(body.route.clone());
    }

    /// Records, first, last, routes, indexes.
    fn cells(self) -> [Cell; 5] {
        [
            Cell::Int(self.at.len() as u64),
            Cell::Time(self.first),
            Cell::Time(self.last),
            Cell::List(self.routes.into_iter().collect()),
            Cell::Indexes(Indexes::of(self.at)),
        ]
    }
}

const SEEN: [(&str, &str); 5] = [
    ("records", "Decision records"),
    ("first", "First seen"),
    ("last", "Last seen"),
    ("routes", "Routes"),
    ("indexes", "Indexes"),
];

/// A table of what `keys` finds in each decision record of the period.
fn sightings<const N: usize>(
    summary: &Summary<'_>,
    (id, caption): (&'static str, &str),
    named: [(&'static str, &'static str); N],
    keys: impl Fn(&DecisionBody) -> Vec<[String; N]>,
) -> Table {
    let mut seen: BTreeMap<[String; N], Sighting> = BTreeMap::new();
    for (placed, body) in summary.extract.decisions(summary.query) {
        for key in keys(body) {
            seen.entry(key).or_default().add(placed, body);
        }
    }
    let row = |(key, sighting): ([String; N], Sighting)| {
        let key = key.into_iter().map(Cell::Text);
        key.chain(sighting.cells()).collect()
    };
    Table {
        id,
        caption: caption.to_owned(),
        columns: columns(&[named.as_slice(), &SEEN].concat()),
        rows: seen.into_iter().map(row).collect(),
        when_empty: "Insufficient data: the period holds no decision record that names one.",
    }
}

fn models(summary: &Summary<'_>) -> Table {
    let named = [("role", "Role"), ("vendor", "Vendor"), ("model", "Model")];
    let caption = "Models by role: asked for, as requests name them (input records); answered, as \
                   responses name them (output records)";
    sightings(summary, ("models", caption), named, |body| {
        let (role, model) = match body.side {
            Side::Input => ("asked for", &body.model.requested),
            Side::Output => ("answered", &body.model.served),
        };
        let model = model.as_deref().unwrap_or("not named");
        vec![[role, body.model.vendor.as_str(), model].map(str::to_owned)]
    })
}

pub(crate) fn sections(summary: &Summary<'_>) -> Vec<Section> {
    let mut vendors = Tally::default();
    for (placed, body) in summary.extract.decisions(summary.query) {
        vendors.add(&body.model.vendor, placed.index);
    }
    let differs = summary.decisions_where(|body| {
        let (asked, answered) = (&body.model.requested, &body.model.served);
        matches!((asked, answered), (Some(asked), Some(answered)) if asked != answered)
    });
    let unnamed = summary.decisions_where(|body| match body.side {
        Side::Input => body.model.requested.is_none(),
        Side::Output => body.model.served.is_none(),
    });
    let metrics = vec![
        Metric::count(
            "model_differs",
            "Answered by another name than asked for",
            "records",
            differs,
        ),
        Metric::count("model_not_named", "No model named", "records", unnamed),
    ];
    vec![
        frame::opening(summary, metrics, Vec::new()),
        Section::new(
            "vendors",
            "Vendors and models",
            vec![
                frame::counts(
                    "vendor",
                    ("Decision records by vendor", "Vendor"),
                    "records",
                    vendors,
                    Some("decisions"),
                ),
                Block::Table(models(summary)),
                Block::Text(
                    "A list of approved models is not in the ledger. Whether a model listed here \
                     was meant to be used is for the reader to compare."
                        .to_owned(),
                ),
                Block::Table(evaluations(summary)),
            ],
        ),
        Section::new(
            "guards",
            "Detectors, policies and software",
            guards(summary).map(Block::Table).to_vec(),
        ),
    ]
}

/// What judged: detectors, policies, software.
fn guards(summary: &Summary<'_>) -> [Table; 3] {
    let detectors = sightings(
        summary,
        ("detectors", "Detectors that ran or should have run"),
        [
            ("detector", "Detector"),
            ("version", "Version"),
            ("digest", "Digest"),
        ],
        |body| {
            let runs = body.detectors.iter().map(|run| &run.detector);
            let named = runs.map(|d| [d.id.clone(), d.version.clone(), d.digest.clone()]);
            named.collect::<BTreeSet<_>>().into_iter().collect()
        },
    );
    let policies = sightings(
        summary,
        ("policies", "Policies that decided"),
        [("policy", "Policy"), ("version", "Version")],
        |body| vec![[policy_name(&body.policy), body.policy.version.clone()]],
    );
    let software = sightings(
        summary,
        ("software", "Software that made the records"),
        [("version", "Version")],
        |body| vec![[body.software_version.clone()]],
    );
    [detectors, policies, software]
}

/// Registered reports of evaluations.
pub(crate) fn evaluations(summary: &Summary<'_>) -> Table {
    let rows = bodies!(summary, Evaluation)
        .into_iter()
        .map(|(placed, report)| {
            vec![
                Cell::Int(placed.index),
                Cell::text(&report.evaluation),
                Cell::text(&report.kind),
                Cell::text(&report.model),
                Cell::Time(report.performed_at.clone()),
                Cell::text(&report.result),
                Cell::text(&report.evaluator),
                Cell::code(&report.report),
            ]
        });
    Table {
        id: "evaluations",
        caption: "Reports of evaluations registered in the period; results are as they state"
            .to_owned(),
        columns: columns(&[
            ("index", "Index"),
            ("evaluation", "Reference"),
            ("kind", "Kind"),
            ("model", "Model"),
            ("performed", "Performed"),
            ("result", "Result stated"),
            ("evaluator", "Evaluator"),
            ("digest", "Digest of the report"),
        ]),
        rows: rows.collect(),
        when_empty: "No report of an evaluation was registered in the period.",
    }
}
