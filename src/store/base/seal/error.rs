//! Why a credential can't be sealed or opened.

use std::path::PathBuf;

/// Why a credential can't be sealed or opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// The key file can't be read or written.
    #[error("can't use the key file `{}`: {reason}", path.display())]
    File {
        /// The key file.
        path: PathBuf,
        /// What went wrong.
        reason: String,
    },
    /// The key file is missing, but there are values sealed with a key.
    #[error(
        "the database holds credentials sealed with key {wanted}, and the key file `{}` is \
         missing: put it back from the backup (nothing was changed)",
        path.display()
    )]
    Missing {
        /// The path of the key file.
        path: PathBuf,
        /// Id of the required key, hexadecimal.
        wanted: String,
    },
    /// The value was sealed with another key.
    #[error(
        "the database holds credentials sealed with key {wanted}, but the given key is {have}: \
         give the key file that belongs to this database (nothing was changed)"
    )]
    OtherKey {
        /// Id of the required key, hexadecimal.
        wanted: String,
        /// Id of the given key, hexadecimal.
        have: String,
    },
    /// The value was changed, or belongs to another row.
    #[error("a sealed credential is damaged or belongs to another row: set it again")]
    Damaged,
    /// The operating system returned no random bytes.
    #[error("no random bytes from the operating system: {0}")]
    Random(getrandom::Error),
}
