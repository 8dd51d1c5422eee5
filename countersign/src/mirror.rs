//! `verify` of a ledger that is served somewhere: keeps a copy, and alarms on a contradiction.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use countersign_ledger::VerifierKey;
use countersign_ledger::witness::Policy;
use countersign_ledger_remote::mirror::{Mirror, MirrorError, MirrorReport, MirrorSettings};

use crate::cli::VerifyArgs;
use crate::exit::{BAD_CONFIG, FINDING, UNAVAILABLE, fail};

/// Whether the target is a URL.
pub(crate) fn is_served(target: &Path) -> Option<&str> {
    target
        .to_str()
        .filter(|url| url.starts_with("http://") || url.starts_with("https://"))
}

/// Fetches what is new and verifies it, once or every so often.
pub(crate) fn watch(args: &VerifyArgs, url: &str, key: VerifierKey) -> anyhow::Result<ExitCode> {
    let scratch = Scratch::new();
    let dir = args.dir.clone().unwrap_or_else(|| scratch.0.clone());
    let mut settings = MirrorSettings::new(url, dir, key);
    settings.policy = args.policy.as_deref().map(policy).transpose()?;
    let unavailable = |e: MirrorError| fail(UNAVAILABLE, e.to_string());
    let mut mirror = Mirror::open(settings).map_err(unavailable)?;
    let mut alarmed = false;
    loop {
        match mirror.round() {
            Ok(report) => {
                println!("{report}");
                alarmed |= is_finding(&report);
            }
            Err(error) if args.follow && args.every_s > 0 => {
                eprintln!("countersign: {error}; trying again");
            }
            Err(error) => return Err(unavailable(error)),
        }
        if !args.follow || args.every_s == 0 {
            return Ok(if alarmed {
                ExitCode::from(FINDING)
            } else {
                ExitCode::SUCCESS
            });
        }
        std::thread::sleep(Duration::from_secs(args.every_s));
    }
}

/// A contradiction, or entries that are withheld without a record that says so.
fn is_finding(report: &MirrorReport) -> bool {
    report.alarm.is_some() || report.pruned.is_some_and(|pruned| !pruned.recorded)
}

fn policy(path: &Path) -> anyhow::Result<Policy> {
    let problem = |e: &dyn std::fmt::Display| fail(BAD_CONFIG, format!("{}: {e}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|e| problem(&e))?;
    text.parse().map_err(|e| problem(&e))
}

/// A copy that nobody asked to keep.
struct Scratch(std::path::PathBuf);

impl Scratch {
    fn new() -> Self {
        let name = format!("countersign-verify-{}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // It may never have been made.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
