//! Exit codes of the contract (BSD sysexits where one fits).

use std::process::ExitCode;

/// A finding: a fault in the ledger, a failed policy test, a demo step that did not hold.
pub(crate) const FINDING: u8 = 1;
/// A command line that makes no sense.
pub(crate) const BAD_USAGE: u8 = 2;
/// Data that cannot be read as what it should be.
pub(crate) const BAD_DATA: u8 = 65;
/// Something needed is not there: a port, a file system, an upstream.
pub(crate) const UNAVAILABLE: u8 = 69;
/// Bad configuration.
pub(crate) const BAD_CONFIG: u8 = 78;

/// An error that knows its exit code.
#[derive(Debug)]
pub(crate) struct Coded {
    code: u8,
    message: String,
}

impl std::fmt::Display for Coded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Coded {}

/// An error with `code`.
pub(crate) fn fail(code: u8, message: impl Into<String>) -> anyhow::Error {
    Coded {
        code,
        message: message.into(),
    }
    .into()
}

/// The exit code of an error; 70 (a bug) when nobody gave it one.
pub(crate) fn of(error: &anyhow::Error) -> ExitCode {
    ExitCode::from(error.downcast_ref::<Coded>().map_or(70, |coded| coded.code))
}
