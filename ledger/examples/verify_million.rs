//! How fast a ledger of a million entries is verified, beside the limit of the same cores, and how
//! much memory that takes. Makes the ledger first, unsynced, in a temporary directory.
//!
//! `cargo run --release -p countersign-ledger --example verify_million [ENTRIES]`
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement that cannot go on has failed"
)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread::available_parallelism,
    time::{Duration, Instant},
};

use countersign_ledger::{
    Checkpoint, Note, SigningKey, Verifier, VerifierKey,
    entry::{self, Link, MAX_ENTRY},
    merkle::{Hash, leaf_hash, perfect_root, range_root},
};
use ed25519_dalek::{Signature, VerifyingKey, verify_batch};
use serde_json::{Map, Value, json};

const ORIGIN: &str = "example.com/million";
const MEASURE: Duration = Duration::from_secs(5);

fn signer() -> (SigningKey, VerifierKey) {
    let key = SigningKey::from_bytes(&[7; 32]);
    let name = VerifierKey::new(ORIGIN, key.verifying_key()).unwrap();
    (key, name)
}

/// Members that make an entry of about 600 bytes.
fn members(number: u64) -> Map<String, Value> {
    let value = json!({
        "id": format!("0198d2f0-0000-7000-8000-{number:012x}"),
        "note": "n".repeat(126),
        "number": number,
        "type": "decision",
    });
    value.as_object().unwrap().clone()
}

/// A tile directory under way.
struct Tiles {
    dir: PathBuf,
    bundle: Vec<u8>,
    levels: Vec<Vec<Hash>>,
    leaves: Vec<Hash>,
    size: u64,
}

fn tile_path(dir: &Path, kind: &str, number: u64, width: usize) -> PathBuf {
    let (thousands, rest) = (number / 1000, number % 1000);
    let name = if thousands > 0 {
        format!("x{thousands:03}/{rest:03}")
    } else {
        format!("{rest:03}")
    };
    let suffix = if width == 256 {
        String::new()
    } else {
        format!(".p/{width}")
    };
    dir.join(format!("tile/{kind}/{name}{suffix}"))
}

fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

impl Tiles {
    fn push(&mut self, entry: &[u8]) {
        self.bundle
            .extend(u16::try_from(entry.len()).unwrap().to_be_bytes());
        self.bundle.extend(entry);
        self.size += 1;
        let mut hash = leaf_hash(entry);
        self.leaves.push(hash);
        if self.size.is_multiple_of(256) {
            write(
                &tile_path(&self.dir, "entries", self.size / 256 - 1, 256),
                &self.bundle,
            );
            self.bundle.clear();
        }
        for level in 0.. {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            self.levels[level].push(hash);
            if self.levels[level].len() < 256 {
                break;
            }
            let number = (self.size >> (8 * level)) / 256 - 1;
            let path = tile_path(&self.dir, &level.to_string(), number, 256);
            write(&path, &self.levels[level].concat());
            hash = perfect_root(&self.levels[level]);
            self.levels[level].clear();
        }
    }

    /// A directory of its own for the tree as it stands; full tiles are shared.
    fn publish(&self, dir: &Path, key: &SigningKey, name: &VerifierKey) {
        link_all(&self.dir, dir);
        let last = usize::try_from(self.size % 256).unwrap();
        if last > 0 {
            write(
                &tile_path(dir, "entries", self.size / 256, last),
                &self.bundle,
            );
        }
        for (level, hashes) in self
            .levels
            .iter()
            .enumerate()
            .filter(|(_, row)| !row.is_empty())
        {
            let number = (self.size >> (8 * level)) / 256;
            let path = tile_path(dir, &level.to_string(), number, hashes.len());
            write(&path, &hashes.concat());
        }
        let mut leaves = self.leaves.as_slice();
        let checkpoint = Checkpoint {
            origin: ORIGIN.to_owned(),
            size: self.size,
            root: range_root(&mut leaves, 0, self.size).unwrap(),
        };
        let note = Note::sign(checkpoint.to_string(), name, key).unwrap();
        write(&dir.join("checkpoint"), note.to_string().as_bytes());
    }
}

fn link_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for item in fs::read_dir(from).unwrap() {
        let item = item.unwrap();
        let target = to.join(item.file_name());
        if item.file_type().unwrap().is_dir() {
            link_all(&item.path(), &target);
        } else {
            fs::hard_link(item.path(), target).unwrap();
        }
    }
}

/// Makes ledgers of a quarter, a half and all of `entries`.
fn make(root: &Path, entries: u64) -> Vec<PathBuf> {
    let (key, name) = signer();
    let dir = root.join("all");
    let mut tiles = Tiles {
        dir,
        bundle: Vec::new(),
        levels: Vec::new(),
        leaves: Vec::new(),
        size: 0,
    };
    let mut link = Link {
        chain_uid: "01890a5d-ac96-774b-bcce-b302099a8057".to_owned(),
        seq: 0,
        prev: [0; 32],
    };
    let sizes = [entries / 4, entries / 2, entries];
    let mut made = Vec::new();
    let mut longest = 0;
    for number in 0..entries {
        let bytes = entry::seal(&members(number), &link, &name, &key).unwrap();
        link = entry::parse(&bytes).unwrap().next();
        tiles.push(&bytes);
        longest = longest.max(bytes.len());
        if sizes.contains(&tiles.size) {
            let dir = root.join(tiles.size.to_string());
            tiles.publish(&dir, &key, &name);
            made.push(dir);
        }
    }
    assert!(longest < MAX_ENTRY);
    println!("longest entry: {longest} bytes");
    made
}

