//! The pieces of a body, as they arrive.

use std::time::Duration;

use axum::body::{Body, Bytes};
use futures_util::StreamExt as _;
use tokio::time::Instant;

use super::body_error::BodyError;
use super::limits::RequestLimits;

/// The pieces of a body, with an idle timeout and a timeout for the whole body.
pub(super) struct Chunks {
    stream: axum::body::BodyDataStream,
    sent: usize,
    limits: RequestLimits,
    time: Duration,
    began: Instant,
}

impl Chunks {
    pub(super) fn new(body: Body, limits: RequestLimits) -> Chunks {
        Chunks {
            stream: body.into_data_stream(),
            sent: 0,
            limits,
            time: limits.stranger_time,
            began: Instant::now(),
        }
    }

    /// Sets the timeout for the whole body, counted from its start.
    pub(super) fn allow(&mut self, time: Duration) {
        self.time = time;
    }

    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        let end = self.began + self.time;
        let silence = Instant::now() + self.limits.patience;
        match tokio::time::timeout_at(end.min(silence), self.stream.next()).await {
            Ok(None) => Ok(None),
            Ok(Some(Ok(chunk))) => {
                self.sent = self.sent.saturating_add(chunk.len());
                Ok(Some(chunk))
            }
            Err(_) if end <= silence => Err(BodyError::Slow(self.time)),
            _ => Err(BodyError::Broken(self.limits.patience)),
        }
    }

    /// Discards the rest, at most until `bound` bytes have arrived in total. Returns the total.
    pub(super) async fn drain(mut self, bound: usize) -> usize {
        self.began = Instant::now();
        self.time = self.limits.stranger_time;
        while self.sent <= bound && matches!(self.next().await, Ok(Some(_))) {}
        self.sent
    }
}
