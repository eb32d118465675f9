//! What makes and ends schedules.

use std::collections::BTreeMap;

use super::{Answer, BUNCH, JOB_LABEL, Side};
use crate::api::value::{Done, Timestamp};
use crate::api::{Context, Namespace, param};
use crate::service::schedules::tasko::{self, NewJob, Owner};

type Params = BTreeMap<String, String>;

const FIRST: &str = "when it runs first";

pub(super) fn define(ns: &mut Namespace, side: Side) {
    repeated(ns, side);
    single(ns, side);
    ended(ns, side);
}

async fn schedule(context: Context, owner: Owner, job: NewJob) -> Answer<Timestamp> {
    let (app, caller) = (context.app(), context.caller());
    let first = tasko::job_schedule(app, caller, owner, job).await?;
    Ok(Timestamp(first))
}

fn params_doc(owner: Owner) -> &'static str {
    match owner {
        Owner::Org => "`project_id`: id of the project",
        Owner::Server => "empty",
    }
}

fn repeated(ns: &mut Namespace, side: Side) {
    let Side { owner, role } = side;
    let name = side.name("scheduleBunch", "scheduleSatBunch");
    let bunch = param("bunch", BUNCH);
    let label = param("jobLabel", JOB_LABEL);
    let cron = param(
        "cronExpr",
        "Quartz cron line: second minute hour day-of-month month day-of-week [year], one day \
         field `?`",
    );
    let params = param("params", params_doc(owner));
    let always =
        move |context: Context, bunch: String, label: String, cron: String, params: Params| {
            let job = NewJob {
                bunch,
                job_label: Some(label),
                active: (None, None),
                cron_expr: Some(cron),
                params,
            };
            schedule(context, owner, job)
        };
    ns.method(
        name,
        "Schedule a bunch, in the server's time zone.",
        [bunch, label, cron, params],
        always,
    )
    .returns(FIRST)
    .role(role);
    let between = move |context: Context,
                        bunch: String,
                        label: String,
                        start: Timestamp,
                        end: Timestamp,
                        cron: String,
                        params: Params| {
        let job = NewJob {
            bunch,
            job_label: Some(label),
            active: (Some(start.0), Some(end.0)),
            cron_expr: Some(cron),
            params,
        };
        schedule(context, owner, job)
    };
    let start = param("start", "it doesn't run before this");
    let end = param("end", "it doesn't run at this time or later");
    ns.method(
        name,
        "Schedule a bunch for a while, in the server's time zone.",
        [bunch, label, start, end, cron, params],
        between,
    )
    .returns(FIRST)
    .role(role);
}

fn single(ns: &mut Namespace, side: Side) {
    const DOC: &str = "Run a bunch once, as soon as possible.";
    const LATER: &str = "Run a bunch once at a time.";
    let Side { owner, role } = side;
    let name = side.name("scheduleSingleBunchRun", "scheduleSingleSatBunchRun");
    let bunch = param("bunch", BUNCH);
    let label = param("jobLabel", JOB_LABEL);
    let params = param("params", params_doc(owner));
    let start = param("start", "when it runs");
    let once = move |context, bunch, job_label, params, start: Option<Timestamp>| {
        let job = NewJob {
            bunch,
            job_label,
            active: (start.map(|time| time.0), None),
            cron_expr: None,
            params,
        };
        schedule(context, owner, job)
    };
    let now = move |context: Context, bunch: String, params: Params| {
        once(context, bunch, None, params, None)
    };
    ns.method(name, DOC, [bunch, params], now)
        .returns(FIRST)
        .role(role);
    let later = move |context: Context, bunch: String, params: Params, start: Timestamp| {
        once(context, bunch, None, params, Some(start))
    };
    ns.method(name, LATER, [bunch, params, start], later)
        .returns(FIRST)
        .role(role);
    let now = move |context: Context, bunch: String, label: String, params: Params| {
        once(context, bunch, Some(label), params, None)
    };
    ns.method(name, DOC, [bunch, label, params], now)
        .returns(FIRST)
        .role(role);
    let later =
        move |context: Context, bunch: String, label: String, params: Params, start: Timestamp| {
            once(context, bunch, Some(label), params, Some(start))
        };
    ns.method(name, LATER, [bunch, label, params, start], later)
        .returns(FIRST)
        .role(role);
}

fn ended(ns: &mut Namespace, Side { owner, role }: Side) {
    if owner == Owner::Org {
        ns.method(
            "unscheduleBunch",
            "End a schedule. A run that goes on isn't touched.",
            [param("jobLabel", JOB_LABEL)],
            move |context: Context, label: String| async move {
                let (app, caller) = (context.app(), context.caller());
                let ended = tasko::unschedule(app, caller, owner, vec![label]).await?;
                Ok(i32::from(ended > 0))
            },
        )
        .returns("1; 0 where there is no such schedule")
        .role(role);
        return;
    }
    ns.method(
        "unscheduleSatBunches",
        "End schedules; those that aren't there are passed over. A run that goes on isn't touched.",
        [param("jobLabels", "labels of schedules")],
        move |context: Context, labels: Vec<String>| async move {
            let (app, caller) = (context.app(), context.caller());
            tasko::unschedule(app, caller, owner, labels).await?;
            Ok(Done)
        },
    )
    .role(role);
    ns.method(
        "reinitializeAllSchedulesFromNow",
        "Reckon anew when each schedule of all organisations fires next; what is overdue is left \
         out.",
        [],
        |context: Context| async move {
            tasko::schedules_reinitialize(context.app()).await?;
            Ok(Done)
        },
    )
    .role(role);
}
