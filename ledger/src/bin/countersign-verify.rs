//! Offline verifier of ledgers and receipts.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand, ValueEnum};
use countersign_ledger::{
    Verifier, VerifierKey, receipt,
    verify::{self, to_json, to_text},
};

/// Verifies a ledger, or a receipt, against a verifier key. Exit status: 0 clean, 1 fault found,
/// 2 usage, 65 unreadable.
#[derive(Debug, Parser)]
#[command(
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    ledger: Option<LedgerArgs>,
}

#[derive(Debug, Args)]
struct LedgerArgs {
    /// Data directory or tile directory.
    target: PathBuf,
    /// C2SP verifier key, or a file that holds one. Any one key that the ledger ever had will do:
    /// handovers in the ledger lead to the others.
    #[arg(long)]
    key: String,
    /// Older checkpoint that the ledger must extend, for example a copy of its guard; may be given
    /// several times.
    #[arg(long)]
    since: Vec<PathBuf>,
    /// Form of the answer.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Verifies one receipt with the entry that it is for.
    Receipt {
        /// The receipt, a C2SP tlog-proof.
        file: PathBuf,
        /// The entry's exact bytes; without it, the file beside the receipt that ends in
        /// `.entry.json`.
        #[arg(long)]
        entry: Option<PathBuf>,
        /// C2SP verifier key, or a file that holds one. Any one key that the ledger ever had.
        #[arg(long)]
        key: String,
    },
}

enum Stop {
    Usage(String),
    Unreadable(String),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let answer = match (cli.command, cli.ledger) {
        (Some(Command::Receipt { file, entry, key }), _) => {
            let entry = entry.unwrap_or_else(|| file.with_extension("entry.json"));
            check_receipt(&file, &entry, &key)
        }
        (None, Some(args)) => check_ledger(&args),
        (None, None) => Err(Stop::Usage("give a target and --key".to_owned())),
    };
    let (code, text) = match answer {
        Ok((clean, text)) => {
            let written = io::stdout().lock().write_all(text.as_bytes());
            let code = if written.is_err() {
                65
            } else {
                u8::from(!clean)
            };
            return ExitCode::from(code);
        }
        Err(Stop::Usage(text)) => (2, text),
        Err(Stop::Unreadable(text)) => (65, text),
    };
    // Nothing is left to tell when even this cannot be written.
    let _ = writeln!(io::stderr().lock(), "countersign-verify: {text}");
    ExitCode::from(code)
}

fn read_key(key: &str) -> Result<VerifierKey, Stop> {
    if let Ok(key) = key.parse() {
        return Ok(key);
    }
    let usage = |error: &dyn std::fmt::Display| Stop::Usage(format!("--key {key}: {error}"));
    let text = fs::read_to_string(key).map_err(|error| usage(&error))?;
    text.trim_end_matches('\n')
        .parse()
        .map_err(|error| usage(&error))
}

fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> Stop {
    Stop::Unreadable(format!("{}: {error}", path.display()))
}

fn check_ledger(args: &LedgerArgs) -> Result<(bool, String), Stop> {
    let key = read_key(&args.key)?;
    let unusable = |error: verify::Unreadable| Stop::Unreadable(error.to_string());
    let mut verifier = Verifier::new(&key);
    for path in &args.since {
        let note = fs::read_to_string(path).map_err(|e| unreadable(path, &e))?;
        verifier = verifier
            .since_note(&path.display().to_string(), &note)
            .map_err(unusable)?;
    }
    let found = verifier.verify(&args.target).map_err(unusable)?;
    let text = match args.format {
        Format::Text => to_text(&found),
        Format::Json => format!("{:#}\n", to_json(&found)),
    };
    Ok((found.is_clean(), text))
}

fn check_receipt(file: &Path, entry: &Path, key: &str) -> Result<(bool, String), Stop> {
    let key = read_key(key)?;
    let text = fs::read_to_string(file).map_err(|e| unreadable(file, &e))?;
    let bytes = fs::read(entry).map_err(|e| unreadable(entry, &e))?;
    Ok(match receipt::verify(&text, &bytes, &key) {
        Ok(found) => {
            let (origin, size) = (&found.checkpoint.origin, found.checkpoint.size);
            (
                true,
                format!("CLEAN: entry {} of {size} in {origin}\n", found.index),
            )
        }
        Err(error) => (false, format!("FAULT: {error}\n")),
    })
}
