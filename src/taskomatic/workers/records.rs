//! What the database keeps of an outcome: a line of the log, a result, what is now at the target, totals.

use std::collections::{BTreeMap, HashMap};

use crate::oci::Digest;
use crate::store::base::clock::clock;
use crate::store::projects::synced_tag::{
    StorePair, SyncedKey, SyncedState, synced_forget_target, synced_upsert,
};
use crate::store::projects::write_intent::{IntentRow, intents_recovered, intents_remove};
use crate::store::projects::written_tag::{WrittenKey, WrittenRow, written_forget, written_upsert};
use crate::store::runs::log::{LogLevel, NewLogLine};
use crate::store::runs::part::Lease;
use crate::store::runs::progress::log_append;
use crate::store::runs::result::{
    NewRunResult, RecordedTag, ResultAction, ResultStatus, result_put,
};
use crate::store::runs::run::RunTotals;
use crate::store::{DbConnection, Error, now};
use crate::sync::{Action, Status, TagOutcome, Totals};
use crate::text::counted;

/// Whose records are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct RecordedFor {
    pub(super) pair: StorePair,
    pub(super) project_id: i64,
}

/// What a log says of a tag; nothing where nothing was to be done.
pub(super) fn outcome_line(outcome: &TagOutcome) -> Option<(LogLevel, String)> {
    let name = format!("`{}`", outcome.name());
    let moved = outcome.moved;
    Some(match (outcome.status, outcome.action) {
        (Status::Failed, Action::Delete) => {
            let (target, error) = (&outcome.target, outcome.told_error().unwrap_or_default());
            (
                LogLevel::Error,
                format!("{name} can't be deleted at `{target}`: {error}"),
            )
        }
        (Status::Failed, _) => {
            let error = outcome.error.as_deref().unwrap_or_default();
            (LogLevel::Error, format!("{name} failed: {error}"))
        }
        (Status::Blocked, _) | (_, Action::Blocked) => (
            LogLevel::Warn,
            format!("{name} is blocked: {}", outcome.reason),
        ),
        (_, Action::Copy | Action::Update) => {
            let verb = if outcome.action == Action::Copy {
                "copied"
            } else {
                "updated"
            };
            let with = match outcome.referrers.written {
                0 => String::new(),
                written => format!(" with {}", counted(written, "referrer")),
            };
            let line = format!(
                "{name} {verb} to `{}`{with}: {} in {} sent, {} mounted, {} ms",
                outcome.target,
                counted(moved.bytes, "byte"),
                counted(moved.blobs_copied, "blob"),
                counted(moved.blobs_mounted, "blob"),
                outcome.duration.as_millis(),
            );
            (LogLevel::Info, line)
        }
        (_, Action::Delete) => (
            LogLevel::Info,
            format!("{name} deleted at `{}`: {}", outcome.target, outcome.reason),
        ),
        // The usual case, 100 000 times a night; its result is stored.
        (_, Action::Skip) if outcome.referrers.written > 0 => (
            LogLevel::Info,
            format!(
                "{name} is unchanged; {} written to `{}`: {} sent",
                counted(outcome.referrers.written, "referrer"),
                outcome.target,
                counted(moved.bytes, "byte"),
            ),
        ),
        (_, Action::Skip) if outcome.target_digest.is_some() || outcome.missing.is_some() => {
            return None;
        }
        (_, Action::Skip) => (
            LogLevel::Info,
            format!("{name} left out: {}", outcome.reason),
        ),
    })
}

/// An outcome as the worker that continues its part finds it.
pub(super) fn recorded(outcome: &TagOutcome) -> RecordedTag {
    RecordedTag {
        repository: outcome.repository.clone(),
        tag: outcome.tag.clone(),
        target: outcome.target.clone(),
        action: result_action(outcome.action),
        bytes: number(outcome.moved.bytes),
        previous_digest: outcome.previous_digest.clone().map(String::from),
        target_digest: outcome.target_digest.clone().map(String::from),
    }
}

