//! The signal to a request or connection to end in favour of others.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use futures_util::task::AtomicWaker;

/// Sent once; clones share it. One task waits for it, which makes it cheaper than a cancellation
/// token: each request has one.
#[derive(Clone, Debug, Default)]
pub(in crate::surface) struct Eviction(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    is_given: AtomicBool,
    waiting: AtomicWaker,
}

impl Eviction {
    pub(in crate::surface) fn give(&self) {
        self.0.is_given.store(true, Ordering::Release);
        self.0.waiting.wake();
    }

    pub(in crate::surface) fn is_given(&self) -> bool {
        self.0.is_given.load(Ordering::Acquire)
    }

    /// Waits for the signal. If several tasks wait, only the last one is woken.
    pub(in crate::surface) async fn given(&self) {
        poll_fn(|context| {
            self.0.waiting.register(context.waker());
            // Check again: the signal may have been sent before the task was registered.
            if self.is_given() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}

#[cfg(test)]
mod tests {
    use super::Eviction;

    #[tokio::test]
    async fn the_signal_wakes_waiting_tasks_and_later_ones_return_at_once() {
        let eviction = Eviction::default();
        assert!(!eviction.is_given());
        let waiting = tokio::spawn({
            let eviction = eviction.clone();
            async move { eviction.given().await }
        });
        tokio::task::yield_now().await;
        eviction.give();
        waiting.await.expect("woken");
        eviction.given().await;
        assert!(eviction.is_given());
    }
}
