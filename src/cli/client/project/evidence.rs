//! `registrysync project evidence`: what a run was asked and did, for auditors.

use std::path::Path;

use serde_json::{Value as Json, json};

use crate::cli::client::args::ProjectEvidenceArguments;
use crate::cli::client::connection::Session;
use crate::cli::client::table::{cell, members};
use crate::cli::error::CliError;
use crate::cli::output::talk_line;
use crate::cli::result_file::{ResultFile, STDOUT};
use crate::cli::values::EvidenceFormat;

pub(super) async fn run(arguments: &ProjectEvidenceArguments, json: bool) -> Result<u8, CliError> {
    let path = arguments.output.as_deref().unwrap_or(Path::new(STDOUT));
    let format = EvidenceFormat::of(arguments.format, path, ["--output", "--format"])?;
    let mut file = ResultFile::begin_or_print("--output", path, format.printer())?;
    let mut session = Session::open(&arguments.connection)?;
    match format {
        EvidenceFormat::Json => {
            let document = document(&mut session, arguments.run).await?;
            file.write(|file| {
                if json {
                    serde_json::to_writer(&mut *file, &document)?;
                } else {
                    serde_json::to_writer_pretty(&mut *file, &document)?;
                }
                file.write_all(b"\n")
            })?;
        }
        EvidenceFormat::Csv => {
            let text = csv(&mut session, arguments.run).await?;
            file.write(|file| file.write_all(text.as_bytes()))?;
        }
    }
    file.finish()?;
    Ok(0)
}

async fn document(session: &mut Session, id: i64) -> Result<Json, CliError> {
    let args = members(json!({"runId": id}));
    let document = session.get("registrysync.getRunEvidence", args).await?;
    if document["complete"] != true {
        incomplete_tell(id, &document["run"]);
    }
    Ok(document)
}

async fn csv(session: &mut Session, id: i64) -> Result<String, CliError> {
    let args = members(json!({"runId": id}));
    let run = session.get("registrysync.getRun", args.clone()).await?;
    if matches!(
        run["status"].as_str(),
        Some("READY" | "RUNNING" | "INTERRUPTED")
    ) {
        incomplete_tell(id, &run);
    }
    match session.get("registrysync.getRunEvidenceCsv", args).await? {
        Json::String(text) => Ok(text),
        other => Err(CliError::Unreachable(format!(
            "the server returned `{other}` instead of the evidence of run {id}"
        ))),
    }
}

/// The file says so as well, but is rarely read at once.
fn incomplete_tell(id: i64, run: &Json) {
    talk_line(&format!(
        "warning: the evidence isn't complete: run {id} is {}, and not every tag has its result",
        cell(&run["status"])
    ));
}
