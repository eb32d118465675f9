//! A plan in a file, to be looked at, approved, and run later. It has no credentials.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use chrono::{SecondsFormat, Utc};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::job::OneShotJob;
use super::source::planned_client;
use crate::cli::error::CliError;
use crate::cli::result_file::{ResultFile, STDOUT};
use crate::cli::sync_args::CopyArguments;
use crate::cli::trust::TrustArguments;
use crate::oci::{Client, Digest, Endpoint, RegistryAddress};
use crate::sync::evidence::{Asked, AskedItem, AskedPlan, AskedRegistry};
use crate::sync::input::referrer_choice::ReferrerChoice;
use crate::sync::input::spec::{KnownTags, LostTags, MAX_PARALLEL};
use crate::sync::kept::deletes::PlannedDeletes;
use crate::sync::kept::part::{KeptAction, KeptActions, KeptPage, KeptPart, left_out};
use crate::sync::kept::record::ActionRecord;
use crate::sync::{BackupTag, Engine, IndexMode, Placement, Plan, SyncSpec};
use crate::text::{NAME, readable};
use crate::time_zone::today;

const FLAG: &str = "--save";
const FORMAT: &str = "registrysync plan";
const VERSION: u64 = 1;
/// Actions that the engine takes at once.
const PAGE: usize = 1000;

