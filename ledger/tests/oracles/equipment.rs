//! Where the foreign verifiers are on this machine. Both are run from source.

use std::{
    env, fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use sha2::{Digest, Sha256};

const PYTHON: &str = "COUNTERSIGN_CLIENTS_PYTHON";
/// Where Debian's `golang-golang-x-mod-dev` puts its sources.
const GOPATH: &str = "/usr/share/gocode";

/// How to start the foreign verifiers.
#[derive(Debug, Clone)]
pub(crate) struct Equipment {
    go: PathBuf,
    python: PathBuf,
}

/// Finds both verifiers, or says loudly that `test` cannot run.
pub(crate) fn find(test: &str) -> Option<Equipment> {
    let found = FOUND.get_or_init(|| {
        Ok(Equipment {
            go: go()?,
            python: python()?,
        })
    });
    match found {
        Ok(equipment) => Some(equipment.clone()),
        Err(lack) => {
            skip(test, lack);
            None
        }
    }
}

static FOUND: OnceLock<Result<Equipment, String>> = OnceLock::new();

impl Equipment {
    pub(crate) fn go(&self) -> Command {
        Command::new(&self.go)
    }

    pub(crate) fn python(&self) -> Command {
        let mut command = Command::new(&self.python);
        command.arg("-B").arg(sources().join("verify_ledger.py"));
        command
    }
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("oracles")
}

/// As the system tests do it: said, counted, and a failure where everything must run.
#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
fn skip(test: &str, lack: &str) {
    let required = env::var("CI").is_ok_and(|ci| !ci.is_empty() && ci != "false");
    assert!(!required, "{test} must run here, but {lack}");
    eprintln!("SKIPPED {test}: {lack}");
    if let Some(path) = env::var_os("COUNTERSIGN_SKIPS") {
        let mut options = fs::OpenOptions::new();
        let mut file = options.append(true).create(true).open(path).unwrap();
        writeln!(file, "{test}: {lack}").unwrap();
    }
}

fn runs(command: &mut Command) -> bool {
    let command = command.stdin(Stdio::null()).stdout(Stdio::null());
    command
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|s| s.success())
}

fn python() -> Result<PathBuf, String> {
    let python = env::var_os(PYTHON).map_or_else(|| "python3".into(), PathBuf::from);
    if runs(Command::new(&python).args(["-c", "import cryptography, rfc8785"])) {
        Ok(python)
    } else {
        Err(format!(
            "{} lacks the packages cryptography and rfc8785",
            python.display()
        ))
    }
}

/// Builds the Go verifier, once for each of its versions; tests that build it at the same time do
/// not meet, because only whole files get the final name.
fn go() -> Result<PathBuf, String> {
    let module = Path::new(GOPATH).join("src/golang.org/x/mod/sumdb/tlog");
    if !runs(Command::new("go").arg("version")) || !module.exists() {
        return Err("golang-go or golang-golang-x-mod-dev is not installed".into());
    }
    let source = sources().join("go/main.go");
    let version = hex::encode(&Sha256::digest(fs::read(&source).unwrap())[..8]);
    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let binary = tmp.join(format!("ledger-oracle-{version}"));
    if !binary.exists() {
        fs::create_dir_all(tmp).unwrap();
        let part = tmp.join(format!("ledger-oracle-{}.part", std::process::id()));
        let mut build = Command::new("go");
        build.envs([
            ("GO111MODULE", "off"),
            ("GOPATH", GOPATH),
            ("GOFLAGS", ""),
            ("CGO_ENABLED", "0"),
        ]);
        build.env("GOCACHE", tmp.join("go-cache"));
        let output = build
            .args(["build", "-o"])
            .args([&part, &source])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "the Go verifier: {said}");
        fs::rename(part, &binary).unwrap();
    }
    Ok(binary)
}
