//! `intake`: rows that people report, into the ledger. Nothing of a file with a fault in it.

use std::fs::File;
use std::io::BufReader;
use std::process::ExitCode;

use countersign_gateway::evidence::record_of;
use countersign_intake::{Batch, Form, Kind, Known, Limits, Received, read};
use countersign_ledger::Ledger;
use countersign_record::Record;
use jiff::Timestamp;

use crate::cli::IntakeArgs;
use crate::config::LedgerConfig;
use crate::exit::{BAD_DATA, BAD_USAGE, UNAVAILABLE, fail};

pub(crate) fn run(args: &IntakeArgs) -> anyhow::Result<ExitCode> {
    let usage = |e: &dyn std::fmt::Display| fail(BAD_USAGE, e.to_string());
    let kind: Kind = args.kind.parse().map_err(|e| usage(&e))?;
    let extension = args.file.extension().unwrap_or_default();
    let form = Form::of_extension(&extension.to_string_lossy()).map_err(|e| usage(&e))?;
    let input = File::open(&args.file)
        .map_err(|e| fail(UNAVAILABLE, format!("{}: {e}", args.file.display())))?;
    crate::keys::must_exist(&args.data)?;
    crate::serve::runtime()?.block_on(async {
        let config = LedgerConfig {
            dir: args.data.clone(),
            ..LedgerConfig::default()
        };
        let (ledger, recovery) = crate::ledger::open(&config)?;
        let taken = take(&ledger, recovery.entries, (kind, form), input, args).await;
        let closed = ledger.close().await;
        let code = taken?;
        closed.map_err(|e| fail(UNAVAILABLE, format!("ledger: {e}")))?;
        Ok(code)
    })
}

async fn take(
    ledger: &Ledger,
    entries: u64,
    (kind, form): (Kind, Form),
    input: File,
    args: &IntakeArgs,
) -> anyhow::Result<ExitCode> {
    let reading = ledger.clone();
    let received = Received {
        at: Timestamp::now(),
        late_after_days: args.late_after_days,
        limits: Limits::default(),
    };
    let batch = tokio::task::spawn_blocking(move || {
        let mut known = known(&reading, entries)?;
        let input = BufReader::new(input);
        anyhow::Ok(read(kind, form, input, &received, &mut known))
    });
    let batch = batch.await??;
    tell(&batch);
    if !batch.is_clean() {
        return Ok(ExitCode::from(BAD_DATA));
    }
    let count = batch.bodies.len();
    if args.check {
        println!("{count} record(s) would be added");
        return Ok(ExitCode::SUCCESS);
    }
    let records = batch.bodies.into_iter().map(record_of);
    let members: Result<Vec<_>, _> = records.map(|record| record.to_object()).collect();
    let members = members.map_err(|e| fail(BAD_DATA, e.to_string()))?;
    for (added, members) in members.into_iter().enumerate() {
        ledger.append(members).await.map_err(|e| {
            let done = format!("{added} of {count} record(s) were added before");
            fail(UNAVAILABLE, format!("ledger: {e}; {done}"))
        })?;
    }
    println!("{count} record(s) added");
    Ok(ExitCode::SUCCESS)
}

/// What the ledger has been told and was not pruned since.
fn known(ledger: &Ledger, entries: u64) -> anyhow::Result<Known> {
    let mut known = Known::new();
    for index in 0..entries {
        let entry = ledger
            .read(index)
            .map_err(|e| fail(BAD_DATA, format!("ledger: {e}")))?;
        let record = entry.and_then(|entry| Record::from_entry(&entry).ok());
        if let Some(Record { body, .. }) = record {
            known.learn(&body);
        }
    }
    Ok(known)
}

/// Says what is wrong, and what adds nothing.
fn tell(batch: &Batch) {
    for fault in &batch.faults {
        eprintln!("countersign: {fault}");
    }
    if !batch.is_clean() {
        eprintln!("countersign: nothing was added");
    }
    let lines = |what: &str, lines: &[u64]| {
        if let Some(first) = lines.first() {
            eprintln!(
                "countersign: {} row(s) {what}, the first on line {first}",
                lines.len()
            );
        }
    };
    lines(
        "say what is recorded already and add nothing",
        &batch.duplicates,
    );
    lines(
        "name an exchange without a decision record",
        &batch.unknown_exchanges,
    );
}
