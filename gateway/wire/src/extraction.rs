//! Values that a route reads out of a JSON body by pointer, for scoring endpoints.

use crate::Document;

/// Most pointers of one extraction.
const COUNT_MAX: usize = 64;
/// Most bytes of a name.
const NAME_MAX: usize = 64;
/// Most bytes of a pointer.
const POINTER_MAX: usize = 1024;
/// Most bytes of an extracted value.
const VALUE_MAX: usize = 4096;

/// Why an extraction cannot be configured so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExtractionError {
    /// A pointer is not RFC 6901: it does not begin with `/`, or a `~` is not `~0` or `~1`.
    #[error("{pointer:?} is no JSON Pointer (RFC 6901)")]
    Pointer {
        /// The pointer.
        pointer: String,
    },
    /// A pointer is too long.
    #[error("a JSON Pointer is longer than {limit} bytes")]
    TooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// A name is not 1 to 64 letters, digits and underscores, a digit not first.
    #[error("{name:?} is no name for an extracted value")]
    Name {
        /// The name.
        name: String,
    },
    /// The same name twice.
    #[error("{name:?} is extracted twice")]
    Twice {
        /// The name.
        name: String,
    },
    /// More pointers than the limit.
    #[error("more than {limit} values are extracted")]
    TooMany {
        /// The limit.
        limit: usize,
    },
}

/// A JSON Pointer (RFC 6901) to one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer(Vec<String>);

impl Pointer {
    /// Reads a pointer. The empty pointer is the whole body.
    ///
    /// # Errors
    /// [`ExtractionError::Pointer`] and [`ExtractionError::TooLong`].
    pub fn parse(pointer: &str) -> Result<Self, ExtractionError> {
        if pointer.len() > POINTER_MAX {
            return Err(ExtractionError::TooLong { limit: POINTER_MAX });
        }
        let refused = || ExtractionError::Pointer {
            pointer: pointer.to_owned(),
        };
        let Some(rest) = pointer.strip_prefix('/') else {
            return if pointer.is_empty() {
                Ok(Self(Vec::new()))
            } else {
                Err(refused())
            };
        };
        rest.split('/')
            .map(unescape)
            .collect::<Option<_>>()
            .map(Self)
            .ok_or_else(refused)
    }

    pub(crate) fn steps(&self) -> &[String] {
        &self.0
    }
}

fn unescape(step: &str) -> Option<String> {
    let mut out = String::with_capacity(step.len());
    let mut chars = step.chars();
    while let Some(c) = chars.next() {
        match c {
            '~' => match chars.next()? {
                '0' => out.push('~'),
                '1' => out.push('/'),
                _ => return None,
            },
            c => out.push(c),
        }
    }
    Some(out)
}

/// A value that is not an array or object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scalar {
    /// A string, decoded.
    Text(String),
    /// A number, as the body spells it.
    Number(String),
    /// A boolean.
    Bool(bool),
}

impl Scalar {
    fn len(&self) -> usize {
        match self {
            Self::Text(text) | Self::Number(text) => text.len(),
            Self::Bool(_) => 0,
        }
    }
}

/// Names of values and where they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extraction(Vec<(String, Pointer)>);

impl Extraction {
    /// An extraction of `(name, pointer)` pairs, at most 64 of them.
    ///
    /// # Errors
    /// [`ExtractionError`] says which name or pointer and why.
    pub fn new<N, P>(entries: impl IntoIterator<Item = (N, P)>) -> Result<Self, ExtractionError>
    where
        N: AsRef<str>,
        P: AsRef<str>,
    {
        let mut all: Vec<(String, Pointer)> = Vec::new();
        for (name, pointer) in entries {
            let name = name.as_ref().to_owned();
            if all.len() == COUNT_MAX {
                return Err(ExtractionError::TooMany { limit: COUNT_MAX });
            }
            if !is_name(&name) {
                return Err(ExtractionError::Name { name });
            }
            if all.iter().any(|(known, _)| *known == name) {
                return Err(ExtractionError::Twice { name });
            }
            all.push((name, Pointer::parse(pointer.as_ref())?));
        }
        Ok(Self(all))
    }

    /// Whether nothing is extracted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The named values that `document` has. What is missing, `null`, an array, an object, or
    /// longer than 4096 bytes is left out.
    pub fn of<'e>(&'e self, document: &Document) -> Vec<(&'e str, Scalar)> {
        let found = |(name, pointer): &'e (String, Pointer)| {
            let value = document.at(pointer)?;
            (value.len() <= VALUE_MAX).then_some((name.as_str(), value))
        };
        self.0.iter().filter_map(found).collect()
    }
}

fn is_name(name: &str) -> bool {
    let inside = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    name.len() <= NAME_MAX
        && name.bytes().all(inside)
        && name
            .bytes()
            .next()
            .is_some_and(|first| !first.is_ascii_digit())
}
