//! Runs of projects, for people: start one, watch one, read its log.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget};
use serde::Serialize;
use serde_json::{Value as Json, json};

use crate::cli::client::connection::Session;
use crate::cli::client::table::{cell, members, printable, rows};
use crate::cli::error::{CliError, INTERRUPTED};
use crate::cli::interrupts::interrupted;
use crate::cli::output::{data_line, json_line, named, per_second, style, talk_line};
use crate::text::{Bytes, counted};

/// Often enough for a moving bar, seldom enough for a server with many watchers.
const LOOK_EVERY: Duration = Duration::from_millis(300);
/// Log lines per response.
const LOG_PAGE: usize = 1000;
/// Maximum number of failed tags shown; more are only counted.
const FAILURES_NAMED: usize = 20;
const COUNTS: [&str; 6] = [
    "copied", "updated", "skipped", "deleted", "blocked", "failed",
];

/// How a tag ends that isn't as it should be.
const NOT_DONE: [&str; 2] = ["failed", "blocked"];

/// What a run is asked, as the API takes it; what isn't given is left out.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(in crate::cli) struct RunOptions {
    pub(in crate::cli) queue: bool,
    /// The run whose failed tags are retried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) retry: Option<i64>,
    /// The kept plan to run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli) plan: Option<i64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(in crate::cli) force: bool,
}

/// Starts a run; returns its id.
pub(in crate::cli) async fn start(
    session: &mut Session,
    label: &str,
    options: RunOptions,
) -> Result<i64, CliError> {
    let args = json!({"label": label, "options": options});
    let id = session.post("registrysync.run", members(args)).await?;
    id.as_i64().ok_or_else(|| {
        CliError::Unreachable(format!("the server returned `{id}` instead of a run id"))
    })
}

/// Shows a run until it has ended.
pub(super) async fn watch(
    session: &mut Session,
    id: i64,
    json: bool,
    quiet: bool,
) -> Result<u8, CliError> {
    let mut display = Display::new(id, quiet);
    let mut run = tokio::select! {
        run = ended(session, id, &mut display) => run?,
        () = interrupted() => {
            talk_line(&format!("run {id} continues on the server"));
            return Ok(INTERRUPTED);
        }
    };
    display.clear();
    if json {
        let failures = failures(session, id).await?;
        if let Json::Object(members) = &mut run {
            members.insert("failures".into(), failures.into());
        }
        json_line(&run);
    } else {
        failures_show(session, id, &run).await?;
        warnings_show(session, id, &run).await?;
        let did = ["copied", "updated", "deleted", "warnings"];
        let did = did.into_iter().any(|name| run["counts"][name] != 0);
        if !quiet || did || run["status"] != "FINISHED" {
            talk_line(&ending(id, &run));
        }
    }
    let failed = NOT_DONE.into_iter().any(|name| run["counts"][name] != 0);
    Ok(u8::from(failed || run["status"] != "FINISHED"))
}

