//! Methods that create and end schedules.

use std::collections::BTreeMap;

use super::{Answer, BUNCH, JOB_LABEL, Side};
use crate::api::error::code;
use crate::api::value::{Done, Timestamp};
use crate::api::{Context, NamespaceBuilder, param};
use crate::service::schedules::tasko::{self, NewJob, Owner};

type Params = BTreeMap<String, String>;

pub(super) fn define(ns: &mut NamespaceBuilder<'_>, side: Side) {
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

fn repeated(ns: &mut NamespaceBuilder<'_>, side: Side) {
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
    let start = param("start", "start time; it doesn't run earlier").optional();
    let end = param("end", "end time; it doesn't run at this time or later").with_previous();
    let define = move |context: Context,
                       bunch: String,
                       label: String,
                       start: Option<Timestamp>,
                       end: Option<Timestamp>,
                       cron: String,
                       params: Params| {
        let job = NewJob {
            bunch,
            job_label: Some(label),
            active: (start.map(|time| time.0), end.map(|time| time.0)),
            cron_expr: Some(cron),
            params,
        };
        schedule(context, owner, job)
    };
    ns.method(
        name,
        "Schedule a bunch, optionally with a start and end time, in the server's time zone.",
        [bunch, label, start, end, cron, params],
        define,
    )
    .faults([code::NOT_FOUND, code::EXISTS])
    .returns("time of the first run")
    .role(role);
}

fn single(ns: &mut NamespaceBuilder<'_>, side: Side) {
    const DOC: &str = "Run a bunch once, as soon as possible or at a given time.";
    let Side { owner, role } = side;
    let name = side.name("scheduleSingleBunchRun", "scheduleSingleSatBunchRun");
    let bunch = param("bunch", BUNCH);
    let label = param("jobLabel", JOB_LABEL).optional();
    let params = param("params", params_doc(owner));
    let start = param("start", "time of the run").optional();
    let once = move |context: Context,
                     bunch: String,
                     job_label: Option<String>,
                     params: Params,
                     start: Option<Timestamp>| {
        let job = NewJob {
            bunch,
            job_label,
            active: (start.map(|time| time.0), None),
            cron_expr: None,
            params,
        };
        schedule(context, owner, job)
    };
    ns.method(name, DOC, [bunch, label, params, start], once)
        .faults([code::NOT_FOUND, code::EXISTS])
        .overloads([&[], &["start"], &["jobLabel"], &["jobLabel", "start"]])
        .returns("time of the run")
        .role(role);
}

fn ended(ns: &mut NamespaceBuilder<'_>, Side { owner, role }: Side) {
    if owner == Owner::Org {
        ns.method(
            "unscheduleBunch",
            "End a schedule. A run in progress continues.",
            [param("jobLabel", JOB_LABEL)],
            move |context: Context, label: String| async move {
                let (app, caller) = (context.app(), context.caller());
                let ended = tasko::unschedule(app, caller, owner, vec![label]).await?;
                Ok(i32::from(ended > 0))
            },
        )
        .returns("1; 0 if there is no such schedule")
        .role(role);
        return;
    }
    ns.method(
        "unscheduleSatBunches",
        "End schedules; missing ones are skipped. Runs in progress continue.",
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
        "Recalculate the next fire time of every schedule of all organisations; missed fire times \
         are skipped.",
        [],
        |context: Context| async move {
            tasko::schedules_reinitialize(context.app()).await?;
            Ok(Done)
        },
    )
    .role(role);
}
