//! Limits of requests.

use std::time::Duration;

/// Limits of requests.
#[derive(Clone, Copy, Debug)]
pub struct RequestLimits {
    /// Maximum bytes of a request body, as sent and after decompression.
    pub body_bytes: usize,
    /// The same without a known session.
    pub unauthenticated_body_bytes: usize,
    /// Maximum bytes of all such requests together: their bodies, decompressed and parsed.
    pub unauthenticated_total_bytes: usize,
    /// Timeout of such a request's body.
    pub stranger_time: Duration,
    /// Timeout of the body of a request with a session.
    pub body_time: Duration,
    /// Idle timeout within a body.
    pub patience: Duration,
}

impl Default for RequestLimits {
    /// 8 MiB is enough for a project with about 100 000 tags, and 16 KiB for a login with the longest
    /// password if each character is escaped.
    fn default() -> RequestLimits {
        RequestLimits {
            body_bytes: 8 * 1024 * 1024,
            unauthenticated_body_bytes: 16 * 1024,
            unauthenticated_total_bytes: 32 * 1024 * 1024,
            stranger_time: Duration::from_secs(30),
            body_time: Duration::from_mins(2),
            patience: Duration::from_secs(30),
        }
    }
}
