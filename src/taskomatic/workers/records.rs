//! What the database keeps of an outcome: a line of the log, a result, what is now at the target, totals.

use crate::store::now;
use crate::store::projects::synced_tag::{SyncedKey, SyncedState};
use crate::store::runs::log::LogLevel;
use crate::store::runs::result::{NewRunResult, ResultAction, ResultStatus};
use crate::store::runs::run::RunTotals;
use crate::sync::{Action, Status, TagOutcome, Totals};
use crate::text::counted;

/// What a log says of a tag; nothing where nothing was to be done.
pub(super) fn outcome_line(outcome: &TagOutcome) -> Option<(LogLevel, String)> {
    let name = match outcome.tag.as_str() {
        "" => format!("`{}`", outcome.repository),
        tag if tag.contains(':') => format!("`{}@{tag}`", outcome.repository),
        tag => format!("`{}:{tag}`", outcome.repository),
    };
    let moved = outcome.moved;
    Some(match (outcome.status, outcome.action) {
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

pub(super) fn result(outcome: TagOutcome) -> NewRunResult {
    let digest = |digest: Option<crate::oci::Digest>| digest.map(String::from);
    let error = outcome.told_error().map(str::to_owned);
    NewRunResult {
        repository: outcome.repository,
        tag: outcome.tag,
        target: outcome.target,
        action: match outcome.action {
            Action::Copy => ResultAction::Copy,
            Action::Update => ResultAction::Update,
            Action::Skip => ResultAction::Skip,
            Action::Blocked => ResultAction::Blocked,
        },
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

pub(super) fn run_totals(totals: &Totals) -> RunTotals {
    RunTotals {
        selected: number(totals.selected),
        copied: number(totals.copied),
        updated: number(totals.updated),
        skipped: number(totals.skipped),
        deleted: 0,
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
        ResultAction::Skip | ResultAction::Delete => &mut totals.skipped,
        ResultAction::Blocked => &mut totals.blocked,
    }
}

pub(super) fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

pub(super) fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
