//! Counts failed logins per account and per network, and decides when to refuse logins unchecked.
//!
//! The counters are in the database, with its clock, and shared by all servers that use it. Refusals
//! are also cached here, so that a flood of logins costs nothing.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::TimeDelta;

use crate::service::Error;
use crate::store::Db;
use crate::store::access::login_failure::{failure_add, failure_forget, failures_of};

/// Maximum number of counters, and of cached refusals. Names come from outside; the oldest one is
/// removed first.
const CAPACITY: usize = 10_000;
/// Maximum number of waiting logins from one network: a flood of them doesn't delay others for
/// long.
const WAITING_OF_NETWORK: usize = 32;
/// Maximum number of waiting logins.
const WAITING: usize = 256;

/// Limits of failed logins.
#[derive(Clone, Copy, Debug)]
pub struct LoginLimits {
    /// Failures of one login name within the window.
    pub per_account: u32,
    /// Failures from one network within the window: an IPv4 address, or 64 bits of an IPv6 address,
    /// which is what a single customer has. Many people may share one.
    pub per_address: u32,
    /// The window in which failures count.
    pub window: Duration,
}

impl Default for LoginLimits {
    fn default() -> LoginLimits {
        LoginLimits {
            per_account: 10,
            per_address: 60,
            window: Duration::from_mins(1),
        }
    }
}

/// What failures are counted by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Subjects {
    /// The login name in upper case, whether or not an account has it.
    account: String,
    network: String,
}

impl Subjects {
    pub(in crate::service) fn of(login: &str, address: IpAddr) -> Subjects {
        Subjects {
            account: format!("account {}", login.to_uppercase()),
            network: format!("network {}", network(address)),
        }
    }
}

/// An IPv4 address, even if written as an IPv6 address, or the first 64 bits of an IPv6 address.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
        }
    }
}

/// The counters.
#[derive(Debug)]
pub(super) struct LoginGuard {
    limits: LoginLimits,
    /// Refused subjects, and until when.
    refused: Mutex<HashMap<String, Instant>>,
}

impl LoginGuard {
    pub(in crate::service) fn new(limits: LoginLimits) -> LoginGuard {
        let refused = Mutex::default();
        LoginGuard { limits, refused }
    }

    /// Refuses a subject in the cache, without a query.
    pub(super) fn refused_check(&self, subjects: &Subjects) -> Result<(), Error> {
        let mut refused = self.lock();
        let mut wait = Duration::ZERO;
        for subject in [&subjects.account, &subjects.network] {
            let left = refused
                .get(subject)
                .map(|until| until.saturating_duration_since(Instant::now()));
            match left {
                Some(left) if left.is_zero() => drop(refused.remove(subject)),
                left => wait = wait.max(left.unwrap_or_default()),
            }
        }
        refusal(wait)
    }

    /// Refuses a subject with too many failures.
    pub(in crate::service) async fn check(
        &self,
        db: &Db,
        subjects: &Subjects,
    ) -> Result<(), Error> {
        let Subjects { account, network } = subjects.clone();
        let found = db
            .run(move |conn| failures_of(conn, &[account, network]))
            .await?;
        let mut wait = Duration::ZERO;
        for failures in found {
            let limit = if failures.subject == subjects.account {
                self.limits.per_account
            } else {
                self.limits.per_address
            };
            let left = self.limits.window.saturating_sub(failures.age);
            if failures.count >= i64::from(limit) && !left.is_zero() {
                self.remember(failures.subject, left);
                wait = wait.max(left);
            }
        }
        refusal(wait)
    }

    /// Counts a failure.
    pub(in crate::service) async fn failed(
        &self,
        db: &Db,
        subjects: &Subjects,
    ) -> Result<(), Error> {
        let Subjects { account, network } = subjects.clone();
        let window = TimeDelta::from_std(self.limits.window).unwrap_or(TimeDelta::MAX);
        let capacity = i64::try_from(CAPACITY).unwrap_or(i64::MAX);
        db.run(move |conn| failure_add(conn, &[account, network], window, capacity))
            .await?;
        Ok(())
    }

