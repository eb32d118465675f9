//! Plans a project, and keeps the result page by page: a plan of 100 000 tags is never in memory.

use std::time::Duration;

use tokio::sync::mpsc::{self, Receiver};

use super::limit::{bounded, gone};
use super::origin::PlanOrigin;
use super::show::{PlanView, plan_show, plans_clean};
use super::totals::{PlanTotals, warnings_keep};
use crate::service::paging::{Rows, Slice};
use crate::service::projects::lookup::{ProjectName, project_find};
use crate::service::runs::job::load::job_load;
use crate::service::runs::start::plan_reached;
use crate::service::{App, Caller, Error};
use crate::store::projects::kept_action::{ActionRow, actions_add};
use crate::store::projects::kept_plan::{
    NewKeptPlan, PlanResult, plan_begin, plan_complete, plan_hide, plan_ids, plan_run,
};
use crate::store::projects::project::{Project, project_by_id, project_lock};
use crate::store::{Db, DbConnection};
use crate::sync::kept::record::ActionRecord;
use crate::sync::{Engine, Plan, PlanAction};

/// How long a plan is kept.
const KEPT: Duration = Duration::from_hours(7 * 24);
/// Plans kept for a project; for a new one, the oldest goes that no run uses.
const PLANS: usize = 20;
/// Actions written at once.
const PAGE: usize = 500;
/// Actions that wait to be written before the planning waits.
const ACTIONS: usize = 256;

/// Plans a project, and keeps the plan.
pub async fn plan_create(
    app: &App,
    caller: &Caller,
    label: String,
) -> Result<(PlanView, Rows<ActionRow>), Error> {
    let (org, login) = (caller.org_id(), caller.login().to_owned());
    // Before the project is loaded: a change in between makes the plan unusable.
    let read = app.db.call(move |conn| {
        let project = project_find(conn, org, &ProjectName::Label(label))?;
        let origin = PlanOrigin::of(conn, &project)?;
        Ok::<_, Error>((project, origin))
    });
    let (project, origin) = read.await?;
    let _turn = app.plan_turns.begin(caller)?;
    let begun = {
        let project = project.clone();
        let origin = origin.clone();
        move |conn: &mut DbConnection| begin(conn, &project, &origin, &login)
    };
    let id = app.db.call(begun).await?;
    let made = Box::pin(make(&app.db, &project, id));
    let done = match bounded(&app.db, &project, made).await {
        Ok((plan, kept)) => complete(&app.db, (project, origin), id, &plan, kept).await,
        Err(error) => Err(error),
    };
    if done.is_err() {
        app.db.run(move |conn| plan_hide(conn, id)).await?;
    }
    plans_clean(&app.db).await;
    done?;
    plan_show(app, caller, id, Slice::ALL).await
}

/// Plans the project; the actions are kept as they come.
async fn make(db: &Db, project: &Project, id: i64) -> Result<(Plan, Kept), Error> {
    let job = job_load(db, project.org_id, project.id).await?;
    let engine = Engine::new(job.target, job.spec);
    let (sender, receiver) = mpsc::channel(ACTIONS);
    let (mut plan, kept) = tokio::join!(
        Box::pin(engine.plan_to(sender)),
        actions_keep(db, id, receiver)
    );
    job.catalogue.add_to(&mut plan);
    let kept = kept?;
    plan_reached(&plan)?;
    Ok((plan, kept))
}

fn begin(
    conn: &mut DbConnection,
    project: &Project,
    origin: &PlanOrigin,
    login: &str,
) -> Result<i64, Error> {
    let new = NewKeptPlan {
        org_id: project.org_id,
        project_id: project.id,
        project_version: origin.version,
        source_address: &origin.source,
        target_address: &origin.target,
        items_digest: &origin.items,
        created_by: login,
    };
    Ok(plan_begin(conn, &new)?)
}

/// How many actions were written.
#[derive(Clone, Copy, Default)]
struct Kept {
    actions: i64,
    run_actions: i64,
}

async fn actions_keep(
    db: &Db,
    id: i64,
    mut actions: Receiver<(u64, PlanAction)>,
) -> Result<Kept, Error> {
    let mut kept = Kept::default();
    let mut page = Vec::with_capacity(PAGE);
    loop {
        let next = actions.recv().await;
        let is_last = next.is_none();
        if let Some((number, action)) = next {
            kept.actions += 1;
            kept.run_actions += i64::from(action.is_run());
            page.push(row(number, action.into()));
        }
        if page.len() >= PAGE || (is_last && !page.is_empty()) {
            let rows = std::mem::replace(&mut page, Vec::with_capacity(PAGE));
            let is_there = db.run(move |conn| actions_add(conn, id, &rows)).await?;
            if !is_there {
                return Err(gone());
            }
        }
        if is_last {
            return Ok(kept);
        }
    }
}

fn row(number: u64, record: ActionRecord) -> ActionRow {
    ActionRow {
        number: i64::try_from(number).unwrap_or(i64::MAX),
        repository: record.repository,
        tag: record.tag,
        source: record.source,
        target: record.target,
        target_repository: record.target_repository,
        target_tag: record.target_tag,
        action: record.action,
        reason: record.reason,
        platforms: record.platforms,
        source_digest: record.source_digest,
        digest: record.digest,
        previous_digest: record.previous_digest,
        size: record
            .size
            .map(|size| i64::try_from(size).unwrap_or(i64::MAX)),
        error: record.error,
    }
}

async fn complete(
    db: &Db,
    (project, origin): (Project, PlanOrigin),
    id: i64,
    plan: &Plan,
    kept: Kept,
) -> Result<(), Error> {
    let totals = PlanTotals::from(plan);
    let left_out = totals.left_out("the plan").into_iter();
    let warnings: Vec<String> = left_out.chain(plan.warnings.iter().cloned()).collect();
    let totals = serde_json::to_string(&totals).map_err(Error::unexpected)?;
    let result = PlanResult {
        actions: kept.actions,
        run_actions: kept.run_actions,
        totals,
        warnings: warnings_keep(&warnings)?,
    };
    db.transaction(move |conn| {
        if !project_lock(conn, project.org_id, project.id)? {
            return Err(gone());
        }
        let now = project_by_id(conn, project.org_id, project.id)?.ok_or_else(gone)?;
        if let Some(change) = PlanOrigin::of(conn, &now)?.change_since(&origin) {
            let label = now.label;
            let message = format!(
                "the project `{label}` was changed while it was planned: {change}; make the plan again"
            );
            return Err(Error::invalid("label", message));
        }
        if !plan_complete(conn, id, &result, KEPT)? {
            return Err(gone());
        }
        room_make(conn, project.id)
    })
    .await
}

/// Hides the oldest plans that no run uses, so that no more are kept than may be.
fn room_make(conn: &mut DbConnection, project_id: i64) -> Result<(), Error> {
    let plans = plan_ids(conn, project_id)?;
    let mut excess = plans.len().saturating_sub(PLANS);
    // The latest is the new one.
    for id in plans.iter().rev().skip(1).rev() {
        if excess == 0 {
            break;
        }
        if plan_run(conn, *id)?.is_none() {
            plan_hide(conn, *id)?;
            excess -= 1;
        }
    }
    Ok(())
}
