//! Forwards notifications of other nodes. While the connection is down, everyone polls once a second.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::store::Error;
use crate::store::base::channel::{Listener, Topic};

/// How often the connection's buffer is checked, which doesn't involve the database.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The pause between connection attempts.
const CONNECT_PAUSE: Duration = Duration::from_secs(2);

/// Listens until `stop`: `queue_wake` is notified when there is work to claim, `cancel_wake` when a
/// run should end.
pub async fn listen(
    mut listener: Listener,
    queue_wake: Arc<Notify>,
    cancel_wake: Arc<Notify>,
    stop: CancellationToken,
) {
    let mut told = false;
    while !stop.is_cancelled() {
        let connecting = tokio::task::spawn_blocking(move || {
            let connected = listener.connect();
            (listener, connected)
        });
        let Ok((back, connected)) = connecting.await else {
            return;
        };
        listener = back;
        if let Err(error) = connected {
            if !std::mem::replace(&mut told, true) {
                tracing::warn!(
                    %error,
                    "the database can't be reached: until it can, no work is claimed and no run \
                     is cancelled"
                );
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(CONNECT_PAUSE) => {}
            }
            continue;
        }
        if std::mem::take(&mut told) {
            tracing::info!("the database can be reached again");
        }
        // Notifications missed while disconnected.
        queue_wake.notify_one();
        cancel_wake.notify_one();
        if let Err(error) = pass_on(&mut listener, &queue_wake, &cancel_wake, &stop).await {
            tracing::warn!(%error, "lost the connection that listens for other nodes");
        }
    }
}

async fn pass_on(
    listener: &mut Listener,
    queue_wake: &Notify,
    cancel_wake: &Notify,
    stop: &CancellationToken,
) -> Result<(), Error> {
    while !stop.is_cancelled() {
        for topic in listener.news()? {
            match topic {
                Topic::Queue => queue_wake.notify_one(),
                Topic::Cancel => cancel_wake.notify_one(),
            }
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
    Ok(())
}
