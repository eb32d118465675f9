//! The output of commands: lines for people, JSON for scripts, a progress bar on a terminal. Everything
//! is printed here, so that text from others can't control a terminal.

use std::io::{ErrorKind, IsTerminal, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::oci::Digest;
use crate::sync::{Action, Plan, PlanAction, Status, TagOutcome, Totals};

use super::error::CliError;
use crate::text::{Bytes, counted, json_escaped, readable};

/// A tag in the output of `--json`.
#[derive(Serialize)]
struct TagLine<'a> {
    repository: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    tag: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    target: &'a str,
    action: &'a str,
    /// How it ended; a plan has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_digest: Option<&'a Digest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_digest: Option<&'a Digest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_digest: Option<&'a Digest>,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

/// The totals in the output of `--json`, at the end.
#[derive(Serialize)]
struct TotalsLine {
    totals: TotalsMembers,
}

#[derive(Serialize)]
struct TotalsMembers {
    selected: u64,
    copied: u64,
    updated: u64,
    skipped: u64,
    blocked: u64,
    failed: u64,
    warnings: u64,
    bytes: u64,
    blobs_copied: u64,
    blobs_mounted: u64,
    seconds: f64,
}

/// Shows the progress of a run.
pub(super) struct Display {
    json: bool,
    quiet: bool,
    /// Whether standard output is for something else than lines about tags.
    is_out_taken: bool,
    bar: Option<ProgressBar>,
    bytes: Arc<AtomicU64>,
}

impl Display {
    pub(super) fn new(json: bool, quiet: bool, bytes: Arc<AtomicU64>) -> Self {
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
            bar.set_style(style("{spinner} reading the source… {elapsed}"));
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Self {
            json,
            quiet,
            is_out_taken: false,
            bar,
            bytes,
        }
    }

    /// The same, with the lines about tags on standard error.
    pub(super) fn beside(self) -> Self {
        Self {
            is_out_taken: true,
            ..self
        }
    }

    pub(super) fn selected(&self, tags: u64) {
        if let Some(bar) = &self.bar {
            bar.set_length(tags);
            bar.set_style(style("{bar:20} {pos}/{len} tags  {elapsed}  {wide_msg}"));
        }
    }

    pub(super) fn tick(&self) {
        if let Some(bar) = &self.bar {
            let bytes = self.bytes.load(Ordering::Relaxed);
            let rate = per_second(bytes, bar.elapsed());
            // Before the first tag is done there is no estimate.
            let left = match bar.position() {
                0 => String::new(),
                _ => format!("  about {} left", HumanDuration(bar.eta())),
            };
            let text = format!("{}  {}/s{left}", Bytes(bytes), Bytes(rate));
            bar.set_message(text);
        }
    }

    /// What is waited for.
    pub(super) fn waiting(&self, line: &str) {
        if !self.quiet {
            self.aside(|| talk_line(line));
        }
    }

    pub(super) fn warning(&self, text: &str) {
        self.aside(|| talk_line(&format!("warning: {text}")));
    }

    pub(super) fn finished(&self, outcome: &TagOutcome) {
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
        if self.json {
            let line = TagLine {
                repository: &outcome.repository,
                tag: &outcome.tag,
                target: &outcome.target,
                action: outcome.action.as_str(),
                status: Some(outcome.status),
                reason: &outcome.reason,
                source_digest: outcome.source_digest.as_ref(),
                target_digest: outcome.target_digest.as_ref(),
                previous_digest: outcome.previous_digest.as_ref(),
                bytes: outcome.moved.bytes,
                error: outcome.error.as_deref(),
            };
            self.aside(|| json_line(&line));
        } else if let Some(line) = outcome_line(outcome) {
            let print = if self.is_out_taken {
                talk_line
            } else {
                data_line
            };
            self.aside(|| print(&line));
        }
    }

    /// The totals: for people on standard error, for scripts as the last line.
    pub(super) fn totals(&self, totals: &Totals, took: Duration) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let moved = totals.moved;
        if self.json {
            json_line(&TotalsLine {
                totals: TotalsMembers {
                    selected: totals.selected,
                    copied: totals.copied,
                    updated: totals.updated,
                    skipped: totals.skipped,
                    blocked: totals.blocked,
                    failed: totals.failed,
                    warnings: totals.warnings,
                    bytes: moved.bytes,
                    blobs_copied: moved.blobs_copied,
                    blobs_mounted: moved.blobs_mounted,
                    seconds: (took.as_secs_f64() * 1000.0).round() / 1000.0,
                },
            });
            return;
        }
        let done = totals.copied + totals.updated + totals.blocked + totals.failed;
        if self.quiet && done == 0 {
            return;
        }
        talk_line(&format!(
            "{}: {totals}, in {} ({}/s)",
            counted(totals.selected, "tag"),
            duration(took),
            Bytes(per_second(moved.bytes, took)),
        ));
    }

    fn aside(&self, print: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }
}

