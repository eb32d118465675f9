//! How a plan looks on the wire.

use schemars::JsonSchema;
use serde::Serialize;

use crate::api::value::ByteCount;
use crate::sync::{Action, Plan, PlanAction};

/// What a run would do.
#[derive(Serialize, JsonSchema)]
pub(in crate::api::namespaces::registrysync) struct PlanAnswer {
    actions: Vec<ActionAnswer>,
    totals: PlanTotals,
    warnings: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
struct ActionAnswer {
    repository: String,
    tag: String,
    target: String,
    action: Action,
    reason: String,
    digest: Option<String>,
    previous_digest: Option<String>,
    size: Option<ByteCount>,
}

#[derive(Serialize, JsonSchema)]
struct PlanTotals {
    copy: u64,
    update: u64,
    skip: u64,
    delete: u64,
    blocked: u64,
    bytes: ByteCount,
}

impl From<Plan> for PlanAnswer {
    fn from(plan: Plan) -> PlanAnswer {
        PlanAnswer {
            totals: PlanTotals {
                copy: plan.copy,
                update: plan.update,
                skip: plan.skip,
                delete: plan.delete,
                blocked: plan.blocked,
                bytes: ByteCount(plan.bytes),
            },
            actions: plan.actions.into_iter().map(ActionAnswer::from).collect(),
            warnings: plan.warnings,
        }
    }
}

impl From<PlanAction> for ActionAnswer {
    fn from(action: PlanAction) -> ActionAnswer {
        ActionAnswer {
            repository: action.repository,
            tag: action.tag,
            target: action.target,
            action: action.action,
            reason: action.reason,
            digest: action.digest.map(String::from),
            previous_digest: action.previous_digest.map(String::from),
            size: action.size.map(ByteCount),
        }
    }
}
