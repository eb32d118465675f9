//! The totals of a plan.

use serde::{Deserialize, Serialize};

use crate::service::Error;
use crate::store::projects::kept_plan::KeptPlan;
use crate::sync::Plan;
use crate::sync::kept::part::left_out;
use crate::text::{counted, readable};

/// Warnings that are kept; more are only counted.
const WARNINGS: usize = 100;
/// Maximum length of one in characters.
const WARNING: usize = 2000;

/// The totals of a plan; those of a kept one may lack some that a later version knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)] // as in `Plan`
pub struct PlanTotals {
    pub copy: u64,
    pub update: u64,
    pub skip: u64,
    pub delete: u64,
    pub blocked: u64,
    pub failed: u64,
    pub bytes: u64,
    pub source_requests: u64,
    pub target_requests: u64,
    pub pulls: u64,
    pub failure: Option<String>,
}

impl From<&Plan> for PlanTotals {
    fn from(plan: &Plan) -> Self {
        Self {
            copy: plan.copy,
            update: plan.update,
            skip: plan.skip,
            delete: plan.delete,
            blocked: plan.blocked,
            failed: plan.failed,
            bytes: plan.bytes,
            source_requests: plan.costs.source_requests,
            target_requests: plan.costs.target_requests,
            pulls: plan.costs.pulls,
            failure: plan.failure.clone(),
        }
    }
}

impl PlanTotals {
    /// What a run of the plan, named so, leaves out.
    pub fn left_out(&self, plan: &str) -> Option<String> {
        left_out(plan, self.failed, self.blocked)
    }

    /// Why there is nothing to run, if that isn't as it should be.
    pub fn nothing_why(&self) -> Option<String> {
        let is_nothing = self.copy + self.update + self.skip + self.delete == 0;
        let why = || self.left_out("it").or_else(|| self.failure.clone());
        is_nothing.then(why).flatten()
    }

    /// Those of a kept plan.
    pub fn of(plan: &KeptPlan) -> Result<Self, Error> {
        serde_json::from_str(&plan.totals).map_err(Error::unexpected)
    }
}

/// The warnings of a plan, to keep.
pub(super) fn warnings_keep(warnings: &[String]) -> Result<String, Error> {
    let first = warnings.iter().take(WARNINGS);
    let mut kept: Vec<String> = first.map(|text| readable(text, WARNING)).collect();
    let more = warnings.len().saturating_sub(WARNINGS);
    if more > 0 {
        kept.push(format!("{} more", counted(more as u64, "warning")));
    }
    serde_json::to_string(&kept).map_err(Error::unexpected)
}

/// The warnings of a kept plan.
pub fn warnings_of(plan: &KeptPlan) -> Result<Vec<String>, Error> {
    serde_json::from_str(&plan.warnings).map_err(Error::unexpected)
}
