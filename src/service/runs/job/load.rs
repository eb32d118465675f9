//! What a run or a plan works on: clients, items, and what earlier runs wrote.

use chrono::NaiveDate;

use super::catalogue::{CatalogueCosts, catalogue_wanted_by, catalogue_warning};
use super::client::client;
use super::items::sync_items;
use super::project::{gone, items_load, project_enabled};
use super::written::prune_load;
use crate::blocking::spawn_blocking;
use crate::oci::{Client, ClientOptions, Digest};
use crate::service::Error;
use crate::service::projects::catalogue::{Expanded, is_by_pattern, items_expand};
use crate::service::projects::item_spec::ItemSpec;
use crate::service::projects::places::places_of;
use crate::service::projects::settings::ProjectSettings;
use crate::service::runs::plans::run::KeptRun;
use crate::service::runs::plans::totals::PlanTotals;
use crate::service::runs::plans::usable::plan_find;
use crate::service::runs::retry::retry_of;
use crate::service::stores::settings::client_options;
use crate::store::projects::catalogue::{RunCatalogue, catalogue_kept};
use crate::store::projects::kept_action::work_places;
use crate::store::projects::project::{Project, project_by_id};
use crate::store::projects::synced_tag::{StorePair, synced_lookup, synced_lost};
use crate::store::runs::run::Run;
use crate::store::stores::image_store::{ImageStore, image_store_by_id};
use crate::store::{Db, DbConnection, Moment, SealKey};
use crate::sync::SyncSpec;
use crate::sync::input::referrer_choice::ReferrerChoice;
use crate::sync::input::spec::{KnownTag, KnownTags, LostTags, OnlyTags};
use crate::sync::prune::settings::Prune;
use crate::time_zone::{day, today};

/// What a run or a plan of a project works on.
#[derive(Debug)]
pub struct Job {
    /// The target registry.
    pub target: Client,
    /// What to copy.
    pub spec: SyncSpec,
    /// The two stores.
    pub pair: StorePair,
    /// The kept plan that is copied instead of what the items select.
    pub kept: Option<KeptRun>,
    /// When the project was last changed.
    pub modified: Moment,
    /// What reading the source's catalogue took, for a plan.
    pub catalogue: CatalogueCosts,
}

/// A project's data from the database.
struct StoredProject {
    source: ClientOptions,
    target: ClientOptions,
    pair: StorePair,
    settings: ProjectSettings,
    items: Expanded,
    known: KnownTags,
    lost: LostTags,
    only: Option<OnlyTags>,
    /// A kept plan, the target repositories of its copies and deletes, and what it leaves out.
    kept: Option<(i64, Vec<String>, Option<String>)>,
    prune: Option<Prune>,
    modified: Moment,
    /// The day that names of tags mention.
    date: NaiveDate,
}

/// Loads what a started run works on, even if its project was disabled meanwhile. Err: its project
/// is gone, or its stored form is unusable.
pub async fn run_job_load(db: &Db, run: &Run) -> Result<Job, Error> {
    let (key, run) = (db.key().clone(), run.clone());
    let load = move |conn: &mut DbConnection| {
        let (org_id, project_id) = run.project().ok_or_else(gone)?;
        let mut only = retry_of(conn, &run)?.map(|retry| retry.tags);
        let project = project_by_id(conn, org_id, project_id)?.ok_or_else(gone)?;
        let items = items_load(conn, org_id, project_id)?;
        let catalogue = catalogue_kept(conn, run.id)?.unwrap_or_default();
        let items = items_expand(items, &catalogue)?;
        if let Some(only) = &mut only {
            items.retry_widen(only, &places_of(conn, &project)?);
        }
        let stored = stored_load(conn, &key, org_id, &project, items)?;
        // A retry deletes nothing.
        let prune = match run.retry_of {
            Some(_) => None,
            None => prune_load(conn, &project, run.force)?,
        };
        let kept = match run.plan_id {
            Some(id) => {
                let totals = PlanTotals::of(&plan_find(conn, &project, id)?)?;
                let left_out = totals.left_out(&format!("plan {id}"));
                Some((id, work_places(conn, id)?, left_out))
            }
            None => None,
        };
        // The same on every worker, and after midnight.
        let date = day(run.fire_time.and_utc());
        Ok::<_, Error>(StoredProject {
            only,
            kept,
            prune,
            date,
            ..stored
        })
    };
    db.call(load).await?.into_job_outside().await
}

