//! `registrysync project evidence`: what a run was asked and did, for auditors.

use std::io::Write as _;

use serde_json::{Value as Json, json};

use crate::cli::client::args::ProjectEvidenceArguments;
use crate::cli::client::connection::Session;
use crate::cli::client::table::{cell, members};
use crate::cli::error::CliError;
use crate::cli::output::{csv_text, json_indented, json_line, talk_line};
use crate::cli::result_file::ResultFile;
use crate::cli::values::EvidenceFormat;

pub(super) async fn run(arguments: &ProjectEvidenceArguments, json: bool) -> Result<u8, CliError> {
    let begin = |path| ResultFile::begin("--output", path);
    let mut file = arguments.output.as_ref().map(begin).transpose()?;
    let mut session = Session::open(&arguments.connection)?;
    let named = arguments.output.as_deref().and_then(EvidenceFormat::of);
    match arguments.format.or(named).unwrap_or(EvidenceFormat::Json) {
        EvidenceFormat::Json => {
            let document = document(&mut session, arguments.run).await?;
            match &mut file {
                Some(file) => file.write(|file| {
                    serde_json::to_writer_pretty(&mut *file, &document)?;
                    file.write_all(b"\n")
                })?,
                None if json => json_line(&document),
                None => json_indented(&document),
            }
        }
        EvidenceFormat::Csv => {
            let text = csv(&mut session, arguments.run).await?;
            match &mut file {
                Some(file) => file.write(|file| file.write_all(text.as_bytes()))?,
                None => csv_text(&text),
            }
        }
    }
    file.map_or(Ok(()), ResultFile::finish)?;
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
