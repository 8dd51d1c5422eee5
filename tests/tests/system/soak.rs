//! Mixed load with callers that leave and upstreams that fail: every exchange is closed by its
//! records, memory stays flat, and the ledger verifies.
//!
//! Twenty seconds in every run of the tests; `COUNTERSIGN_SOAK_MINUTES=30` makes it a real soak.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use countersign_tests::client::Client;
use countersign_tests::gateway::{Gateway, Setup};
use countersign_tests::stand_in::StandIn;
use countersign_tests::{Seeded, ledger, program};
use serde_json::{Value, json};

const WORKERS: u64 = 8;
const PATHS: [&str; 5] = [
    "/v1/chat/completions",
    "/v1/responses",
    "/v1/messages",
    "/v1beta/models/MODEL:generateContent",
    "/api/chat",
];
const MODELS: [&str; 12] = [
    "plain",
    "plain",
    "story",
    "story@400",
    "long@2000",
    "card",
    "key",
    "cut",
    "garbled",
    "fault",
    "busy",
    "broken",
];
const PROMPTS: [&str; 4] = [
    "What is the capital of France?",
    "My card is 4539 5787 6362 1486, is it valid?",
    "Keep my key AKIAQ3EGXKZ7WLP5TVRN for me.",
    "Write a limerick about a river that has forgotten where the sea is.",
];

/// Until when, and how many exchanges there were so far.
struct Load {
    until: Instant,
    exchanges: AtomicU64,
    left: AtomicU64,
}

async fn call(base: String, load: Arc<Load>, seed: u64) {
    let mut seeded = Seeded::of(seed);
    let client = Client::new();
    while Instant::now() < load.until {
        let model = MODELS[seeded.below(MODELS.len() as u64) as usize];
        let prompt = PROMPTS[seeded.below(PROMPTS.len() as u64) as usize];
        let path = PATHS[seeded.below(PATHS.len() as u64) as usize];
        let stream = seeded.below(3) > 0;
        let leaves = seeded.below(6) == 0;
        let url = base.clone() + &target(path, model, stream);
        let asked = question(path, model, prompt, stream);
        let pieces = if leaves {
            seeded.below(4) as usize
        } else {
            usize::MAX
        };
        // Broken answers are what this is about; what matters is what the ledger says of them.
        drop(client.post_and_watch(&url, &asked, pieces).await);
        load.exchanges.fetch_add(1, Ordering::Relaxed);
        load.left.fetch_add(u64::from(leaves), Ordering::Relaxed);
    }
}

fn target(path: &str, model: &str, stream: bool) -> String {
    let path = path.replace("MODEL", model);
    if stream && path.contains("generateContent") {
        return path.replace("generateContent", "streamGenerateContent") + "?alt=sse";
    }
    path
}

fn question(path: &str, model: &str, prompt: &str, stream: bool) -> Value {
    let messages = json!([{ "role": "user", "content": prompt }]);
    match path {
        "/v1/responses" => json!({ "model": model, "input": prompt, "stream": stream }),
        "/v1/messages" => json!({ "model": model, "max_tokens": 99, "messages": messages,
            "stream": stream }),
        path if path.contains("generateContent") => {
            json!({ "contents": [{ "role": "user", "parts": [{ "text": prompt }] }] })
        }
        _ => json!({ "model": model, "messages": messages, "stream": stream }),
    }
}

/// The mean of resident memory, in MiB, of the samples in a part of the run.
fn mean(samples: &[(f64, f64)], from: f64, to: f64) -> f64 {
    let inside: Vec<f64> = samples
        .iter()
        .filter(|(at, _)| *at >= from && *at <= to)
        .map(|(_, mib)| *mib)
        .collect();
    inside.iter().sum::<f64>() / inside.len().max(1) as f64
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mixed_load_with_faults_leaves_every_exchange_closed_and_memory_flat() {
    let mut seeded = Seeded::announced("soak");
    let minutes = std::env::var("COUNTERSIGN_SOAK_MINUTES");
    let minutes: f64 = minutes.map_or(1.0 / 3.0, |m| m.parse().unwrap());
    let length = Duration::from_secs_f64(minutes * 60.0);
    let upstream = StandIn::start().await;
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let config = root.path().join("countersign.yaml");
    std::fs::write(&config, program::guarded(&upstream.url(), "")).unwrap();
    let gateway = Gateway::start(Setup::Config(&config), &data).await;

    let load = Arc::new(Load {
        until: Instant::now() + length,
        exchanges: AtomicU64::new(0),
        left: AtomicU64::new(0),
    });
    let workers: Vec<_> = (0..WORKERS)
        .map(|_| {
            let (base, load) = (gateway.url(""), Arc::clone(&load));
            tokio::spawn(call(base, load, seeded.number()))
        })
        .collect();
    let began = Instant::now();
    let mut samples = Vec::new();
    while began.elapsed() < length {
        tokio::time::sleep(Duration::from_secs(2).min(length / 10)).await;
        let at = began.elapsed().as_secs_f64() / 60.0;
        samples.push((at, gateway.resident_mib()));
        upstream.forget();
    }
    for worker in workers {
        worker.await.unwrap();
    }
    gateway.stop().await;

    let exchanges = load.exchanges.load(Ordering::Relaxed);
    let left = load.left.load(Ordering::Relaxed);
    println!("{minutes:.1} minutes, {exchanges} exchanges, {left} callers left");
    for at in 0_u8..10 {
        let (from, to) = (
            minutes * f64::from(at) / 10.0,
            minutes * f64::from(at + 1) / 10.0,
        );
        println!(
            "{from:>5.1} to {to:>5.1} min: {:>6.1} MiB",
            mean(&samples, from, to)
        );
    }
    ledger::verify_by_binary(&data).expect_code(0);
    let finishes = assert_closed(&data, minutes >= 5.0);
    println!("outputs: {finishes:?}");
    if minutes >= 10.0 {
        let (early, late) = (
            mean(&samples, 5.0, 7.0),
            mean(&samples, minutes - 2.0, minutes),
        );
        // Flat, but for what sampling a running process differs by.
        assert!(late < early + 1.0, "memory grew from {early} to {late} MiB");
    }
}

/// Each exchange has an input side, and each that was forwarded an output side.
fn assert_closed(data: &Path, long: bool) -> BTreeMap<String, u64> {
    let records = ledger::records(data);
    let decisions = ledger::decisions(&records);
    assert!(decisions.len() > 20, "hardly any load: {}", decisions.len());
    let mut finishes = BTreeMap::<String, u64>::new();
    for (exchange, sides) in &decisions {
        let action = sides[0]["action"].as_str().unwrap();
        let forwarded = ["forwarded", "redacted"].contains(&action);
        let expected: &[&str] = if forwarded {
            &["input", "output"]
        } else {
            &["input"]
        };
        assert_eq!(ledger::sides(sides), expected, "exchange {exchange}");
        if let Some(output) = sides.get(1) {
            let finish = output["delivery"]["finish"].as_str().unwrap();
            *finishes.entry(finish.to_owned()).or_default() += 1;
        }
    }
    for finish in [
        "complete",
        "blocked",
        "client_gone",
        "upstream_fault",
        "upstream_cut",
    ] {
        assert!(
            !long || finishes.contains_key(finish),
            "no {finish}: {finishes:?}"
        );
    }
    assert!(
        !records.iter().any(|r| r["type"] == "gap"),
        "a gap was recorded"
    );
    finishes
}
