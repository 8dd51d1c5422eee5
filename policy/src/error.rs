//! Why a document is refused.

use std::fmt;

use crate::node::At;

/// One fault of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyError {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// What is wrong, in one sentence.
    pub message: String,
}

impl PolicyError {
    pub(crate) fn new(at: At, message: impl Into<String>) -> Self {
        Self {
            line: at.line,
            column: at.column,
            message: message.into(),
        }
    }
}

/// Every fault of a document, by line. Displays as `file:line:col: message` lines.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct PolicyErrors {
    /// Name of the document, for people; usually its file name.
    pub source_name: String,
    /// At least one fault.
    pub errors: Vec<PolicyError>,
}

impl PolicyErrors {
    pub(crate) fn new(source_name: &str, mut errors: Vec<PolicyError>) -> Self {
        errors.sort_by_key(|error| (error.line, error.column));
        errors.dedup();
        Self {
            source_name: source_name.to_owned(),
            errors,
        }
    }
}

impl fmt::Display for PolicyErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(
                f,
                "{}:{}:{}: {}",
                self.source_name, error.line, error.column, error.message
            )?;
        }
        Ok(())
    }
}