async fn ended(session: &mut Session, id: i64, display: &mut Display) -> Result<Json, CliError> {
    loop {
        let run = session
            .get("registrysync.getRun", members(json!({"runId": id})))
            .await?;
        display.show(&run);
        if !matches!(run["status"].as_str(), Some("READY" | "RUNNING")) {
            return Ok(run);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// All tags that failed or are blocked.
async fn failures(session: &mut Session, id: i64) -> Result<Vec<Json>, CliError> {
    let mut all = Vec::new();
    for status in NOT_DONE {
        let args = json!({"runId": id, "status": status});
        let results = session.get("registrysync.listRunResults", members(args));
        all.extend(rows(results.await?));
    }
    Ok(all)
}

/// Shows the first tags that failed or are blocked.
async fn failures_show(session: &mut Session, id: i64, run: &Json) -> Result<(), CliError> {
    for status in NOT_DONE {
        let count = run["counts"][status].as_u64().unwrap_or(0);
        if count == 0 {
            continue;
        }
        let args = json!({"runId": id, "status": status, "limit": FAILURES_NAMED, "offset": 0});
        let results = rows(
            session
                .get("registrysync.listRunResults", members(args))
                .await?,
        );
        for result in &results {
            talk_line(&failure(result));
        }
        let left = count.saturating_sub(results.len() as u64);
        if left > 0 {
            talk_line(&format!("{left} more {status}"));
        }
    }
    Ok(())
}

/// Prints the first warnings of the run's log.
async fn warnings_show(session: &mut Session, id: i64, run: &Json) -> Result<(), CliError> {
    let count = run["counts"]["warnings"].as_u64().unwrap_or(0);
    let (mut offset, mut shown) = (0, 0);
    while shown < count.min(FAILURES_NAMED as u64) {
        let lines = log_page(session, id, offset).await?;
        // Blocked tags were shown as such.
        let is_warning = |line: &&Json| {
            line["level"] == "warn" && !cell(&line["message"]).contains("` is blocked: ")
        };
        for line in lines.iter().filter(is_warning) {
            if shown < FAILURES_NAMED as u64 {
                talk_line(&format!("warning: {}", cell(&line["message"])));
                shown += 1;
            }
        }
        offset += lines.len();
        if lines.len() < LOG_PAGE {
            break;
        }
    }
    if count > shown && shown > 0 {
        talk_line(&format!("{} more", counted(count - shown, "warning")));
    }
    Ok(())
}

async fn log_page(session: &mut Session, id: i64, offset: usize) -> Result<Vec<Json>, CliError> {
    let args = json!({"runId": id, "offset": offset, "limit": LOG_PAGE});
    let page = session.get("registrysync.getRunLog", members(args)).await?;
    Ok(rows(page))
}

fn failure(result: &Json) -> String {
    let [repository, tag, status, error] =
        ["repository", "tag", "status", "error"].map(|name| cell(&result[name]));
    format!("{status:<8}{}: {error}", named(&repository, &tag))
}

/// The last line: the result of the run. The server's message has the counts, once they are known.
fn ending(id: i64, run: &Json) -> String {
    let (status, message) = (cell(&run["status"]), cell(&run["message"]));
    if message.contains("selected: ") {
        return format!("run {id}: {status}: {message}");
    }
    let bytes = bytes(run);
    let counted = format!("{}, {} moved", counts(run), Bytes(bytes));
    let separator = if message.is_empty() { "" } else { ": " };
    format!("run {id}: {status}{separator}{message}: {counted}")
}

fn bytes(run: &Json) -> u64 {
    let text = run["bytes"].as_str();
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The counts that aren't zero.
fn counts(run: &Json) -> String {
    let said: Vec<String> = (COUNTS.into_iter().chain(["warnings"]))
        .filter(|name| run["counts"][name].as_u64().is_some_and(|count| count > 0))
        .map(|name| match (name, &run["counts"][name]) {
            ("warnings", count) => counted(count.as_u64().unwrap_or(0), "warning"),
            (name, count) => format!("{count} {name}"),
        })
        .collect();
    if said.is_empty() {
        "no tags".to_owned()
    } else {
        said.join(", ")
    }
}

/// A bar on a terminal; otherwise a line on standard error for every change.
struct Display {
    id: i64,
    bar: Option<ProgressBar>,
    quiet: bool,
    shown: String,
}

impl Display {
    fn new(id: i64, quiet: bool) -> Self {
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let target = ProgressDrawTarget::stderr_with_hz(10);
            ProgressBar::with_draw_target(Some(0), target)
                .with_style(style("{bar:20} {pos}/{len} tags  {elapsed}  {wide_msg}"))
        });
        Self {
            id,
            bar,
            quiet,
            shown: String::new(),
        }
    }

    fn show(&mut self, run: &Json) {
        let count = |name: &str| run["counts"][name].as_u64().unwrap_or(0);
        let done = COUNTS.into_iter().map(count).sum();
        // Deletes come on top of what is selected.
        let all = count("selected").max(done);
        let mut status = cell(&run["status"]);
        if let Some(waits_for) = run["waits_for"].as_str() {
            status = format!("{status}, waiting for {}", printable(waits_for));
        }
        if let Some(bar) = &self.bar {
            let bytes = bytes(run);
            let rate = per_second(bytes, bar.elapsed());
            bar.set_length(all);
            bar.set_position(done);
            bar.set_message(format!("{status}  {}  {}/s", Bytes(bytes), Bytes(rate)));
            return;
        }
        let line = format!(
            "run {}: {status}, {done} of {}",
            self.id,
            counted(all, "tag")
        );
        if line != self.shown && !self.quiet {
            talk_line(&line);
            self.shown = line;
        }
    }

    fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Prints the log of a run: the given one, or the project's latest.
pub(in crate::cli) async fn log(
    session: &mut Session,
    label: &str,
    run: Option<i64>,
    json: bool,
) -> Result<u8, CliError> {
    let id = run_find(session, label, run).await?;
    let mut offset = 0;
    loop {
        let lines = log_page(session, id, offset).await?;
        for line in &lines {
            if json {
                json_line(line);
            } else {
                let message = printable(line["message"].as_str().unwrap_or_default());
                data_line(&format!(
                    "{} {:<5} {message}",
                    cell(&line["time"]),
                    cell(&line["level"])
                ));
            }
        }
        offset += lines.len();
        if lines.len() < LOG_PAGE {
            return Ok(0);
        }
    }
}

async fn run_find(session: &mut Session, label: &str, run: Option<i64>) -> Result<i64, CliError> {
    if let Some(id) = run {
        let run = session
            .get("registrysync.getRun", members(json!({"runId": id})))
            .await?;
        if run["project_label"] != label {
            return Err(CliError::Input(format!(
                "run {id} belongs to the project `{}`, not to `{label}`",
                cell(&run["project_label"])
            )));
        }
        return Ok(id);
    }
    let args = json!({"label": label, "limit": 1});
    let latest = rows(session.get("registrysync.listRuns", members(args)).await?);
    latest
        .first()
        .and_then(|run| run["id"].as_i64())
        .ok_or_else(|| CliError::Failed(format!("`{label}` has not run yet")))
}
