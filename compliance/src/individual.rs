//! R10: everything recorded about one exchange, in plain language.

use countersign_record::{
    Action, DecisionBody, Effect, Mode, Outcome, OutcomeValue, Side, Signal, Verdict,
};

use crate::{
    document::{Block, Cell, Section, Table},
    exchanges::not_evaluated,
    extract::Placed,
    frame::{self, columns},
    human_oversight,
    indexes::Indexes,
    measure::{Metric, name_of},
    summary::{Summary, bodies, policy_name},
};

pub(crate) fn sections(summary: &Summary<'_>) -> Vec<Section> {
    let decisions: Vec<_> = summary.extract.decisions(summary.query).collect();
    let reviews = bodies!(summary, HumanReview);
    let outcomes = bodies!(summary, Outcome);
    let placed = |(placed, _): &(&Placed, _)| placed.index;
    let metrics = vec![
        Metric::count(
            "reviews",
            "Human reviews",
            "records",
            reviews.iter().map(placed).collect(),
        ),
        Metric::count(
            "outcomes",
            "Outcomes reported",
            "records",
            outcomes.iter().map(|(placed, _)| placed.index).collect(),
        ),
        Metric::count(
            "complaints",
            "Complaint records",
            "records",
            bodies!(summary, Complaint)
                .iter()
                .map(|(placed, _)| placed.index)
                .collect(),
        ),
    ];
    let mut story: Vec<Block> = Vec::new();
    if decisions.is_empty() {
        story.push(Block::Text(
            "No decision record of the period names this exchange. Either it did not pass through \
             this gateway, or its id is another, or it lies outside the period."
                .to_owned(),
        ));
    }
    story.extend(decisions.iter().map(|(placed, body)| told(placed, body)));
    vec![
        frame::opening(summary, metrics, Vec::new()),
        Section::new("what-happened", "What happened", story),
        Section::new(
            "factors",
            "What was looked for, and what was found",
            vec![
                Block::Text(
                    "Programs called detectors read the text and give each topic a score from 0 to \
                     100 %. At or above its threshold a topic counts as present. The policy, a \
                     list of rules, then says what is done."
                        .to_owned(),
                ),
                Block::Table(signals(&decisions)),
                Block::Table(rules(&decisions)),
            ],
        ),
        Section::new(
            "people-involved",
            "People, outcomes and complaints",
            vec![
                Block::Table(human_oversight::table(&reviews)),
                Block::Table(outcome_table(&outcomes)),
                Block::Table(complaints(summary)),
            ],
        ),
        Section::new(
            "your-questions",
            "What this file cannot say",
            vec![unsaid()],
        ),
    ]
}

fn unsaid() -> Block {
    let notes = [
        "What was written or answered: the ledger holds no text, only proofs about it.",
        "Who the person is: no name is in the ledger.",
        "For what purpose the organisation used the system, and how much weight it gave the answer. \
         The organisation has to add that.",
        "Whether the decision was right.",
        "How to ask for a person to look at it, to correct data or to object. The organisation has \
         to add its contact here.",
    ];
    Block::Notes("", notes.map(str::to_owned).to_vec())
}

/// One side of the exchange, in sentences.
fn told(placed: &Placed, body: &DecisionBody) -> Block {
    let model = body.model.served.as_ref().or(body.model.requested.as_ref());
    let model = model.map_or("a model that was not named", String::as_str);
    let what = match body.side {
        Side::Input => format!(
            "On {} a request arrived for {model} of {} (route {}).",
            body.times.received, body.model.vendor, body.route
        ),
        Side::Output => format!("On {} an answer of {model} was judged.", body.times.decided),
    };
    let decided = match body.decision.effect {
        Effect::Permit => "No rule of the policy stood against it.",
        Effect::Transform => "The policy asked that parts be removed.",
        Effect::Escalate => "The policy asked that a person look at it.",
        Effect::Deny => "The policy asked that it be withheld.",
    };
    let done = match body.action {
        Action::Forwarded => "It was passed on unchanged.",
        Action::Redacted => "It was passed on with those parts removed.",
        Action::Blocked => "It was withheld.",
        Action::RefusedNotEvaluated => "It was withheld because it could not be evaluated.",
        Action::Closed => "There was nothing to pass on: a fault, or the caller left.",
    };
    let mode = match body.mode {
        Mode::Enforce => "",
        Mode::Observe => " The policy was only observing: decisions were recorded, not acted on.",
    };
    let faults: Vec<String> = not_evaluated(body)
        .map(|(id, reason)| format!("{id} ({reason})"))
        .collect();
    let faults = if faults.is_empty() {
        String::new()
    } else {
        format!(" These detectors gave no answer: {}.", faults.join(", "))
    };
    let policy = policy_name(&body.policy);
    Block::Text(format!(
        "{what} The policy {policy}, version {}, decided automatically. {decided} {done}{mode}{faults} \
         (Record {}.)",
        body.policy.version, placed.index
    ))
}

