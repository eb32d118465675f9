//! How a plan looks on the wire.

use schemars::JsonSchema;
use serde::Serialize;

use super::utc;
use crate::api::List;
use crate::api::reply::{IntoReply, Reply};
use crate::api::value::{ByteCount, Timestamp};
use crate::service::paging::Rows;
use crate::service::runs::plans::show::PlanView;
use crate::service::runs::plans::totals;
use crate::store::projects::kept_action::ActionRow;
use crate::sync::kept::record::ActionRecord;
use crate::sync::{Plan, PlanAction};

/// What a run would do.
#[derive(Serialize, JsonSchema)]
pub(in crate::api::namespaces::registrysync) struct PlanAnswer {
    actions: Vec<ActionAnswer>,
    totals: PlanTotals,
    /// Why a run would fail; omitted if it wouldn't.
    failure: Option<String>,
    warnings: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
struct ActionAnswer {
    repository: String,
    tag: String,
    target: String,
    /// `copy`, `update`, `skip`, `delete`, `blocked`, or `failed` if it couldn't be checked or would fail
    action: String,
    reason: String,
    /// What the source's tag has now.
    source_digest: Option<String>,
    /// What the target's tag will have.
    digest: Option<String>,
    /// What the target's tag has now.
    previous_digest: Option<String>,
    size: Option<ByteCount>,
}

#[derive(Serialize, JsonSchema)]
struct PlanTotals {
    copy: u64,
    update: u64,
    skip: u64,
    delete: u64,
    /// Tags that a rule forbids to copy or to delete.
    blocked: u64,
    /// Tags, and lists of tags, that couldn't be checked, or would fail.
    failed: u64,
    bytes: ByteCount,
    /// Requests of a run to the source, about.
    source_requests: u64,
    /// Requests of a run to the target, about.
    target_requests: u64,
    /// Those to the source that get a manifest, which Docker Hub counts.
    pulls: u64,
}

impl From<totals::PlanTotals> for PlanTotals {
    fn from(totals: totals::PlanTotals) -> PlanTotals {
        PlanTotals {
            copy: totals.copy,
            update: totals.update,
            skip: totals.skip,
            delete: totals.delete,
            blocked: totals.blocked,
            failed: totals.failed,
            bytes: ByteCount(totals.bytes),
            source_requests: totals.source_requests,
            target_requests: totals.target_requests,
            pulls: totals.pulls,
        }
    }
}

impl From<Plan> for PlanAnswer {
    fn from(plan: Plan) -> PlanAnswer {
        PlanAnswer {
            totals: totals::PlanTotals::from(&plan).into(),
            actions: plan.actions.into_iter().map(ActionAnswer::from).collect(),
            failure: plan.failure,
            warnings: plan.warnings,
        }
    }
}

impl From<PlanAction> for ActionAnswer {
    fn from(action: PlanAction) -> ActionAnswer {
        let word = action.word().to_owned();
        ActionAnswer {
            repository: action.repository,
            tag: action.tag,
            target: action.target,
            action: word,
            reason: action.reason,
            source_digest: action.source_digest.map(String::from),
            digest: action.digest.map(String::from),
            previous_digest: action.previous_digest.map(String::from),
            size: action.size.map(ByteCount),
        }
    }
}

/// A kept plan without its actions.
#[derive(Serialize, JsonSchema)]
pub(in crate::api::namespaces::registrysync) struct KeptPlanHead {
    id: i64,
    project_label: String,
    /// The project's version when the plan was made.
    project_version: i64,
    created: Timestamp,
    /// When it is removed.
    expires: Timestamp,
    /// Login of the account that made it.
    created_by: String,
    totals: PlanTotals,
    /// Why a run would have failed when the plan was made; omitted if it wouldn't.
    failure: Option<String>,
    warnings: Vec<String>,
}

impl From<PlanView> for KeptPlanHead {
    fn from(view: PlanView) -> KeptPlanHead {
        let plan = view.plan;
        KeptPlanHead {
            id: plan.id,
            project_label: view.project_label,
            project_version: plan.project_version,
            created: utc(plan.created),
            expires: utc(plan.expires),
            created_by: plan.created_by,
            failure: view.totals.failure.clone(),
            totals: view.totals.into(),
            warnings: view.warnings,
        }
    }
}

/// A kept plan.
#[derive(JsonSchema)]
pub(in crate::api::namespaces::registrysync) struct KeptPlan {
    #[schemars(flatten)]
    head: KeptPlanHead,
    /// What a run of the plan would do with each tag, in order.
    actions: List<KeptActionAnswer>,
}

#[derive(Serialize, JsonSchema)]
struct KeptActionAnswer {
    repository: String,
    tag: String,
    target: String,
    /// `copy`, `update`, `skip`, `delete`, `blocked`, or `failed` if it couldn't be checked or would fail
    action: String,
    reason: String,
    /// What the source's tag had.
    source_digest: Option<String>,
    /// What the target's tag gets.
    digest: Option<String>,
    /// What the target's tag had.
    previous_digest: Option<String>,
    size: Option<ByteCount>,
}

impl KeptPlan {
    pub(in crate::api::namespaces::registrysync) fn of(
        view: PlanView,
        actions: Rows<ActionRow>,
    ) -> KeptPlan {
        KeptPlan {
            head: view.into(),
            actions: List::of_rows(actions, KeptActionAnswer::from),
        }
    }
}

impl From<ActionRow> for KeptActionAnswer {
    fn from(row: ActionRow) -> KeptActionAnswer {
        let action = ActionRecord::from(row);
        KeptActionAnswer {
            repository: action.repository,
            tag: action.tag,
            target: action.target,
            action: action.action,
            reason: action.reason,
            source_digest: action.source_digest,
            digest: action.digest,
            previous_digest: action.previous_digest,
            size: action.size.map(ByteCount),
        }
    }
}

impl IntoReply for KeptPlan {
    fn into_reply(self) -> Reply {
        self.actions.below(self.head, "actions")
    }
}
