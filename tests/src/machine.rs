//! What this machine lacks: said loudly, counted, and a failure where everything must run.

use std::io::Write;

/// Says that `test` cannot run here because of `lack`. With `CI` set this fails the test.
#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
pub fn skip(test: &str, lack: &str) {
    let required = std::env::var("CI").is_ok_and(|ci| !ci.is_empty() && ci != "false");
    assert!(!required, "{test} must run here, but {lack}");
    eprintln!("SKIPPED {test}: {lack}");
    if let Some(path) = std::env::var_os("COUNTERSIGN_SKIPS") {
        let mut file = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .unwrap();
        writeln!(file, "{test}: {lack}").unwrap();
    }
}

/// How many files a process may open.
pub fn open_files_max() -> u64 {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits
        .lines()
        .find_map(|l| l.strip_prefix("Max open files"));
    let soft = line.and_then(|l| l.split_whitespace().next());
    soft.and_then(|n| n.parse().ok()).unwrap_or(u64::MAX)
}
