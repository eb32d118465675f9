//! The evidence of a run without a server, in a file: the same document that a server gives.

use std::path::Path;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::oci::RegistryAddress;
use crate::sync::evidence::csv::{CsvRun, HEADER};
use crate::sync::evidence::{Asked, AskedItem, AskedRegistry, EvidenceHead, TagRecord};
use crate::sync::{RunEnd, SelectorSpec, SyncItem, TagOutcome};

use super::source::Source;
use crate::cli::error::CliError;
use crate::cli::result_file::ResultFile;
use crate::cli::sync_args::CopyArguments;
use crate::cli::values::EvidenceFormat;

const FLAG: &str = "--evidence";
const FORMAT_FLAG: &str = "--evidence-format";

/// The file, to which each result is added when it comes. The members that are known only at the
/// end come last.
pub(super) struct EvidenceFile {
    file: ResultFile,
    format: EvidenceFormat,
    asked: Asked,
    start: DateTime<Utc>,
    /// What comes before the next result.
    before: &'static str,
    /// The first error; the run goes on.
    error: Option<CliError>,
}

/// A run without a server.
#[derive(Serialize)]
struct OneShotRun {
    status: &'static str,
    start_time: String,
    end_time: String,
}

impl EvidenceFile {
    /// Begins the file.
    pub(super) fn begin(
        path: &Path,
        given: Option<EvidenceFormat>,
        asked: Asked,
    ) -> Result<Self, CliError> {
        let format = EvidenceFormat::of(given, path, [FLAG, FORMAT_FLAG])?;
        let mut file = ResultFile::begin_or_print(FLAG, path, format.printer())?;
        let first = match format {
            EvidenceFormat::Json => "{\"results\":[",
            EvidenceFormat::Csv => HEADER,
        };
        file.write(|file| file.write_all(first.as_bytes()))?;
        Ok(Self {
            file,
            format,
            asked,
            start: Utc::now(),
            before: "\n",
            error: None,
        })
    }

    /// Adds the result of a tag. An error is returned by [`Self::finish`].
    pub(super) fn add(&mut self, outcome: &TagOutcome) {
        if self.error.is_some() {
            return;
        }
        let record = TagRecord::from(outcome);
        let (format, before) = (self.format, self.before);
        let written = self.file.write(|file| match format {
            EvidenceFormat::Json => {
                file.write_all(before.as_bytes())?;
                Ok(serde_json::to_writer(file, &record)?)
            }
            EvidenceFormat::Csv => file.write_all(CsvRun::default().line(&record).as_bytes()),
        });
        self.before = ",\n";
        self.error = written.err();
    }

    /// Completes the file, and puts it in its place.
    pub(super) fn finish(mut self, end: &RunEnd) -> Result<(), CliError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        if self.format == EvidenceFormat::Json {
            let head = head(end, self.asked, self.start);
            let head = serde_json::to_string(&head).map_err(CliError::input)?;
            let rest = head.strip_prefix('{').unwrap_or(&head);
            self.file.write(|file| writeln!(file, "\n],{rest}"))?;
        }
        self.file.finish()
    }
}

fn head(end: &RunEnd, asked: Asked, start: DateTime<Utc>) -> EvidenceHead<OneShotRun> {
    let totals = &end.totals;
    let ended = totals.copied + totals.updated + totals.skipped + totals.blocked + totals.failed;
    let text = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Secs, true);
    let run = OneShotRun {
        status: match end.cancelled {
            true => "INTERRUPTED",
            false if totals.failed > 0 || totals.is_nothing() => "FAILED",
            false => "FINISHED",
        },
        start_time: text(start),
        end_time: text(Utc::now()),
    };
    let is_complete = !end.cancelled && ended >= totals.selected;
    EvidenceHead::new(run, Some(asked), totals.into(), is_complete)
}

/// What the arguments ask.
pub(super) fn asked_of(
    source: &Source,
    target: &RegistryAddress,
    arguments: &CopyArguments,
) -> Asked {
    let items = source.items.iter().zip(&source.selectors);
    let mut options = Map::new();
    options.insert("placement".to_owned(), json!(source.placement));
    if let Some(template) = &arguments.target_tag {
        options.insert("target_tag".to_owned(), json!(template));
    }
    if let Some(template) = &arguments.backup_tag {
        options.insert("backup_tag".to_owned(), json!(template));
    }
    if let Some(index) = arguments.index {
        options.insert("index".to_owned(), json!(index));
    }
    if !arguments.referrers.is_empty() {
        options.insert("referrers".to_owned(), json!(arguments.referrers));
    }
    Asked {
        project: None,
        source: None,
        target: AskedRegistry {
            label: None,
            address: target.to_string(),
        },
        options,
        items: items
            .map(|(item, selector)| asked_item(item, selector))
            .collect(),
        retry_of: None,
        plan: None,
        force: false,
    }
}

fn asked_item(item: &SyncItem, selector: &SelectorSpec) -> AskedItem {
    let mut options = match json!(selector) {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    if !item.architectures.is_empty() {
        let names: Vec<String> = item.architectures.iter().map(ToString::to_string).collect();
        options.insert("architectures".to_owned(), json!(names));
    }
    options.insert("on_empty".to_owned(), json!(item.on_empty));
    AskedItem {
        repository: item.repository.to_string(),
        source: item.origin(),
        options,
    }
}
