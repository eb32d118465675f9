//! Logs failed logins: each one as a line, up to a readable number; beyond that, and for logins refused
//! unchecked, only their count.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::service::trail::audit::unseen_record;
use crate::service::{App, Error};

/// Failures logged individually within [`Failures::every`].
const LINES: u64 = 60;

/// What was logged, and what is still to be logged.
#[derive(Debug)]
pub(super) struct Failures {
    /// How often the counts are logged.
    every: Duration,
    now: Mutex<Period>,
}

#[derive(Debug, Default)]
struct Period {
    lines: u64,
    untold: u64,
    unseen: u64,
    last: Option<IpAddr>,
    /// Whether a task is waiting to log the counts.
    has_end: bool,
}

impl Failures {
    pub(in crate::service) fn new(every: Duration) -> Failures {
        let now = Mutex::default();
        Failures { every, now }
    }

    /// Records a failed login. `shown` is the name, safe to show.
    pub(in crate::service) fn add(
        self: &Arc<Self>,
        app: &Arc<App>,
        shown: &str,
        address: IpAddr,
        why: &Error,
    ) {
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

    /// Logs the counts when it is time.
    async fn end(&self, app: &App) {
        tokio::time::sleep(self.every).await;
        let period = std::mem::take(&mut *self.lock());
        if period.untold > 0 {
            tracing::warn!(count = period.untold, "further logins failed");
        }
        let Some(address) = period.last else { return };
        let count = period.unseen;
        tracing::warn!(count, last = %address, "logins were refused unchecked: too many had failed, or the login can't exist");
        if let Err(error) = unseen_record(app, address, count).await {
            tracing::error!(%error, "can't write refused logins to the audit trail");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Period> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn reason(why: &Error) -> &'static str {
    match why {
        Error::LoginRefused => "wrong login or password",
        Error::AccountDisabled => "the account is disabled",
        Error::Unavailable { .. } => "the database is unavailable",
        _ => "an unexpected error",
    }
}

#[cfg(test)]
mod tests {
    use super::{Failures, LINES};
    use crate::service::access::account::{LoginPolicy, Logins};
    use crate::service::{App, Error};
    use crate::store::{Db, SealKey};
    use std::io::Write;
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    /// Shorter than a flood, and longer than one iteration of the loop below.
    const EVERY: Duration = Duration::from_millis(300);

    #[derive(Clone, Default)]
    struct Logged(Arc<Mutex<Vec<u8>>>);

    impl Write for Logged {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("no panic").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Logged {
        fn lines(&self, words: &str) -> Vec<String> {
            let text = self.0.lock().expect("no panic");
            let text = String::from_utf8_lossy(&text).into_owned();
            let lines = text.lines().filter(|line| line.contains(words));
            lines.map(str::to_owned).collect()
        }
    }

    #[tokio::test]
    async fn the_first_failures_are_told_one_by_one_and_the_others_by_their_number() {
        let logged = Logged::default();
        let writer = logged.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || writer.clone());
        let _guard = tracing::subscriber::set_default(subscriber.finish());
        let dir = tempfile::tempdir().expect("a directory");
        let key = SealKey::from_file(&dir.path().join("key")).expect("a key");
        let url = format!("sqlite:{}", dir.path().join("db").display());
        let db = Db::open(&url, key).expect("a database");
        let logins = Logins::new(LoginPolicy::default()).expect("logins");
        let app = Arc::new(App::new(db, logins));
        let failures = Arc::new(Failures::new(EVERY));
        let address = IpAddr::from(Ipv4Addr::new(192, 0, 2, 7));
        let fail = |number: u64, why| failures.add(&app, &format!("u{number}"), address, why);
        for number in 0..LINES + 10 {
            fail(number, &Error::LoginRefused);
        }
        fail(99, &Error::LoginCrowded);
        let one_by_one = || logged.lines("a login failed");
        assert_eq!(one_by_one().len(), 60);
        for part in ["u59", "192.0.2.7", "wrong login or password"] {
            assert!(one_by_one()[59].contains(part), "{:?}", one_by_one());
        }
        let told = async {
            while logged.lines("refused unchecked").is_empty() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), told)
            .await
            .expect("the numbers");
        let further = logged.lines("further logins failed");
        assert!(
            further.len() == 1 && further[0].contains("count=10"),
            "{further:?}"
        );
        let unseen = logged.lines("refused unchecked");
        assert!(
            unseen[0].contains("count=1 ") && unseen[0].contains("192.0.2.7"),
            "{unseen:?}"
        );
        // Then it starts over.
        fail(0, &Error::AccountDisabled);
        assert_eq!(one_by_one().len(), 61);
        assert!(one_by_one()[60].contains("the account is disabled"));
    }
}
