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
    /// There is no key file, but there are values that were sealed with one.
    #[error(
        "the database holds credentials sealed with key {wanted}, and the key file `{}` is \
         missing: put it back from the backup (nothing was changed)",
        path.display()
    )]
    Missing {
        /// Where the key file was looked for.
        path: PathBuf,
        /// Id of the key that is needed, hexadecimal.
        wanted: String,
    },
    /// The value was sealed with another key.
    #[error(
        "the database holds credentials sealed with key {wanted}, and the key at hand is {have}: \
         give the key file that belongs to this database (nothing was changed)"
    )]
    OtherKey {
        /// Id of the key that is needed, hexadecimal.
        wanted: String,
        /// Id of the key at hand, hexadecimal.
        have: String,
    },
    /// The value was changed, or belongs to another row.
    #[error("a sealed credential is damaged or belongs to another row: set it again")]
    Damaged,
    /// The operating system gave no random bytes.
    #[error("no random bytes from the operating system: {0}")]
    Random(getrandom::Error),
}