/// Loads a whole project. Err: it is gone, disabled, or its stored form is unusable.
pub async fn job_load(db: &Db, org_id: i64, project_id: i64) -> Result<Job, Error> {
    let key = db.key().clone();
    let wanted = move |conn: &mut DbConnection| {
        let project = project_enabled(conn, org_id, project_id)?;
        catalogue_wanted_by(conn, &key, &project)
    };
    let wanted = db.call(wanted).await?;
    let items = wanted.items.clone();
    let (catalogue, requests) = if is_by_pattern(&items) {
        wanted.read_counted().await?
    } else {
        (RunCatalogue::default(), 0)
    };
    let key = db.key().clone();
    let load = move |conn: &mut DbConnection| {
        let project = project_enabled(conn, org_id, project_id)?;
        let items = items_expand(items, &catalogue)?;
        let stored = stored_load(conn, &key, org_id, &project, items)?;
        let prune = prune_load(conn, &project, false)?;
        let warning = catalogue_warning(&project, &catalogue);
        let costs = CatalogueCosts::of(requests, warning);
        Ok::<_, Error>((StoredProject { prune, ..stored }, costs))
    };
    let (stored, catalogue) = db.call(load).await?;
    let job = stored.into_job_outside().await?;
    Ok(Job { catalogue, ..job })
}

fn stored_load(
    conn: &mut DbConnection,
    key: &SealKey,
    org_id: i64,
    project: &Project,
    items: Expanded,
) -> Result<StoredProject, Error> {
    let mut store =
        |id| -> Result<ImageStore, Error> { image_store_by_id(conn, org_id, id)?.ok_or_else(gone) };
    let source = client_options(&store(project.src_store_id)?, key)?;
    let target = client_options(&store(project.dest_store_id)?, key)?;
    let settings = ProjectSettings::of(project)?;
    let pair = StorePair {
        src: project.src_store_id,
        dest: project.dest_store_id,
    };
    let mut known = KnownTags::new();
    // Without a choice of platforms both ends have the same digest, and no records are needed.
    for item in &items.items {
        if !(item.architectures.is_empty() && settings.architectures.is_empty()) {
            known.extend(known_load(conn, pair, item)?);
        }
    }
    let lost = synced_lost(conn, pair)?.into_iter().collect();
    Ok(StoredProject {
        source,
        target,
        pair,
        settings,
        items,
        known,
        lost,
        only: None,
        kept: None,
        prune: None,
        modified: project.modified,
        date: today(),
    })
}

fn known_load(
    conn: &mut DbConnection,
    pair: StorePair,
    item: &ItemSpec,
) -> Result<KnownTags, Error> {
    let found = synced_lookup(conn, pair, item.repositories.path())?;
    let known = found.into_iter().filter_map(|(key, state)| {
        let tag = KnownTag {
            source_digest: Digest::parse(&state.source_digest).ok()?,
            target_digest: Digest::parse(&state.target_digest).ok()?,
            platforms: state.platforms,
            missing: state.lack,
        };
        Some(((key.target_repository, key.target_tag), tag))
    });
    Ok(known.collect())
}

impl StoredProject {
    /// Building a TLS client reads the system's certificates.
    async fn into_job_outside(self) -> Result<Job, Error> {
        spawn_blocking(move || self.into_job())
            .await
            .map_err(Error::unexpected)?
    }

    fn into_job(self) -> Result<Job, Error> {
        let source = client(self.source)?;
        let target = client(self.target)?;
        let items = sync_items(&self.items.items, &self.settings, &source)?;
        let on_empty = self.settings.on_empty;
        let (is_listed, has_patterns) = (self.items.is_listed(), self.items.has_patterns());
        let unmatched = self.items.unmatched.into_iter();
        let unmatched = unmatched.map(|item| item.unmatched(&source, on_empty));
        Ok(Job {
            target,
            spec: SyncSpec {
                items,
                unmatched: unmatched.collect(),
                placement: self.settings.placement,
                target_tag: self.settings.target_tag,
                date: self.date,
                index: self.settings.index,
                max_parallel: self.settings.max_parallel,
                known: self.known,
                lost: self.lost,
                only: self.only,
                referrers: ReferrerChoice::parse(&self.settings.referrers)
                    .map_err(|error| Error::invalid("referrers", error.to_string()))?,
                backup_tag: self.settings.backup_tag,
                // What a pattern would have selected isn't known.
                prune: self.prune.filter(|_| is_listed).map(|prune| Prune {
                    by_pattern: has_patterns,
                    ..prune
                }),
            },
            pair: self.pair,
            kept: self.kept.map(|(plan_id, places, left_out)| KeptRun {
                plan_id,
                places,
                left_out,
                source: source.into(),
            }),
            modified: self.modified,
            catalogue: CatalogueCosts::default(),
        })
    }
}
