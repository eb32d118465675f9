//! How a run is divided into parts.

use indexmap::IndexSet;

use super::catalogue::catalogue_warning;
use super::project::{gone, items_load};
use crate::service::Error;
use crate::service::projects::catalogue::items_expand;
use crate::service::projects::places::places_of;
use crate::service::runs::evidence::asked_of;
use crate::service::runs::plans::totals::PlanTotals;
use crate::service::runs::plans::usable::plan_find;
use crate::service::runs::retry::retry_of;
use crate::store::DbConnection;
use crate::store::projects::catalogue::catalogue_kept;
use crate::store::projects::kept_action::work_places;
use crate::store::projects::project::project_by_id;
use crate::store::runs::run::Run;
use crate::sync::evidence::{Asked, AskedPlan};
use crate::text::counted;

/// How a run is divided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    /// The two registries, for the log.
    pub ends: String,
    /// What is copied from where to where, for the log.
    pub about: String,
    /// The target places of the items, each once, in the order of the items. A place's items are
    /// all copied by the same worker, which so sees conflicts between two of them over a tag.
    pub places: Vec<String>,
    /// What the run is asked, for its evidence.
    pub asked: Asked,
    /// What was left out of the source's catalogue.
    pub warning: Option<String>,
    /// What a kept plan leaves out.
    pub left_out: Option<String>,
}

/// Divides a run into parts; `None`: its project was disabled while it waited. Err: its project is
/// gone, or its stored form is unusable.
pub fn parts_plan(conn: &mut DbConnection, run: &Run) -> Result<Option<Parts>, Error> {
    let (org_id, project_id) = run.project().ok_or_else(gone)?;
    let project = project_by_id(conn, org_id, project_id)?.ok_or_else(gone)?;
    if !project.enabled {
        return Ok(None);
    }
    let ends = places_of(conn, &project)?;
    let items = items_load(conn, org_id, project_id)?;
    let mut asked = asked_of(conn, &project, &items, &ends, run.retry_of)?;
    let count = items.len();
    let catalogue = catalogue_kept(conn, run.id)?.unwrap_or_default();
    let expanded = items_expand(items, &catalogue)?;
    let mut places: IndexSet<String> = expanded.items.iter().map(|item| ends.place(item)).collect();
    places.extend(expanded.unmatched.iter().map(|item| item.pattern.clone()));
    asked.force = run.force;
    let mut left_out = None;
    let what = match (run.plan_id, retry_of(conn, run)?) {
        (Some(id), _) => {
            let plan = plan_find(conn, &project, id)?;
            let work = plan.run_actions.unsigned_abs();
            left_out = PlanTotals::of(&plan)?.left_out(&format!("plan {id}"));
            places = work_places(conn, id)?.into_iter().collect();
            asked.plan = Some(AskedPlan {
                id: Some(id),
                actions: work,
            });
            format!("{} of plan {id}", counted(work, "tag"))
        }
        (None, Some(mut retry)) => {
            expanded.retry_widen(&mut retry.tags, &ends);
            places.retain(|place| retry.tags.touches(place));
            format!("failed tags of run {}", retry.run_id)
        }
        (None, None) => counted(count as u64, "item"),
    };
    let force = if run.force { ", with `force`" } else { "" };
    let parts = match places.len() {
        0 | 1 => String::new(),
        parts => format!(" in {parts} parts"),
    };
    let ends = format!("`{}` to `{}`", ends.source, ends.target);
    Ok(Some(Parts {
        about: format!("{ends}: {what}{parts}{force}"),
        ends,
        places: places.into_iter().collect(),
        asked,
        warning: catalogue_warning(&project, &catalogue),
        left_out,
    }))
}
