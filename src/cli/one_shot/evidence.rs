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
use crate::cli::output::talk_line;
use crate::cli::result_file::{ResultFile, STDOUT};
use crate::cli::sync_args::CopyArguments;
use crate::cli::values::EvidenceFormat;

const FLAG: &str = "--evidence";
const FORMAT_FLAG: &str = "--evidence-format";

/// The file, to which each result is added when it comes. The members that are known only at the
/// end come last. What it has is kept in memory too: tags are overwritten that nobody could name if
/// the disk is full at the end.
pub(super) struct EvidenceFile {
    file: ResultFile,
    format: EvidenceFormat,
    asked: Asked,
    start: DateTime<Utc>,
    /// What comes before the next result.
    before: &'static str,
    /// What was written; `None` if it is printed anyway.
    text: Option<String>,
    /// The first error; the run goes on.
    error: Option<CliError>,
}

/// Evidence that isn't in its file.
pub(super) struct Unwritten {
    error: CliError,
    format: EvidenceFormat,
    text: String,
}

impl Unwritten {
    /// Says why, and prints it on standard error; returns the exit code.
    pub(super) fn tell(&self) -> u8 {
        talk_line(&format!(
            "registrysync: {}; the evidence follows:",
            self.error
        ));
        self.format.talker()(&self.text);
        self.error.code()
    }
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
        let file = ResultFile::begin_or_print(FLAG, path, format.printer())?;
        let first = match format {
            EvidenceFormat::Json => "{\"results\":[",
            EvidenceFormat::Csv => HEADER,
        };
        let mut evidence = Self {
            file,
            format,
            asked,
            start: Utc::now(),
            before: "\n",
            text: (path != Path::new(STDOUT)).then(String::new),
            error: None,
        };
        evidence.put(first);
        Ok(evidence)
    }

    /// Adds the result of a tag. An error is returned by [`Self::finish`].
    pub(super) fn add(&mut self, outcome: &TagOutcome) {
        let record = TagRecord::from(outcome);
        match self.format {
            EvidenceFormat::Json => {
                self.put(self.before);
                self.put_json(&record, |json| json);
                self.before = ",\n";
            }
            EvidenceFormat::Csv => self.put(&CsvRun::default().line(&record)),
        }
    }

    /// Completes the file, and puts it in its place. Err: it couldn't be written.
    pub(super) fn finish(mut self, end: &RunEnd) -> Result<(), Unwritten> {
        if self.format == EvidenceFormat::Json {
            let head = head(end, self.asked.clone(), self.start);
            self.put("\n],");
            self.put_json(&head, |json| json.strip_prefix('{').unwrap_or(json));
            self.put("\n");
        }
        let written = match self.error {
            Some(error) => Err(error),
            None => self.file.finish(),
        };
        written.map_err(|error| Unwritten {
            error,
            format: self.format,
            text: self.text.unwrap_or_default(),
        })
    }

    /// Writes a part of a value's JSON.
    fn put_json(&mut self, value: &impl Serialize, part: impl FnOnce(&str) -> &str) {
        match serde_json::to_string(value) {
            Ok(json) => self.put(part(&json)),
            Err(error) => self.fail(CliError::input(error)),
        }
    }

    fn put(&mut self, text: &str) {
        if let Some(all) = &mut self.text {
            all.push_str(text);
        }
        if self.error.is_none()
            && let Err(error) = self.file.write(|file| file.write_all(text.as_bytes()))
        {
            self.fail(error);
        }
    }

    fn fail(&mut self, error: CliError) {
        self.error = self.error.take().or(Some(error));
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
