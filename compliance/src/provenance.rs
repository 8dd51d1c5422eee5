//! Where a report comes from, what it cannot say, and how to check it.

use crate::{
    document::{Block, Cell, Section},
    indexes::Indexes,
    kind::ReportType,
    query::Query,
    register::Register,
    report::digest,
    summary::Summary,
};

/// What made the report.
pub(crate) const GENERATOR: &str = concat!("countersign-compliance ", env!("CARGO_PKG_VERSION"));

/// What a verified range says about itself.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) origin: String,
    pub(crate) verifier_key: String,
    pub(crate) key_id: String,
    pub(crate) size: u64,
    pub(crate) root: String,
    pub(crate) note: String,
}

/// What every report prints about itself.
#[derive(Debug, Clone)]
pub(crate) struct Header {
    pub(crate) id: String,
    pub(crate) digest: String,
    pub(crate) kind: ReportType,
    pub(crate) query: Query,
    pub(crate) source: Source,
    pub(crate) register: String,
    pub(crate) used: Indexes,
    pub(crate) first_time: Option<String>,
    pub(crate) last_time: Option<String>,
}

impl Header {
    pub(crate) fn new(
        source: Source,
        summary: &Summary<'_>,
        kind: ReportType,
        register: &Register,
    ) -> Self {
        let query = *summary.query;
        let digest = digest(&source, (kind, &query), GENERATOR, register);
        let id = format!(
            "{}-{}",
            kind.code(),
            digest.chars().take(32).collect::<String>()
        );
        let used = || summary.extract.within(summary.query);
        let time = |at: jiff::Timestamp| at.to_string();
        Self {
            id,
            digest,
            kind,
            query,
            source,
            register: register.version.clone(),
            used: Indexes::of(used().map(|placed| placed.index).collect()),
            first_time: used().map(|placed| placed.at).min().map(time),
            last_time: used().map(|placed| placed.at).max().map(time),
        }
    }

    /// The period asked for, in words.
    pub(crate) fn period(&self) -> String {
        match (self.query.from, self.query.to) {
            (None, None) => "All records".to_owned(),
            (Some(from), None) => format!("From {from}"),
            (None, Some(to)) => format!("Before {to}"),
            (Some(from), Some(to)) => format!("From {from} to before {to}"),
        }
    }

    /// The card at the head of a page.
    pub(crate) fn facts(&self) -> Vec<(&'static str, Cell)> {
        let none = || Cell::text("none");
        let filter = self.query.canonical().to_string();
        vec![
            ("Report id", Cell::code(&self.id)),
            (
                "Type",
                Cell::text(format!("{} ({})", self.kind.code(), self.kind.name())),
            ),
            ("Generator", Cell::text(GENERATOR)),
            ("Obligation register", Cell::text(&self.register)),
            ("Period asked for", Cell::text(self.period())),
            ("Time zone", Cell::text("UTC")),
            (
                "First record used",
                self.first_time.clone().map_or_else(none, Cell::Time),
            ),
            (
                "Last record used",
                self.last_time.clone().map_or_else(none, Cell::Time),
            ),
            (
                "First index used",
                self.used.first().map_or_else(none, Cell::Int),
            ),
            (
                "Last index used",
                self.used.last().map_or_else(none, Cell::Int),
            ),
            ("Entries used", Cell::Int(self.used.count())),
            (
                "Checkpoint",
                Cell::text(format!("{} entries", self.source.size)),
            ),
            ("Ledger", Cell::text(&self.source.origin)),
            ("Signing key id", Cell::code(&self.source.key_id)),
            ("Filter", Cell::code(filter)),
            ("Root hash", Cell::code(&self.source.root)),
            (
                "Digest of the inputs",
                Cell::code(format!("sha256:{}", self.digest)),
            ),
        ]
    }
}

/// The section that says what is not in the report.
pub(crate) fn limits(kind: ReportType) -> Section {
    let mut notes = vec![
        "This report is a record and a calculation. It is no legal opinion, no audit opinion and \
         no statement that any obligation is met.",
        "Times are those of the gateway's own clock. No outside time-stamp authority was asked.",
        "The ledger holds commitments, not content. That a text belongs to a record can be shown \
         only with the text and its salt.",
        "Traffic that did not pass through the gateway leaves no record here.",
        "Records were compared with a vendor's list of requests only where a reconciliation record \
         says so.",
        "A verdict is what a detector scored against a threshold. Whether it was right is not \
         examined.",
        "Outcomes, human reviews, incidents, complaints, evaluations, holds, erasures and exports \
         are what was reported to the ledger. Whether a report is true, and whether anything was \
         not reported, is not examined.",
        "The report itself is not signed. It can be made again from the ledger, with the same \
         bytes.",
    ];
    if kind == ReportType::LogExtract {
        notes.push(
            "A caller's name is not in the ledger: equal credentials show as equal commitments.",
        );
    }
    let notes = notes.into_iter().map(str::to_owned).collect();
    Section::new("limits", "Limits", vec![Block::Notes("", notes)])
}

/// The section that tells a stranger how to check the report.
pub(crate) fn how_to_verify(header: &Header) -> Section {
    let key = shell_quoted(&header.source.verifier_key);
    let verify = format!("countersign-verify LEDGER_DIRECTORY --key {key}");
    let since = format!("{verify} --since checkpoint.txt");
    let again = format!(
        "countersign report {}{} --data DATA_DIRECTORY --key {key} --out DIRECTORY",
        header.kind.name(),
        header.query.options()
    );
    let receipt = format!("countersign-verify receipt RECEIPT_FILE --entry ENTRY_FILE --key {key}");
    Section::new(
        "verify",
        "How to verify",
        vec![
            Block::Text(
                "Get the verifier key from a source you trust, not from this report, and compare \
                 it with the one printed here. Capital words stand for your own paths."
                    .to_owned(),
            ),
            Block::Facts(
                "",
                vec![("Verifier key", Cell::code(&header.source.verifier_key))],
            ),
            Block::Verbatim(
                "verify-ledger",
                "Verify the ledger offline: every signature, chain and hash",
                verify,
            ),
            Block::Verbatim(
                "verify-since",
                "Also verify that a later ledger extends the checkpoint of this report, saved \
                 from below as checkpoint.txt",
                since,
            ),
            Block::Verbatim(
                "verify-receipt",
                "Verify one record by its receipt",
                receipt,
            ),
            Block::Verbatim(
                "verify-again",
                "Make this report again; from the same ledger state the bytes are the same",
                again,
            ),
            Block::Verbatim(
                "checkpoint",
                "The signed checkpoint that this report was made from",
                header.source.note.clone(),
            ),
        ],
    )
}

/// `text` as one word of a POSIX shell.
fn shell_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
