//! Countersign: an AI decision audit and compliance gateway, in one binary.
//!
//! This crate is the composition root: the only place that names adapters (sled, candle). It holds
//! the command line and nothing that decides.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line prints"
)]

mod chronicle;
mod classify;
mod cli;
mod compose;
mod config;
mod custody;
mod demo;
mod exit;
mod inspect;
mod intake;
mod keys;
mod ledger;
mod memory;
mod mirror;
mod policies;
mod report;
mod serve;
mod stamps;
mod standin;
mod telemetry;
mod witness;

use std::process::ExitCode;

use clap::Parser;
use cli::{Cli, Command};
use telemetry::Telemetry;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let serves = matches!(cli.command, Command::Serve(_));
    let result = Telemetry::start(cli.log_format, serves).and_then(|telemetry| {
        let result = run(cli.command);
        telemetry.stop();
        result
    });
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("countersign: {error:#}");
            exit::of(&error)
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Demo(args) => demo::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Classify(args) => classify::run(&args),
        Command::Verify(args) => inspect::verify(&args),
        Command::Receipt(args) => inspect::receipt(&args),
        Command::Fsck(args) => custody::fsck(&args),
        Command::Prune(args) => custody::prune(&args),
        Command::Export(args) => custody::export(&args),
        Command::Witness(command) => witness::run(&command),
        Command::Keys(command) => keys::run(&command),
        Command::Policy(command) => policies::run(&command),
        Command::Intake(args) => intake::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Config(command) => config::run(&command),
    }
}
