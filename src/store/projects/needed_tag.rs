//! The tags of a target that the latest runs of other projects have: nobody may delete them.

use std::collections::{BTreeMap, HashSet};

use diesel::prelude::*;

use crate::store::base::storable::STATEMENT_ROWS;
use crate::store::runs::result::{ResultAction, ResultStatus};
use crate::store::runs::run::RunStatus;
use crate::store::schema::{run_part, run_result, tasko_run};
use crate::store::{DbConnection, Error};

/// The parts of the latest whole runs of all projects but one, by target repository.
pub fn parts_of_others(
    conn: &mut DbConnection,
    project_id: i64,
) -> Result<BTreeMap<String, Vec<i64>>, Error> {
    let latest: Vec<Option<i64>> = tasko_run::table
        .filter(tasko_run::project_id.ne(project_id))
        .filter(tasko_run::retry_of.is_null())
        .filter(tasko_run::plan_id.is_null())
        .filter(tasko_run::status.eq_any([RunStatus::Finished, RunStatus::Failed]))
        .group_by(tasko_run::project_id)
        .select(diesel::dsl::max(tasko_run::id))
        .load(conn)?;
    let latest: Vec<i64> = latest.into_iter().flatten().collect();
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

/// What a part copied or found as it should be, as `host/repository:tag`.
pub fn targets_of(conn: &mut DbConnection, part_id: i64) -> Result<HashSet<String>, Error> {
    let kept = [ResultAction::Copy, ResultAction::Update, ResultAction::Skip];
    let targets: Vec<String> = run_result::table
        .filter(run_result::part_id.eq(part_id))
        .filter(run_result::status.eq(ResultStatus::Done))
        .filter(run_result::action.eq_any(kept))
        .filter(run_result::target_digest.is_not_null())
        .select(run_result::target)
        .load(conn)?;
    Ok(targets.into_iter().collect())
}
