//! Notifications when a project starts failing, has warnings, or works again.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::notify::{Error as NotifyError, Message, Notifier};
use crate::service::App;
use crate::store::Moment;
use crate::store::runs::result::RunResult;
use crate::store::runs::run::{Run, RunStatus};
use crate::store::trail::notification::{Channel, NotificationEvent};

/// Number of failed tags that a message names.
pub const NAMED: usize = 10;

/// The configured channels.
pub fn channels(notifier: &Notifier) -> Vec<Channel> {
    let webhook = notifier.webhook().map(|_| Channel::Webhook);
    let mail = notifier.mail().map(|_| Channel::Mail);
    webhook.into_iter().chain(mail).collect()
}

/// Sends through one channel; does nothing if it isn't configured.
pub async fn send(
    notifier: &Notifier,
    channel: Channel,
    message: &Message,
) -> Result<(), NotifyError> {
    match (channel, notifier.webhook(), notifier.mail()) {
        (Channel::Webhook, Some(webhook), _) => webhook.send(message).await,
        (Channel::Mail, _, Some(mail)) => mail.send(message).await,
        _ => Ok(()),
    }
}

/// Sends a test message through each configured channel, and returns the results: "" if it was
/// delivered.
pub async fn notification_test(app: &App) -> Vec<(Channel, String)> {
    let summary = "registrysync: a test message".to_owned();
    let message = Message {
        body: format!("{summary}\n\nMessages arrive as they should.\n"),
        summary,
        event: json!({"event": "test"}),
    };
    let mut told = Vec::new();
    for channel in channels(&app.notifier) {
        let sent = send(&app.notifier, channel, &message).await;
        let detail = sent.map_or_else(|error| error.to_string(), |()| String::new());
        told.push((channel, detail));
    }
    told
}

/// The message about a run after which its project (or housekeeping bunch) starts failing,
/// recovers, or has warnings. `failed` are the first of its failed tags, at most [`NAMED`].
pub fn message_of_run(
    run: &Run,
    about: NotificationEvent,
    org: &str,
    failed: &[RunResult],
) -> Message {
    let (event, words) = match (about, run.status) {
        (NotificationEvent::Warnings, _) => ("warned", "has warnings"),
        (_, RunStatus::Failed) => ("failed", "fails"),
        _ => ("recovered", "works again"),
    };
    if run.project_id.is_none() {
        let summary = format!("registrysync: `{}` {words}", run.bunch);
        return Message {
            body: body(run, &summary, failed),
            summary,
            event: json!({
                "event": format!("housekeeping_{event}"),
                "bunch": run.bunch,
                "run": run_json(run),
            }),
        };
    }
    let event = format!("project_{event}");
    let project = &run.project_label;
    let summary = format!("registrysync: `{project}` of `{org}` {words}");
    Message {
        body: body(run, &summary, failed),
        summary,
        event: json!({
            "event": event,
            "organization": org,
            "project": project,
            "run": run_json(run),
            "failed": failed.iter().map(failed_json).collect::<Vec<_>>(),
        }),
    }
}

fn body(run: &Run, summary: &str, failed: &[RunResult]) -> String {
    let mut lines = vec![
        format!("{summary}."),
        String::new(),
        format!("Run {} ({}): {}", run.id, run.trigger_kind, run.message),
    ];
    let times = [("began", run.start_time), ("ended", run.end_time)];
    let times = times
        .into_iter()
        .filter_map(|(word, time)| Some(format!("{word} {}", utc(time?))));
    lines.extend(times);
    if !failed.is_empty() {
        lines.extend([String::new(), "Failed:".to_owned()]);
    }
    lines.extend(failed.iter().map(|RunResult { result, .. }| {
        let error = result.error.as_deref().unwrap_or_default();
        format!("- {}:{}: {error}", result.repository, result.tag)
    }));
    let named = i64::try_from(failed.len()).unwrap_or(i64::MAX);
    if named > 0 && run.totals.failed > named {
        lines.push(format!("- and {} more", run.totals.failed - named));
    }
    lines.join("\n") + "\n"
}

/// The members of `registrysync.getRun` that a message needs.
fn run_json(run: &Run) -> Value {
    let totals = &run.totals;
    json!({
        "id": run.id,
        "status": run.status.as_str(),
        "trigger": run.trigger_kind.as_str(),
        "start_time": run.start_time.map(utc),
        "end_time": run.end_time.map(utc),
        "message": run.message,
        "counts": {
            "selected": totals.selected,
            "copied": totals.copied,
            "updated": totals.updated,
            "skipped": totals.skipped,
            "deleted": totals.deleted,
            "blocked": totals.blocked,
            "failed": totals.failed,
            "warnings": totals.warnings,
        },
        "bytes": totals.bytes.to_string(),
    })
}

fn failed_json(RunResult { result, .. }: &RunResult) -> Value {
    json!({
        "repository": result.repository,
        "tag": result.tag,
        "error": result.error,
    })
}

fn utc(time: Moment) -> String {
    let time: DateTime<Utc> = time.and_utc();
    time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}
