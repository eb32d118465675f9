//! Runs long work, such as matching many names, off the threads that serve requests.

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::blocking::blocking;

/// The caller that waits for the work.
#[derive(Clone, Copy, Debug)]
pub enum Asker {
    /// A person's call.
    Call,
    /// A run.
    Run,
}

/// Maximum number of simultaneous tasks, so that the machine stays responsive, and runs don't delay
/// calls.
static OF_CALLS: Semaphore = Semaphore::const_new(2);
static OF_RUNS: Semaphore = Semaphore::const_new(2);

/// Does `work` on a blocking thread. Its token is cancelled if nobody waits any more: it should stop.
///
/// # Panics
/// If `work` does.
pub async fn offload<T: Send + 'static>(
    asker: Asker,
    work: impl FnOnce(&CancellationToken) -> T + Send + 'static,
) -> T {
    let places = match asker {
        Asker::Call => &OF_CALLS,
        Asker::Run => &OF_RUNS,
    };
    // Never closed, so a permit is always granted eventually.
    let place = places.acquire().await;
    let cancel = CancellationToken::new();
    let _waiting = cancel.clone().drop_guard();
    blocking(move || {
        let _place = place;
        work(&cancel)
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::{Asker, offload};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::time::{Duration, Instant};

    #[tokio::test]
    async fn work_learns_that_nobody_waits_for_it() {
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let (end, ended) = mpsc::channel();
        let work = tokio::spawn(offload(Asker::Call, move |cancel| {
            begun.send(()).expect("somebody waits");
            while !cancel.is_cancelled() {
                std::thread::yield_now();
            }
            end.send(()).expect("somebody waits");
        }));
        has_begun.await.expect("begun");
        work.abort();
        let ended =
            tokio::task::spawn_blocking(move || ended.recv_timeout(Duration::from_secs(20)));
        assert_eq!(ended.await.expect("no panic"), Ok(()));
    }

    #[tokio::test]
    async fn the_result_is_returned() {
        assert_eq!(
            offload(Asker::Run, |cancel| u8::from(!cancel.is_cancelled())).await,
            1
        );
    }

    /// Each waits until a third one is working, with a timeout.
    #[tokio::test]
    async fn no_more_than_two_work_at_once() {
        static AT_WORK: AtomicUsize = AtomicUsize::new(0);
        let works = (0..4).map(|_| {
            offload(Asker::Call, |_| {
                AT_WORK.fetch_add(1, Ordering::SeqCst);
                let begun = Instant::now();
                let mut most = 0;
                while most < 3 && begun.elapsed() < Duration::from_millis(200) {
                    most = AT_WORK.load(Ordering::SeqCst);
                    std::thread::yield_now();
                }
                AT_WORK.fetch_sub(1, Ordering::SeqCst);
                most
            })
        });
        let most = futures_util::future::join_all(works).await;
        assert!(most.iter().all(|most| *most <= 2), "{most:?}");
    }
}
