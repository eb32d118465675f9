//! The rules of leases, the same on all nodes.

use std::time::Duration;

/// The rules of leases, the same on all nodes.
#[derive(Clone, Copy, Debug)]
pub struct LeaseRules {
    /// A worker is considered lost at most this long after its last heartbeat.
    pub lost_after: Duration,
    /// How often a part is tried if its worker is lost.
    pub attempts: i64,
}

impl LeaseRules {
    /// The duration of a lease by the database's clock.
    pub(in crate::taskomatic) fn lease(self) -> Duration {
        self.lost_after * 2 / 3
    }

    /// How long an expired lease must stay unchanged before its worker is considered lost.
    pub(super) fn watch(self) -> Duration {
        self.lost_after / 3
    }

    /// How often leases are renewed: twice within [`LeaseRules::watch`].
    pub(super) fn renew_every(self) -> Duration {
        self.lost_after / 6
    }
}
