//! How leases are kept, the same on all nodes.

use std::time::Duration;

/// How leases are kept, the same on all nodes.
#[derive(Clone, Copy, Debug)]
pub struct LeaseRules {
    /// So long after its last sign of life a worker counts as gone, at most.
    pub lost_after: Duration,
    /// Times that a part is tried whose workers are lost.
    pub attempts: i64,
}

impl LeaseRules {
    /// How long a lease lasts by the database's clock.
    pub(in crate::taskomatic) fn lease(self) -> Duration {
        self.lost_after * 2 / 3
    }

    /// How long a lease that ran out must stay as it is before it counts.
    pub(super) fn watch(self) -> Duration {
        self.lost_after / 3
    }

    /// How often leases are renewed: twice within [`LeaseRules::watch`].
    pub(super) fn renew_every(self) -> Duration {
        self.lost_after / 6
    }
}
