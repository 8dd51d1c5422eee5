//! `report`: verified range in, report files out.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use countersign_compliance::{Format, Query, ReportType, report};
use countersign_ledger::{VerifiedRange, Verifier};
use countersign_record::ExchangeId;

use crate::cli::{ReportArgs, ReportFormat};
use crate::exit::{BAD_DATA, FINDING, UNAVAILABLE, fail};
use crate::inspect;

/// Usage errors of values that clap cannot check.
const USAGE: u8 = 2;

pub(crate) fn run(args: &ReportArgs) -> anyhow::Result<ExitCode> {
    let kind: ReportType = args.kind.parse().map_err(|e| fail(USAGE, format!("{e}")))?;
    let query = Query {
        from: instant(args.from.as_deref())?,
        to: instant(args.to.as_deref())?,
        exchange: exchange(args.exchange.as_deref())?,
    };
    let own = args.data.join("keys/ledger.vkey").display().to_string();
    let key = inspect::key(args.key.as_deref().unwrap_or(&own))?;
    let range = inspect::checked(&args.data, &Verifier::new(&key))?
        .into_range()
        .map_err(|found| {
            let first = found
                .faults
                .first()
                .map(|f| format!("{}: {}", f.place, f.detail));
            fail(
                FINDING,
                format!(
                    "no report from a faulty ledger: {}",
                    first.unwrap_or_default()
                ),
            )
        })?;
    let formats = match args.format {
        None => vec![Format::Json, Format::Csv, Format::Html],
        Some(ReportFormat::Json) => vec![Format::Json],
        Some(ReportFormat::Csv) => vec![Format::Csv],
        Some(ReportFormat::Html) => vec![Format::Html],
    };
    for path in write(&range, kind, &query, &formats, &args.out)? {
        println!("{}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes one report in several formats and says where.
pub(crate) fn write(
    range: &VerifiedRange,
    kind: ReportType,
    query: &Query,
    formats: &[Format],
    out: &Path,
) -> anyhow::Result<Vec<PathBuf>> {
    let made = report(range, kind, query).map_err(|e| fail(BAD_DATA, e.to_string()))?;
    let problem =
        |path: &Path, e: std::io::Error| fail(UNAVAILABLE, format!("{}: {e}", path.display()));
    std::fs::create_dir_all(out).map_err(|e| problem(out, e))?;
    let mut paths = Vec::new();
    for format in formats {
        let extension = match format {
            Format::Json => "json",
            Format::Csv => "csv",
            Format::Html => "html",
        };
        let path = out.join(format!("{}.{extension}", made.file_stem()));
        std::fs::write(&path, made.render(*format)).map_err(|e| problem(&path, e))?;
        paths.push(path);
    }
    Ok(paths)
}

fn instant(text: Option<&str>) -> anyhow::Result<Option<jiff::Timestamp>> {
    text.map(|t| t.parse().map_err(|e| fail(USAGE, format!("{t}: {e}"))))
        .transpose()
}

fn exchange(text: Option<&str>) -> anyhow::Result<Option<ExchangeId>> {
    text.map(|t| t.parse().map_err(|e| fail(USAGE, format!("{t}: {e}"))))
        .transpose()
}
