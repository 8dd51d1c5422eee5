//! A rule's compiled condition.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

use cel::{Context, Env, Program, Value};

use crate::lint::lint;
use crate::policy::On;
use crate::prescan::{Finding, prescan};
use crate::vocabulary::Vocabulary;

/// The standard environment, without the optional-value syntax.
pub(crate) static ENVIRONMENT: LazyLock<Arc<Env>> =
    LazyLock::new(|| Arc::new(Env::stdlib().with_optional_support(false)));

/// A condition that passed every load-time check.
#[derive(Debug)]
pub(crate) struct Condition {
    program: Program,
    /// Labels, and families as `family.*`, that it reads.
    pub(crate) reads: BTreeSet<String>,
}

/// The condition had no yes-or-no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unanswered(pub(crate) String);

impl Condition {
    /// Checks and compiles `text`. Each finding's offset is in bytes of `text`.
    pub(crate) fn compile(
        text: &str,
        vocabulary: &Vocabulary,
        on: On,
    ) -> Result<Self, Vec<Finding>> {
        prescan(text).map_err(|finding| vec![finding])?;
        // The parser is young: a panic in it must refuse the document, not end the process.
        let program = catch_unwind(|| ENVIRONMENT.compile(text))
            .map_err(|_| vec![Finding::new(0, "the condition cannot be parsed")])?
            .map_err(|errors| {
                errors
                    .errors
                    .iter()
                    .map(|e| syntax(text, e))
                    .collect::<Vec<_>>()
            })?;
        let reads = lint(program.expression(), program.source_info(), vocabulary, on)?;
        Ok(Self { program, reads })
    }

    /// Whether the condition holds.
    pub(crate) fn holds(&self, context: &Context<'_, '_>) -> Result<bool, Unanswered> {
        match catch_unwind(AssertUnwindSafe(|| self.program.execute(context))) {
            Ok(Ok(Value::Bool(held))) => Ok(held),
            Ok(Ok(other)) => Err(Unanswered(format!(
                "the condition gave {}, not a bool",
                other.type_of()
            ))),
            Ok(Err(error)) => Err(Unanswered(error.to_string())),
            Err(_) => Err(Unanswered("the evaluation broke off".to_owned())),
        }
    }
}

fn syntax(text: &str, error: &cel::ParseError) -> Finding {
    let from_one = |n: isize| usize::try_from(n).unwrap_or(0).saturating_sub(1);
    let (line, column) = (from_one(error.pos.0), from_one(error.pos.1));
    let before: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let rest = text.get(before..).unwrap_or_default();
    let within = rest
        .char_indices()
        .nth(column)
        .map_or(rest.len(), |(offset, _)| offset);
    let message = error.msg.lines().next().unwrap_or_default();
    Finding::new(before + within, format!("not a CEL condition: {message}"))
}
