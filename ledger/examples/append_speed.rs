//! Durable signed appends per second, beside what the machine could do at best.
//!
//! ```sh
//! cargo run --release -p countersign-ledger --example append_speed -- DIR [ROUNDS [SECONDS [APPENDERS [RAW]]]]
//! ```
//!
//! Each of ROUNDS (3) measures, one after the other so that they share the machine's mood:
//! `fdatasync` of one record and of a batch; Ed25519 signatures on all cores; group commit of raw
//! bytes; the ledger under APPENDERS (8192) that each append again as soon as they are answered,
//! with no and with two indexed members; and its latency when half as many entries arrive at fixed
//! times, whether or not earlier ones are answered. Scratch files lie in DIR (on the disk that is
//! to be measured) and are removed. RAW, a file, gets one JSON line per measurement.
#![allow(
    clippy::print_stdout,
    reason = "a measurement is read from the terminal"
)]

use std::{
    error::Error,
    fs::{self, File, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use countersign_ledger::{AppendError, Ledger, Opening, Settings, Signer as _};
use ed25519_dalek::SigningKey;
use serde_json::{Map, Value, json};

type Fallible<T> = Result<T, Box<dyn Error>>;

/// Bytes of a record, as the caller hands it in.
const RECORD: usize = 600;
/// Most entries in one of the ledger's batches.
const BATCH: usize = 4096;
/// Syncs of one record in a round.
const SYNCS: usize = 200;

struct Plan {
    dir: PathBuf,
    rounds: u32,
    time: Duration,
    appenders: usize,
    raw: Option<File>,
    rows: Vec<Value>,
}

impl Plan {
    fn from_args() -> Fallible<Self> {
        let mut args = std::env::args().skip(1);
        let dir = args
            .next()
            .ok_or("usage: append_speed DIR [ROUNDS [SECONDS [APPENDERS [RAW]]]]")?;
        let mut number = |otherwise: u32| args.next().map_or(Ok(otherwise), |text| text.parse());
        Ok(Self {
            dir: Path::new(&dir).join("append-speed"),
            rounds: number(3)?,
            time: Duration::from_secs(number(5)?.into()),
            appenders: usize::try_from(number(8192)?)?,
            raw: args.next().map(File::create).transpose()?,
            rows: Vec::new(),
        })
    }

    fn note(&mut self, row: Value) -> Fallible<()> {
        if let Some(raw) = &mut self.raw {
            writeln!(raw, "{row}")?;
        }
        self.rows.push(row);
        Ok(())
    }

    /// The median of a field over the rounds.
    fn median(&self, what: &str, field: &str) -> f64 {
        let rows = self.rows.iter().filter(|row| row["what"] == what);
        let mut found: Vec<f64> = rows.filter_map(|row| row[field].as_f64()).collect();
        found.sort_by(f64::total_cmp);
        found.get(found.len() / 2).copied().unwrap_or(f64::NAN)
    }
}

/// A record like those of the gateway; the value of `request_uid` is written anew for each entry.
fn template() -> Map<String, Value> {
    let mut record = json!({
        "actor": {"user": {"uid": "team-7/alice"}, "session": {"uid": "0198c1d2-5e6f"}},
        "class_uid": 6003, "time": 1_764_000_000_000_u64, "severity_id": 1, "status_id": 1,
        "request_uid": "", "policy": {"uid": "default", "version": "2026-11-01", "rule": "allow"},
        "model": {"name": "claude-sonnet", "provider": "anthropic", "tokens_in": 812, "tokens_out": 377},
        "findings": [{"label": "pii.email", "score_ppm": 912_000}, {"label": "secret", "score_ppm": 1200}],
        "fill": ""
    });
    record["request_uid"] = name(0).into();
    let missing = RECORD.saturating_sub(record.to_string().len());
    record["fill"] = "0123456789abcdef".repeat(RECORD)[..missing].into();
    record.as_object().cloned().unwrap_or_default()
}

fn name(number: u64) -> String {
    format!("0198c1d2-5e6f-7abc-8def-{number:012x}")
}

fn record(template: &Map<String, Value>, number: u64) -> Map<String, Value> {
    let mut record = template.clone();
    record.insert("request_uid".into(), name(number).into());
    record
}

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn percentile(sorted: &[u32], percent: usize) -> u32 {
    let at = sorted.len() * percent / 100;
    sorted.get(at).or(sorted.last()).copied().unwrap_or(0)
}

fn summary(what: &str, mut micros: Vec<u32>) -> Value {
    micros.sort_unstable();
    let [p50, p90, p99] = [50, 90, 99].map(|percent| percentile(&micros, percent));
    let max = micros.last();
    json!({"what": what, "samples": micros.len(), "p50_us": p50, "p90_us": p90, "p99_us": p99, "max_us": max})
}

fn micros(since: Instant) -> u32 {
    u32::try_from(since.elapsed().as_micros()).unwrap_or(u32::MAX)
}

/// Appends `bytes` to a new file, each time with a sync, until `enough`.
fn syncs(path: &Path, bytes: usize, enough: impl Fn(usize) -> bool) -> Fallible<Vec<u32>> {
    let content = vec![b'x'; bytes];
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    let mut times = Vec::new();
    while !enough(times.len()) {
        let start = Instant::now();
        file.write_all(&content)?;
        file.sync_data()?;
        times.push(micros(start));
    }
    fs::remove_file(path)?;
    Ok(times)
}

/// Signatures per second over messages of `length` bytes on all cores.
fn signatures(length: usize, time: Duration) -> Fallible<Value> {
    let before = used()?;
    let count = AtomicU64::new(0);
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..cores() {
            scope.spawn(|| {
                let (key, mut message) = (key(), vec![b'x'; length]);
                while start.elapsed() < time {
                    for turn in 0..64 {
                        message[0] = turn;
                        std::hint::black_box(key.sign(&message).ok());
                    }
                    count.fetch_add(64, Ordering::Relaxed);
                }
            });
        }
    });
    let count = count.into_inner() as f64;
    let per_second = count / start.elapsed().as_secs_f64();
    let cpu = 1e6 * (used()? - before) / count;
    Ok(json!({"what": "signatures", "per_second": per_second, "cpu_us": cpu}))
}

