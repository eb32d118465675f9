//! Long-running work, on a blocking thread.

use std::panic::resume_unwind;

use tokio::task::JoinHandle;
use tracing::Span;

/// Does `work` there, within the caller's span: what it logs says which call or part it belongs to.
pub(crate) fn spawn_blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    let span = Span::current();
    tokio::task::spawn_blocking(move || span.in_scope(work))
}

/// The same, and panics if `work` does.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match spawn_blocking(work).await {
        Ok(done) => done,
        Err(failure) => match failure.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // Only the end of the runtime cancels such a task, and this one with it.
            Err(_) => std::future::pending().await,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::spawn_blocking;
    use tracing::{Dispatch, Span, dispatcher};

    #[tokio::test]
    async fn work_on_another_thread_is_within_the_span_that_asked_for_it() {
        let dispatch = Dispatch::new(tracing_subscriber::fmt().with_test_writer().finish());
        let _guard = dispatcher::set_default(&dispatch);
        let there = dispatch.clone();
        let name = move || {
            let name = || Span::current().metadata().map(tracing::Metadata::name);
            dispatcher::with_default(&there, name)
        };
        let began = tracing::info_span!("call").in_scope(|| spawn_blocking(name));
        assert_eq!(began.await.unwrap(), Some("call"));
    }
}
