//! How many plans are made at once: each reads a registry, and may take long.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::service::Error;

/// Plans that one organisation makes at once.
const AT_ONCE: usize = 4;

/// The plans that are being made, by organisation.
#[derive(Clone, Debug, Default)]
pub struct PlanTurns(Arc<Mutex<HashMap<i64, usize>>>);

/// One of them, until it is dropped.
#[derive(Debug)]
pub(in crate::service::runs) struct PlanTurn {
    turns: PlanTurns,
    org: i64,
}

impl PlanTurns {
    /// Err: the organisation makes as many as it may.
    pub(in crate::service::runs) fn begin(&self, org: i64) -> Result<PlanTurn, Error> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(org).or_default();
        if *count >= AT_ONCE {
            let message =
                format!("{AT_ONCE} plans are being made already; wait until one of them is done");
            return Err(Error::invalid("label", message));
        }
        *count += 1;
        Ok(PlanTurn {
            turns: self.clone(),
            org,
        })
    }
}

impl Drop for PlanTurn {
    fn drop(&mut self) {
        let mut counts = self.turns.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.org) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.org);
            }
        }
    }
}
