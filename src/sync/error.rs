//! Why a tag can't be synchronised.

use crate::oci;
use crate::oci::registry::upload::StreamError;

/// A failure of one tag, with the side on which it occurred.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SyncError {
    /// The source failed.
    #[error("source {0}")]
    Source(oci::Error),
    /// The target failed.
    #[error("target {0}")]
    Target(oci::Error),
    /// The target failed when the tag was written.
    #[error("target {0}")]
    Write(oci::Error),
    /// The source has no such repository.
    #[error("there is no such repository: source {0}")]
    NoRepository(oci::Error),
    /// The source doesn't have the tag or digest.
    #[error("source `{host}`: `{reference}` was not found")]
    NotFound {
        /// Host and port.
        host: String,
        /// `repository:tag`.
        reference: String,
    },
    /// Docker's schema 1, which current registries don't accept.
    #[error(
        "`{reference}` is unsupported: a Docker schema 1 manifest; rebuild or re-push the image with a current tool"
    )]
    Schema1 {
        /// `repository:tag`.
        reference: String,
    },
    /// An index that can't be parsed.
    #[error("`{reference}`: {detail}")]
    Index {
        /// `repository:tag`.
        reference: String,
        /// What is wrong.
        detail: String,
    },
    /// The target rejects an index with omitted children.
    #[error(
        "the target rejects the index `{reference}` with only the platforms `{platforms}`, since its other children are omitted: \
         use `rewrite` for `index` and tags instead of digests (so that a smaller index is written), or copy all platforms ({source})"
    )]
    Sparse {
        /// `repository@digest`.
        reference: String,
        /// The platforms chosen.
        platforms: String,
        /// The target's words.
        source: Box<oci::Error>,
    },
    /// The present image of a tag can't be kept, so the tag isn't overwritten.
    #[error(
        "the previous image of `{tag}` can't be kept as `{name}`, so it isn't overwritten: {source}"
    )]
    Backup {
        /// The tag to overwrite.
        tag: String,
        /// The name to keep its image under.
        name: String,
        /// Why.
        source: Box<SyncError>,
    },
    /// The target's tag isn't what it was when its copy began.
    #[error(
        "`{tag}` was moved at the target while its image was copied: it was {was}, now it is {now}; it \
         isn't overwritten, run this again"
    )]
    Moved {
        /// The tag at the target.
        tag: String,
        /// Its digest before, in quotes, or that it wasn't there.
        was: String,
        /// Its digest now, in quotes, or that it is gone.
        now: String,
    },
    /// What will be written can't be recorded.
    #[error("it isn't written, since that can't be recorded: {0}")]
    Intent(String),
    /// The name under which an image would be kept can't be used.
    #[error(
        "the previous image of `{tag}` would be kept as `{name}`: {detail}; change `backup_tag`"
    )]
    BackupName {
        /// The tag to overwrite.
        tag: String,
        /// The name.
        name: String,
        /// Why not.
        detail: String,
    },
    /// A signature, SBOM or the like can't be copied; the image itself is at the target.
    #[error("referrer {referrer}: {source}")]
    Referrer {
        /// What it is, in quotes, and of which manifest.
        referrer: String,
        /// Why.
        source: Box<SyncError>,
    },
    /// The index under a subject's fallback tag can't be updated.
    #[error("target `{host}`: the index of referrers `{reference}` can't be updated: {detail}")]
    ReferrerIndex {
        /// Host and port.
        host: String,
        /// `repository:tag`.
        reference: String,
        /// Why, and what to do.
        detail: String,
    },
}

impl SyncError {
    /// The failure itself, if this one only says what it prevented.
    pub fn cause(&self) -> &Self {
        match self {
            Self::Referrer { source, .. } | Self::Backup { source, .. } => source.cause(),
            own => own,
        }
    }

    /// Whether this or an earlier attempt may have written the tag: only a clear refusal says that none
    /// has.
    pub fn is_unsure(&self) -> bool {
        !matches!(self.cause(), Self::Write(error) if !error.is_unsure())
    }

    /// The tag `place` isn't what it was.
    pub(super) fn moved(
        place: String,
        was: Option<&oci::Digest>,
        now: Option<&oci::Digest>,
    ) -> Self {
        let named = |digest: Option<&oci::Digest>, none: &str| match digest {
            Some(digest) => format!("`{digest}`"),
            None => none.to_owned(),
        };
        Self::Moved {
            tag: place,
            was: named(was, "not there"),
            now: named(now, "gone"),
        }
    }

    /// The underlying registry failure, if there is one.
    pub fn registry(&self) -> Option<&oci::Error> {
        match self.cause() {
            Self::Source(error)
            | Self::Target(error)
            | Self::Write(error)
            | Self::NoRepository(error) => Some(error),
            Self::Sparse { source, .. } => Some(source.as_ref()),
            _ => None,
        }
    }
}

impl From<StreamError> for SyncError {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::Source(error) => Self::Source(error),
            StreamError::Target(error) => Self::Target(error),
        }
    }
}
