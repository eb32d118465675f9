//! `registrysync workers`: the workers, and what they work on.

use serde_json::{Map, Value as Json};

use super::args::WorkersArguments;
use super::connection::Session;
use super::table::{self, cell, rows};
use crate::cli::error::CliError;
use crate::cli::output::json_line;

pub(in crate::cli) async fn run(arguments: WorkersArguments) -> Result<u8, CliError> {
    let mut session = Session::open(&arguments.connection)?;
    let workers = rows(session.get("registrysync.listWorkers", Map::new()).await?);
    if arguments.json {
        workers.iter().for_each(json_line);
        return Ok(0);
    }
    let lines: Vec<[String; 6]> = workers.iter().map(line).collect();
    table::print(
        ["NAME", "HOST", "STATUS", "LAST SEEN", "SLOTS", "WORKS ON"],
        &lines,
        "no worker uses this database: runs wait until one is started",
    );
    Ok(0)
}

fn line(worker: &Json) -> [String; 6] {
    let parts = worker["parts"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let part = |part: &Json| {
        format!(
            "run {} of {} ({})",
            cell(&part["run_id"]),
            cell(&part["project_label"]),
            cell(&part["target_repository"])
        )
    };
    let own: Vec<String> = parts.iter().map(part).collect();
    let busy = worker["busy"].as_u64().unwrap_or(0);
    [
        cell(&worker["name"]),
        cell(&worker["host"]),
        cell(&worker["status"]),
        cell(&worker["last_seen"]),
        format!("{busy} of {}", cell(&worker["slots"])),
        own.join(", "),
    ]
}
