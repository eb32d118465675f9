//! What can go wrong with a registry: few variants, and predicates to ask of them.

use std::fmt;
use std::time::Duration;

use super::types::digest::Digest;

/// The longest pause taken at a host's request; beyond it the failure is reported instead.
pub(in crate::oci) const PATIENCE: Duration = Duration::from_mins(2);

/// A failure of one operation at one registry. The text names host, object and reason, and never
/// holds a secret or a presigned query.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// No usable connection: name look-up, TCP, TLS, a reset, or silence.
    #[error("`{host}`: {phase}: {detail}")]
    Transport {
        /// Host and port.
        host: String,
        /// What was being done.
        phase: String,
        /// Why it failed, in words.
        detail: String,
        /// How far it came.
        kind: TransportKind,
    },
    /// The registry answered with a status that means failure.
    #[error("`{host}`: {what}: {status}{}{}", Words(.code, .message), Wait(*.retry_after))]
    Status {
        /// Host and port.
        host: String,
        /// The operation and its object.
        what: String,
        /// The HTTP status.
        status: u16,
        /// The registry's error code, such as `MANIFEST_UNKNOWN`.
        code: Option<String>,
        /// The registry's words, made printable and short.
        message: Option<String>,
        /// How long the registry asked to wait.
        retry_after: Option<Duration>,
    },
    /// Credentials are missing, wrong, or don't reach far enough; or the token server misbehaves.
    #[error("`{host}`: {what}: {detail}{}", Words(&None, .words))]
    Auth {
        /// Host and port.
        host: String,
        /// The operation and its object.
        what: String,
        /// Why, and what to do.
        detail: String,
        /// The registry's or token server's own words, made printable and short.
        words: Option<String>,
    },
    /// The registry broke the protocol.
    #[error("`{host}`: {what}: {detail}")]
    Protocol {
        /// Host and port.
        host: String,
        /// The operation and its object.
        what: String,
        /// What was wrong.
        detail: String,
    },
    /// Content that isn't what its digest says.
    #[error("`{host}`: {what}: expected {wanted}, got {got}")]
    Corrupt {
        /// Host and port that sent it.
        host: String,
        /// The object.
        what: String,
        /// The digest asked for.
        wanted: Digest,
        /// What came: a digest, or a length.
        got: String,
    },
    /// The client can't be built from its options (a bad CA certificate, for example).
    #[error("`{host}`: {detail}")]
    Setup {
        /// Host and port.
        host: String,
        /// What is wrong.
        detail: String,
    },
}

/// How far a connection came before it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportKind {
    /// No connection: name look-up, refused, no route, a proxy that doesn't answer.
    Unreachable,
    /// The certificate or the handshake was refused; the next try would be, too.
    Tls,
    /// There was a connection, and it broke.
    Broken,
    /// There was a connection, and nothing came over it.
    Silent,
    /// The registry failed in all that was asked of it for some time; it isn't asked any more.
    GivenUp,
}

impl Error {
    /// The same failure, told of another operation that it rules out too.
    #[must_use]
    pub fn told_of(mut self, operation: &str) -> Self {
        match &mut self {
            Self::Transport { phase: what, .. }
            | Self::Status { what, .. }
            | Self::Auth { what, .. }
            | Self::Protocol { what, .. }
            | Self::Corrupt { what, .. } => operation.clone_into(what),
            Self::Setup { .. } => {}
        }
        self
    }

    /// The object doesn't exist (404), or isn't shown to this account.
    pub fn is_not_found(&self) -> bool {
        self.status() == Some(404)
    }

    /// Credentials are missing, wrong or too weak.
    pub fn is_auth(&self) -> bool {
        matches!(self, Self::Auth { .. }) || matches!(self.status(), Some(401 | 403))
    }

    /// The registry can't be reached at all, or was given up.
    pub fn is_unreachable(&self) -> bool {
        matches!(
            self,
            Self::Transport {
                kind: TransportKind::Unreachable | TransportKind::Tls | TransportKind::GivenUp,
                ..
            }
        )
    }

    /// The registry takes no more requests for longer than a run waits.
    pub fn is_rate_limited(&self) -> bool {
        self.status() == Some(429) && self.retry_after().is_some_and(|wait| wait > PATIENCE)
    }

    /// The same request may succeed a little later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Transport { kind, .. } => {
                !matches!(kind, TransportKind::Tls | TransportKind::GivenUp)
            }
            Self::Status { status, .. } => matches!(status, 408 | 425 | 429 | 500..=504),
            _ => false,
        }
    }

    /// How long the registry asked to wait before the next try.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// The host that failed, with its port.
    pub fn host(&self) -> &str {
        match self {
            Self::Transport { host, .. }
            | Self::Status { host, .. }
            | Self::Auth { host, .. }
            | Self::Protocol { host, .. }
            | Self::Corrupt { host, .. }
            | Self::Setup { host, .. } => host,
        }
    }

    /// Why it failed, without host and operation.
    pub fn reason(&self) -> String {
        match self {
            Self::Transport { detail, .. }
            | Self::Auth { detail, .. }
            | Self::Protocol { detail, .. }
            | Self::Setup { detail, .. } => detail.clone(),
            Self::Status {
                status,
                code,
                message,
                ..
            } => format!("{status}{}", Words(code, message)),
            Self::Corrupt { wanted, got, .. } => format!("expected {wanted}, got {got}"),
        }
    }

    /// The same without what the other side wrote: who may ask for a look at any address mustn't
    /// read what is said there.
    #[must_use]
    pub fn without_words(mut self) -> Self {
        match &mut self {
            Self::Status { code, message, .. } => (*code, *message) = (None, None),
            Self::Auth { words, .. } => *words = None,
            _ => {}
        }
        self
    }

    /// The HTTP status, where there was one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Status { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// The registry's own error code, such as `MANIFEST_BLOB_UNKNOWN`.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Status { code, .. } => code.as_deref(),
            _ => None,
        }
    }
}

struct Words<'a>(&'a Option<String>, &'a Option<String>);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(code) = self.0 {
            write!(f, " {code}")?;
        }
        if let Some(message) = self.1 {
            write!(f, " ({message})")?;
        }
        Ok(())
    }
}

struct Wait(Option<Duration>);

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(wait) if wait > PATIENCE => {
                write!(f, "; retry after {} s", wait.as_secs())
            }
            _ => Ok(()),
        }
    }
}
