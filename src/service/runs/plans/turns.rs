//! How many plans are made at once: each reads a registry, and may take long.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::service::{Caller, Error};

/// Plans that one organisation makes at once.
const AT_ONCE: usize = 4;
/// Those of one user, who can't take all turns of the organisation.
const OF_ONE_USER: usize = 2;

/// The plans that are being made.
#[derive(Clone, Debug, Default)]
pub struct PlanTurns(Arc<Mutex<Vec<Holder>>>);

/// Who makes a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Holder {
    org: i64,
    account: i64,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub(in crate::service::runs) struct PlanTurn {
    turns: PlanTurns,
    holder: Holder,
}

impl PlanTurns {
    /// Err: the caller, or the organisation, makes as many as they may.
    pub(in crate::service::runs) fn begin(&self, caller: &Caller) -> Result<PlanTurn, Error> {
        let holder = Holder {
            org: caller.org_id(),
            account: caller.account_id(),
        };
        let mut all = self.all();
        let of_user = all.iter().filter(|other| **other == holder).count();
        let of_org = all.iter().filter(|other| other.org == holder.org).count();
        let whose = if of_user >= OF_ONE_USER {
            format!("{OF_ONE_USER} plans of yours are being made already, the most of one user")
        } else if of_org >= AT_ONCE {
            format!("{AT_ONCE} plans of the organisation are being made already")
        } else {
            all.push(holder);
            return Ok(PlanTurn {
                turns: self.clone(),
                holder,
            });
        };
        let message = format!("{whose}; wait until one of them is done");
        Err(Error::invalid("label", message))
    }

    fn all(&self) -> MutexGuard<'_, Vec<Holder>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for PlanTurn {
    fn drop(&mut self) {
        let mut all = self.turns.all();
        if let Some(index) = all.iter().position(|other| *other == self.holder) {
            all.swap_remove(index);
        }
    }
}
