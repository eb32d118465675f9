//! What a request may cost.

use std::time::Duration;

/// What a request may cost.
#[derive(Clone, Copy, Debug)]
pub struct RequestLimits {
    /// The largest request body in bytes, as sent and after decompression.
    pub body_bytes: usize,
    /// The largest one of who isn't known to have a session.
    pub stranger_bytes: usize,
    /// What all requests of that sort may take together: their bodies, decompressed, and what they
    /// are parsed to, in bytes.
    pub strangers_bytes: usize,
    /// How long such a request's body may take.
    pub stranger_time: Duration,
    /// How long the body of somebody with a session may take.
    pub body_time: Duration,
    /// A client that sends nothing for this long in the middle of a body is taken for gone.
    pub patience: Duration,
}

impl Default for RequestLimits {
    /// 8 MiB: a project with some 100 000 tags still fits. 16 KiB: a login with the longest
    /// password, each character escaped, still fits.
    fn default() -> RequestLimits {
        RequestLimits {
            body_bytes: 8 * 1024 * 1024,
            stranger_bytes: 16 * 1024,
            strangers_bytes: 32 * 1024 * 1024,
            stranger_time: Duration::from_secs(30),
            body_time: Duration::from_mins(2),
            patience: Duration::from_secs(30),
        }
    }
}
