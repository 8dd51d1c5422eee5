//! `policy`: check, test, show.

use std::path::Path;
use std::process::ExitCode;

use comfy_table::Table;
use countersign_policy::{DEFAULT_POLICY, Policy};

use crate::cli::PolicyCommand;
use crate::compose;
use crate::exit::FINDING;

pub(crate) fn run(command: &PolicyCommand) -> anyhow::Result<ExitCode> {
    match command {
        PolicyCommand::Check { file } => check(file.as_deref()),
        PolicyCommand::Test { file } => test(file.as_deref()),
        PolicyCommand::Show => {
            print!("{DEFAULT_POLICY}");
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn load(file: Option<&Path>) -> anyhow::Result<Policy> {
    match file {
        Some(path) => compose::policy(path),
        None => compose::default_policy(),
    }
}

fn check(file: Option<&Path>) -> anyhow::Result<ExitCode> {
    let policy = load(file)?;
    let reference = policy.reference();
    println!(
        "{} {} ({})",
        reference.id,
        reference.version,
        policy.title()
    );
    println!("{}", reference.digest);
    let mut table = Table::new();
    table.set_header(["rule", "on", "effect", "severity", "title"]);
    for rule in policy.rules() {
        table.add_row([
            rule.id.clone(),
            format!("{:?}", rule.on).to_lowercase(),
            format!("{:?}", rule.effect).to_lowercase(),
            format!("{:?}", rule.severity).to_lowercase(),
            rule.title.clone(),
        ]);
    }
    println!("{table}");
    Ok(ExitCode::SUCCESS)
}

fn test(file: Option<&Path>) -> anyhow::Result<ExitCode> {
    let results = load(file)?.run_tests();
    for result in results.iter().filter(|r| !r.passed) {
        println!(
            "FAILED {} / {}: {}",
            result.rule, result.name, result.detail
        );
    }
    let failed = results.iter().filter(|r| !r.passed).count();
    println!("{} passed, {failed} failed", results.len() - failed);
    Ok(if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(FINDING)
    })
}
