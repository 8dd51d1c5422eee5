//! `verify` and `receipt`: the ledger as an outsider sees it.

use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

use countersign_ledger::verify::{self, Verification};
use countersign_ledger::{VerifiedRange, Verifier, VerifierKey, keys};
use countersign_ledger_cose::SignedRoot;
use countersign_record::Record;
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::{ReceiptArgs, TextOrJson, VerifyArgs};
use crate::exit::{BAD_DATA, BAD_USAGE, FINDING, UNAVAILABLE, fail};
use crate::mirror;
use crate::stamps::{self, Stamped};

pub(crate) fn verify(args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    let key = key(&args.key)?;
    if let Some(url) = mirror::is_served(&args.target) {
        return mirror::watch(args, url, key);
    }
    if args.follow || args.policy.is_some() {
        let message = "--follow and --policy are for a served ledger: TARGET must be its URL";
        return Err(fail(BAD_USAGE, message));
    }
    let mut verifier = Verifier::new(&key);
    for path in &args.since {
        let shown = path.display().to_string();
        let note =
            std::fs::read_to_string(path).map_err(|e| fail(BAD_DATA, format!("{shown}: {e}")))?;
        verifier = verifier
            .since_note(&shown, &note)
            .map_err(|e| fail(BAD_DATA, e.to_string()))?;
    }
    let mut stamped = Stamped::default();
    if let Some(roots) = &args.timestamps {
        (verifier, stamped) = stamps::check(&args.target, roots, verifier)?;
    }
    let mut found = checked(&args.target, &verifier)?;
    stamped.tell(&mut found);
    match args.format {
        TextOrJson::Text => print!("{}", verify::to_text(&found)),
        TextOrJson::Json => println!("{}", verify::to_json(&found)),
    }
    Ok(if found.is_clean() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(FINDING)
    })
}

/// Verifies with a progress bar on a terminal.
pub(crate) fn checked(target: &Path, verifier: &Verifier) -> anyhow::Result<Verification> {
    let bar = progress("verifying");
    let mut tell = |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    };
    let found = verifier.verify_with_progress(target, &mut tell);
    bar.finish_and_clear();
    found.map_err(|e| fail(BAD_DATA, e.to_string()))
}

/// A bar with rate and time left; silent when nobody watches.
pub(crate) fn progress(what: &'static str) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let template = "{msg} {wide_bar} {pos}/{len} {per_sec} {eta}";
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(0).with_style(style).with_message(what)
}

/// A verifier key, given as itself or as a file.
pub(crate) fn key(given: &str) -> anyhow::Result<VerifierKey> {
    let path = Path::new(given);
    let text = if path.is_file() {
        std::fs::read_to_string(path).map_err(|e| fail(BAD_DATA, format!("{given}: {e}")))?
    } else {
        given.to_owned()
    };
    text.trim()
        .parse()
        .map_err(|e| fail(BAD_DATA, format!("verifier key: {e}")))
}

/// Makes a receipt from the data directory's own files; no gateway need run.
/// The checkpoint's root under the ledger's key, for COSE receipts.
fn sign_root(range: &VerifiedRange, data: &Path) -> anyhow::Result<SignedRoot> {
    let passphrase = crate::keys::passphrase();
    let pair = passphrase.and_then(|passphrase| keys::load(data, passphrase.as_ref()));
    let (signer, name) = pair.map_err(|e| fail(BAD_DATA, e.to_string()))?;
    let checkpoint = range.checkpoint().clone();
    SignedRoot::sign(checkpoint, &name, &signer).map_err(|e| fail(BAD_DATA, e.to_string()))
}

fn cose(range: &VerifiedRange, signed: &SignedRoot, index: u64) -> anyhow::Result<Vec<u8>> {
    let (leaf, path) = range
        .inclusion(index)
        .map_err(|e| fail(BAD_DATA, e.to_string()))?;
    let receipt = signed.inclusion(index, &leaf, &path);
    receipt.map_err(|e| fail(BAD_DATA, e.to_string()))
}

pub(crate) fn receipt(args: &ReceiptArgs) -> anyhow::Result<ExitCode> {
    let key = key(&args.data.join("keys/ledger.vkey").display().to_string())?;
    let range = checked(&args.data, &Verifier::new(&key))?
        .into_range()
        .map_err(|found| {
            let first = found
                .faults
                .first()
                .map(|f| format!("{}: {}", f.place, f.detail));
            fail(
                FINDING,
                format!("the ledger does not verify: {}", first.unwrap_or_default()),
            )
        })?;
    let signed = if args.cose {
        Some(sign_root(&range, &args.data)?)
    } else {
        None
    };
    let mut written = 0;
    for entry in range.entries() {
        let (index, entry) = entry.map_err(|e| fail(BAD_DATA, e.to_string()))?;
        if !speaks_of(&entry, &args.id) {
            continue;
        }
        let receipt = range
            .receipt(index)
            .map_err(|e| fail(BAD_DATA, e.to_string()))?;
        let out = if written == 0 {
            args.out.clone()
        } else {
            args.out.with_extension(format!("{written}.tlog-proof"))
        };
        write(&out, receipt.as_bytes())?;
        write(&out.with_extension("entry.json"), &entry)?;
        if let Some(signed) = &signed {
            write(&out.with_extension("cose"), &cose(&range, signed, index)?)?;
        }
        println!("{} (index {index})", out.display());
        written += 1;
    }
    if written == 0 {
        return Err(fail(
            FINDING,
            format!("no published record has the id {}", args.id),
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    std::fs::write(path, bytes).map_err(|e| fail(UNAVAILABLE, format!("{}: {e}", path.display())))
}

fn speaks_of(entry: &[u8], id: &str) -> bool {
    use countersign_record::Body;
    Record::from_entry(entry).is_ok_and(|record| {
        let of_exchange = matches!(
            &record.body,
            Body::Decision(decision) if decision.exchange.to_string() == id
        );
        of_exchange || record.id.to_string() == id
    })
}