/// Shows a plan.
pub(super) fn plan(plan: &Plan, json: bool) {
    for warning in &plan.warnings {
        talk_line(&format!("warning: {warning}"));
    }
    for action in &plan.actions {
        if json {
            json_line(&TagLine {
                repository: &action.repository,
                tag: &action.tag,
                target: &action.target,
                action: action.word(),
                status: None,
                reason: &action.reason,
                source_digest: action.source_digest.as_ref(),
                target_digest: action.digest.as_ref(),
                previous_digest: (action.previous_digest.as_ref())
                    .filter(|_| matches!(action.action, Action::Update | Action::Delete)),
                bytes: action.size.unwrap_or(0),
                error: action.error.as_deref(),
            });
        } else {
            data_line(&plan_line(action));
        }
    }
    if json {
        json_line(&serde_json::json!({"totals": {
            "copy": plan.copy, "update": plan.update, "skip": plan.skip,
            "blocked": plan.blocked, "failed": plan.failed, "warnings": plan.warnings.len(), "bytes": plan.bytes,
            "source_requests": plan.costs.source_requests,
            "target_requests": plan.costs.target_requests, "pulls": plan.costs.pulls,
        }}));
    } else {
        talk_line(&format!(
            "would copy {}, update {}, skip {}; {} blocked, {} failed; at most {} to send; {} to the source ({}), {} to the target; nothing was written",
            plan.copy,
            plan.update,
            plan.skip,
            plan.blocked,
            plan.failed,
            Bytes(plan.bytes),
            counted(plan.costs.source_requests, "request"),
            counted(plan.costs.pulls, "pull"),
            counted(plan.costs.target_requests, "request"),
        ));
    }
    if let Some(failure) = &plan.failure {
        failure_tell(failure);
    }
}

/// Why a run of a plan would fail.
pub(super) fn failure_tell(failure: &str) {
    talk_line(&format!("a run would fail: {failure}"));
}

fn plan_line(action: &PlanAction) -> String {
    let size = action
        .size
        .map_or(String::new(), |size| format!(" ({})", Bytes(size)));
    // Tags that couldn't be checked have no target yet.
    let target = match action.target.as_str() {
        "" => String::new(),
        target => format!(" -> {target}"),
    };
    format!(
        "{:<8}{}{target}{size}: {}",
        action.word(),
        named(&action.repository, &action.tag),
        action.reason
    )
}