fn percent(ppm: u32) -> String {
    format!("{}.{:02} %", ppm / 10_000, ppm % 10_000 / 100)
}

fn signals(decisions: &[(&Placed, &DecisionBody)]) -> Table {
    let row = |placed: &Placed, body: &DecisionBody, signal: &Signal| {
        let found = match signal.verdict {
            Verdict::Present => "present",
            Verdict::Absent => "not present",
            Verdict::Undetermined => "not known: not all of the text could be read",
        };
        vec![
            Cell::text(if body.side == Side::Input {
                "request"
            } else {
                "answer"
            }),
            Cell::text(&signal.label),
            Cell::text(found),
            Cell::text(percent(signal.score_ppm.ppm())),
            Cell::text(percent(signal.threshold_ppm.ppm())),
            Cell::text(&signal.detector),
            Cell::Int(placed.index),
        ]
    };
    let all = decisions.iter().flat_map(|(placed, body)| {
        body.signals
            .iter()
            .map(move |signal| row(placed, body, signal))
    });
    Table {
        id: "signals",
        caption: "Topics looked for, with score and threshold".to_owned(),
        columns: columns(&[
            ("side", "Side"),
            ("label", "Topic"),
            ("found", "Found"),
            ("score", "Score"),
            ("threshold", "Threshold"),
            ("detector", "Detector"),
            ("index", "Record"),
        ]),
        rows: all.collect(),
        when_empty: "No topic was recorded for this exchange.",
    }
}

fn rules(decisions: &[(&Placed, &DecisionBody)]) -> Table {
    let all = decisions.iter().flat_map(|(placed, body)| {
        body.decision.rules.iter().map(move |rule| {
            vec![
                Cell::text(&rule.id),
                Cell::text(name_of(&rule.outcome)),
                Cell::text(name_of(&rule.effect)),
                Cell::text(name_of(&rule.severity)),
                Cell::Int(placed.index),
            ]
        })
    });
    Table {
        id: "rules-applied",
        caption: "Rules that applied".to_owned(),
        columns: columns(&[
            ("rule", "Rule"),
            ("how", "Matched or could not be evaluated"),
            ("asked", "Asked for"),
            ("severity", "Severity"),
            ("index", "Record"),
        ]),
        rows: all.collect(),
        when_empty: "No rule applied.",
    }
}

fn outcome_table(outcomes: &[(&Placed, &Outcome)]) -> Table {
    let replaced: Vec<_> = outcomes
        .iter()
        .filter_map(|(_, outcome)| outcome.supersedes)
        .collect();
    let rows = outcomes.iter().map(|(placed, outcome)| {
        let value = match &outcome.value {
            OutcomeValue::Selected(true) => "selected".to_owned(),
            OutcomeValue::Selected(false) => "not selected".to_owned(),
            OutcomeValue::Score(score) => format!("score {score}"),
            OutcomeValue::Class(class) => format!("class {class}"),
        };
        vec![
            Cell::Int(placed.index),
            Cell::text(&outcome.kind),
            Cell::Text(value),
            Cell::option(outcome.adverse, Cell::Flag),
            Cell::Time(outcome.decided_at.clone()),
            Cell::text(&outcome.source),
            Cell::Flag(outcome.late),
            Cell::Flag(replaced.contains(&placed.record.id)),
        ]
    });
    Table {
        id: "outcomes",
        caption: "What came of it, as the organisation reported".to_owned(),
        columns: columns(&[
            ("index", "Record"),
            ("kind", "Decision"),
            ("value", "Result"),
            ("adverse", "Adverse, as stated"),
            ("decided", "Decided"),
            ("source", "Source"),
            ("late", "Reported late"),
            ("replaced", "Replaced by a later report"),
        ]),
        rows: rows.collect(),
        when_empty: "No outcome was reported for this exchange.",
    }
}

fn complaints(summary: &Summary<'_>) -> Table {
    let rows = bodies!(summary, Complaint)
        .into_iter()
        .map(|(placed, complaint)| {
            vec![
                Cell::text(&complaint.complaint),
                Cell::text(&complaint.category),
                Cell::text(name_of(&complaint.status)),
                Cell::Time(complaint.status_at.clone()),
                Cell::Indexes(Indexes::of(vec![placed.index])),
            ]
        });
    Table {
        id: "complaints",
        caption: "Complaints about it".to_owned(),
        columns: columns(&[
            ("complaint", "Complaint"),
            ("category", "About"),
            ("status", "Status"),
            ("since", "Since"),
            ("indexes", "Record"),
        ]),
        rows: rows.collect(),
        when_empty: "No complaint was reported about this exchange.",
    }
}
