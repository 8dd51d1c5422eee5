//! A file's rows, read within bounds.

use std::cell::Cell;
use std::io::{self, BufRead, Read};

use countersign_record::{Body, Malformed};
use jiff::Timestamp;

use crate::{
    cells,
    kind::{Form, Kind},
    known::{Known, Standing},
    row,
};

/// Bounds of one batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most rows.
    pub rows_max: u64,
    /// Most bytes of one row.
    pub row_bytes_max: usize,
    /// Most faults that are listed; reading ends with the last of them.
    pub faults_max: usize,
}

impl Default for Limits {
    /// 100,000 rows of up to 64 KiB, 100 faults.
    fn default() -> Self {
        Self {
            rows_max: 100_000,
            row_bytes_max: 64 * 1024,
            faults_max: 100,
        }
    }
}

/// When and how rows came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// The time of receipt.
    pub at: Timestamp,
    /// An outcome that was decided more than so many days before is late, when its row does not
    /// say.
    pub late_after_days: u16,
    /// Bounds.
    pub limits: Limits,
}

/// What is wrong with a row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Not JSON, or not of the kind's shape.
    #[error("{0}")]
    Shape(String),
    /// Not CSV, or a row of another length than the header.
    #[error("not readable as CSV: {0}")]
    Csv(String),
    /// Not UTF-8.
    #[error("not UTF-8")]
    Utf8,
    /// Longer than a row may be.
    #[error("longer than {0} bytes")]
    TooLong(usize),
    /// More rows than a batch may have.
    #[error("more than {0} rows")]
    TooMany(u64),
    /// The file could not be read on.
    #[error("reading failed: {0}")]
    Read(String),
    /// A member that this kind does not have.
    #[error("unknown member {0}")]
    Unknown(String),
    /// A column that occurs twice, or is both a value and a group.
    #[error("column {0} occurs twice")]
    Twice(String),
    /// A cell of the wrong kind.
    #[error("column {column}: {wanted} is wanted")]
    Cell {
        /// The column, without its group.
        column: String,
        /// What it must hold.
        wanted: &'static str,
    },
    /// No RFC 3339 instant.
    #[error("{0}: an RFC 3339 instant is wanted, for example 2026-11-24T08:00:00Z")]
    Time(String),
    /// Later than the time of receipt.
    #[error("{0} lies in the future")]
    Future(String),
    /// A member that is no code, reference, digest, instant or number of its kind.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// Another row or the ledger says something else about the same.
    #[error("contradicts what an earlier row or the ledger says about the same")]
    Contradiction,
}

/// A problem and the line it begins on, from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct Fault {
    /// The line.
    pub line: u64,
    /// What is wrong.
    pub problem: Problem,
}

/// What a file says.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// The bodies in order, without duplicates; to be appended only when there are no faults.
    pub bodies: Vec<Body>,
    /// What is wrong, in order of line.
    pub faults: Vec<Fault>,
    /// Lines that say what an earlier line or the ledger says already; they add nothing.
    pub duplicates: Vec<u64>,
    /// Lines about an exchange that no decision record is known of; they are taken all the same.
    pub unknown_exchanges: Vec<u64>,
    /// Rows read.
    pub rows: u64,
}

impl Batch {
    /// Whether it may be appended.
    pub const fn is_clean(&self) -> bool {
        self.faults.is_empty()
    }

    fn fail(&mut self, line: u64, problem: Problem) {
        self.faults.push(Fault { line, problem });
    }

    fn is_full(&self, limits: &Limits) -> bool {
        self.faults.len() >= limits.faults_max.max(1)
    }

    fn take(&mut self, line: u64, bodies: Vec<Body>, known: &mut Known) {
        let told = bodies.iter().any(|body| {
            body.exchanges()
                .iter()
                .any(|exchange| !known.has_decided(exchange))
        });
        if told {
            self.unknown_exchanges.push(line);
        }
        // An incident's own record decides; its hold is known when the incident is.
        match bodies.last().map(|body| known.standing(body)) {
            Some(Standing::Duplicate) => self.duplicates.push(line),
            Some(Standing::Contradiction) => self.fail(line, Problem::Contradiction),
            Some(Standing::New) | None => {
                for body in bodies {
                    if known.standing(&body) == Standing::New {
                        known.learn(&body);
                        self.bodies.push(body);
                    }
                }
            }
        }
    }
}

/// Reads all rows of `input`, which is held in memory one row at a time; their bodies are kept.
/// What is new is learnt into `known`.
pub fn read(
    kind: Kind,
    form: Form,
    input: impl BufRead,
    received: &Received,
    known: &mut Known,
) -> Batch {
    match form {
        Form::JsonLines => json_lines(kind, input, received, known),
        Form::Csv => csv_rows(kind, input, received, known),
    }
}

