//! Counts failed logins per account and per address, and says when to refuse unseen.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So many counters are kept; each is a few dozen bytes, and names come from the outside.
const CAPACITY: usize = 10_000;

/// How many failures are borne.
#[derive(Clone, Copy, Debug)]
pub struct LoginLimits {
    /// Failures of one login name within the window.
    pub per_account: u32,
    /// Failures from one address within the window; many people may share one.
    pub per_address: u32,
    /// How long failures count.
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

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Subject {
    /// A login name in upper case, whether an account has it or not.
    Account(String),
    Address(IpAddr),
}

#[derive(Debug)]
struct Count {
    failures: u32,
    since: Instant,
}

/// The counters.
#[derive(Debug)]
pub(super) struct LoginGuard {
    limits: LoginLimits,
    counts: Mutex<HashMap<Subject, Count>>,
}

impl LoginGuard {
    pub(super) fn new(limits: LoginLimits) -> LoginGuard {
        let counts = Mutex::default();
        LoginGuard { limits, counts }
    }

    /// How long to wait before another try is looked at; `None` if it may be now.
    pub(super) fn wait(&self, login: &str, address: IpAddr) -> Option<Duration> {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let subjects = [
            (account(login), self.limits.per_account),
            (Subject::Address(address), self.limits.per_address),
        ];
        let waits = subjects.iter().filter_map(|(subject, limit)| {
            let count = counts
                .get(subject)
                .filter(|count| count.failures >= *limit)?;
            let left = self.limits.window.checked_sub(count.since.elapsed())?;
            Some(left + Duration::from_secs(1))
        });
        waits.max()
    }

    /// Counts a failure.
    pub(super) fn failed(&self, login: &str, address: IpAddr) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= CAPACITY {
            counts.retain(|_, count| count.since.elapsed() < self.limits.window);
        }
        if counts.len() >= CAPACITY {
            counts.clear();
        }
        for subject in [account(login), Subject::Address(address)] {
            let since = Instant::now();
            let count = counts
                .entry(subject)
                .or_insert(Count { failures: 0, since });
            if count.since.elapsed() >= self.limits.window {
                *count = Count { failures: 0, since };
            }
            count.failures += 1;
        }
    }

    /// Forgets an account's failures; the address's stay, or one good account would let
    /// somebody guess at all others.
    pub(super) fn succeeded(&self, login: &str) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.remove(&account(login));
    }
}

fn account(login: &str) -> Subject {
    // No account has a longer name, and the counters must stay small.
    Subject::Account(
        login
            .chars()
            .take(128)
            .flat_map(char::to_uppercase)
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::{LoginGuard, LoginLimits};
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::Duration;

    #[test]
    fn an_account_and_an_address_are_limited_apart() {
        let guard = LoginGuard::new(LoginLimits {
            per_account: 2,
            per_address: 3,
            window: Duration::from_hours(1),
        });
        let [here, there] = [1, 2].map(|last| IpAddr::from(Ipv4Addr::new(127, 0, 0, last)));
        guard.failed("admin", here);
        assert!(guard.wait("admin", here).is_none());
        guard.failed("ADMIN", here);
        assert!(
            guard.wait("admin", there).is_some(),
            "the account from anywhere"
        );
        assert!(guard.wait("other", here).is_none());
        guard.succeeded("Admin");
        assert!(guard.wait("admin", here).is_none());
        guard.failed("third", here);
        assert!(
            guard.wait("anybody", here).is_some(),
            "the address for any account"
        );
        assert!(guard.wait("anybody", there).is_none());
    }

    #[test]
    fn failures_are_forgotten_after_the_window() {
        let guard = LoginGuard::new(LoginLimits {
            per_account: 1,
            per_address: 1,
            window: Duration::ZERO,
        });
        let here = IpAddr::from(Ipv4Addr::LOCALHOST);
        guard.failed("admin", here);
        assert!(guard.wait("admin", here).is_none());
    }
}