/// Unchanged tags get no line, unless referrers were written; there may be thousands.
fn outcome_line(outcome: &TagOutcome) -> Option<String> {
    let name = named(&outcome.repository, &outcome.tag);
    let target = &outcome.target;
    Some(match (outcome.status, outcome.action) {
        (Status::Failed, _) => {
            let error = outcome.error.as_deref().unwrap_or_default();
            format!("failed  {name}: {error}")
        }
        (Status::Blocked, _) | (_, Action::Blocked) => {
            format!("blocked {name}: {}", outcome.reason)
        }
        (_, Action::Skip) if outcome.referrers.written > 0 => {
            let written = counted(outcome.referrers.written, "referrer");
            format!("added   {name} -> {target}: {written}")
        }
        (_, Action::Skip) => return None,
        (_, Action::Delete) => format!("deleted {name} -> {target}: {}", outcome.reason),
        (_, Action::Copy | Action::Update) => {
            let word = if outcome.action == Action::Copy {
                "copied"
            } else {
                "updated"
            };
            format!(
                "{word:<8}{name} -> {target} ({}, {})",
                Bytes(outcome.moved.bytes),
                duration(outcome.duration)
            )
        }
    })
}

pub(super) fn named(repository: &str, tag: &str) -> String {
    match tag {
        "" => repository.to_owned(),
        tag if tag.contains(':') => format!("{repository}@{tag}"),
        tag => format!("{repository}:{tag}"),
    }
}

/// One JSON object and a newline on standard output.
pub(super) fn json_line(value: &impl Serialize) {
    if let Ok(line) = serde_json::to_string(value) {
        data_write(&json_escaped(&line));
    }
}

/// Indented JSON on standard output.
pub(super) fn json_indented(value: &impl Serialize) {
    if let Ok(text) = serde_json::to_string_pretty(value) {
        data_write(&json_escaped(&text));
    }
}

/// Lines on standard output, which may contain text from others.
pub(super) fn data_text(text: &str) {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.split('\n').for_each(data_line);
}

/// Lines of JSON on standard output, with their ends.
pub(super) fn json_text(text: &str) {
    data_write(&json_escaped(text.trim_end_matches('\n')));
}

/// The same on standard error.
pub(super) fn json_talk(text: &str) {
    talk_write(&json_escaped(text.trim_end_matches('\n')));
}

/// CSV on standard output, with its line ends.
pub(super) fn csv_text(text: &str) {
    csv_lines(text).for_each(|line| data_write(&line));
}

/// The same on standard error.
pub(super) fn csv_talk(text: &str) {
    csv_lines(text).for_each(|line| talk_write(&line));
}

fn csv_lines(text: &str) -> impl Iterator<Item = String> {
    let lines = text.split_terminator("\r\n");
    lines.map(|line| format!("{}\r", line_readable(line)))
}

/// A line on standard output, which may contain text from others: registries, servers.
pub(super) fn data_line(line: &str) {
    data_write(&line_readable(line));
}

/// `line` without terminal control characters; its indentation is kept.
fn line_readable(line: &str) -> String {
    let rest = line.trim_start_matches(' ');
    let indentation = &line[..line.len() - rest.len()];
    format!("{indentation}{}", readable(rest, usize::MAX))
}

/// All writes to standard output. A closed pipe (`| head`) isn't an error.
fn data_write(text: &str) {
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            // The first reason is the useful one.
            let _ = LOST.set(error.to_string());
        }
        _ => {}
    }
}

/// Why standard output is incomplete.
static LOST: OnceLock<String> = OnceLock::new();

/// Err: lines of [`data_write`] were lost, to a full disk for example.
pub(super) fn stdout_check() -> Result<(), CliError> {
    LOST.get().map_or(Ok(()), |reason| {
        Err(CliError::Failed(format!(
            "standard output: lines were lost ({reason})"
        )))
    })
}

/// A line on standard error, which may contain text from others.
pub(super) fn talk_line(line: &str) {
    talk_write(&line_readable(line));
}

/// All writes to standard error. Errors are ignored: if nobody reads it, the work goes on.
fn talk_write(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

fn duration(took: Duration) -> String {
    if took < Duration::from_mins(1) {
        format!("{:.2} s", took.as_secs_f64())
    } else {
        HumanDuration(took).to_string()
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a rate for people; no precision is owed"
)]
pub(super) fn per_second(bytes: u64, took: Duration) -> u64 {
    (bytes as f64 / took.as_secs_f64().max(0.001)) as u64
}

pub(super) fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━╸ ")
}
