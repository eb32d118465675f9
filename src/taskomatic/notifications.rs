//! Sends pending notifications, with retries until they are delivered or given up.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::notify::Notifier;
use crate::service::trail::notification::{NAMED, channels, message_of_run, send};
use crate::store::runs::log::LogLevel;
use crate::store::runs::result::{ResultStatus, result_list};
use crate::store::trail::notification::{
    Channel, Notification, NotificationEvent, notification_claim, notification_drop,
    notification_end, notification_forget,
};
use crate::store::{Db, Error};

/// How often pending ones are looked for.
const POLL: Duration = Duration::from_secs(2);
/// Older ones are for a channel that no process has.
const STALE: Duration = Duration::from_hours(24);
/// How often a process without channels removes stale ones.
const STALE_POLL: Duration = Duration::from_hours(1);
/// Attempts before a message is given up: more than five hours.
const TRIES: i64 = 13;
/// The pause after the first attempt; each one is twice as long as the previous one.
const PAUSE: Duration = Duration::from_secs(5);

/// Sends notifications.
#[derive(Debug)]
pub struct Notifications {
    db: Db,
    notifier: Arc<Notifier>,
    channels: Vec<Channel>,
}

impl Notifications {
    /// Sends notifications through the channels of `notifier`.
    pub fn new(db: Db, notifier: Arc<Notifier>) -> Notifications {
        Notifications {
            db,
            channels: channels(&notifier),
            notifier,
        }
    }

    /// Works until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            match self.next().await {
                // Not during a delivery, or it would be sent twice.
                Ok(Some(due)) => self.tell(due).await,
                Ok(None) => self.pause(&stop).await,
                Err(error) => {
                    tracing::warn!(%error, "can't read pending notifications");
                    self.pause(&stop).await;
                }
            }
        }
    }

    async fn pause(&self, stop: &CancellationToken) {
        let pause = if self.channels.is_empty() {
            STALE_POLL
        } else {
            POLL
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }

    async fn next(&self) -> Result<Option<Notification>, Error> {
        let channels = self.channels.clone();
        let claim = move |conn: &mut _| {
            notification_forget(conn, STALE)?;
            notification_claim(conn, &channels, pause_after)
        };
        self.db.run(claim).await
    }

    async fn tell(&self, due: Notification) {
        if due.event == NotificationEvent::Warnings && !self.notifier.wants_warnings() {
            return self.forget(due).await;
        }
        let channel = match due.channel {
            Channel::Webhook => "webhook",
            Channel::Mail => "e-mail",
        };
        let told = match self.send(&due).await {
            Ok(()) => Ok((LogLevel::Info, format!("notified by {channel}"))),
            Err(error) if due.attempt >= TRIES => Ok((
                LogLevel::Error,
                format!("given up after {TRIES} tries: {error}"),
            )),
            Err(error) => Err(error),
        };
        match told {
            Ok((level, message)) => self.end(due, level, message).await,
            Err(error) => {
                tracing::warn!(run = due.run.id, attempt = due.attempt, %error, "notification failed, will retry");
            }
        }
    }

    async fn send(
        &self,
        due: &Notification,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let (run, limit) = (due.run.id, i64::try_from(NAMED)?);
        let failed = match due.org_id {
            Some(org) => {
                let failed = Some(ResultStatus::Failed);
                let list = move |conn: &mut _| result_list(conn, org, run, failed, 0, limit);
                self.db.run(list).await?
            }
            None => Vec::new(),
        };
        let message = message_of_run(&due.run, due.event, &due.org, &failed);
        Ok(send(&self.notifier, due.channel, &message).await?)
    }

    /// Nobody wants these.
    async fn forget(&self, due: Notification) {
        let drop = move |conn: &mut _| notification_drop(conn, due.id);
        if let Err(error) = self.db.run(drop).await {
            tracing::warn!(%error, "can't remove unneeded notifications");
        }
    }

    async fn end(&self, due: Notification, level: LogLevel, message: String) {
        let end = move |conn: &mut _| notification_end(conn, &due, level, message);
        if let Err(error) = self.db.run(end).await {
            tracing::warn!(%error, "can't record sent notifications");
        }
    }
}

fn pause_after(attempt: i64) -> Duration {
    let doublings = u32::try_from(attempt - 1).unwrap_or(0).min(16);
    PAUSE.saturating_mul(1 << doublings)
}

#[cfg(test)]
mod tests {
    use super::{PAUSE, TRIES, pause_after};
    use std::time::Duration;

    #[test]
    fn pauses_double_and_all_tries_take_hours() {
        assert_eq!(pause_after(1), PAUSE);
        for attempt in 2..TRIES {
            assert_eq!(pause_after(attempt), pause_after(attempt - 1) * 2);
        }
        let all: Duration = (1..TRIES).map(pause_after).sum();
        assert!(all > Duration::from_hours(5), "{all:?}");
    }
}
