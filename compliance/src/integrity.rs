//! R15: what was verified, what is complete, and what is not.

use std::collections::BTreeMap;

use countersign_record::{Body, Verdict};

use crate::{
    attention,
    document::{Block, Cell, Column, Section, Table},
    exchanges::{Outcome, fail_open},
    extract::{ChainSeen, Extract, Placed},
    frame,
    indexes::Indexes,
    provenance::{Header, how_to_verify, limits},
    register::Register,
    summary::Summary,
};

pub(crate) fn sections(
    header: &Header,
    summary: &Summary<'_>,
    register: &Register,
) -> Vec<Section> {
    let mut first = vec![
        Block::Headline(summary.headline()),
        attention::points(summary),
    ];
    first.extend(summary.charts());
    vec![
        Section::new("summary", "Summary", first),
        Section::new(
            "verified",
            "What was verified",
            vec![
                verified(header, summary),
                Block::Table(chains(summary.extract)),
            ],
        ),
        Section::new(
            "records",
            "Records and decisions",
            vec![
                summary.by_type(),
                summary.by_side(),
                summary.by_effect(),
                summary.by_action(),
                summary.by_mode(),
                summary.by_policy(),
            ],
        ),
        Section::new(
            "completeness",
            "Completeness",
            vec![
                summary.by_outcome(),
                Block::Table(without_output(summary)),
                Block::Table(silence(summary)),
            ],
        ),
        Section::new("gaps", "Gaps", vec![summary.gap_list()]),
        Section::new(
            "evaluation",
            "Evaluation",
            vec![
                summary.by_detector_fault(),
                summary.by_label(Verdict::Undetermined),
                Block::Table(fail_open_periods(summary)),
            ],
        ),
        Section::new(
            "exclusions-section",
            "Exclusions",
            vec![summary.exclusions()],
        ),
        frame::basis(header, register),
        limits(header.kind),
        not_verified(),
        how_to_verify(header),
    ]
}

fn verified(header: &Header, summary: &Summary<'_>) -> Block {
    let entries: u64 = summary
        .extract
        .chains
        .values()
        .map(|chain| chain.entries.len() as u64)
        .sum();
    let last = entries
        .checked_sub(1)
        .map_or_else(|| Cell::text("none"), Cell::Int);
    let first = if entries == 0 {
        Cell::text("none")
    } else {
        Cell::Int(0)
    };
    Block::Facts(
        "The offline verifier read the whole ledger up to the checkpoint and found no fault. \
         Without that, no report is made.",
        vec![
            ("From index", first),
            ("To index", last),
            ("Tree size", Cell::Int(header.source.size)),
            (
                "Root hash (RFC 6962, SHA-256)",
                Cell::code(&header.source.root),
            ),
            ("Entry signatures checked (Ed25519)", Cell::Int(entries)),
            (
                "Checkpoint signature checked",
                Cell::text("yes, with the key below"),
            ),
            ("Signing key id", Cell::code(&header.source.key_id)),
            ("Chains", Cell::Int(summary.extract.chains.len() as u64)),
        ],
    )
}

fn chains(extract: &Extract) -> Table {
    let columns = vec![
        Column::main("chain", "Chain"),
        Column::main("first_seq", "First sequence number"),
        Column::main("last_seq", "Last sequence number"),
        Column::main("entries", "Entries"),
        Column::main("continuity", "Continuity"),
        Column::main("head", "Hash of the last entry"),
        Column::main("indexes", "Indexes"),
    ];
    let row = |(uid, chain): (&String, &ChainSeen)| {
        let continuity = if chain.breaks.is_empty() {
            "without gap".to_owned()
        } else {
            format!(
                "broken at index {}",
                Indexes::of(chain.breaks.clone()).line(8)
            )
        };
        vec![
            Cell::code(uid),
            Cell::Int(chain.first_seq),
            Cell::Int(chain.last_seq),
            Cell::Int(chain.entries.len() as u64),
            Cell::text(continuity),
            Cell::code(hex::encode(chain.head)),
            Cell::Indexes(Indexes::of(chain.entries.clone())),
        ]
    };
    Table {
        id: "chains",
        caption: "Chains, up to the checkpoint".to_owned(),
        columns,
        rows: extract.chains.iter().map(row).collect(),
        when_empty: "The range holds no entry.",
    }
}

fn without_output(summary: &Summary<'_>) -> Table {
    let columns = vec![
        Column::main("index", "First record"),
        Column::main("exchange", "Exchange"),
        Column::main("why", "What is recorded"),
    ];
    let rows = summary
        .exchanges
        .iter()
        .filter(|seen| seen.outcome != Outcome::Both)
        .map(|seen| {
            vec![
                Cell::Int(seen.first),
                Cell::code(seen.exchange.to_string()),
                Cell::text(seen.outcome.named().1),
            ]
        });
    Table {
        id: "one-sided",
        caption: "Exchanges without records of both sides".to_owned(),
        columns,
        rows: rows.collect(),
        when_empty: "Every exchange of the period has records of both sides.",
    }
}

