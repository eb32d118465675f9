//! What must hold in the end, whatever died and when.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use chrono::TimeDelta;
use diesel::prelude::*;
use registrysync::store::base::clock::clock;
use registrysync::store::runs::result::{ResultAction, ResultStatus, RunResult};
use registrysync::store::runs::run::{Run, RunStatus};
use registrysync::store::schema::{run_part, run_result, sync_project, tasko_run, tasko_schedule};
use registrysync::store::{Db, DbConnection, Moment};

use super::world::PERIOD;

/// Polls until a condition holds: every 200 ms, for three minutes.
const LOOKS: usize = 900;
const GOING: [RunStatus; 2] = [RunStatus::Ready, RunStatus::Running];
const WELL: [RunStatus; 2] = [RunStatus::Finished, RunStatus::Skipped];

async fn until(what: &str, db: &Db, is_so: fn(&mut DbConnection, Moment) -> bool) {
    let since = db.run(clock).await.unwrap();
    for _ in 0..LOOKS {
        if db.run(move |conn| Ok(is_so(conn, since))).await.unwrap() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let runs = db.run(|conn| Ok(going(conn))).await.unwrap();
    panic!("not in time: {what}; going: {runs:#?}");
}

fn going(conn: &mut DbConnection) -> Vec<Run> {
    let runs = tasko_run::table.filter(tasko_run::status.eq_any(GOING));
    runs.select(Run::as_select()).load(conn).unwrap()
}

/// Waits until each project has completed a run that started after now.
pub(super) async fn all_projects_are_done_anew(db: &Db) {
    until("a run of each project", db, |conn, since| {
        let done = tasko_run::table
            .filter(tasko_run::status.eq(RunStatus::Finished))
            .filter(tasko_run::fire_time.gt(since))
            .select(tasko_run::project_id);
        let done: HashSet<Option<i64>> = done.load(conn).unwrap().into_iter().collect();
        let projects = sync_project::table.select(sync_project::id);
        let projects: Vec<i64> = projects.load(conn).unwrap();
        projects.into_iter().all(|id| done.contains(&Some(id)))
    })
    .await;
}

/// Waits until nothing is waiting or running.
pub(super) async fn queue_drains(db: &Db) {
    until("an empty queue", db, |conn, _| going(conn).is_empty()).await;
}

/// Checks all runs, parts and results; describes them as text.
pub(super) async fn nothing_is_missing_or_doubled(db: &Db) -> String {
    look(db, every_fire_time_has_one_run, &WELL).await
}

/// The same if schedules may have missed their time.
pub(super) async fn every_run_has_ended_well(db: &Db) -> String {
    look(db, |_, _| (), &WELL).await
}

/// The same if runs may have failed.
pub(super) async fn every_run_has_ended(db: &Db) -> String {
    look(
        db,
        |_, _| (),
        &[RunStatus::Finished, RunStatus::Skipped, RunStatus::Failed],
    )
    .await
}

async fn look(
    db: &Db,
    further: fn(&mut DbConnection, &[Run]),
    ends: &'static [RunStatus],
) -> String {
    db.run(move |conn| {
        let runs: Vec<Run> = tasko_run::table
            .filter(tasko_run::project_id.is_not_null())
            .select(Run::as_select())
            .load(conn)?;
        further(conn, &runs);
        let mut statuses: BTreeMap<&str, usize> = BTreeMap::new();
        for run in &runs {
            assert!(
                ends.contains(&run.status) && run.end_time.is_some(),
                "{run:?}"
            );
            *statuses.entry(run.status.as_str()).or_default() += 1;
        }
        let taken_over: i64 = run_part::table
            .filter(run_part::attempt.gt(1))
            .count()
            .get_result(conn)?;
        let copied = no_result_is_doubled(conn, &runs);
        Ok(format!(
            "runs {statuses:?}, {copied} images copied, {taken_over} parts taken over"
        ))
    })
    .await
    .unwrap()
}

fn every_fire_time_has_one_run(conn: &mut DbConnection, runs: &[Run]) {
    let schedules: Vec<i64> = tasko_schedule::table
        .filter(tasko_schedule::project_id.is_not_null())
        .select(tasko_schedule::id)
        .load(conn)
        .unwrap();
    for schedule in schedules {
        let of_it = runs.iter().filter(|run| run.schedule_id == Some(schedule));
        let mut times: Vec<Moment> = of_it.map(|run| run.fire_time).collect();
        times.sort();
        assert!(!times.is_empty(), "schedule {schedule} never fired");
        let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
        let wrong: Vec<TimeDelta> = gaps.filter(|gap| gap.num_seconds() != PERIOD).collect();
        assert!(
            wrong.is_empty(),
            "schedule {schedule}: {wrong:?} in {times:?}"
        );
    }
}

/// Each image is copied by only one run, and each run's totals are those of its results. Returns
/// how many were copied.
fn no_result_is_doubled(conn: &mut DbConnection, runs: &[Run]) -> usize {
    let rows: Vec<(i64, RunResult)> = run_result::table
        .select((run_result::run_id, RunResult::as_select()))
        .load(conn)
        .unwrap();
    let mut of_run: HashMap<i64, HashMap<ResultAction, i64>> = HashMap::new();
    let (mut tags, mut images) = (HashSet::new(), HashSet::new());
    for (run, RunResult { result, .. }) in rows {
        assert_eq!(result.status, ResultStatus::Done, "{result:?}");
        let tag = (run, result.repository.clone(), result.tag.clone());
        assert!(tags.insert(tag), "twice in run {run}: {result:?}");
        *of_run
            .entry(run)
            .or_default()
            .entry(result.action)
            .or_default() += 1;
        if result.action != ResultAction::Skip {
            let image = (
                result.repository.clone(),
                result.tag.clone(),
                result.target_digest.clone(),
            );
            assert!(images.insert(image), "copied twice: {result:?}");
        }
    }
    for run in runs.iter().filter(|run| run.status == RunStatus::Finished) {
        let counts = of_run.remove(&run.id).unwrap_or_default();
        let count = |action| counts.get(&action).copied().unwrap_or_default();
        let totals = &run.totals;
        assert_eq!(
            (totals.copied, totals.updated, totals.skipped),
            (
                count(ResultAction::Copy),
                count(ResultAction::Update),
                count(ResultAction::Skip)
            ),
            "{run:?}"
        );
        assert_eq!(
            totals.selected,
            totals.copied + totals.updated + totals.skipped,
            "{run:?}"
        );
    }
    assert!(
        of_run.is_empty(),
        "results of runs that weren't done: {of_run:?}"
    );
    images.len()
}
