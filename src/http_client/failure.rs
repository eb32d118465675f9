//! Why a request got no response, with advice.

use std::error::Error as StdError;
use std::time::Duration;

use rustls::{CertificateError, Error as TlsError, InvalidMessage};

use crate::text::{SENTENCE, readable};

/// Why a request got no response. Texts are readable and don't name the host.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The certificate's authority isn't trusted here.
    Untrusted,
    /// The peer doesn't speak TLS.
    NotTls,
    /// Another TLS error, as text.
    Tls(String),
    /// The peer doesn't speak HTTP.
    NotHttp,
    /// The address is forbidden by our own rules.
    Forbidden(String),
    /// Such a request can never be sent.
    Unmakeable(String),
    /// The connection failed.
    Unconnected(String),
    /// The connection was lost.
    Broken(String),
}

/// An address forbidden by our own rules; the text says why.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Forbidden(pub(crate) String);

/// The meaning of a request's error.
pub(crate) fn failure_of(error: &reqwest::Error) -> Failure {
    let cause = readable(&innermost(error).to_string(), SENTENCE);
    if let Some(Forbidden(reason)) = find(error) {
        return Failure::Forbidden(reason.clone());
    }
    if let Some(tls) = find::<TlsError>(error) {
        return tls_failure(tls);
    }
    if error.is_builder() || find::<http::uri::InvalidUri>(error).is_some() {
        return Failure::Unmakeable(cause);
    }
    if error.is_connect() {
        return Failure::Unconnected(cause);
    }
    match find::<hyper::Error>(error) {
        Some(hyper) if hyper.is_parse() => Failure::NotHttp,
        _ => Failure::Broken(cause),
    }
}

fn tls_failure(error: &TlsError) -> Failure {
    let certificate = match error {
        TlsError::InvalidMessage(InvalidMessage::InvalidContentType) => return Failure::NotTls,
        TlsError::InvalidCertificate(certificate) => certificate,
        other => return Failure::Tls(readable(&other.to_string(), SENTENCE)),
    };
    Failure::Tls(match certificate {
        CertificateError::UnknownIssuer => return Failure::Untrusted,
        CertificateError::Expired => "the certificate has expired and must be renewed".into(),
        CertificateError::ExpiredContext { time, not_after } => format!(
            "the certificate expired {} ago: renew it, or correct this machine's clock",
            rough(time.as_secs().saturating_sub(not_after.as_secs()))
        ),
        CertificateError::NotValidYet => {
            "the certificate isn't valid yet: check the clocks on both machines".into()
        }
        CertificateError::NotValidYetContext { time, not_before } => format!(
            "the certificate becomes valid in {}: check the clocks on both machines",
            rough(not_before.as_secs().saturating_sub(time.as_secs()))
        ),
        CertificateError::Revoked => "the certificate was revoked".into(),
        CertificateError::NotValidForName => {
            "the certificate is for another name: use a name that it contains".into()
        }
        CertificateError::NotValidForNameContext { presented, .. } => readable(
            &format!(
                "the certificate is for another name ({}): use a name that it contains",
                presented.join(", ")
            ),
            SENTENCE,
        ),
        other => readable(&format!("the certificate is rejected: {other}"), SENTENCE),
    })
}

/// A readable time span.
fn rough(seconds: u64) -> String {
    let time = Duration::from_secs(seconds);
    match time.as_secs() / 86_400 {
        0 => format!("{} minutes", time.as_secs() / 60),
        days => format!("{days} days"),
    }
}

/// The first error of a type in the chain of causes.
fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // An `io::Error`'s `source` skips its inner error.
        let held = error
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref);
        cause = match held {
            Some(held) => Some(held),
            None => error.source(),
        };
    }
    None
}

fn innermost(error: &dyn StdError) -> &dyn StdError {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause
}
