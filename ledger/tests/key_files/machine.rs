//! What this machine lacks: said loudly, counted, and a failure where everything must run.

use std::io::Write;

/// Says that `test` cannot run here because of `lack`. With `CI` set this fails the test.
#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
pub(crate) fn skip(test: &str, lack: &str) {
    let required = std::env::var("CI").is_ok_and(|ci| !ci.is_empty() && ci != "false");
    assert!(!required, "{test} must run here, but {lack}");
    eprintln!("SKIPPED {test}: {lack}");
    if let Some(path) = std::env::var_os("COUNTERSIGN_SKIPS") {
        let file = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(path);
        writeln!(file.unwrap(), "{test}: {lack}").unwrap();
    }
}
