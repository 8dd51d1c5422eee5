//! Where the binary is, and running it to its end.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// The `countersign` binary: `COUNTERSIGN_BIN`, else the one built beside this test.
pub fn countersign() -> PathBuf {
    if let Some(path) = std::env::var_os("COUNTERSIGN_BIN") {
        return PathBuf::from(path);
    }
    let test = std::env::current_exe().unwrap();
    let beside = test.ancestors().nth(2).unwrap().join("countersign");
    assert!(
        beside.exists(),
        "{} is missing: run `bash tests/run`",
        beside.display()
    );
    beside
}

/// The repository's root.
pub fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// How a finished run ended.
#[derive(Debug)]
pub struct Finished {
    /// Exit code; -1 when a signal ended it.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl From<Output> for Finished {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Finished {
    /// Both streams, for assertions about what a person is told.
    pub fn said(&self) -> String {
        format!("{}\n{}", self.out, self.err)
    }

    /// Fails the test unless it exited with `code`.
    #[track_caller]
    pub fn expect_code(&self, code: i32) -> &Self {
        assert_eq!(
            self.code, code,
            "stdout:\n{}\nstderr:\n{}",
            self.out, self.err
        );
        self
    }
}

/// Runs `countersign` with `arguments` and no standard input, to its end.
pub fn run<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Finished {
    let mut command = Command::new(countersign());
    command.args(arguments).stdin(Stdio::null());
    command.output().unwrap().into()
}

/// Runs `countersign` with `arguments`, giving it `input`.
pub fn run_with_input<A: AsRef<OsStr>>(
    arguments: impl IntoIterator<Item = A>,
    input: Vec<u8>,
) -> Finished {
    use std::io::Write;
    let mut command = Command::new(countersign());
    command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let feed = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    // A program that refuses its arguments closes its input early; its exit code tells.
    let _fed = feed.join().unwrap();
    output.into()
}

/// A configuration with one route to `upstream`, under a policy that denies credentials and redacts
/// card numbers; `more` are further lines of it.
pub fn guarded(upstream: &str, more: &str) -> String {
    let policy = repository().join("tests/clients/policy.yaml");
    format!(
        "routes:\n  - match: {{ path: \"/*\" }}\n    upstream: {{ url: \"{upstream}\", vendor: stand-in }}\n    \
         policy: clients\npolicies: [ {} ]\n{more}",
        policy.display()
    )
}
