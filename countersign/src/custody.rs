//! Looking after a ledger that no gateway writes: find faults and mend them, let old records go,
//! make a copy to serve.

use std::path::Path;
use std::process::ExitCode;

use countersign_gateway::evidence::record_of;
use countersign_ledger::fsck;
use countersign_ledger::{Ledger, ReadError, VerifierKey};
use countersign_record::{Body, Record, Retention};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use crate::cli::{ExportArgs, FsckArgs, PruneArgs, TextOrJson};
use crate::config::LedgerConfig;
use crate::exit::{BAD_DATA, FINDING, UNAVAILABLE, fail};

/// `fsck`: derives everything again from the entries; with `--repair` mends what needs no key.
pub(crate) fn fsck(args: &FsckArgs) -> anyhow::Result<ExitCode> {
    let key = match &args.key {
        Some(given) => crate::inspect::key(given)?,
        None => crate::inspect::key(&args.data.join("keys/ledger.vkey").display().to_string())?,
    };
    let bad = |e: fsck::FsckError| fail(BAD_DATA, format!("{}: {e}", args.data.display()));
    let report = if args.repair {
        mend(&args.data, &key)?
    } else {
        fsck::check(&args.data, &key).map_err(bad)?
    };
    match args.format {
        TextOrJson::Text => print!("{}", fsck::to_text(&report)),
        TextOrJson::Json => println!("{}", fsck::to_json(&report)),
    }
    Ok(if report.is_clean() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(FINDING)
    })
}

/// Mends, says what was mended, and gives what is left.
fn mend(data: &Path, key: &VerifierKey) -> anyhow::Result<fsck::Report> {
    let mended =
        fsck::repair(data, key).map_err(|e| fail(BAD_DATA, format!("{}: {e}", data.display())))?;
    eprintln!(
        "countersign: {} file(s) made again, {} removed",
        mended.rebuilt, mended.removed
    );
    Ok(mended.after)
}

/// `prune`: lets records go that are older than so many days.
pub(crate) fn prune(args: &PruneArgs) -> anyhow::Result<ExitCode> {
    crate::serve::runtime()?.block_on(async {
        let config = LedgerConfig {
            dir: args.data.clone(),
            ..LedgerConfig::default()
        };
        crate::keys::must_exist(&args.data)?;
        let (ledger, _) = crate::ledger::open(&config)?;
        let pruned = older_than(&ledger, args.keep_days, "operator:prune").await;
        let closed = ledger.close().await;
        match pruned? {
            Some(before) => println!("records below {before} are gone; their hashes stay"),
            None => println!("nothing is older than {} days", args.keep_days),
        }
        closed.map_err(|e| fail(UNAVAILABLE, format!("ledger: {e}")))?;
        Ok(ExitCode::SUCCESS)
    })
}

/// Lets the records go that are older than `days`; gives the first that is kept, when any went.
pub(crate) async fn older_than(
    ledger: &Ledger,
    days: u32,
    actor: &str,
) -> anyhow::Result<Option<u64>> {
    let reading = ledger.clone();
    let cutoff = Timestamp::now() - SignedDuration::from_hours(i64::from(days) * 24);
    let first = tokio::task::spawn_blocking(move || first_since(&reading, cutoff)).await?;
    let first = first.map_err(|e| fail(BAD_DATA, format!("ledger: {e}")))?;
    let before = countersign_ledger::full_bundles(first);
    if before == 0 || matches!(ledger.read(before - 1), Ok(None)) {
        return Ok(None);
    }
    let members = retention(before, days, actor)?;
    ledger
        .prune(before, members)
        .await
        .map_err(|e| fail(UNAVAILABLE, format!("ledger: {e}")))?;
    Ok(Some(before))
}

fn retention(before: u64, days: u32, actor: &str) -> anyhow::Result<Map<String, Value>> {
    let body = Body::Retention(Retention {
        before,
        actor: actor.to_owned(),
        reason: format!("records are kept for {days} days"),
    });
    record_of(body)
        .to_object()
        .map_err(|e| fail(BAD_DATA, e.to_string()))
}

/// The first published record that is not older than `cutoff`. Records stand in the order of their
/// time, so half of what is left is ruled out with each look.
fn first_since(ledger: &Ledger, cutoff: Timestamp) -> Result<u64, ReadError> {
    let (mut low, mut high) = (0, ledger.head().published.map_or(0, |info| info.size));
    while low < high {
        let middle = low + (high - low) / 2;
        let older = match ledger.read(middle)? {
            // Gone already, and so older.
            None => true,
            Some(entry) => {
                let record = Record::from_entry(&entry).ok();
                let time = record.and_then(|record| record.ts.parse::<Timestamp>().ok());
                time.is_some_and(|time| time < cutoff)
            }
        };
        if older {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

/// `export`: a copy of the published ledger that any static file server can serve.
pub(crate) fn export(args: &ExportArgs) -> anyhow::Result<ExitCode> {
    let copied = countersign_ledger::export::copy(&args.data, &args.out)
        .map_err(|e| fail(UNAVAILABLE, format!("{}: {e}", args.out.display())))?;
    println!(
        "{}: {} entries, {} files",
        args.out.display(),
        copied.size,
        copied.files
    );
    Ok(ExitCode::SUCCESS)
}
