//! The tags of a target that the latest runs of other projects have: nobody may delete them.

use std::collections::{BTreeMap, HashMap, HashSet};

use diesel::prelude::*;

use crate::store::base::storable::STATEMENT_ROWS;
use crate::store::runs::result::{ResultAction, ResultStatus};
use crate::store::runs::run::RunStatus;
use crate::store::schema::{run_part, run_result, sync_project, tasko_run};
use crate::store::{DbConnection, Error};

/// The most runs of a project that are asked, the latest: each has a row for every tag.
const RUNS: i64 = 20;

/// The parts of the latest runs of all other enabled projects of the organisation, by target repository:
/// of each project those since the last whole one that finished, since others may not reach a tag. What
/// other organisations need counts only where they wrote it: nobody else's reading may bar a delete.
pub fn parts_of_others(
    conn: &mut DbConnection,
    project_id: i64,
) -> Result<BTreeMap<String, Vec<i64>>, Error> {
    let org = sync_project::table.find(project_id);
    let org: Option<i64> = org.select(sync_project::org_id).first(conn).optional()?;
    let Some(org) = org else {
        return Ok(BTreeMap::new());
    };
    let others: Vec<i64> = sync_project::table
        .filter(sync_project::org_id.eq(org))
        .filter(sync_project::enabled.eq(true))
        .filter(sync_project::id.ne(project_id))
        .select(sync_project::id)
        .load(conn)?;
    let finished: Vec<(Option<i64>, Option<i64>)> = tasko_run::table
        .filter(tasko_run::status.eq(RunStatus::Finished))
        .filter(tasko_run::retry_of.is_null())
        .filter(tasko_run::plan_id.is_null())
        .group_by(tasko_run::project_id)
        .select((tasko_run::project_id, diesel::dsl::max(tasko_run::id)))
        .load(conn)?;
    let finished: HashMap<Option<i64>, i64> = finished
        .into_iter()
        .filter_map(|(project, run)| Some((project, run?)))
        .collect();
    let mut latest: Vec<i64> = Vec::new();
    for project in others {
        let since = finished.get(&Some(project)).copied().unwrap_or_default();
        let runs: Vec<i64> = tasko_run::table
            .filter(tasko_run::project_id.eq(project))
            .filter(tasko_run::id.ge(since))
            .order(tasko_run::id.desc())
            .limit(RUNS)
            .select(tasko_run::id)
            .load(conn)?;
        latest.extend(runs);
    }
    let mut parts: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for some in latest.chunks(STATEMENT_ROWS) {
        let of_runs: Vec<(String, i64)> = run_part::table
            .filter(run_part::run_id.eq_any(some))
            .select((run_part::target_repository, run_part::id))
            .load(conn)?;
        for (repository, id) in of_runs {
            parts.entry(repository).or_default().push(id);
        }
    }
    Ok(parts)
}

/// Whether the latest runs of other projects have a tag of a target repository.
pub fn is_needed(
    conn: &mut DbConnection,
    project_id: i64,
    target_repository: &str,
    target: &str,
) -> Result<bool, Error> {
    let mut parts = parts_of_others(conn, project_id)?;
    let parts = parts.remove(target_repository).unwrap_or_default();
    for some in parts.chunks(STATEMENT_ROWS) {
        let that = run_result::table
            .filter(run_result::part_id.eq_any(some))
            .filter(run_result::target.eq(target))
            .filter(has_tag());
        if diesel::select(diesel::dsl::exists(that)).get_result(conn)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What a part copied or found as it should be, as `host/repository:tag`.
pub fn targets_of(conn: &mut DbConnection, part_id: i64) -> Result<HashSet<String>, Error> {
    let targets: Vec<String> = run_result::table
        .filter(run_result::part_id.eq(part_id))
        .filter(has_tag())
        .select(run_result::target)
        .load(conn)?;
    Ok(targets.into_iter().collect())
}

/// Whether the target has the tag after this result.
#[diesel::dsl::auto_type(no_type_alias)]
fn has_tag() -> _ {
    let copy: ResultAction = ResultAction::Copy;
    let update: ResultAction = ResultAction::Update;
    let skip: ResultAction = ResultAction::Skip;
    let done: ResultStatus = ResultStatus::Done;
    run_result::status
        .eq(done)
        .and(
            run_result::action
                .eq(copy)
                .or(run_result::action.eq(update))
                .or(run_result::action.eq(skip)),
        )
        .and(run_result::target_digest.is_not_null())
}
