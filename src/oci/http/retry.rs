//! When to retry, and how long to wait: exponential with jitter, and as requested by the host.

use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use tokio::time::Instant;

use crate::oci::error::{Error, PATIENCE};

/// Number of retries. With the delays below a host has about 4 s to recover.
const RETRIES: u32 = 3;
/// Before the first retry; doubled with each one.
pub(super) const FIRST_DELAY: Duration = Duration::from_millis(500);

/// Counts the attempts of one operation.
#[derive(Debug)]
pub struct Attempts {
    failed: u32,
    first_delay: Duration,
}

impl Attempts {
    pub(in crate::oci) fn new(first_delay: Duration) -> Self {
        Self {
            failed: 0,
            first_delay,
        }
    }

    /// How long to wait before the next retry; `None`: give up.
    pub(in crate::oci) fn next_delay(&mut self, error: &Error) -> Option<Duration> {
        if !error.is_retryable() || self.failed >= RETRIES {
            return None;
        }
        let backoff = self.first_delay * 2u32.pow(self.failed);
        self.failed += 1;
        let least = match error.status() {
            Some(429) => (self.first_delay * 2).max(backoff),
            _ => backoff,
        };
        match error.retry_after() {
            Some(asked) if asked > PATIENCE => None,
            Some(asked) => Some(asked.max(self.first_delay)),
            None => Some(jittered(least)),
        }
    }

    /// There was progress: the count restarts.
    pub(in crate::oci) fn reset(&mut self) {
        self.failed = 0;
    }
}

/// Between one and one and a half times the delay, so that many tasks don't retry at once.
fn jittered(delay: Duration) -> Duration {
    let mut byte = [0u8; 1];
    // Without randomness the delay just isn't spread.
    let _ = getrandom::fill(&mut byte);
    delay + delay.mul_f32(f32::from(byte[0]) / 512.0)
}

/// `Retry-After`, in seconds or as a date.
pub(in crate::oci) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers
        .get(http::header::RETRY_AFTER)?
        .to_str()
        .ok()?
        .trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

/// A pause of a whole host, shared by all its requests.
#[derive(Default)]
pub(super) struct Pause {
    end: Mutex<Option<Instant>>,
}

impl Pause {
    pub(in crate::oci) fn until(&self, delay: Duration) {
        let end = Instant::now() + delay;
        let mut slot = self.lock();
        *slot = Some(slot.map_or(end, |old| old.max(end)));
    }

    pub(in crate::oci) async fn wait(&self) {
        loop {
            let end = *self.lock();
            match end {
                Some(end) if end > Instant::now() => tokio::time::sleep_until(end).await,
                _ => return,
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.end
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_reads_seconds_and_dates() {
        let header = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(http::header::RETRY_AFTER, value.parse().unwrap());
            retry_after(&headers)
        };
        assert_eq!(header("7"), Some(Duration::from_secs(7)));
        // RFC 9110, 5.6.7: the form of today, and the two of old that are still to be understood.
        for past in [
            "Wed, 21 Oct 2015 07:28:00 GMT",
            "Wednesday, 21-Oct-15 07:28:00 GMT",
            "Wed Oct 21 07:28:00 2015",
        ] {
            assert_eq!(header(past), Some(Duration::ZERO), "{past}");
        }
        let soon = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(90));
        assert!(header(&soon).is_some_and(|d| d > Duration::from_secs(80)));
        assert_eq!(header("soon"), None);
    }
}
