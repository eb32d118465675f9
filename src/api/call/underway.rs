//! Calls in progress. One that changes something is completed whatever happens to its client; one that
//! only reads ends when its client is gone or its session ends.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use tracing::Instrument as _;

use crate::api::error::ApiError;
use crate::api::reply::CallResult;
use crate::service::access::session::session_still_there;
use crate::service::{App, Caller};

/// How often a session is checked during a call.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Runs a call that changes something in its own task: a client that disconnects doesn't stop it
/// halfway, and a panic ends only this call.
pub(super) async fn changing(
    call: impl Future<Output = CallResult> + Send + 'static,
) -> CallResult {
    spawn_detached(call).await.map_err(ApiError::of_a_change)
}

/// Runs a call in its own task.
pub(super) async fn spawn_detached(
    call: impl Future<Output = CallResult> + Send + 'static,
) -> CallResult {
    match tokio::spawn(call.in_current_span()).await {
        Ok(answer) => answer,
        Err(failure) => Err(ApiError::unexpected(failure)),
    }
}

/// Runs a call that only reads. A panic ends only this call; so does dropping the future, or the
/// end of `caller`'s session, even while a long reply is written.
pub(in crate::api) async fn reading(
    call: impl Future<Output = CallResult> + Send + 'static,
    app: Arc<App>,
    caller: Option<Caller>,
) -> CallResult {
    // Requests that arrive together are read together, and their responses are sent together:
    // waking a client costs as much as its response.
    tokio::task::yield_now().await;
    let call = caught(call);
    let Some(caller) = caller else {
        return call.await;
    };
    let watch = Arc::new(Watch {
        app,
        caller,
        begun: Instant::now(),
        looked: AtomicU64::new(0),
    });
    // Both must be polled concurrently: an unpolled call may hold the turn for the database's next
    // connection, which the session check needs.
    let answer = tokio::select! {
        answer = call => answer?,
        ended = watch.ended() => return Err(ended),
    };
    Ok(answer.watched(move || {
        let watch = Arc::clone(&watch);
        async move { watch.check().await }
    }))
}

/// A panic as the call's error.
async fn caught(call: impl Future<Output = CallResult>) -> CallResult {
    let ended = AssertUnwindSafe(call).catch_unwind().await;
    ended.unwrap_or_else(|panic| Err(ApiError::unexpected(panic_text(panic.as_ref()))))
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    format!("the call panicked: {}", text.unwrap_or_default())
}

/// Watches the session of a call.
struct Watch {
    app: Arc<App>,
    caller: Caller,
    begun: Instant,
    /// When it was last checked, in whole periods since the start.
    looked: AtomicU64,
}

impl Watch {
    /// Waits until the session has ended.
    async fn ended(&self) -> ApiError {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            if let Err(ended) = self.check().await {
                return ended;
            }
        }
    }

    /// Refuses once the session has ended.
    async fn check(&self) -> Result<(), ApiError> {
        let now = self.begun.elapsed().as_secs() / LOOK_EVERY.as_secs();
        if self.looked.swap(now, Ordering::Relaxed) == now {
            return Ok(());
        }
        Ok(session_still_there(&self.app, &self.caller).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::{caught, panic_text};

    #[tokio::test]
    async fn a_panic_ends_its_own_call_only() {
        let ended = caught(async { panic!("nobody expects {}", "this") }).await;
        let error = ended.expect_err("an error");
        assert!(!error.message().contains("nobody"), "{error}");
        assert_eq!(panic_text(&"plain"), "the call panicked: plain");
        assert_eq!(panic_text(&"made".to_owned()), "the call panicked: made");
    }
}
