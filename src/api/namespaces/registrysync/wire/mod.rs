//! The structs of `registrysync.*`: the same members on every surface; members without a value are
//! omitted.
//!
//! - this file: projects, items and runs; `image`: images; `plan`: what a run would do; `evidence`:
//!   what it did.

pub(super) mod evidence;
pub(super) mod image;
pub(super) mod plan;

use schemars::JsonSchema;
use serde::Serialize;

use crate::api::value::{ByteCount, Timestamp};
use crate::service::projects::item::ItemView;
use crate::service::projects::project::ProjectView;
use crate::store::Moment;
use crate::store::projects::project as project_rows;
use crate::store::runs::log;
use crate::store::runs::run as run_rows;
use crate::sync::selection::newest::NewestBy;
use crate::sync::{IndexMode, OnEmpty};

/// A project.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Project {
    id: i64,
    label: String,
    description: String,
    src_store_label: String,
    dest_store_label: String,
    enabled: bool,
    created: Timestamp,
    modified: Timestamp,
    /// Increased by each change; `setDetails` refuses an older one.
    version: i64,
    /// The cron line of its schedule.
    cron_expr: Option<String>,
    last_run: Option<LastRun>,
    /// `path`, `flat`, `scoped` or a template.
    placement: String,
    /// The template of target tags; omitted if they are as at the source.
    target_tag: Option<String>,
    /// Platforms to copy; empty for all.
    architectures: Vec<String>,
    /// What becomes of an index of which some platforms are copied; omitted for the default.
    index: Option<IndexMode>,
    /// What to do if an item selects nothing: `warn`, `fail` or `ignore`.
    on_empty: OnEmpty,
    /// Signatures, SBOMs and attestations to copy with their images; empty for none.
    referrers: Vec<String>,
    /// Tags to delete at the target: `none`, `gone` or `selected`.
    prune: String,
    /// The most that a run deletes of a target repository's tags, in percent.
    prune_limit: u8,
    /// Target tags that match it are never deleted; omitted if there is none.
    prune_protect_regex: Option<String>,
    /// How many of the tags to delete stay, the newest; omitted for none.
    prune_retain: Option<u32>,
    /// The template of tags under which overwritten images are kept; omitted if they aren't.
    backup_tag: Option<String>,
    /// Maximum number of tags to work on at once.
    max_parallel: usize,
    /// Why the options can't be read; omitted if they can.
    problem: Option<&'static str>,
    /// The items; only if a single project is requested.
    items: Option<Vec<Item>>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct LastRun {
    id: i64,
    status: String,
    end_time: Option<Timestamp>,
    /// Number of warnings.
    warnings: i64,
}

impl From<project_rows::LastRun> for LastRun {
    fn from(run: project_rows::LastRun) -> LastRun {
        LastRun {
            id: run.id,
            status: run.status.to_string(),
            end_time: run.end_time.map(utc),
            warnings: run.warnings,
        }
    }
}

impl From<ProjectView> for Project {
    fn from(view: ProjectView) -> Project {
        let (project, settings) = (view.project, view.settings);
        let prune_limit = settings.prune_limit();
        Project {
            id: project.id,
            label: project.label,
            description: settings.description,
            src_store_label: view.src_store_label,
            dest_store_label: view.dest_store_label,
            enabled: project.enabled,
            created: utc(project.created),
            modified: utc(project.modified),
            version: project.version,
            cron_expr: view.cron_expr,
            last_run: view.last_run.map(LastRun::from),
            placement: settings.placement.to_string(),
            target_tag: settings.target_tag.map(String::from),
            architectures: settings.architectures,
            index: settings.index,
            on_empty: settings.on_empty.unwrap_or_default(),
            prune: settings
                .prune
                .map_or_else(|| "none".to_owned(), |kind| kind.to_string()),
            prune_limit,
            prune_protect_regex: settings.prune_protect_regex,
            prune_retain: settings.prune_retain,
            backup_tag: settings.backup_tag.map(String::from),
            referrers: settings.referrers,
            max_parallel: settings.max_parallel,
            problem: view.problem,
            items: None,
        }
    }
}

impl Project {
    /// The same with its items.
    pub(super) fn with_items(self, items: Vec<ItemView>) -> Project {
        let items = items.into_iter().map(Item::from).collect();
        Project {
            items: Some(items),
            ..self
        }
    }
}