/// What every version of the format has.
#[derive(Deserialize)]
struct FileHead {
    format: String,
    version: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanFile {
    format: String,
    version: u64,
    plan: FilePlan,
    /// Of the plan as compact JSON: shows that it was edited or damaged. It's no signature.
    digest: Digest,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FilePlan {
    made: String,
    made_by: String,
    sources: Vec<FileRegistry>,
    target: FileRegistry,
    placement: Placement,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    index: Option<IndexMode>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    backup_tag: Option<BackupTag>,
    referrers: Vec<String>,
    /// What was asked, for the reader and for evidence.
    options: Map<String, Value>,
    items: Vec<AskedItem>,
    warnings: Vec<String>,
    /// Why a run would have failed when the plan was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
    actions: Vec<ActionRecord>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRegistry {
    /// With `http://` or `https://`.
    address: String,
    tls_verify: bool,
}

impl FileRegistry {
    fn of(address: &RegistryAddress, tls_verify: bool) -> Self {
        let scheme = if address.is_plain_http() {
            "http"
        } else {
            "https"
        };
        Self {
            address: format!("{scheme}://{address}"),
            tls_verify,
        }
    }
}

/// A plan's file that is being made. It never replaces another: that may be one that was approved.
pub(super) struct PlanDraft {
    path: PathBuf,
    file: ResultFile,
}

impl PlanDraft {
    /// Begins it, so that a path that can't be written is noticed before the work.
    pub(super) fn begin(path: &Path) -> Result<Self, CliError> {
        if path == Path::new(STDOUT) {
            let message =
                "`--save`: give a file; a plan is printed without it, as text or with `--json`";
            return Err(CliError::Input(message.to_owned()));
        }
        if path.symlink_metadata().is_ok() {
            return Err(CliError::Input(format!(
                "`{FLAG}`: `{}` exists already, and a plan isn't overwritten; give another name, or \
                 remove it",
                path.display()
            )));
        }
        Ok(Self {
            path: path.to_owned(),
            file: ResultFile::begin(FLAG, path)?,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Completes the file, and puts it in its place.
    pub(super) fn finish(
        mut self,
        job: OneShotJob,
        plan: Plan,
        arguments: CopyArguments,
    ) -> Result<(), CliError> {
        let sources = job.registries.iter();
        let sources =
            sources.map(|registry| FileRegistry::of(&registry.address, registry.tls_verify));
        let plan = FilePlan {
            made: Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true),
            made_by: format!("registrysync {}", env!("CARGO_PKG_VERSION")),
            sources: sources.collect(),
            target: FileRegistry::of(job.target.address(), true),
            placement: job.placement,
            index: arguments.index,
            backup_tag: arguments.backup_tag,
            referrers: arguments.referrers,
            options: job.asked.options,
            items: job.asked.items,
            warnings: plan.warnings,
            failure: plan.failure,
            actions: plan.actions.into_iter().map(ActionRecord::from).collect(),
        };
        let file = PlanFile {
            format: FORMAT.to_owned(),
            version: VERSION,
            digest: plan.digest()?,
            plan,
        };
        self.file.write(|out| {
            serde_json::to_writer_pretty(&mut *out, &file)?;
            std::io::Write::write_all(out, b"\n")
        })?;
        self.file.finish_new()
    }
}

impl FilePlan {
    fn digest(&self) -> Result<Digest, CliError> {
        let text = serde_json::to_vec(self).map_err(CliError::input)?;
        Ok(Digest::of(&text))
    }
}

/// What a plan's file asks, as an engine, and its target. Err: it can't be used, and why.
pub(super) fn engine(
    path: &Path,
    trust: &TrustArguments,
) -> Result<(Engine, Asked, Client), CliError> {
    let named = |why: String| CliError::Input(format!("`--plan`: `{}`: {why}", path.display()));
    let plan = content(path)
        .map_err(|error| error.to_string())
        .and_then(|bytes| read(&bytes))
        .map_err(named)?;
    let client = |registry: &FileRegistry| {
        planned_client(&registry.address, registry.tls_verify, trust)
            .map_err(|error| named(error.to_string()))
    };
    let target = client(&plan.target)?;
    let sources = plan
        .sources
        .iter()
        .map(|source| client(source).map(Endpoint::from));
    let sources: Vec<Endpoint> = sources.collect::<Result<_, _>>()?;
    let actions = copies(&plan, &sources, target.address()).map_err(named)?;
    let left_out = left_out_of(&plan);
    let is_bad = |action: &ActionRecord| matches!(action.action.as_str(), "failed" | "blocked");
    let is_nothing = plan.actions.iter().all(is_bad);
    if let (true, Some(why)) = (is_nothing, left_out.as_ref().or(plan.failure.as_ref())) {
        return Err(CliError::Failed(format!(
            "`--plan`: `{}`: nothing in it can be copied: {why}; make a new plan",
            path.display()
        )));
    }
    let asked = Asked {
        project: None,
        source: None,
        target: AskedRegistry {
            label: None,
            address: target.address().to_string(),
        },
        options: plan.options,
        items: plan.items,
        retry_of: None,
        plan: Some(AskedPlan {
            id: None,
            actions: actions.len() as u64,
        }),
        force: false,
    };
    let spec = SyncSpec {
        items: Vec::new(),
        unmatched: Vec::new(),
        placement: plan.placement,
        target_tag: None,
        date: today(),
        index: plan.index,
        max_parallel: MAX_PARALLEL,
        known: KnownTags::new(),
        lost: LostTags::new(),
        only: None,
        referrers: ReferrerChoice::parse(&plan.referrers)
            .map_err(|error| named(format!("`{}`: {}", error.value, error.reason)))?,
        backup_tag: plan.backup_tag,
        prune: None,
    };
    let kept = KeptPart {
        name: "the plan".into(),
        place: String::new(),
        actions: std::sync::Arc::new(FileActions(actions)),
        warning: left_out,
    };
    let engine = Engine::new(target.clone(), spec).with_kept(kept);
    Ok((engine, asked, target))
}

/// What a run of the plan copies. Err: an action that can't be what was saved, and its number.
fn copies(
    plan: &FilePlan,
    sources: &[Endpoint],
    target: &RegistryAddress,
) -> Result<Vec<KeptAction>, String> {
    let (mut actions, mut targets) = (Vec::new(), HashSet::new());
    for (number, record) in (1..).zip(&plan.actions) {
        let named = |why: String| format!("action {number}: {why}");
        match record.action.as_str() {
            _ if record.is_copy() => {}
            "skip" | "blocked" | "failed" => continue,
            other => {
                let word = readable(other, NAME);
                return Err(named(format!(
                    "its action is `{word}`; expected `copy`, `update`, `skip`, `blocked` or \
                     `failed`: make a new plan"
                )));
            }
        }
        actions.push(action(record, sources, target).map_err(named)?);
        if !targets.insert(record.target.as_str()) {
            return Err(named(format!(
                "another one has the target `{}`",
                record.target
            )));
        }
    }
    Ok(actions)
}

/// What a run of the plan leaves out.
fn left_out_of(plan: &FilePlan) -> Option<String> {
    let count = |word: &str| {
        let of_word = plan.actions.iter().filter(|action| action.action == word);
        of_word.count() as u64
    };
    left_out("the plan", count("failed"), count("blocked"))
}

/// The content of a file; a device would have no end.
fn content(path: &Path) -> std::io::Result<Vec<u8>> {
    if std::fs::metadata(path)?.is_file() {
        return std::fs::read(path);
    }
    Err(std::io::Error::other("it isn't a regular file"))
}

/// The plan in a file. Err: it is none, or one that can't be trusted.
fn read(bytes: &[u8]) -> Result<FilePlan, String> {
    let head: FileHead = serde_json::from_slice(bytes).map_err(|error| {
        format!(
            "it isn't a plan, or it is cut off ({error}); make one with `registrysync plan --save`"
        )
    })?;
    if head.format != FORMAT {
        let found = readable(&head.format, NAME);
        return Err(format!("it is no plan: its format is `{found}`"));
    }
    if head.version > VERSION {
        return Err(format!(
            "it was made by a newer version of registrysync (its format is {}, this version knows \
             {VERSION}); use that version, or make a new plan",
            head.version
        ));
    }
    let changed = "it was edited or damaged after it was made; make a new plan";
    // The digest isn't of the version.
    if head.version != VERSION {
        return Err(format!(
            "its format is {}, and this version knows {VERSION}: {changed}",
            head.version
        ));
    }
    let file: PlanFile =
        serde_json::from_slice(bytes).map_err(|error| format!("{changed} ({error})"))?;
    let digest = file.plan.digest().map_err(|error| error.to_string())?;
    if digest != file.digest {
        return Err(changed.to_owned());
    }
    Ok(file.plan)
}

fn action(
    record: &ActionRecord,
    sources: &[Endpoint],
    target: &RegistryAddress,
) -> Result<KeptAction, String> {
    let is_at = |host: &str, place: &str| {
        place
            .strip_prefix(host)
            .is_some_and(|rest| rest.starts_with('/'))
    };
    if !is_at(&target.host(), &record.target) {
        return Err(format!("`{}` isn't at its target", record.target));
    }
    // What a person has read is what is done.
    let said = |shown: &str, own: String| {
        let wrong = format!("it says `{shown}`, and its other members `{own}`");
        (own == shown).then_some(()).ok_or(wrong)
    };
    let mut refused = format!("`{}` is at none of its sources", record.source);
    // Several sources of one host may differ in their prefixes.
    for from in sources {
        if !is_at(from.host(), &record.source) {
            continue;
        }
        let read = record.read(from).map_err(|error| error.to_string());
        let read = read.and_then(|action| {
            said(&record.source, action.origin())?;
            Ok(action)
        });
        match read {
            Ok(action) => {
                let path = action.target_reference.on(&action.target);
                said(&record.target, format!("{}/{path}", target.host()))?;
                return Ok(action);
            }
            Err(why) => refused = why,
        }
    }
    Err(refused)
}

/// The actions of a plan in memory.
struct FileActions(Vec<KeptAction>);

impl KeptActions for FileActions {
    fn page<'a>(
        &'a self,
        _place: &'a str,
        after: Option<i64>,
    ) -> BoxFuture<'a, Result<KeptPage, String>> {
        let begin = usize::try_from(after.unwrap_or(0)).unwrap_or(usize::MAX);
        let end = begin.saturating_add(PAGE);
        let actions = self.0.iter().skip(begin).take(PAGE).cloned().collect();
        let last = (end < self.0.len()).then(|| i64::try_from(end).unwrap_or(i64::MAX));
        let all = self.0.len() as u64;
        std::future::ready(Ok(KeptPage { actions, last, all })).boxed()
    }

    fn source_of<'a>(
        &'a self,
        place: &'a str,
        tag: &'a str,
    ) -> BoxFuture<'a, Result<Option<String>, String>> {
        let is_that = |action: &&KeptAction| {
            action.target.as_str() == place && action.target_reference.as_str() == tag
        };
        let action = self.0.iter().find(is_that);
        std::future::ready(Ok(action.map(KeptAction::origin))).boxed()
    }

    /// None: nothing is recorded of what was written.
    fn deletes<'a>(&'a self, _place: &'a str) -> BoxFuture<'a, Result<PlannedDeletes, String>> {
        std::future::ready(Ok(PlannedDeletes::default())).boxed()
    }

    fn source(&self) -> Option<&Endpoint> {
        None
    }
}
