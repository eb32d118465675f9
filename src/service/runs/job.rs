//! From a stored project to what the engine works on: clients, items, and what earlier runs wrote.

use std::collections::HashMap;

use chrono::NaiveDate;
use indexmap::IndexSet;

use super::evidence::asked_of;
use super::plans::run::KeptRun;
use super::plans::totals::PlanTotals;
use super::plans::usable::plan_find;
use super::retry::retry_of;
use crate::blocking::spawn_blocking;
use crate::oci::{Client, ClientOptions, Digest, PlatformChoice};
use crate::service::Error;
use crate::service::paging::PAGE;
use crate::service::projects::catalogue::{
    Expanded, NumberedItem, catalogue_read, is_by_pattern, items_expand,
};
use crate::service::projects::item_spec::ItemSpec;
use crate::service::projects::places::places_of;
use crate::service::projects::pruning::written_of;
use crate::service::projects::settings::ProjectSettings;
use crate::service::stores::settings::client_options;
use crate::store::projects::catalogue::{RunCatalogue, catalogue_kept};
use crate::store::projects::item::item_list;
use crate::store::projects::kept_action::work_places;
use crate::store::projects::project::{Project, project_by_id};
use crate::store::projects::synced_tag::{StorePair, synced_lookup, synced_lost};
use crate::store::projects::written_tag::{WrittenKey, written_list};
use crate::store::runs::run::Run;
use crate::store::stores::image_store::{ImageStore, image_store_by_id};
use crate::store::{Db, DbConnection, Moment, SealKey};
use crate::sync::evidence::{Asked, AskedPlan};
use crate::sync::input::referrer_choice::ReferrerChoice;
use crate::sync::input::spec::{KnownTag, KnownTags, LostTags, OnlyTags};
use crate::sync::prune::settings::{Prune, WrittenTag};
use crate::sync::{Selector, SyncItem, SyncSpec};
use crate::text::counted;
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
    let what = match (run.plan_id, retry_of(conn, run)?) {
        (Some(id), _) => {
            let work = plan_find(conn, &project, id)?.run_actions.unsigned_abs();
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
    let parts = match places.len() {
        0 | 1 => String::new(),
        parts => format!(" in {parts} parts"),
    };
    let ends = format!("`{}` to `{}`", ends.source, ends.target);
    Ok(Some(Parts {
        about: format!("{ends}: {what}{parts}"),
        ends,
        places: places.into_iter().collect(),
        asked,
        warning: catalogue.warning.map(|warning| {
            let prunes = ProjectSettings::of(&project).is_ok_and(|own| own.prune.is_some());
            let told = if prunes {
                "; nothing is deleted in this run"
            } else {
                ""
            };
            format!("{warning}{told}")
        }),
    }))
}

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

fn catalogue_wanted_by(
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
    items: Vec<NumberedItem>,
}

impl CatalogueWanted {
    /// Reads it. A registry that refuses is no error: the catalogue says so.
    pub async fn read(self) -> Result<RunCatalogue, Error> {
        let source = client_outside(self.source).await?;
        catalogue_read(&source, self.items).await
    }
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
    let catalogue = if is_by_pattern(&items) {
        wanted.read().await?
    } else {
        RunCatalogue::default()
    };
    let key = db.key().clone();
    let load = move |conn: &mut DbConnection| {
        let project = project_enabled(conn, org_id, project_id)?;
        let items = items_expand(items, &catalogue)?;
        let stored = stored_load(conn, &key, org_id, &project, items)?;
        let prune = prune_load(conn, &project, false)?;
        Ok::<_, Error>(StoredProject { prune, ..stored })
    };
    db.call(load).await?.into_job_outside().await
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

fn gone() -> Error {
    Error::NotFound("the project was deleted".into())
}

fn project_enabled(
    conn: &mut DbConnection,
    org_id: i64,
    project_id: i64,
) -> Result<Project, Error> {
    let project = project_by_id(conn, org_id, project_id)?.ok_or_else(gone)?;
    if project.enabled {
        return Ok(project);
    }
    let message = format!(
        "the project `{}` is disabled; enable it with setDetails",
        project.label
    );
    Err(Error::invalid("enabled", message))
}

fn items_load(
    conn: &mut DbConnection,
    org_id: i64,
    project_id: i64,
) -> Result<Vec<NumberedItem>, Error> {
    let mut items = Vec::new();
    let mut after = 0;
    loop {
        let page = item_list(conn, org_id, project_id, after, PAGE)?;
        let Some(last) = page.last() else {
            return Ok(items);
        };
        after = last.id;
        for item in &page {
            items.push((item.id, ItemSpec::of(item)?));
        }
    }
}

/// What the project deletes, with all that it wrote.
fn prune_load(
    conn: &mut DbConnection,
    project: &Project,
    force: bool,
) -> Result<Option<Prune>, Error> {
    let mut prune = ProjectSettings::of(project)?.pruning(force)?;
    if let Some(prune) = &mut prune {
        prune.written = written_load(conn, project.id)?;
    }
    Ok(prune)
}

/// What the project wrote, by place.
fn written_load(
    conn: &mut DbConnection,
    project_id: i64,
) -> Result<HashMap<String, Vec<WrittenTag>>, Error> {
    let mut written: HashMap<String, Vec<WrittenTag>> = HashMap::new();
    let mut after = WrittenKey::default();
    loop {
        let page = written_list(conn, project_id, &after, PAGE)?;
        let Some((last, _)) = page.last() else {
            return Ok(written);
        };
        after = last.key();
        for (place, tag) in page.into_iter().filter_map(written_of) {
            written.entry(place).or_default().push(tag);
        }
    }
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
        })
    }
}

/// The items for the engine. Those of one pattern share its compiled selectors.
fn sync_items(
    items: &[ItemSpec],
    settings: &ProjectSettings,
    source: &Client,
) -> Result<Vec<SyncItem>, Error> {
    let mut made: Vec<SyncItem> = Vec::with_capacity(items.len());
    let mut last: Option<&ItemSpec> = None;
    for item in items {
        let same = made
            .last()
            .filter(|_| last.is_some_and(|last| last.selector == item.selector));
        let selector = match same {
            Some(same) => same.selector.clone(),
            None => Selector::compile(&item.selector)
                .map_err(|error| Error::invalid(error.field, error.to_string()))?,
        };
        made.push(sync_item(item, settings, source, selector)?);
        last = Some(item);
    }
    Ok(made)
}

fn sync_item(
    item: &ItemSpec,
    settings: &ProjectSettings,
    source: &Client,
    selector: Selector,
) -> Result<SyncItem, Error> {
    let names = if item.architectures.is_empty() {
        &settings.architectures
    } else {
        &item.architectures
    };
    let architectures = names
        .iter()
        .map(|name| PlatformChoice::parse_stored(name))
        .collect::<Result<_, _>>()
        .map_err(|error| Error::invalid("architectures", error.to_string()))?;
    Ok(SyncItem {
        source: source.clone().into(),
        repository: item.repositories.one()?.clone(),
        selector,
        architectures,
        target_repository: item.target_repository.clone(),
        on_empty: item.on_empty.or(settings.on_empty).unwrap_or_default(),
    })
}

/// A client, made outside the runtime's threads: its TLS reads the system's certificates.
async fn client_outside(options: ClientOptions) -> Result<Client, Error> {
    spawn_blocking(move || client(options))
        .await
        .map_err(Error::unexpected)?
}

/// A client, or why it can't be created.
pub(in crate::service) fn client(options: ClientOptions) -> Result<Client, Error> {
    Client::new(options).map_err(|error| Error::invalid("storeLabel", error.to_string()))
}
