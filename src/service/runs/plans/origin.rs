//! What a project was when a plan was made: a plan of something else isn't run.

use sha2::{Digest as _, Sha256};

use crate::service::Error;
use crate::service::paging::PAGE;
use crate::service::projects::places::places_of;
use crate::store::DbConnection;
use crate::store::projects::item::item_list;
use crate::store::projects::kept_plan::KeptPlan;
use crate::store::projects::project::Project;

/// What a plan depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PlanOrigin {
    pub(super) version: i64,
    pub(super) source: String,
    pub(super) target: String,
    pub(super) items: String,
}

impl PlanOrigin {
    /// What a project is now.
    pub(super) fn of(conn: &mut DbConnection, project: &Project) -> Result<Self, Error> {
        let places = places_of(conn, project)?;
        Ok(Self {
            version: project.version,
            source: places.source.to_string(),
            target: places.target.to_string(),
            items: items_digest(conn, project)?,
        })
    }

    /// What the project of a plan was.
    pub(super) fn of_plan(plan: &KeptPlan) -> Self {
        Self {
            version: plan.project_version,
            source: plan.source_address.clone(),
            target: plan.target_address.clone(),
            items: plan.items_digest.clone(),
        }
    }

    /// What has changed since then, in words.
    pub(super) fn change_since(&self, then: &Self) -> Option<String> {
        let moved = |what: &str, then: &str, now: &str| {
            (then != now).then(|| format!("its {what} store was at `{then}` and is at `{now}` now"))
        };
        let version = (self.version != then.version).then(|| {
            let then = then.version;
            format!("it was changed (version {then}, now {})", self.version)
        });
        version
            .or_else(|| moved("source", &then.source, &self.source))
            .or_else(|| moved("target", &then.target, &self.target))
            .or_else(|| (self.items != then.items).then(|| "its items were changed".to_owned()))
    }
}

fn items_digest(conn: &mut DbConnection, project: &Project) -> Result<String, Error> {
    let mut digest = Sha256::new();
    let mut after = 0;
    loop {
        let page = item_list(conn, project.org_id, project.id, after, PAGE)?;
        let Some(last) = page.last() else {
            return Ok(hex::encode(digest.finalize()));
        };
        after = last.id;
        for item in &page {
            // No two lists of items have the same bytes: neither text has a line break.
            digest.update(format!(
                "{}\n{}\n{}\n",
                item.id, item.repository, item.options
            ));
        }
    }
}