fn json_lines(
    kind: Kind,
    mut input: impl BufRead,
    received: &Received,
    known: &mut Known,
) -> Batch {
    let limits = &received.limits;
    let mut batch = Batch::default();
    let mut bytes = Vec::new();
    for line in 1u64.. {
        bytes.clear();
        let most = limits.row_bytes_max as u64 + 1;
        match input.by_ref().take(most).read_until(b'\n', &mut bytes) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) => {
                batch.fail(line, Problem::Read(error.to_string()));
                break;
            }
        }
        if bytes.len() > limits.row_bytes_max {
            // Where the next line begins is not looked for.
            batch.fail(line, Problem::TooLong(limits.row_bytes_max));
            break;
        }
        let text = match std::str::from_utf8(&bytes) {
            // A mark of byte order may open a file.
            Ok(text) if line == 1 => text.trim_start_matches('\u{feff}').trim(),
            Ok(text) => text.trim(),
            Err(_) => {
                batch.fail(line, Problem::Utf8);
                if batch.is_full(limits) {
                    break;
                }
                continue;
            }
        };
        if text.is_empty() {
            continue;
        }
        if !counted(&mut batch, line, limits) {
            break;
        }
        let object = serde_json::from_str(text).map_err(|e| row::shape(&e));
        match object.and_then(|object| row::bodies(kind, object, received)) {
            Ok(bodies) => batch.take(line, bodies, known),
            Err(problem) => batch.fail(line, problem),
        }
        if batch.is_full(limits) {
            break;
        }
    }
    batch
}

/// Counts a row; false when it is one too many.
fn counted(batch: &mut Batch, line: u64, limits: &Limits) -> bool {
    if batch.rows == limits.rows_max {
        batch.fail(line, Problem::TooMany(limits.rows_max));
        return false;
    }
    batch.rows += 1;
    true
}

/// Bytes that the CSV reader may have read past the row it gives.
const READ_AHEAD: usize = 8 * 1024;

/// A source that ends in an error when one row takes more than its allowance.
struct Rationed<'a, R> {
    input: R,
    left: &'a Cell<usize>,
}

impl<R: Read> Read for Rationed<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(self.left.get());
        if most == 0 {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let read = self.input.read(&mut buffer[..most])?;
        self.left.set(self.left.get() - read);
        Ok(read)
    }
}

fn csv_rows(kind: Kind, input: impl BufRead, received: &Received, known: &mut Known) -> Batch {
    let limits = &received.limits;
    let mut batch = Batch::default();
    // The reader keeps one row in memory; a quote without an end must not grow without bound.
    let allowance = limits.row_bytes_max.saturating_add(READ_AHEAD);
    let left = Cell::new(allowance);
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .buffer_capacity(READ_AHEAD)
        .from_reader(Rationed { input, left: &left });
    let header = match reader.headers() {
        Ok(header) => header.clone(),
        Err(error) => {
            batch.fail(1, csv_problem(&error, limits));
            return batch;
        }
    };
    let mut row = csv::StringRecord::new();
    loop {
        let line = reader.position().line();
        left.set(allowance);
        match reader.read_record(&mut row) {
            Ok(false) => break,
            Ok(true) => {}
            Err(error) => {
                let line = error.position().map_or(line, csv::Position::line);
                batch.fail(line, csv_problem(&error, limits));
                if batch.is_full(limits) || matches!(error.kind(), csv::ErrorKind::Io(_)) {
                    break;
                }
                continue;
            }
        }
        let line = row.position().map_or(line, csv::Position::line);
        if !counted(&mut batch, line, limits) {
            break;
        }
        if row.as_slice().len() > limits.row_bytes_max {
            batch.fail(line, Problem::TooLong(limits.row_bytes_max));
        } else {
            let object = cells::object(&header, &row);
            match object.and_then(|object| row::bodies(kind, object, received)) {
                Ok(bodies) => batch.take(line, bodies, known),
                Err(problem) => batch.fail(line, problem),
            }
        }
        if batch.is_full(limits) {
            break;
        }
    }
    batch
}

fn csv_problem(error: &csv::Error, limits: &Limits) -> Problem {
    match error.kind() {
        csv::ErrorKind::Io(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            Problem::TooLong(limits.row_bytes_max)
        }
        csv::ErrorKind::Io(error) => Problem::Read(error.to_string()),
        csv::ErrorKind::Utf8 { .. } => Problem::Utf8,
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => Problem::Csv(format!("{len} cells under a header of {expected_len}")),
        _ => Problem::Csv("malformed".to_owned()),
    }
}
