//! How long a manifest or a configuration may take to arrive. An idle timeout alone would let a registry
//! send a byte now and then for hours, while others wait for the room that its manifest has.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use crate::oci::error::{Error, TransportKind};
use crate::oci::http::call::Response;

/// The received bytes that allow one more second.
const BYTES_A_SECOND: u64 = 64 * 1024;

/// The time of one body.
#[derive(Debug)]
pub(super) struct BodyTime {
    began: Instant,
    /// The time for the first bytes: half the idle timeout, 30 s by default.
    first: Duration,
    received: u64,
}

impl BodyTime {
    /// For a body whose reading begins now.
    pub(super) fn begins(idle_timeout: Duration) -> Self {
        Self {
            began: Instant::now(),
            first: idle_timeout / 2,
            received: 0,
        }
    }

    /// The next part of the body; Err if it has taken too long, like a timeout without data.
    pub(super) async fn chunk(&mut self, answer: &mut Response) -> Result<Option<Bytes>, Error> {
        let most = self.most();
        let next = tokio::time::timeout_at(self.began + most, answer.chunk()).await;
        let chunk = next.unwrap_or_else(|_| Err(late(answer, most)))?;
        self.received += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        Ok(chunk)
    }

    /// How long it may take in all, as far as is known yet.
    fn most(&self) -> Duration {
        self.first + Duration::from_secs(self.received / BYTES_A_SECOND)
    }
}

fn late(answer: &Response, most: Duration) -> Error {
    Error::Transport {
        host: answer.host.clone(),
        phase: answer.what.clone(),
        detail: format!("timeout: it takes longer than {} s", most.as_secs_f32()),
        kind: TransportKind::Silent,
    }
}
