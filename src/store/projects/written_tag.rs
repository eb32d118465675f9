//! The tags that each project wrote: nothing else may it delete.

use crate::store::base::storable::{STATEMENT_ROWS, is_name};
use crate::store::projects::needed_tag::is_needed;
use crate::store::projects::project::project_by_id;
use crate::store::runs::part::{Lease, PartStatus};
use crate::store::schema::{run_part, tasko_run, written_tag};
use crate::store::{DbConnection, Error, Moment};
use diesel::prelude::*;
use diesel::upsert::excluded;

/// A tag at its target.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WrittenKey {
    /// `host/repository` at the target.
    pub place: String,
    /// The tag there.
    pub tag: String,
}

impl WrittenKey {
    /// `host/repository:tag`
    pub fn target(&self) -> String {
        format!("{}:{}", self.place, self.tag)
    }
}

/// The repository's path of a place.
pub fn repository_of(place: &str) -> &str {
    place.split_once('/').map_or("", |(_, path)| path)
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = written_tag)]
#[allow(missing_docs)] // the fields are the columns
pub struct WrittenRow {
    pub place: String,
    pub tag: String,
    /// `host/repository` at the source.
    pub source_repository: String,
    pub source_tag: String,
    pub digest: String,
    pub written_at: Moment,
}

impl WrittenRow {
    /// Where it was written.
    pub fn key(&self) -> WrittenKey {
        WrittenKey {
            place: self.place.clone(),
            tag: self.tag.clone(),
        }
    }

    fn can_be_kept(&self) -> bool {
        let texts = [
            &self.place,
            &self.tag,
            &self.source_repository,
            &self.source_tag,
            &self.digest,
        ];
        texts.into_iter().all(|text| is_name(text))
    }
}

/// The statement for one row or several: their types differ.
macro_rules! upsert {
    ($rows:expr) => {
        diesel::insert_into(written_tag::table)
            .values($rows)
            .on_conflict((
                written_tag::project_id,
                written_tag::place,
                written_tag::tag,
            ))
            .do_update()
            .set((
                written_tag::source_repository.eq(excluded(written_tag::source_repository)),
                written_tag::source_tag.eq(excluded(written_tag::source_tag)),
                written_tag::digest.eq(excluded(written_tag::digest)),
                written_tag::written_at.eq(excluded(written_tag::written_at)),
            ))
    };
}

/// Records what a project wrote; all or none. `rows` have each key once. A name that can't be stored
/// unchanged isn't recorded, so that tag is never deleted.
pub fn written_upsert(
    conn: &mut DbConnection,
    project_id: i64,
    rows: &[WrittenRow],
) -> Result<(), Error> {
    let mut rows: Vec<&WrittenRow> = rows.iter().filter(|row| row.can_be_kept()).collect();
    // The same order for all writers, so that they can't deadlock.
    rows.sort_by_key(|row| (&row.place, &row.tag));
    let rows: Vec<_> = rows
        .into_iter()
        .map(|row| (written_tag::project_id.eq(project_id), row))
        .collect();
    conn.write(|conn| {
        match conn {
            DbConnection::Postgres(c) => {
                let mut rows = rows.into_iter();
                loop {
                    let batch: Vec<_> = rows.by_ref().take(STATEMENT_ROWS).collect();
                    if batch.is_empty() {
                        break;
                    }
                    upsert!(batch).execute(c)?;
                }
            }
            // Diesel has no multi-row upsert here, and on SQLite single ones cost no round trip.
            DbConnection::Sqlite(c) => {
                for row in rows {
                    upsert!(row).execute(c)?;
                }
            }
        }
        Ok(())
    })
}

/// A record, and whether another project has one of the same tag.
pub type WrittenShared = (WrittenRow, bool);