/// The outcome of a tag that had been changed in the same run already: from what it was before both.
pub(super) fn since(earlier: &RecordedTag, mut outcome: TagOutcome) -> TagOutcome {
    let digest = |text: &Option<String>| Digest::parse(text.as_deref()?).ok();
    let between = match digest(&earlier.target_digest) {
        Some(digest) => format!("`{digest}`"),
        None => "deleted".to_owned(),
    };
    outcome.reason = format!(
        "{}; before that, this run had made it {between}",
        outcome.reason
    );
    if let Some(before) = digest(&earlier.previous_digest) {
        outcome.previous_digest = Some(before);
    } else if outcome.action == Action::Update {
        outcome.action = Action::Copy;
        outcome.previous_digest = None;
    }
    outcome
}

fn result_action(action: Action) -> ResultAction {
    match action {
        Action::Copy => ResultAction::Copy,
        Action::Update => ResultAction::Update,
        Action::Skip => ResultAction::Skip,
        Action::Delete => ResultAction::Delete,
        Action::Blocked => ResultAction::Blocked,
    }
}

pub(super) fn result(outcome: TagOutcome) -> NewRunResult {
    let digest = |digest: Option<crate::oci::Digest>| digest.map(String::from);
    let error = outcome.told_error().map(str::to_owned);
    NewRunResult {
        repository: outcome.repository,
        tag: outcome.tag,
        target: outcome.target,
        action: result_action(outcome.action),
        status: match outcome.status {
            Status::Done => ResultStatus::Done,
            Status::Failed => ResultStatus::Failed,
            Status::Blocked => ResultStatus::Blocked,
        },
        source_digest: digest(outcome.source_digest),
        target_digest: digest(outcome.target_digest),
        previous_digest: digest(outcome.previous_digest),
        bytes: number(outcome.moved.bytes),
        duration_ms: i64::try_from(outcome.duration.as_millis()).unwrap_or(i64::MAX),
        error,
        source: outcome.source,
        platforms: outcome.platforms,
        reason: outcome.reason,
        blobs_copied: number(outcome.moved.blobs_copied),
        blobs_mounted: number(outcome.moved.blobs_mounted),
    }
}

/// What is known of the target afterwards: for tags that were written, and for indexes made
/// smaller, whose digest tells nothing of the source's.
pub(super) fn synced(outcome: &TagOutcome) -> Option<(SyncedKey, SyncedState)> {
    let written = matches!(outcome.action, Action::Copy | Action::Update);
    let lacks_all = outcome
        .missing
        .as_ref()
        .is_some_and(|missing| missing.is_all);
    let worth_knowing =
        outcome.status == Status::Done && (written || !outcome.platforms.is_empty()) && !lacks_all;
    let (source, target) = match (&outcome.source_digest, &outcome.target_digest) {
        (Some(source), Some(target)) if worth_knowing => (source, target),
        _ => return None,
    };
    let key = SyncedKey {
        tag: outcome.tag.clone(),
        target_repository: outcome.target_repository.clone(),
        target_tag: outcome.target_tag.clone(),
    };
    let state = SyncedState {
        source_digest: source.to_string(),
        target_digest: target.to_string(),
        platforms: outcome.choice.clone(),
        verified_at: now(),
        lack: outcome
            .missing
            .as_ref()
            .map_or(String::new(), |missing| missing.words.clone()),
        lost_at: None,
    };
    Some((key, state))
}

/// The tag of an outcome at its target; `None` without a tag, or for a digest.
pub(super) fn written_key(outcome: &TagOutcome) -> Option<WrittenKey> {
    let (place, _) = outcome.places()?;
    Some(WrittenKey {
        place: place.to_owned(),
        tag: outcome.target_tag.clone(),
    })
}

/// What the project wrote: recorded even if something failed afterwards. A digest has no tag to delete.
fn written(outcome: &TagOutcome) -> Option<(WrittenKey, WrittenRow)> {
    let digest = outcome
        .target_digest
        .as_ref()
        .filter(|_| outcome.is_written)?;
    let (place, source) = outcome.places()?;
    let row = WrittenRow {
        place: place.to_owned(),
        tag: outcome.target_tag.clone(),
        source_repository: source.to_owned(),
        source_tag: outcome.tag.clone(),
        digest: digest.to_string(),
        written_at: now(),
    };
    Some((row.key(), row))
}

