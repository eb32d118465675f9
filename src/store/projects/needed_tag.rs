//! The tags of a target that the latest runs of other projects have: nobody may delete them.

use std::collections::{BTreeMap, HashMap, HashSet};

use diesel::prelude::*;

use crate::store::base::storable::STATEMENT_ROWS;
use crate::store::runs::result::{ResultAction, ResultStatus};
use crate::store::runs::run::RunStatus;
use crate::store::schema::{run_part, run_result, tasko_run};
use crate::store::{DbConnection, Error};

/// The parts of the latest whole runs of all projects but one, by target repository: of each project
/// those since the last one that finished, since one that fails may not reach a tag.
pub fn parts_of_others(
    conn: &mut DbConnection,
    project_id: i64,
) -> Result<BTreeMap<String, Vec<i64>>, Error> {
    let whole = tasko_run::table
        .filter(tasko_run::project_id.ne(project_id))
        .filter(tasko_run::retry_of.is_null())
        .filter(tasko_run::plan_id.is_null());
    let finished: Vec<(Option<i64>, Option<i64>)> = whole
        .filter(tasko_run::status.eq(RunStatus::Finished))
        .group_by(tasko_run::project_id)
        .select((tasko_run::project_id, diesel::dsl::max(tasko_run::id)))
        .load(conn)?;
    let finished: HashMap<_, _> = finished.into_iter().collect();
    let failed: Vec<(Option<i64>, i64)> = whole
        .filter(tasko_run::status.eq(RunStatus::Failed))
        .select((tasko_run::project_id, tasko_run::id))
        .load(conn)?;
    let since = |(project, id): &(Option<i64>, i64)| {
        let last = finished.get(project).copied().flatten();
        last.is_none_or(|last| *id > last)
    };
    let failed = failed.into_iter().filter(since).map(|(_, id)| id);
    let latest: Vec<i64> = finished.values().flatten().copied().chain(failed).collect();
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