    /// Removes an account's failures; the network's are kept, or one valid account would allow
    /// guessing at all others.
    pub(super) async fn succeeded(&self, db: &Db, subjects: &Subjects) -> Result<(), Error> {
        let account = subjects.account.clone();
        db.run(move |conn| failure_forget(conn, &account)).await?;
        Ok(())
    }

    fn remember(&self, subject: String, left: Duration) {
        let mut refused = self.lock();
        if refused.len() >= CAPACITY {
            let first = refused.iter().min_by_key(|(_, until)| **until);
            let first = first.map(|(subject, _)| subject.clone());
            first.map(|subject| refused.remove(&subject));
        }
        refused.insert(subject, Instant::now() + left);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refusal(wait: Duration) -> Result<(), Error> {
    if wait.is_zero() {
        return Ok(());
    }
    Err(Error::LoginLimited(wait + Duration::from_secs(1)))
}

/// Number of waiting logins by network.
#[derive(Debug, Default)]
pub(super) struct LoginQueue(Arc<Mutex<HashMap<String, usize>>>);

/// A place in the queue, released on drop.
#[derive(Debug)]
pub(super) struct QueuePlace {
    queue: Arc<Mutex<HashMap<String, usize>>>,
    network: String,
}

impl LoginQueue {
    /// Takes a place, if one is free.
    pub(super) fn enter(&self, subjects: &Subjects) -> Result<QueuePlace, Error> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let total: usize = waiting.values().sum();
        let network = subjects.network.clone();
        let of_network = waiting.entry(network.clone()).or_default();
        if total >= WAITING || *of_network >= WAITING_OF_NETWORK {
            waiting.retain(|_, count| *count > 0);
            return Err(Error::LoginCrowded);
        }
        *of_network += 1;
        Ok(QueuePlace {
            queue: Arc::clone(&self.0),
            network,
        })
    }
}

impl Drop for QueuePlace {
    fn drop(&mut self) {
        let mut waiting = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = waiting.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                waiting.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{LoginGuard, LoginLimits, LoginQueue, Subjects, WAITING_OF_NETWORK};
    use std::time::Duration;

    fn subjects(login: &str, address: &str) -> Subjects {
        Subjects::of(login, address.parse().expect("an address"))
    }

    #[test]
    fn half_of_an_ipv6_address_is_one_network() {
        let one = subjects("Admin", "2001:db8:1:2:3:4:5:6");
        assert_eq!(one, subjects("ADMIN", "2001:db8:1:2::1"));
        assert_ne!(one, subjects("admin", "2001:db8:1:3:3:4:5:6"));
        assert_ne!(subjects("a", "192.0.2.1"), subjects("a", "192.0.2.2"));
        assert_eq!(
            subjects("a", "192.0.2.1"),
            subjects("a", "::ffff:192.0.2.1")
        );
    }

    #[test]
    fn a_network_cannot_fill_the_queue() {
        let queue = LoginQueue::default();
        let [here, there] = ["192.0.2.1", "192.0.2.2"].map(|address| subjects("a", address));
        let places: Vec<_> = (0..WAITING_OF_NETWORK)
            .map(|_| queue.enter(&here).expect("a place"))
            .collect();
        assert!(queue.enter(&here).is_err());
        assert!(queue.enter(&there).is_ok());
        drop(places);
        assert!(queue.enter(&here).is_ok());
        assert!(queue.0.lock().expect("unharmed").is_empty());
    }

    #[test]
    fn of_the_remembered_the_first_to_end_goes_first() {
        let guard = LoginGuard::new(LoginLimits::default());
        for number in 0..=super::CAPACITY {
            let left = Duration::from_secs(1000 + u64::try_from(number).expect("small"));
            guard.remember(number.to_string(), left);
        }
        let refused = guard.lock();
        assert_eq!(refused.len(), super::CAPACITY);
        assert!(!refused.contains_key("0") && refused.contains_key("1"));
    }
}