/// What something took: seconds on the clock, and seconds of all cores together.
#[derive(Debug, Clone, Copy)]
struct Took {
    clock: f64,
    cores: f64,
}

impl Took {
    fn by<T>(what: impl FnOnce() -> T) -> (T, Self) {
        let (started, before) = (Instant::now(), cpu_seconds());
        let made = what();
        let clock = started.elapsed().as_secs_f64();
        let cores = cpu_seconds() - before;
        (made, Self { clock, cores })
    }

    fn rates(self, count: f64) -> String {
        let (clock, cores) = (count / self.clock, count / self.cores);
        format!("{clock:.0}/s, {cores:.0} per second of a core")
    }
}

/// Seconds that the threads of this process have run, in ticks of 10 ms.
fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit_once(')').unwrap().1;
    let fields = after_name.split_whitespace().skip(11).take(2);
    fields
        .map(|ticks| ticks.parse::<f64>().unwrap() / 100.0)
        .sum()
}

/// Verifies signatures in batches of `batch` on all cores at once: how many.
fn verify_batches(batch: usize) -> usize {
    let (key, name) = signer();
    let cores = available_parallelism().unwrap().get();
    let mut link = Link {
        chain_uid: "01890a5d-ac96-774b-bcce-b302099a8057".to_owned(),
        seq: 0,
        prev: [0; 32],
    };
    let entries: Vec<Vec<u8>> = (0..batch as u64)
        .map(|number| {
            link.seq = number;
            entry::seal(&members(number), &link, &name, &key).unwrap()
        })
        .collect();
    let attested: Vec<(Vec<u8>, Signature)> = entries
        .iter()
        .map(|bytes| entry::parse(bytes).unwrap().attested(&name).unwrap())
        .collect();
    let messages: Vec<&[u8]> = attested
        .iter()
        .map(|(message, _)| message.as_slice())
        .collect();
    let signatures: Vec<Signature> = attested.iter().map(|(_, signature)| *signature).collect();
    let keys: Vec<VerifyingKey> = vec![key.verifying_key(); batch];
    let started = Instant::now();
    std::thread::scope(|scope| {
        let one = || {
            let mut done = 0;
            while started.elapsed() < MEASURE {
                verify_batch(&messages, &signatures, &keys).unwrap();
                done += batch;
            }
            done
        };
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(one)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    })
}

fn print_limits() {
    for batch in [64, 128, 256, 1024] {
        let (done, took) = Took::by(|| verify_batches(batch));
        println!(
            "limit of batches of {batch:>4}: {}",
            took.rates(done as f64)
        );
    }
}

fn peak_rss_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// What the child process does: verifies one directory, and prints what it took.
fn verify_one(dir: &Path) {
    let (_, name) = signer();
    let (found, took) = Took::by(|| Verifier::new(&name).verify(dir).unwrap());
    assert_eq!(found.faults, []);
    let rates = took.rates(found.entries as f64);
    let peak = peak_rss_kib();
    let range = found.into_range().unwrap();
    let mut times: Vec<Duration> = (0..101)
        .map(|i| {
            let started = Instant::now();
            range.receipt(i * (range.size() - 1) / 100).unwrap();
            started.elapsed()
        })
        .collect();
    times.sort();
    let started = Instant::now();
    let bytes: usize = range.entries().map(|entry| entry.unwrap().1.len()).sum();
    let reread = started.elapsed().as_secs_f64();
    println!(
        "entries {:>8}, {bytes} bytes: {:.2} s, {rates}, peak {peak} KiB; receipt median {:?} \
         slowest {:?}; reading all again {reread:.2} s; peak then {} KiB",
        range.size(),
        took.clock,
        times[50],
        times[100],
        peak_rss_kib()
    );
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let first = arguments.next().unwrap_or_else(|| "1000000".to_owned());
    if first == "--verify" {
        verify_one(Path::new(&arguments.next().unwrap()));
        return;
    }
    let entries: u64 = first.parse().unwrap();
    let root = tempfile::tempdir().unwrap();
    let started = Instant::now();
    let made = make(root.path(), entries);
    println!("made in {:.1} s", started.elapsed().as_secs_f64());
    println!("cores: {}", available_parallelism().unwrap());
    print_limits();
    let itself = std::env::current_exe().unwrap();
    for dir in &made {
        let run = Command::new(&itself)
            .arg("--verify")
            .arg(dir)
            .output()
            .unwrap();
        assert!(
            run.status.success(),
            "{}",
            String::from_utf8_lossy(&run.stderr)
        );
        print!("{}", String::from_utf8_lossy(&run.stdout));
        print_limits();
    }
}