/// Processor seconds that this process has used: on a busy machine they say more than the clock.
fn used() -> Fallible<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // In hundredths, after the name in parentheses.
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or("")
        .split_whitespace()
        .collect();
    let ticks = |at: usize| fields.get(at).map_or(Ok(0), |field| field.parse::<u32>());
    Ok(f64::from(ticks(11)? + ticks(12)?) / 100.0)
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn open(plan: &Plan, indexed: &[&str]) -> Fallible<(Ledger, PathBuf)> {
    let dir = plan.dir.join("ledger");
    let mut settings = Settings::new(&dir, "append-speed.example");
    settings.queue = 2 * plan.appenders;
    // Five rounds of publication at the highest rate; at the end the rest is published as well.
    settings.max_pending = 500_000;
    settings.index_members = indexed.iter().map(|&name| name.to_owned()).collect();
    let (ledger, _) = Opening::new(settings, Arc::new(key())).open()?;
    Ok((ledger, dir))
}

/// As many entries as go: every appender appends again once it is answered.
async fn saturate(plan: &Plan, what: &str, indexed: &[&str]) -> Fallible<Value> {
    let (ledger, dir) = open(plan, indexed)?;
    let template = Arc::new(template());
    let (done, refused) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let before = used()?;
    let start = Instant::now();
    let end = start + plan.time;
    let mut appenders = tokio::task::JoinSet::new();
    for appender in 0..plan.appenders as u64 {
        let (ledger, template) = (ledger.clone(), template.clone());
        let (done, refused) = (done.clone(), refused.clone());
        appenders.spawn(async move {
            let mut number = appender << 32;
            while Instant::now() < end {
                number += 1;
                match ledger.append(record(&template, number)).await {
                    Ok(_) => done.fetch_add(1, Ordering::Relaxed),
                    Err(AppendError::Overloaded) => {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                        refused.fetch_add(1, Ordering::Relaxed)
                    }
                    Err(error) => return Err(error),
                };
            }
            Ok(())
        });
    }
    while let Some(ended) = appenders.join_next().await {
        ended??;
    }
    let (seconds, micros) = (start.elapsed().as_secs_f64(), start.elapsed().as_micros());
    let count = done.load(Ordering::Relaxed);
    let published = ledger.head().published.map_or(0, |info| info.size);
    let entry = ledger.read(0)?.map_or(0, |entry| entry.len());
    ledger.close().await?;
    let all = start.elapsed().as_secs_f64();
    let cpu = 1e6 * (used()? - before) / count as f64;
    drop(ledger);
    fs::remove_dir_all(dir)?;
    Ok(json!({
        "what": what, "appends": count, "refused": refused.load(Ordering::Relaxed),
        "seconds": seconds, "per_second": count as f64 / seconds,
        "half_per_second": u128::from(count) * 500_000 / micros, "published_at_end": published,
        "seconds_until_published": all, "published_per_second": count as f64 / all,
        "entry_bytes": entry, "cpu_us": cpu,
    }))
}

/// Entries that are due after a time, at so many per second.
fn due_after(time: Duration, rate: u32) -> u32 {
    u32::try_from(time.as_micros() * u128::from(rate) / 1_000_000).unwrap_or(u32::MAX)
}

