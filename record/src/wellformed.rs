//! What the words of a reported record may look like.
//!
//! A ledger keeps what it is told for years and hands it to auditors. So nothing that people report
//! has room for free text: codes, references, digests and instants, each with a bound.

/// Why a body is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{member}: {problem}")]
pub struct Malformed {
    /// The member, as the record spells it.
    pub member: &'static str,
    /// What it must be.
    pub problem: &'static str,
}

/// Most exchanges that one reported record may name.
pub const EXCHANGES_MAX: usize = 1000;

/// Most labels, states or items of one reported record.
pub(crate) const ITEMS_MAX: usize = 100;

pub(crate) const fn refuse<T>(member: &'static str, problem: &'static str) -> Result<T, Malformed> {
    Err(Malformed { member, problem })
}

pub(crate) const fn ensure(
    holds: bool,
    member: &'static str,
    problem: &'static str,
) -> Result<(), Malformed> {
    if holds {
        Ok(())
    } else {
        refuse(member, problem)
    }
}

/// A word of a vocabulary: small letters, digits, `_`, `-`, `.`, `:`; 1 to 64 of them.
pub(crate) fn code(member: &'static str, text: &str) -> Result<(), Malformed> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-.:".contains(&b);
    ensure(
        matches!(text.len(), 1..=64) && text.bytes().all(plain),
        member,
        "must be a code of 1 to 64 small letters, digits, '_', '-', '.' or ':'",
    )
}

/// Somebody's own reference or a pseudonym: no spaces, so that it is no sentence, and no `@`, so
/// that it is no address.
pub(crate) fn reference(member: &'static str, text: &str) -> Result<(), Malformed> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-.:/#".contains(&b);
    ensure(
        matches!(text.len(), 1..=128) && text.bytes().all(plain),
        member,
        "must be a reference of 1 to 128 letters, digits, '_', '-', '.', ':', '/' or '#'",
    )
}

/// `sha256:` and 64 small hex digits.
pub(crate) fn digest(member: &'static str, text: &str) -> Result<(), Malformed> {
    let hex = text.strip_prefix("sha256:").unwrap_or_default();
    let small = |b: u8| b.is_ascii_digit() || matches!(b, b'a'..=b'f');
    ensure(
        hex.len() == 64 && hex.bytes().all(small),
        member,
        "must be sha256: and 64 small hex digits",
    )
}

/// RFC 3339 in UTC with a `Z`, at most nanoseconds. That the day exists is checked by who has a
/// calendar.
pub(crate) fn instant(member: &'static str, text: &str) -> Result<(), Malformed> {
    const FORM: &[u8] = b"0000-00-00T00:00:00";
    let fits = |text: &str| {
        let (head, tail) = text.as_bytes().split_at_checked(FORM.len())?;
        let same = |(given, form): (&u8, &u8)| match form {
            b'0' => given.is_ascii_digit(),
            other => given == other,
        };
        let fraction = match tail.strip_suffix(b"Z")? {
            [] => true,
            [b'.', digits @ ..] => {
                matches!(digits.len(), 1..=9) && digits.iter().all(u8::is_ascii_digit)
            }
            _ => false,
        };
        Some(fraction && head.iter().zip(FORM).all(same))
    };
    ensure(
        fits(text) == Some(true),
        member,
        "must be an RFC 3339 instant in UTC, for example 2026-11-24T08:00:00Z",
    )
}

/// `check` of what is there.
pub(crate) fn optional(
    check: fn(&'static str, &str) -> Result<(), Malformed>,
    member: &'static str,
    text: Option<&str>,
) -> Result<(), Malformed> {
    text.map_or(Ok(()), |text| check(member, text))
}

/// Decimal text: a sign, up to 12 digits, up to 9 places.
pub(crate) fn decimal(member: &'static str, text: &str) -> Result<(), Malformed> {
    let number = text.strip_prefix('-').unwrap_or(text);
    let (whole, places) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str, max| {
        (1..=max).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
    };
    ensure(
        digits(whole, 12) && digits(places, 9),
        member,
        "must be decimal text, for example 0.734",
    )
}

/// `first` is not later than `second`; both are instants of [`instant`]'s form.
pub(crate) fn in_order(member: &'static str, first: &str, second: &str) -> Result<(), Malformed> {
    // Same length up to the seconds, so that text order is order in time to the second.
    ensure(
        first.get(..19) <= second.get(..19),
        member,
        "must not be earlier than what it follows",
    )
}

/// No more than [`EXCHANGES_MAX`].
pub(crate) const fn exchanges(count: usize) -> Result<(), Malformed> {
    ensure(
        count <= EXCHANGES_MAX,
        "exchanges",
        "must name at most 1000 exchanges",
    )
}

#[cfg(test)]
mod tests;
