//! Errors of a registry: few variants, with predicates.

use std::fmt;
use std::time::Duration;

use super::types::digest::Digest;

/// The longest pause that a host can request; beyond it the failure is reported instead.
pub(in crate::oci) const PATIENCE: Duration = Duration::from_mins(2);

/// A failure of one operation at one registry. The text names host, object and reason, and never
/// contains a secret or a presigned query.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// No usable connection: name lookup, TCP, TLS, a reset, or a timeout.
    #[error("`{host}`: {phase}: {detail}")]
    Transport {
        /// Host and port.
        host: String,
        /// The phase in which it failed.
        phase: String,
        /// The reason, as text.
        detail: String,
        /// The kind of failure.
        kind: TransportKind,
    },
    /// The registry responded with an error status.
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
        /// The registry's message, made printable and short.
        message: Option<String>,
        /// How long the registry asked to wait.
        retry_after: Option<Duration>,
    },
    /// Credentials are missing, wrong or insufficient; or the token server misbehaves.
    #[error("`{host}`: {what}: {detail}{}", Words(&None, .words))]
    Auth {
        /// Host and port.
        host: String,
        /// The operation and its object.
        what: String,
        /// The reason, and what to do.
        detail: String,
        /// The message of the registry or token server, made printable and short.
        words: Option<String>,
    },
    /// The registry violated the protocol.
    #[error("`{host}`: {what}: {detail}")]
    Protocol {
        /// Host and port.
        host: String,
        /// The operation and its object.
        what: String,
        /// What was wrong.
        detail: String,
    },
    /// Content that doesn't match its digest.
    #[error("`{host}`: {what}: expected {wanted}, got {got}")]
    Corrupt {
        /// Host and port that sent it.
        host: String,
        /// The object.
        what: String,
        /// The requested digest.
        wanted: Digest,
        /// What was received: a digest, or a length.
        got: String,
    },
    /// The client can't be created from its options (a bad CA certificate, for example).
    #[error("`{host}`: {detail}")]
    Setup {
        /// Host and port.
        host: String,
        /// What is wrong.
        detail: String,
    },
}

/// The phase in which a connection failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportKind {
    /// No connection: name lookup, refused, no route, an unresponsive proxy.
    Unreachable,
    /// The certificate or handshake failed; a retry would fail, too.
    Tls,
    /// The connection was lost.
    Broken,
    /// Timeout: nothing was received.
    Silent,
    /// The registry failed all requests for some time and was given up.
    GivenUp,
}

impl Error {
    /// The same failure, for another operation that it prevents too.
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

    /// The object doesn't exist (404), or isn't visible to this account.
    pub fn is_not_found(&self) -> bool {
        self.status() == Some(404)
    }

    /// A registry that has no catalogue, or none for this account, answers so.
    pub fn is_no_catalogue(&self) -> bool {
        matches!(self.status(), Some(401 | 403 | 404 | 405))
    }

    /// Credentials are missing, wrong or insufficient.
    pub fn is_auth(&self) -> bool {
        matches!(self, Self::Auth { .. }) || matches!(self.status(), Some(401 | 403))
    }

    /// The registry doesn't have this operation.
    pub fn is_unsupported(&self) -> bool {
        matches!(self.status(), Some(405 | 501)) || self.code() == Some("UNSUPPORTED")
    }

    /// The registry is unreachable, or was given up.
    pub fn is_unreachable(&self) -> bool {
        matches!(
            self,
            Self::Transport {
                kind: TransportKind::Unreachable | TransportKind::Tls | TransportKind::GivenUp,
                ..
            }
        )
    }

    /// The registry refuses requests for longer than a run waits.
    pub fn is_rate_limited(&self) -> bool {
        self.status() == Some(429) && self.retry_after().is_some_and(|wait| wait > PATIENCE)
    }

    /// The registry gave no clear answer, so it may have done what it was asked for.
    pub fn is_unsure(&self) -> bool {
        self.status().is_none_or(|status| status >= 500)
    }

    /// A retry may succeed a little later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Transport { kind, .. } => {
                !matches!(kind, TransportKind::Tls | TransportKind::GivenUp)
            }
            Self::Status { status, .. } => matches!(status, 408 | 425 | 429 | 500..=504),
            _ => false,
        }
    }

    /// How long the registry asked to wait before a retry.
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

    /// The reason, without host and operation.
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

    /// The same without the other side's text: callers who may test any address mustn't read what
    /// is served there.
    #[must_use]
    pub fn without_words(mut self) -> Self {
        match &mut self {
            Self::Status { code, message, .. } => (*code, *message) = (None, None),
            Self::Auth { words, .. } => *words = None,
            _ => {}
        }
        self
    }

    /// The HTTP status, if there was one.
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