/// An item.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Item {
    id: i64,
    project_label: String,
    /// "" if it names its repositories by pattern.
    repository: String,
    repositories_regex: Option<String>,
    repositories_exclude_regex: Option<String>,
    /// Literal tags and digests.
    tags: Vec<String>,
    /// "" if there is none.
    tags_regex: String,
    tags_exclude_regex: Option<String>,
    semver: Option<String>,
    newest: Option<u32>,
    newest_by: Option<NewestBy>,
    newer_than_days: Option<u32>,
    /// Platforms to copy; omitted if they are the project's.
    architectures: Option<Vec<String>>,
    target_repository: Option<String>,
    /// What to do if it selects nothing; omitted if it is the project's setting.
    on_empty: Option<OnEmpty>,
}

impl From<ItemView> for Item {
    fn from(view: ItemView) -> Item {
        let (spec, selector) = (view.spec.clone(), view.spec.selector);
        let pattern = spec.repositories.pattern().cloned();
        let (regex, exclude) = pattern
            .map(|spec| (spec.repositories_regex, spec.repositories_exclude_regex))
            .unzip();
        Item {
            id: view.id,
            project_label: view.project_label,
            repository: spec.repositories.path().to_owned(),
            repositories_regex: regex,
            repositories_exclude_regex: exclude.flatten(),
            tags: selector.tags,
            tags_regex: selector.tags_regex.unwrap_or_default(),
            tags_exclude_regex: selector.tags_exclude_regex,
            semver: selector.semver,
            newest: selector.newest,
            newest_by: selector.newest_by,
            newer_than_days: selector.newer_than_days,
            architectures: (!spec.architectures.is_empty()).then_some(spec.architectures),
            target_repository: spec.target_repository.map(|path| path.to_string()),
            on_empty: spec.on_empty,
        }
    }
}

/// A run.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::api::namespaces) struct Run {
    id: i64,
    project_label: String,
    /// READY, RUNNING, FINISHED, FAILED, SKIPPED or INTERRUPTED.
    status: String,
    /// manual, schedule or retry; hook is reserved.
    trigger: String,
    fire_time: Timestamp,
    start_time: Option<Timestamp>,
    end_time: Option<Timestamp>,
    /// The kept plan that it copies.
    plan_id: Option<i64>,
    /// Whether it was started with `force`.
    force: bool,
    attempt: i64,
    worker: Option<String>,
    message: String,
    /// What a waiting run waits for; only in `getRun`.
    waits_for: Option<String>,
    /// Number of tags.
    counts: Counts,
    bytes: ByteCount,
    blobs_copied: i64,
    blobs_mounted: i64,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Counts {
    selected: i64,
    copied: i64,
    updated: i64,
    skipped: i64,
    /// Deleted tags; they aren't among the selected ones.
    deleted: i64,
    blocked: i64,
    failed: i64,
    /// Number of warnings, such as an item that selects nothing or a platform that an
    /// image doesn't have. The log has the details.
    warnings: i64,
}

impl From<run_rows::Run> for Run {
    fn from(run: run_rows::Run) -> Run {
        let totals = run.totals;
        Run {
            id: run.id,
            project_label: run.project_label,
            status: run.status.to_string(),
            trigger: run.trigger_kind.to_string(),
            fire_time: utc(run.fire_time),
            start_time: run.start_time.map(utc),
            end_time: run.end_time.map(utc),
            plan_id: run.plan_id,
            force: run.force,
            attempt: run.attempt,
            worker: run.worker,
            message: run.message,
            waits_for: None,
            counts: Counts {
                selected: totals.selected,
                copied: totals.copied,
                updated: totals.updated,
                skipped: totals.skipped,
                deleted: totals.deleted,
                blocked: totals.blocked,
                failed: totals.failed,
                warnings: totals.warnings,
            },
            bytes: bytes(totals.bytes),
            blobs_copied: totals.blobs_copied,
            blobs_mounted: totals.blobs_mounted,
        }
    }
}

impl Run {
    /// The same with what it waits for.
    pub(super) fn waiting_for(self, waits_for: Option<String>) -> Run {
        Run { waits_for, ..self }
    }
}

/// A line of a run's log.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::api::namespaces) struct LogLine {
    seq: i64,
    time: Timestamp,
    /// debug, info, warn or error.
    level: String,
    message: String,
}

impl From<log::LogLine> for LogLine {
    fn from(line: log::LogLine) -> LogLine {
        LogLine {
            seq: line.seq,
            time: utc(line.time),
            level: line.level.to_string(),
            message: line.message,
        }
    }
}

pub(super) fn utc(time: Moment) -> Timestamp {
    Timestamp(time.and_utc())
}

fn bytes(count: i64) -> ByteCount {
    ByteCount(u64::try_from(count).unwrap_or_default())
}