pub(super) fn run_totals(totals: &Totals) -> RunTotals {
    RunTotals {
        // What earlier attempts did may not be selected any more.
        selected: number(totals.selected.max(totals.done())),
        copied: number(totals.copied),
        updated: number(totals.updated),
        skipped: number(totals.skipped),
        deleted: number(totals.deleted),
        blocked: number(totals.blocked),
        failed: number(totals.failed),
        bytes: number(totals.moved.bytes),
        blobs_copied: number(totals.moved.blobs_copied),
        blobs_mounted: number(totals.moved.blobs_mounted),
        warnings: number(totals.warnings),
    }
}

/// Where tags are counted with which this was done.
pub(super) fn tag_count(totals: &mut Totals, action: ResultAction) -> &mut u64 {
    match action {
        ResultAction::Copy => &mut totals.copied,
        ResultAction::Update => &mut totals.updated,
        ResultAction::Skip => &mut totals.skipped,
        ResultAction::Delete => &mut totals.deleted,
        ResultAction::Blocked => &mut totals.blocked,
    }
}

pub(super) fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

pub(super) fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Events for the next write.
#[derive(Clone, Default)]
pub(super) struct Batch {
    pub(super) results: Vec<NewRunResult>,
    pub(super) lines: Vec<NewLogLine>,
    /// By source repository; ordered, so that writers can't deadlock.
    synced: BTreeMap<String, HashMap<SyncedKey, SyncedState>>,
    /// What the project wrote.
    written: BTreeMap<WrittenKey, WrittenRow>,
    /// What isn't at the target any more.
    pub(super) forgotten: Vec<WrittenKey>,
    /// Intents of earlier attempts that came about.
    pub(super) recovered: Vec<IntentRow>,
    /// Tags whose result is known.
    settled: Vec<WrittenKey>,
    /// Tags that were deleted, by target repository and tag.
    deleted: Vec<(String, String)>,
}

impl Batch {
    /// The number of kept events, without mere records.
    pub(super) fn len(&self) -> usize {
        self.results.len() + self.lines.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.results.is_empty()
            && self.lines.is_empty()
            && self.synced.is_empty()
            && self.forgotten.is_empty()
            && self.recovered.is_empty()
    }

    /// Adds the outcome of a tag.
    pub(super) fn add(&mut self, outcome: TagOutcome) {
        if let Some((key, state)) = synced(&outcome) {
            let repository = self.synced.entry(outcome.repository.clone());
            repository.or_default().insert(key, state);
        }
        self.written.extend(written(&outcome));
        let key = written_key(&outcome);
        let is_refused = outcome.status == Status::Failed && !outcome.is_unsure;
        if outcome.is_written || outcome.is_deleted() || is_refused {
            self.settled.extend(key.clone());
        }
        if outcome.is_deleted()
            && let Some(key) = key
        {
            self.forgotten.push(key);
            let target = (
                outcome.target_repository.clone(),
                outcome.target_tag.clone(),
            );
            self.deleted.push(target);
        }
        self.results.push(result(outcome));
    }

    pub(super) fn write(
        &self,
        conn: &mut DbConnection,
        lease: Lease,
        of: RecordedFor,
    ) -> Result<(), Error> {
        if !self.lines.is_empty() {
            log_append(conn, lease, &self.lines)?;
        }
        if !self.results.is_empty() {
            result_put(conn, lease, &self.results)?;
        }
        for (repository, tags) in &self.synced {
            synced_upsert(conn, of.pair, repository, tags)?;
        }
        for key in &self.forgotten {
            written_forget(conn, of.project_id, key)?;
        }
        if !self.written.is_empty() {
            let at = clock(conn)?;
            let written = self.written.values().map(|row| WrittenRow {
                written_at: at,
                ..row.clone()
            });
            let written: Vec<_> = written.collect();
            written_upsert(conn, of.project_id, &written)?;
        }
        intents_remove(conn, of.project_id, &self.settled)?;
        intents_remove(conn, of.project_id, &self.forgotten)?;
        intents_recovered(conn, of.project_id, &self.recovered)?;
        for (repository, tag) in &self.deleted {
            synced_forget_target(conn, of.pair, repository, tag)?;
        }
        Ok(())
    }
}
