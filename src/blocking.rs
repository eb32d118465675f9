//! Long-running work, on a blocking thread.

use std::panic::resume_unwind;

/// Does `work` there, and panics if it does.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(failure) => match failure.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // Only the end of the runtime cancels such a task, and this one with it.
            Err(_) => std::future::pending().await,
        },
    }
}
