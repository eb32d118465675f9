//! The evidence of a run: what it was asked, kept when it starts, and its results, read page by page.

use serde::Serialize;
use serde_json::{Map, Value};

use super::history::{run_details, run_find};
use crate::service::paging::{Rows, Slice, rows};
use crate::service::projects::catalogue::NumberedItem;
use crate::service::projects::places::Places;
use crate::service::projects::repositories::Repositories;
use crate::service::projects::settings::ProjectSettings;
use crate::service::{App, Caller, Error};
use crate::store::DbConnection;
use crate::store::projects::project::Project;
use crate::store::runs::asked::{asked_get, asked_put};
use crate::store::runs::result::{RunResult, places_cut_short, result_count, result_list};
use crate::store::runs::run::{Run, RunStatus, RunTotals};
use crate::store::stores::image_store::image_store_by_id;
use crate::sync::evidence::csv::{CsvRun, HEADER};
use crate::sync::evidence::record::platforms_list;
use crate::sync::evidence::{
    Asked, AskedItem, AskedProject, AskedRegistry, EvidenceTotals, TagRecord,
};

/// What the evidence says besides the results.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// The run.
    pub run: Run,
    /// What a waiting run waits for.
    pub waits_for: Option<String>,
    /// What was asked; `None` if it hasn't started, or an older version started it.
    pub asked: Option<Asked>,
    /// Whether the run has ended, without being interrupted, and every selected tag has its result.
    pub is_complete: bool,
}

/// The evidence of a run, and its results in order.
pub async fn run_evidence(
    app: &App,
    caller: &Caller,
    id: i64,
) -> Result<(Evidence, Rows<TagRecord>), Error> {
    let org = caller.org_id();
    let (run, waits_for) = run_details(app, caller, id).await?;
    let (asked, count, is_cut_short) = app
        .db
        .call(move |conn| {
            let asked = asked_get(conn, org, id)?;
            let count = result_count(conn, org, id)?;
            let is_cut_short = !places_cut_short(conn, id)?.is_empty();
            Ok::<_, Error>((asked, count, is_cut_short))
        })
        .await?;
    let asked = asked.map(|text| serde_json::from_str(&text)).transpose();
    let evidence = Evidence {
        is_complete: has_ended(run.status) && !is_cut_short && count >= run.totals.selected,
        waits_for,
        asked: asked.map_err(Error::unexpected)?,
        run,
    };
    Ok((evidence, records(app, org, id, count).await?))
}

/// The results of a run as CSV.
pub async fn run_evidence_csv(app: &App, caller: &Caller, id: i64) -> Result<Rows<String>, Error> {
    let org = caller.org_id();
    let read = app.db.call(move |conn| {
        let run = run_find(conn, org, id)?;
        Ok::<_, Error>((run, result_count(conn, org, id)?))
    });
    let (run, count) = read.await?;
    let csv = CsvRun {
        id: Some(run.id),
        project: run.project_label,
    };
    let lines = records(app, org, id, count)
        .await?
        .map(move |record| Some(csv.line(&record)));
    Ok(lines.after(HEADER.to_owned()))
}

/// The results, of which there are at least `count`: if housekeeping removes some while they are
/// read, the reader gets an error instead of evidence with a gap.
async fn records(app: &App, org: i64, id: i64, count: i64) -> Result<Rows<TagRecord>, Error> {
    rows(app, Slice::ALL, move |_| {
        let mut seen = 0;
        let read = move |conn: &mut DbConnection, after, limit| {
            let page = result_list(conn, org, id, None, after, limit)?;
            let length = i64::try_from(page.len()).unwrap_or(i64::MAX);
            seen += length;
            if length < limit && seen < count {
                let message = format!("the results of run {id} were removed while they were read");
                return Err(Error::NotFound(message));
            }
            let last = page.last().map(|row| row.id);
            Ok((last, page.into_iter().map(TagRecord::from).collect()))
        };
        Ok((0, read))
    })
    .await
}

/// Whether nothing more comes, and nothing was left out.
fn has_ended(status: RunStatus) -> bool {
    match status {
        RunStatus::Finished | RunStatus::Failed | RunStatus::Skipped => true,
        RunStatus::Ready | RunStatus::Running | RunStatus::Interrupted => false,
    }
}

/// Keeps what a starting run is asked, in the transaction that starts it.
pub fn run_asked_keep(conn: &mut DbConnection, run: &Run, asked: &Asked) -> Result<(), Error> {
    let text = serde_json::to_string(asked).map_err(Error::unexpected)?;
    Ok(asked_put(conn, run.id, &text)?)
}

/// What a run of the project is asked now.
pub(super) fn asked_of(
    conn: &mut DbConnection,
    project: &Project,
    items: &[NumberedItem],
    places: &Places,
    retry_of: Option<i64>,
) -> Result<Asked, Error> {
    let mut registry = |id, address: &crate::oci::RegistryAddress| {
        let store = image_store_by_id(conn, project.org_id, id)?;
        Ok::<_, Error>(AskedRegistry {
            label: store.map(|store| store.label),
            address: address.to_string(),
        })
    };
    let item = |(_, item): &NumberedItem| {
        Ok::<_, Error>(AskedItem {
            repository: item.repositories.path().to_owned(),
            source: match &item.repositories {
                Repositories::One(repository) => places.source.place_of(repository),
                Repositories::Matching(_) => places.source.to_string(),
            },
            options: members(&item.stored())?,
        })
    };
    Ok(Asked {
        project: Some(AskedProject {
            label: project.label.clone(),
            version: project.version,
        }),
        source: Some(registry(project.src_store_id, &places.source)?),
        target: registry(project.dest_store_id, &places.target)?,
        options: members(&ProjectSettings::of(project)?)?,
        items: items.iter().map(item).collect::<Result<_, _>>()?,
        retry_of,
        plan: None,
        force: false,
    })
}

/// The stored form of options, member by member.
fn members(options: &impl Serialize) -> Result<Map<String, Value>, Error> {
    match serde_json::to_value(options).map_err(Error::unexpected)? {
        Value::Object(members) => Ok(members),
        _ => Err(Error::unexpected("options that aren't an object")),
    }
}

impl From<RunResult> for TagRecord {
    fn from(row: RunResult) -> TagRecord {
        let result = row.result;
        let known = |text: String| (!text.is_empty()).then_some(text);
        TagRecord {
            repository: result.repository,
            tag: result.tag,
            source: known(result.source),
            target: result.target,
            platforms: platforms_list(&result.platforms),
            action: result.action.to_string(),
            status: result.status.to_string(),
            reason: known(result.reason),
            source_digest: result.source_digest,
            target_digest: result.target_digest,
            previous_digest: result.previous_digest,
            bytes: count(result.bytes),
            blobs_copied: count(result.blobs_copied),
            blobs_mounted: count(result.blobs_mounted),
            duration_ms: count(result.duration_ms),
            error: result.error,
        }
    }
}

impl From<RunTotals> for EvidenceTotals {
    fn from(totals: RunTotals) -> EvidenceTotals {
        EvidenceTotals {
            selected: count(totals.selected),
            copied: count(totals.copied),
            updated: count(totals.updated),
            skipped: count(totals.skipped),
            deleted: count(totals.deleted),
            blocked: count(totals.blocked),
            failed: count(totals.failed),
            warnings: count(totals.warnings),
            bytes: count(totals.bytes),
            blobs_copied: count(totals.blobs_copied),
            blobs_mounted: count(totals.blobs_mounted),
        }
    }
}

fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}
