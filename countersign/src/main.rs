//! Countersign: an AI decision audit and compliance gateway, in one binary.
//!
//! This crate is the composition root: the only place that names adapters (sled, candle). It holds
//! the command line and nothing that decides.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line prints"
)]

mod classify;
mod cli;
mod compose;
mod config;
mod demo;
mod exit;
mod inspect;
mod keys;
mod policies;
mod report;
mod serve;
mod standin;

use std::process::ExitCode;

use clap::Parser;
use cli::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::parse();
    start_logging();
    let result = match cli.command {
        Command::Demo(args) => demo::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Classify(args) => classify::run(&args),
        Command::Verify(args) => inspect::verify(&args),
        Command::Receipt(args) => inspect::receipt(&args),
        Command::Keys(command) => keys::run(&command),
        Command::Policy(command) => policies::run(&command),
        Command::Report(args) => report::run(&args),
        Command::Config(command) => config::run(&command),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("countersign: {error:#}");
            exit::of(&error)
        }
    }
}

/// JSON lines when nobody watches, readable lines when somebody does. Never content.
fn start_logging() {
    use std::io::IsTerminal;
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_env("RUST_LOG")
        .unwrap_or_else(|_| EnvFilter::new("countersign=info,countersign_gateway=info,warn"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        builder.init();
    } else {
        builder.json().init();
    }
}
