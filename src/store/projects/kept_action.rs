//! The actions of kept plans.

use diesel::prelude::*;

use crate::store::base::storable::{STATEMENT_ROWS, text_kept};
use crate::store::schema::{kept_action, kept_plan};
use crate::store::{DbConnection, Error};

const DELETE: &str = "delete";

/// An action as stored.
#[derive(Clone, Debug, PartialEq, Queryable, Selectable, Insertable)]
#[diesel(table_name = kept_action)]
#[allow(missing_docs)] // the fields are the columns
pub struct ActionRow {
    pub number: i64,
    pub repository: String,
    pub tag: String,
    pub source: String,
    pub target: String,
    pub target_repository: String,
    pub target_tag: String,
    pub action: String,
    pub reason: String,
    pub platforms: String,
    pub source_digest: Option<String>,
    pub digest: Option<String>,
    pub previous_digest: Option<String>,
    pub size: Option<i64>,
    pub error: Option<String>,
}

/// Adds actions to a plan; `false` if it is gone.
pub fn actions_add(
    conn: &mut DbConnection,
    plan_id: i64,
    actions: &[ActionRow],
) -> Result<bool, Error> {
    conn.write(|conn| {
        let plan = kept_plan::table.find(plan_id).select(kept_plan::id);
        if plan.first::<i64>(conn).optional()?.is_none() {
            return Ok(false);
        }
        for batch in actions.chunks(STATEMENT_ROWS) {
            let rows: Vec<_> = batch
                .iter()
                .map(|action| {
                    let row = ActionRow {
                        reason: text_kept(&action.reason),
                        error: action.error.as_deref().map(text_kept),
                        ..action.clone()
                    };
                    (kept_action::plan_id.eq(plan_id), row)
                })
                .collect();
            let insert = diesel::insert_into(kept_action::table).values(rows);
            on_backend!(&mut *conn, c => insert.execute(c))?;
        }
        Ok(true)
    })
}

/// At most `limit` actions of a plan after the number `after`, in order.
pub fn action_list(
    conn: &mut DbConnection,
    plan_id: i64,
    after: i64,
    limit: i64,
) -> Result<Vec<ActionRow>, Error> {
    Ok(kept_action::table
        .filter(kept_action::plan_id.eq(plan_id))
        .filter(kept_action::number.gt(after))
        .order(kept_action::number)
        .limit(limit)
        .select(ActionRow::as_select())
        .load(conn)?)
}

/// The same for the copies and updates of one target repository.
pub fn copy_list(
    conn: &mut DbConnection,
    plan_id: i64,
    target_repository: &str,
    after: i64,
    limit: i64,
) -> Result<Vec<ActionRow>, Error> {
    Ok(kept_action::table
        .filter(kept_action::plan_id.eq(plan_id))
        .filter(kept_action::target_repository.eq(target_repository))
        .filter(kept_action::number.gt(after))
        .filter(is_copy())
        .order(kept_action::number)
        .limit(limit)
        .select(ActionRow::as_select())
        .load(conn)?)
}

/// How many copies and updates a plan has of one target repository.
pub fn copy_count(
    conn: &mut DbConnection,
    plan_id: i64,
    target_repository: &str,
) -> Result<i64, Error> {
    Ok(kept_action::table
        .filter(kept_action::plan_id.eq(plan_id))
        .filter(kept_action::target_repository.eq(target_repository))
        .filter(is_copy())
        .count()
        .get_result(conn)?)
}

/// The deletes of one target repository.
pub fn delete_list(
    conn: &mut DbConnection,
    plan_id: i64,
    target_repository: &str,
) -> Result<Vec<ActionRow>, Error> {
    Ok(kept_action::table
        .filter(kept_action::plan_id.eq(plan_id))
        .filter(kept_action::target_repository.eq(target_repository))
        .filter(kept_action::action.eq(DELETE))
        .order(kept_action::number)
        .select(ActionRow::as_select())
        .load(conn)?)
}

/// What a plan has in one target repository by digest, without a tag.
pub fn digest_list(
    conn: &mut DbConnection,
    plan_id: i64,
    target_repository: &str,
) -> Result<Vec<String>, Error> {
    Ok(kept_action::table
        .filter(kept_action::plan_id.eq(plan_id))
        .filter(kept_action::target_repository.eq(target_repository))
        // No tag has a colon.
        .filter(kept_action::target_tag.like("%:%"))
        .select(kept_action::target_tag)
        .load(conn)?)
}

/// Where a plan's tag in one target repository comes from; `None`: it has none, or deletes it.
pub fn source_of(
    conn: &mut DbConnection,
    plan_id: i64,
    target_repository: &str,
    tag: &str,
) -> Result<Option<String>, Error> {
    let source = kept_action::table
        .filter(kept_action::plan_id.eq(plan_id))
        .filter(kept_action::target_repository.eq(target_repository))
        .filter(kept_action::target_tag.eq(tag))
        .filter(kept_action::action.ne(DELETE))
        .select(kept_action::source);
    Ok(source.first(conn).optional()?)
}

/// The target repositories of a plan's copies, updates and deletes, in its order.
pub fn work_places(conn: &mut DbConnection, plan_id: i64) -> Result<Vec<String>, Error> {
    let first = diesel::dsl::min(kept_action::number);
    let mut places: Vec<(String, Option<i64>)> = kept_action::table
        .filter(kept_action::plan_id.eq(plan_id))
        .filter(is_copy().or(kept_action::action.eq(DELETE)))
        .group_by(kept_action::target_repository)
        .select((kept_action::target_repository, first))
        .load(conn)?;
    places.sort_by_key(|(_, first)| *first);
    Ok(places.into_iter().map(|(place, _)| place).collect())
}

/// Whether a run of the plan copies it.
#[diesel::dsl::auto_type(no_type_alias)]
fn is_copy() -> _ {
    let copy: &'static str = "copy";
    let update: &'static str = "update";
    kept_action::action
        .eq(copy)
        .or(kept_action::action.eq(update))
}
