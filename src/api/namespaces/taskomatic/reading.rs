//! Bunches, schedules, runs and their logs.

use super::wire::{Bunch, Run, Schedule};
use super::{Answer, BUNCH, JOB_LABEL, PAGE, Side};
use crate::api::error::code;
use crate::api::{Context, List, LongText, NamespaceBuilder, param};
use crate::service::paging::Slice;
use crate::service::schedules::tasko::{self, JobFilter, LogPart, Owner};

const BY_ID: &str = "schedules, by id";
const SCHEDULE_ID: &str = "id of the schedule";

pub(super) fn define(ns: &mut NamespaceBuilder<'_>, side: Side) {
    bunches(ns, side);
    schedules(ns, side);
    schedules_of_bunch(ns, side);
    runs(ns, side);
    logs(ns, side);
}

fn bunches(ns: &mut NamespaceBuilder<'_>, Side { owner, role }: Side) {
    const DOC: &str = "List the bunches (the jobs that can be scheduled).";
    const BY_NAME: &str = "bunches, by name";
    let name = Side { owner, role }.name("listBunches", "listSatBunches");
    let list = move |context: Context, limit: Option<i32>, offset: Option<i32>| async move {
        let slice = Slice::optional(limit, offset)?;
        let all = tasko::bunches(context.app(), owner).await?;
        Ok(slice.of(all.into_iter().map(Bunch::from)))
    };
    ns.method(name, DOC, PAGE, list)
        .returns(BY_NAME)
        .read_only()
        .role(role);
    ns.method(
        "lookupBunchByName",
        "Show a bunch.",
        [param("name", BUNCH)],
        move |context: Context, name: String| async move {
            let found = tasko::bunch(context.app(), owner, name).await?;
            Ok(Bunch::from(found))
        },
    )
    .faults([code::NOT_FOUND])
    .returns("the bunch")
    .read_only()
    .role(role);
}

async fn schedule_list(
    context: Context,
    owner: Owner,
    wanted: JobFilter,
    (limit, offset): (Option<i32>, Option<i32>),
) -> Answer<List<Schedule>> {
    let slice = Slice::optional(limit, offset)?;
    let (app, caller) = (context.app(), context.caller());
    let found = tasko::schedules(app, caller, owner, wanted, slice).await?;
    Ok(List::of_rows(found, Schedule::from))
}

fn schedules(ns: &mut NamespaceBuilder<'_>, side: Side) {
    const ALL: &str = "List all schedules, including ended ones.";
    const ACTIVE: &str = "List the schedules that haven't ended.";
    let Side { owner, role } = side;
    for (name, doc, active) in [
        (
            side.name("listAllSchedules", "listAllSatSchedules"),
            ALL,
            false,
        ),
        (
            side.name("listActiveSchedules", "listActiveSatSchedules"),
            ACTIVE,
            true,
        ),
    ] {
        let wanted = move || JobFilter {
            active,
            ..JobFilter::default()
        };
        let list = move |context: Context, limit: Option<i32>, offset: Option<i32>| {
            schedule_list(context, owner, wanted(), (limit, offset))
        };
        ns.method(name, doc, PAGE, list)
            .returns(BY_ID)
            .read_only()
            .role(role);
    }
    ns.method(
        "lookupScheduleById",
        "Show a schedule.",
        [param("id", SCHEDULE_ID)],
        move |context: Context, id: i32| async move {
            let (app, caller) = (context.app(), context.caller());
            let found = tasko::schedule(app, caller, owner, id.into()).await?;
            Ok(Schedule::from(found))
        },
    )
    .faults([code::NOT_FOUND])
    .returns("the schedule")
    .read_only()
    .role(role);
}

