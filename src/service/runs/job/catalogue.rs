//! The source's catalogue, for items that name their repositories by pattern.

use super::client::client_outside;
use super::project::{gone, items_load};
use crate::oci::ClientOptions;
use crate::service::Error;
use crate::service::projects::catalogue::{NumberedItem, catalogue_read};
use crate::service::projects::settings::ProjectSettings;
use crate::service::stores::settings::client_options;
use crate::store::projects::catalogue::RunCatalogue;
use crate::store::projects::project::{Project, project_by_id};
use crate::store::runs::run::Run;
use crate::store::stores::image_store::image_store_by_id;
use crate::store::{DbConnection, SealKey};
use crate::sync::Plan;

/// What is needed to read the source's catalogue for a run. Err: its project is gone, or its stored
/// form is unusable.
pub fn catalogue_wanted(
    conn: &mut DbConnection,
    key: &SealKey,
    run: &Run,
) -> Result<CatalogueWanted, Error> {
    let (org_id, project_id) = run.project().ok_or_else(gone)?;
    let project = project_by_id(conn, org_id, project_id)?.ok_or_else(gone)?;
    catalogue_wanted_by(conn, key, &project)
}

pub(super) fn catalogue_wanted_by(
    conn: &mut DbConnection,
    key: &SealKey,
    project: &Project,
) -> Result<CatalogueWanted, Error> {
    let org_id = project.org_id;
    let store = image_store_by_id(conn, org_id, project.src_store_id)?.ok_or_else(gone)?;
    Ok(CatalogueWanted {
        source: client_options(&store, key)?,
        items: items_load(conn, org_id, project.id)?,
    })
}

/// A source, and the items to find in its catalogue.
#[derive(Debug)]
pub struct CatalogueWanted {
    source: ClientOptions,
    pub(super) items: Vec<NumberedItem>,
}

impl CatalogueWanted {
    /// Reads it. A registry that refuses is no error: the catalogue says so.
    pub async fn read(self) -> Result<RunCatalogue, Error> {
        let (catalogue, _) = self.read_counted().await?;
        Ok(catalogue)
    }

    /// The same, and how many requests that took.
    pub(super) async fn read_counted(self) -> Result<(RunCatalogue, u64), Error> {
        let source = client_outside(self.source).await?;
        let catalogue = catalogue_read(&source, self.items).await?;
        Ok((catalogue, source.requests().all))
    }
}

/// What was left out of the source's catalogue, and what that means.
pub(super) fn catalogue_warning(project: &Project, catalogue: &RunCatalogue) -> Option<String> {
    let warning = catalogue.warning.as_ref()?;
    let prunes = ProjectSettings::of(project).is_ok_and(|own| own.prune.is_some());
    let told = if prunes {
        "; nothing is deleted in this run"
    } else {
        ""
    };
    Some(format!("{warning}{told}"))
}

/// What a plan says of the catalogue that was read for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CatalogueCosts {
    requests: u64,
    warning: Option<String>,
}

impl CatalogueCosts {
    pub(super) fn of(requests: u64, warning: Option<String>) -> Self {
        Self { requests, warning }
    }

    /// Adds them to a plan.
    pub(in crate::service::runs) fn add_to(self, plan: &mut Plan) {
        plan.costs.source_requests += self.requests;
        plan.warnings.extend(self.warning);
    }
}
