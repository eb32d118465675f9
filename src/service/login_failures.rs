//! Tells of failed logins: each one a line in the server's log, though not more of them than a person
//! reads; the others, and those that were refused without a look, by their number.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::audit::unseen_record;
use super::{App, Error};

/// Failures that are told one by one within [`Failures::every`].
const LINES: u64 = 60;

/// What was told of, and what is still to be told.
#[derive(Debug)]
pub(super) struct Failures {
    /// How often the numbers are told.
    every: Duration,
    now: Mutex<Period>,
}

#[derive(Debug, Default)]
struct Period {
    lines: u64,
    untold: u64,
    unseen: u64,
    last: Option<IpAddr>,
    /// Whether somebody waits to tell the numbers.
    has_end: bool,
}

impl Failures {
    pub(super) fn new(every: Duration) -> Failures {
        let now = Mutex::default();
        Failures { every, now }
    }

    /// A login failed. `shown` is the name, as it may be shown.
    pub(super) fn add(self: &Arc<Self>, app: &Arc<App>, shown: &str, address: IpAddr, why: &Error) {
        let mut period = self.lock();
        if why.is_unseen() {
            period.unseen += 1;
            period.last = Some(address);
        } else if period.lines < LINES {
            period.lines += 1;
            let reason = reason(why);
            tracing::warn!(login = shown, %address, reason, "a login failed");
        } else {
            period.untold += 1;
        }
        if !period.has_end {
            period.has_end = true;
            let (this, app) = (Arc::clone(self), Arc::clone(app));
            tokio::spawn(async move { this.end(&app).await });
        }
    }

    /// Tells the numbers when it is time to.
    async fn end(&self, app: &App) {
        tokio::time::sleep(self.every).await;
        let period = std::mem::take(&mut *self.lock());
        if period.untold > 0 {
            tracing::warn!(count = period.untold, "further logins failed");
        }
        let Some(address) = period.last else { return };
        let count = period.unseen;
        tracing::warn!(count, last = %address, "logins were refused without a look: too many failed, or nobody can have them");
        if let Err(error) = unseen_record(app, address, count).await {
            tracing::error!(%error, "refused logins can't be written to the audit trail");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Period> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn reason(why: &Error) -> &'static str {
    match why {
        Error::LoginRefused => "no such login and password",
        Error::AccountDisabled => "the account is disabled",
        Error::Unavailable(_) => "the database is away",
        _ => "an unexpected error",
    }
}