fn schedules_of_bunch(ns: &mut NamespaceBuilder<'_>, side: Side) {
    let by_bunch = |bunch: String| JobFilter {
        bunch: Some(bunch),
        active: true,
        ..JobFilter::default()
    };
    let name = side.name(
        "listActiveSchedulesByBunch",
        "listActiveSatSchedulesByBunch",
    );
    let doc = "List the schedules of a bunch that haven't ended.";
    schedules_named(ns, side, name, doc, ("bunch", BUNCH), by_bunch);
    if side.owner == Owner::Org {
        let by_label = |label: String| JobFilter {
            job_label: Some(label),
            ..JobFilter::default()
        };
        let doc = "List the schedules with a label: one or none.";
        schedules_named(
            ns,
            side,
            "listScheduleByLabel",
            doc,
            ("jobLabel", JOB_LABEL),
            by_label,
        );
    }
}

fn schedules_named(
    ns: &mut NamespaceBuilder<'_>,
    Side { owner, role }: Side,
    name: &'static str,
    doc: &'static str,
    (key, key_doc): (&'static str, &'static str),
    wanted: fn(String) -> JobFilter,
) {
    let list = move |context: Context, key: String, limit: Option<i32>, offset: Option<i32>| {
        schedule_list(context, owner, wanted(key), (limit, offset))
    };
    let [limit, offset] = PAGE;
    ns.method(name, doc, [param(key, key_doc), limit, offset], list)
        .faults([code::NOT_FOUND])
        .returns(BY_ID)
        .read_only()
        .role(role);
}

fn runs(ns: &mut NamespaceBuilder<'_>, side: Side) {
    const DOC: &str = "List the runs of a schedule.";
    const LATEST_FIRST: &str = "runs, the latest fire time first";
    let Side { owner, role } = side;
    let name = side.name("listScheduleRuns", "listScheduleSatRuns");
    let id = param("scheduleId", SCHEDULE_ID);
    let [limit, offset] = PAGE;
    let list = move |context: Context, id: i32, limit: Option<i32>, offset: Option<i32>| async move {
        let slice = Slice::optional(limit, offset)?;
        let (app, caller) = (context.app(), context.caller());
        let runs = tasko::schedule_runs(app, caller, owner, id.into(), slice).await?;
        Ok(List::of_rows(runs, Run::from))
    };
    ns.method(name, DOC, [id, limit, offset], list)
        .faults([code::NOT_FOUND])
        .returns(LATEST_FIRST)
        .read_only()
        .role(role);
    if owner == Owner::Server {
        bunch_runs(ns, side);
    }
}

fn bunch_runs(ns: &mut NamespaceBuilder<'_>, Side { role, .. }: Side) {
    const DOC: &str = "List the runs of a bunch.";
    const LATEST_FIRST: &str = "runs, latest first";
    let bunch = param("bunch", BUNCH);
    let [limit, offset] = PAGE;
    let list = |context: Context, name: String, limit: Option<i32>, offset: Option<i32>| async move {
        let slice = Slice::optional(limit, offset)?;
        let runs = tasko::bunch_runs(context.app(), name, slice).await?;
        Ok(List::of_rows(runs, Run::from))
    };
    ns.method("listBunchSatRuns", DOC, [bunch, limit, offset], list)
        .faults([code::NOT_FOUND])
        .returns(LATEST_FIRST)
        .read_only()
        .role(role);
}

fn logs(ns: &mut NamespaceBuilder<'_>, side: Side) {
    let Side { owner, role } = side;
    for (name, doc, part) in [
        (
            side.name("getRunStdOutputLog", "getSatRunStdOutputLog"),
            "Show the end of a run's log: lines of levels `debug` and `info`.",
            LogPart::Output,
        ),
        (
            side.name("getRunStdErrorLog", "getSatRunStdErrorLog"),
            "Show the end of a run's error log: lines of levels `warn` and `error`.",
            LogPart::Error,
        ),
    ] {
        let params = [
            param("runId", "id of the run"),
            param("nBytes", "maximum number of bytes; negative: the whole log"),
        ];
        let show = move |context: Context, id: i32, bytes: i32| async move {
            let (app, caller) = (context.app(), context.caller());
            let bytes = usize::try_from(bytes).ok();
            let text = tasko::run_log_text(app, caller, owner, id.into(), part, bytes).await?;
            Ok(LongText::of_rows(text))
        };
        ns.method(name, doc, params, show)
            .faults([code::NOT_FOUND])
            .returns("lines with time and level")
            .read_only()
            .role(role);
    }
}