/// At most `limit` records of a project after the key `after`, in order.
pub fn written_list(
    conn: &mut DbConnection,
    project_id: i64,
    after: &WrittenKey,
    limit: i64,
) -> Result<Vec<WrittenShared>, Error> {
    let other = diesel::alias!(written_tag as other);
    let of_others = other
        .filter(other.field(written_tag::place).eq(written_tag::place))
        .filter(other.field(written_tag::tag).eq(written_tag::tag))
        .filter(other.field(written_tag::project_id).ne(project_id));
    let is_after = written_tag::place
        .gt(&after.place)
        .or(written_tag::tag.gt(&after.tag));
    Ok(written_tag::table
        .filter(written_tag::project_id.eq(project_id))
        .filter(written_tag::place.ge(&after.place))
        .filter(is_after)
        .order((written_tag::place, written_tag::tag))
        .limit(limit)
        .select((WrittenRow::as_select(), diesel::dsl::exists(of_others)))
        .load(conn)?)
}

/// Removes the record of a tag that isn't at the target any more.
pub fn written_forget(
    conn: &mut DbConnection,
    project_id: i64,
    key: &WrittenKey,
) -> Result<(), Error> {
    diesel::delete(written_tag::table.find((project_id, &key.place, &key.tag))).execute(conn)?;
    Ok(())
}

/// Removes at most `rows` records of a project; returns how many.
pub fn written_remove(
    conn: &mut DbConnection,
    project_id: i64,
    rows: usize,
) -> Result<usize, Error> {
    let some = written_list(
        conn,
        project_id,
        &WrittenKey::default(),
        i64::try_from(rows).unwrap_or(i64::MAX),
    )?;
    for (row, _) in &some {
        written_forget(conn, project_id, &row.key())?;
    }
    Ok(some.len())
}

/// The right to delete: a worker's part, and the project as its run knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeleteRight {
    /// The part.
    pub lease: Lease,
    /// The project's organisation.
    pub org_id: i64,
    /// The project.
    pub project_id: i64,
    /// When it was last changed, as its run knows.
    pub modified: Moment,
}

/// Why a tag mustn't be deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteBar {
    /// The part has another worker, or has ended.
    PartLost,
    /// The run should end.
    Cancelled,
    /// The project was deleted.
    ProjectGone,
    /// The project was disabled.
    ProjectDisabled,
    /// The project was changed.
    ProjectChanged,
    /// The tag isn't recorded with this digest any more.
    NotOurs,
    /// Another project has recorded it too, or its latest runs have it.
    Shared,
}

/// Whether a tag may be deleted now; `None`: yes.
pub fn delete_bar(
    conn: &mut DbConnection,
    right: &DeleteRight,
    key: &WrittenKey,
    digest: &str,
) -> Result<Option<DeleteBar>, Error> {
    let Lease { part_id, fence, .. } = right.lease;
    let held = run_part::table
        .inner_join(tasko_run::table)
        .filter(run_part::id.eq(part_id))
        .filter(run_part::fence.eq(fence))
        .filter(run_part::status.eq(PartStatus::Running))
        .select(tasko_run::cancel_requested);
    match held.first::<bool>(conn).optional()? {
        None => return Ok(Some(DeleteBar::PartLost)),
        Some(true) => return Ok(Some(DeleteBar::Cancelled)),
        Some(false) => {}
    }
    match project_by_id(conn, right.org_id, right.project_id)? {
        None => return Ok(Some(DeleteBar::ProjectGone)),
        Some(project) if !project.enabled => return Ok(Some(DeleteBar::ProjectDisabled)),
        Some(project) if project.modified != right.modified => {
            return Ok(Some(DeleteBar::ProjectChanged));
        }
        Some(_) => {}
    }
    let records: Vec<(i64, String)> = written_tag::table
        .filter(written_tag::place.eq(&key.place))
        .filter(written_tag::tag.eq(&key.tag))
        .select((written_tag::project_id, written_tag::digest))
        .load(conn)?;
    let is_own = |(project, _): &&(i64, String)| *project == right.project_id;
    let own = records.iter().find(is_own);
    if own.is_none_or(|(_, recorded)| recorded != digest) {
        return Ok(Some(DeleteBar::NotOurs));
    }
    let is_shared = records.len() > 1
        || is_needed(
            conn,
            right.project_id,
            repository_of(&key.place),
            &key.target(),
        )?;
    Ok(is_shared.then_some(DeleteBar::Shared))
}