#[derive(Default)]
struct Silence<'a> {
    heartbeats: Vec<&'a Placed>,
    records: Vec<&'a Placed>,
}

/// The longest time between neighbours, in milliseconds, and the two indexes.
fn longest(placed: &[&Placed]) -> Option<(u64, u64, u64)> {
    let between = placed.windows(2).map(|pair| {
        let nanoseconds = pair[1].at.as_nanosecond() - pair[0].at.as_nanosecond();
        let milliseconds = u64::try_from(nanoseconds / 1_000_000).unwrap_or(0);
        (milliseconds, pair[0].index, pair[1].index)
    });
    // The first of equals, so that the order of reading decides.
    between.reduce(|best, next| if next.0 > best.0 { next } else { best })
}

fn silence(summary: &Summary<'_>) -> Table {
    let mut chains: BTreeMap<&str, Silence<'_>> = BTreeMap::new();
    for placed in summary.extract.within(summary.query) {
        let chain = chains.entry(&placed.chain).or_default();
        chain.records.push(placed);
        if matches!(placed.record.body, Body::Heartbeat(_)) {
            chain.heartbeats.push(placed);
        }
    }
    let columns = vec![
        Column::main("chain", "Chain"),
        Column::main("heartbeats", "Heartbeats"),
        Column::main("first", "First heartbeat"),
        Column::main("last", "Last heartbeat"),
        Column::main(
            "longest_between_heartbeats_ms",
            "Longest time between heartbeats (ms)",
        ),
        Column::main("longest_silence_ms", "Longest time without any record (ms)"),
        Column::main("silence_indexes", "Silence between indexes"),
        Column::main("backwards", "Records earlier than the one before"),
    ];
    let rows = chains.into_iter().map(|(uid, chain)| {
        let time = |placed: Option<&&Placed>| {
            Cell::option(placed, |placed| Cell::Time(placed.record.ts.clone()))
        };
        let silence = longest(&chain.records);
        let back = chain
            .records
            .windows(2)
            .filter(|pair| pair[1].at < pair[0].at);
        vec![
            Cell::code(uid),
            Cell::Int(chain.heartbeats.len() as u64),
            time(chain.heartbeats.first()),
            time(chain.heartbeats.last()),
            Cell::option(longest(&chain.heartbeats), |(ms, ..)| Cell::Int(ms)),
            Cell::option(silence, |(ms, ..)| Cell::Int(ms)),
            Cell::option(silence, |(_, from, to)| {
                Cell::text(format!("{from} and {to}"))
            }),
            Cell::Indexes(Indexes::of(back.map(|pair| pair[1].index).collect())),
        ]
    });
    Table {
        id: "heartbeats",
        caption: "Signs of life in the period".to_owned(),
        columns,
        rows: rows.collect(),
        when_empty: "Insufficient data: the period holds no record.",
    }
}

fn fail_open_periods(summary: &Summary<'_>) -> Table {
    let columns = vec![
        Column::main("from", "From"),
        Column::main("to", "To"),
        Column::main("records", "Records"),
        Column::main("exchanges", "Exchanges"),
        Column::main("reasons", "Reasons"),
        Column::main("indexes", "Indexes"),
    ];
    let rows = fail_open(summary.extract, summary.query)
        .into_iter()
        .map(|period| {
            vec![
                Cell::Time(period.from),
                Cell::Time(period.to),
                Cell::Int(period.records.len() as u64),
                Cell::Int(period.exchanges.len() as u64),
                Cell::List(period.reasons.into_iter().collect()),
                Cell::Indexes(Indexes::of(period.records)),
            ]
        });
    Table {
        id: "fail-open",
        caption: "Fail-open periods: neighbouring decision records that were all passed on though \
                  some detector gave no answer"
            .to_owned(),
        columns,
        rows: rows.collect(),
        when_empty: "No decision record of the period was passed on without a full evaluation.",
    }
}

fn not_verified() -> Section {
    let notes = [
        "Whether the gateway saw all traffic of the system it guards.",
        "Whether the clock of the gateway was right.",
        "Whether the signing key was held by the operator alone at all times.",
        "Whether anyone was shown another history: no witness's signature was required.",
        "Whether detectors and policy were adequate for the purpose.",
        "Whether the interval of heartbeats is the one configured; the table shows what was \
         recorded.",
        "Content: commitments were not opened.",
    ];
    let notes = notes.into_iter().map(str::to_owned).collect();
    Section::new(
        "not-verified",
        "What was not verified",
        vec![Block::Notes("", notes)],
    )
}
