//! What every adapter of a port must do, as one function per port that its tests call.

use crate::{
    index::{Index, IndexError, IndexRow},
    signer::{Signer, SignerError},
};

/// An adapter broke its contract.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// A rule of the contract does not hold.
    #[error("the contract is broken: {0}")]
    Rule(&'static str),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] IndexError),
    /// The signer failed.
    #[error(transparent)]
    Signer(#[from] SignerError),
}

/// Runs the contract of [`Index`] against an empty index and leaves it empty.
///
/// # Errors
/// [`Broken`] naming the first rule that does not hold.
pub fn check_index(index: &mut dyn Index) -> Result<(), Broken> {
    let row = |index, member: &str, value: &str| IndexRow {
        index,
        member: member.to_owned(),
        value: value.to_owned(),
    };
    rule(index.applied()? == 0, "a new index covers nothing")?;
    rule(
        index.find("id", "a")?.is_empty(),
        "a new index finds nothing",
    )?;
    let rows = [
        row(300, "id", "a"),
        row(2, "id", "a"),
        row(1, "id", "b"),
        row(3, "other", "a"),
    ];
    index.apply(&rows, 301)?;
    rule(index.applied()? == 301, "the mark is what was applied")?;
    rule(index.find("id", "a")? == [2, 300], "found indices ascend")?;
    rule(index.find("other", "a")? == [3], "members are kept apart")?;
    index.apply(&rows, 301)?;
    rule(
        index.find("id", "a")? == [2, 300],
        "applying twice changes nothing",
    )?;
    index.apply(
        &[
            row(400, "i", "da"),
            row(401, "ida", ""),
            row(402, "id\0", "a"),
        ],
        403,
    )?;
    rule(
        index.find("id", "a")? == [2, 300],
        "names and values do not run together",
    )?;
    rule(index.find("i", "da")? == [400], "a short name is found")?;
    rule(index.find("ida", "")? == [401], "an empty value is found")?;
    rule(index.find("id\0", "a")? == [402], "a NUL in a name is kept")?;
    rule(
        index.find("id", "")?.is_empty(),
        "a value is not matched by its prefix",
    )?;
    index.apply(&[], 500)?;
    rule(index.applied()? == 500, "the mark moves without rows")?;
    index.clear()?;
    rule(index.applied()? == 0, "a cleared index covers nothing")?;
    rule(
        index.find("id", "a")?.is_empty(),
        "a cleared index finds nothing",
    )
}

fn rule(holds: bool, name: &'static str) -> Result<(), Broken> {
    if holds {
        Ok(())
    } else {
        Err(Broken::Rule(name))
    }
}

/// Runs the contract of [`Signer`] against a signer.
///
/// # Errors
/// [`Broken`] naming the first rule that does not hold.
pub fn check_signer(signer: &dyn Signer) -> Result<(), Broken> {
    let key = signer.public_key();
    let signs = |message: &[u8]| -> Result<(), Broken> {
        let signature = signer.sign(message)?;
        rule(
            key.verify_strict(message, &signature).is_ok(),
            "a signature verifies strictly under the public key",
        )
    };
    for length in [0, 1, 1000, 70_000] {
        signs(&vec![7; length])?;
    }
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4_u8)
            .map(|number| scope.spawn(move || signs(&[number])))
            .collect();
        threads.into_iter().try_for_each(|thread| {
            let broken = Err(Broken::Rule("signing from several threads works"));
            thread.join().unwrap_or(broken)
        })
    })?;
    rule(signer.public_key() == key, "the public key never changes")
}
