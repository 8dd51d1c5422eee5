//! What a ledger of a million entries costs: open, append, receipt, look-up.
//!
//! ```sh
//! cargo run --release -p countersign-ledger --example million -- DIR [ENTRIES [TURNS]]
//! ```
//!
//! The first run fills DIR with ENTRIES (1,000,000) through the ledger itself; later ones reuse it.
//! Each of TURNS (5) opens the ledger, appends one entry, waits for the index, which this example
//! keeps in memory and so builds anew, and takes receipts and look-ups of entries all over the
//! ledger. Medians are printed beside `fdatasync` in the same folder.
#![allow(
    clippy::print_stdout,
    reason = "a measurement is read from the terminal"
)]

use std::{
    error::Error,
    fs::{self, OpenOptions},
    io::Write as _,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use countersign_ledger::{AppendError, Ledger, Opening, Settings, SigningKey};
use serde_json::{Map, Value, json};

type Fallible<T> = Result<T, Box<dyn Error>>;

/// Entries on their way at once while the ledger is filled.
const TOGETHER: u64 = 4096;
/// Receipts and look-ups in a turn.
const SAMPLES: u64 = 200;

fn open(dir: &Path) -> Fallible<Ledger> {
    let mut settings = Settings::new(dir, "million.example");
    settings.queue = usize::try_from(2 * TOGETHER)?;
    settings.index_members = vec!["request_uid".into(), "actor_uid".into()];
    let key = SigningKey::from_bytes(&[7; 32]);
    Ok(Opening::new(settings, Arc::new(key)).open()?.0)
}

fn uid(number: u64) -> String {
    format!("0198c1d2-5e6f-7abc-8def-{number:012x}")
}

fn record(number: u64) -> Map<String, Value> {
    let record = json!({
        "request_uid": uid(number), "actor_uid": format!("user-{}", number % 50_000),
        "time": 1_764_000_000_000 + number, "action": "allow", "text": "x".repeat(440),
    });
    record.as_object().cloned().unwrap_or_default()
}

async fn fill(dir: &Path, entries: u64) -> Fallible<()> {
    let ledger = open(dir)?;
    let size = ledger.head().size;
    if size >= entries {
        return Ok(ledger.close().await?);
    }
    // A run that was cut short had this many at most on their way.
    let from = size.saturating_sub(4 * TOGETHER);
    let appenders = (0..TOGETHER).map(|appender| {
        let ledger = ledger.clone();
        tokio::spawn(async move {
            let mut number = from + appender;
            while number < entries {
                match ledger.append(record(number)).await {
                    Ok(_) => number += TOGETHER,
                    Err(AppendError::Overloaded) => {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        })
    });
    for appender in appenders.collect::<Vec<_>>() {
        appender.await??;
    }
    Ok(ledger.close().await?)
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// The median of [`SAMPLES`] calls, each for another entry; `call` says whether it found it.
fn each(size: u64, mut call: impl FnMut(u64) -> Fallible<bool>) -> Fallible<Duration> {
    let mut times = Vec::new();
    for sample in 0..SAMPLES {
        let number = sample * 2_654_435_761 % size;
        let start = Instant::now();
        if !call(number)? {
            return Err(format!("entry {number} was not found").into());
        }
        times.push(start.elapsed());
    }
    Ok(median(&mut times))
}

fn fdatasync(dir: &Path) -> Fallible<Duration> {
    let path = dir.join("fdatasync");
    let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
    let time = each(1, |_| {
        file.write_all(&[b'x'; 600])?;
        file.sync_data()?;
        Ok(true)
    });
    fs::remove_file(path)?;
    time
}

async fn turn(dir: &Path, entries: u64) -> Fallible<[Duration; 6]> {
    let start = Instant::now();
    let ledger = open(dir)?;
    let opened = start.elapsed();
    let start = Instant::now();
    // Not one of those that are looked for.
    ledger.append(record(1 << 40)).await?;
    let appended = start.elapsed();
    while ledger.index_status().applied < entries {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let indexed = start.elapsed() + opened;
    let receipt = each(entries, |number| Ok(ledger.receipt(number)?.is_some()))?;
    let found = each(entries, |number| {
        Ok(!ledger.find("request_uid", &uid(number))?.is_empty())
    })?;
    ledger.close().await?;
    Ok([opened, appended, indexed, receipt, found, fdatasync(dir)?])
}

#[tokio::main]
async fn main() -> Fallible<()> {
    let mut args = std::env::args().skip(1);
    let dir = args.next().ok_or("usage: million DIR [ENTRIES [TURNS]]")?;
    let dir = Path::new(&dir);
    let entries = args.next().map_or(Ok(1_000_000), |text| text.parse())?;
    let turns = args.next().map_or(Ok(5), |text| text.parse::<u32>())?;
    fs::create_dir_all(dir)?;
    fill(dir, entries).await?;
    let mut all = Vec::new();
    for _ in 0..turns {
        all.push(turn(dir, entries).await?);
    }
    let names = [
        "open",
        "first append",
        "index built",
        "receipt",
        "find",
        "fdatasync",
    ];
    for (at, name) in names.into_iter().enumerate() {
        let mut times: Vec<Duration> = all.iter().map(|turn| turn[at]).collect();
        let median = median(&mut times);
        println!("{name:<14}{median:>12.1?}   {times:.1?}");
    }
    Ok(())
}