/// Latency from the time that an entry is due, at a fixed rate.
async fn half_load(plan: &Plan, rate: u32) -> Fallible<Value> {
    let (ledger, dir) = open(plan, &[])?;
    let template = Arc::new(template());
    let total = due_after(plan.time, rate);
    let times: Arc<[AtomicU32]> = (0..total).map(|_| AtomicU32::new(u32::MAX)).collect();
    let mut tick = tokio::time::interval(Duration::from_millis(1));
    let start = Instant::now();
    let mut sent = 0;
    let mut last = None;
    while sent < total {
        tick.tick().await;
        let due = due_after(start.elapsed(), rate).min(total);
        for number in sent..due {
            let (ledger, template, times) = (ledger.clone(), template.clone(), times.clone());
            let due = start + Duration::from_secs(number.into()) / rate;
            last = Some(tokio::spawn(async move {
                let appended = ledger.append(record(&template, number.into())).await;
                if appended.is_ok() {
                    times[number as usize].store(micros(due), Ordering::Relaxed);
                }
            }));
        }
        sent = due;
    }
    if let Some(last) = last {
        last.await?;
    }
    ledger.close().await?;
    let answered: Vec<u32> = times
        .iter()
        .map(|time| time.load(Ordering::Relaxed))
        .collect();
    let lost = answered.iter().filter(|time| **time == u32::MAX).count();
    drop(ledger);
    fs::remove_dir_all(dir)?;
    let mut row = summary("half load", answered);
    row["rate"] = rate.into();
    row["lost"] = lost.into();
    Ok(row)
}

async fn round(plan: &mut Plan) -> Fallible<()> {
    let file = plan.dir.join("syncs");
    let short = plan.time.min(Duration::from_secs(2));
    let template = template();
    let start = Instant::now();
    for number in 0..100_000 {
        std::hint::black_box(record(&template, number));
    }
    let per_second = 1e5 / start.elapsed().as_secs_f64();
    plan.note(json!({"what": "records made", "per_second": per_second}))?;

    let row = saturate(plan, "ledger", &[]).await?;
    let half = u32::try_from(row["half_per_second"].as_u64().unwrap_or(0))?;
    let entry = row["entry_bytes"].as_u64().unwrap_or(0) as usize;
    plan.note(row)?;
    plan.note(summary(
        "fdatasync 600 B",
        syncs(&file, RECORD, |n| n == SYNCS)?,
    ))?;
    plan.note(signatures(entry, short)?)?;
    let start = Instant::now();
    let batch = syncs(&file, BATCH * (entry + 16), |_| start.elapsed() > short)?;
    let per_second = (batch.len() * BATCH) as f64 / start.elapsed().as_secs_f64();
    plan.note(summary("fdatasync batch", batch))?;
    plan.note(json!({"what": "group commit", "per_second": per_second}))?;
    let row = saturate(plan, "ledger, 2 indexed", &["request_uid", "fill"]).await?;
    plan.note(row)?;
    let row = half_load(plan, half).await?;
    plan.note(row)?;
    plan.note(summary(
        "fdatasync 600 B",
        syncs(&file, RECORD, |n| n == SYNCS)?,
    ))?;
    plan.note(signatures(entry, short)?)
}

fn print(plan: &Plan) {
    let limits = ["signatures", "group commit"].map(|what| plan.median(what, "per_second"));
    let limit = limits[0].min(limits[1]);
    println!("medians; {} cores", cores());
    for what in ["ledger", "ledger, 2 indexed"] {
        let rate = plan.median(what, "per_second");
        let published = plan.median(what, "published_per_second");
        println!(
            "{what:<20}{rate:>10.0}/s  {:>5.1} % of the limit  {published:>8.0}/s with publication",
            100.0 * rate / limit
        );
    }
    for what in ["signatures", "group commit", "records made"] {
        println!("{what:<20}{:>10.0}/s", plan.median(what, "per_second"));
    }
    for what in ["fdatasync 600 B", "fdatasync batch", "half load"] {
        let [p50, p99] = ["p50_us", "p99_us"].map(|field| plan.median(what, field));
        println!("{what:<20}{p50:>10.0} µs p50 {p99:>10.0} µs p99");
    }
    let p99 = plan.median("half load", "p99_us");
    let [one, batch] =
        ["fdatasync 600 B", "fdatasync batch"].map(|what| plan.median(what, "p50_us"));
    println!(
        "p99 at half load is {:.1} fdatasyncs of one record, {:.1} of a batch",
        p99 / one,
        p99 / batch
    );
}

#[tokio::main]
async fn main() -> Fallible<()> {
    let mut plan = Plan::from_args()?;
    fs::create_dir_all(&plan.dir)?;
    for _ in 0..plan.rounds {
        round(&mut plan).await?;
    }
    print(&plan);
    fs::remove_dir_all(&plan.dir)?;
    Ok(())
}
