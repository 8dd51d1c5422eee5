//! Why a model folder was refused.

use std::path::PathBuf;

/// Why a model could not be loaded. Names the file, and the reason.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file could not be read, most often because it is missing.
    #[error("{}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is not the one that the manifest names.
    #[error("{}: digest {found} does not match the manifest, which says {expected}", path.display())]
    Digest {
        /// The file.
        path: PathBuf,
        /// SHA-256 in the manifest, in hexadecimal.
        expected: String,
        /// SHA-256 of the file.
        found: String,
    },
    /// A tensor is missing, or has another shape or type than the architecture asks for.
    #[error("{}: tensor {tensor}: {reason}", path.display())]
    Tensor {
        /// The file.
        path: PathBuf,
        /// Name of the tensor.
        tensor: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file does not say what its format demands.
    #[error("{}: {reason}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}
