//! `registrysync sync`: one run without a server, of a selection or of a saved plan.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::oci::RegistryAddress;
use crate::sync::evidence::Asked;
use crate::sync::input::referrer_choice::ReferrerChoice;
use crate::sync::input::spec::{KnownTags, LostTags, MAX_PARALLEL};
use crate::sync::progress::{Event, Reporter};
use crate::sync::{Engine, Placement, RunEnd, SyncItem, SyncSpec};
use crate::time_zone::today;

use super::evidence::{EvidenceFile, asked_of};
use super::source::{Source, SourceRegistry, client};
use super::{plan, plan_file};
use crate::cli::error::{CliError, INTERRUPTED};
use crate::cli::interrupts::interrupted;
use crate::cli::output::{self, Display};
use crate::cli::sync_args::{CopyArguments, SyncArguments};

/// Number of events buffered for the screen before the engine waits.
const EVENTS: usize = 256;

pub(in crate::cli) async fn run(arguments: SyncArguments) -> Result<u8, CliError> {
    let copy = &arguments.copy;
    let (engine, asked) = match &arguments.plan {
        Some(path) => plan_file::engine(path, &copy.trust)?,
        None => {
            let job = job(copy)?;
            if arguments.dry_run {
                return plan::show(&job.engine, copy.json)
                    .await
                    .map(|(code, _)| code);
            }
            (job.engine, job.asked)
        }
    };
    let begin = |path: &PathBuf| EvidenceFile::begin(path, asked);
    let mut evidence = arguments.evidence.as_ref().map(begin).transpose()?;
    let start = Instant::now();
    let (sender, receiver) = mpsc::channel(EVENTS);
    let reporter = Reporter::new(sender);
    let display = Display::new(copy.json, arguments.quiet, reporter.bytes());
    let cancel = CancellationToken::new();
    let on_signal = cancel.clone();
    let signal = tokio::spawn(async move {
        interrupted().await;
        on_signal.cancel();
    });
    let (end, ()) = tokio::join!(
        engine.run(reporter, cancel),
        show(receiver, &display, evidence.as_mut())
    );
    signal.abort();
    display.totals(&end.totals, start.elapsed());
    if let Some(evidence) = evidence {
        evidence.finish(&end)?;
    }
    code(&end)
}

/// What the arguments ask.
pub(super) struct OneShotJob {
    pub(super) engine: Engine,
    pub(super) asked: Asked,
    pub(super) target: RegistryAddress,
    pub(super) registries: Vec<SourceRegistry>,
    pub(super) placement: Placement,
    /// The types of referrers.
    pub(super) referrers: Vec<String>,
}

/// Checks the arguments, before any request.
pub(super) fn job(arguments: &CopyArguments) -> Result<OneShotJob, CliError> {
    let referrers = ReferrerChoice::parse(&arguments.referrers).map_err(|error| {
        CliError::Input(format!(
            "`--referrers`: `{}`: {}",
            error.value, error.reason
        ))
    })?;
    let source = Source::read(arguments)?;
    let to = arguments.to.as_deref();
    let to = to.ok_or_else(|| CliError::Input("give the target registry with `--to`".into()))?;
    let client = client(to, &arguments.trust, arguments.max_names)?;
    let target = client.address().clone();
    let asked = asked_of(&source, &target, arguments);
    let spec = SyncSpec {
        items: source.items,
        placement: source.placement.clone(),
        target_tag: arguments.target_tag.clone(),
        date: today(),
        index: arguments.index,
        max_parallel: MAX_PARALLEL,
        known: KnownTags::new(),
        lost: LostTags::new(),
        only: None,
        referrers,
    };
    same_place_refuse(&spec, &target)?;
    one_name_refuse(&spec)?;
    Ok(OneShotJob {
        engine: Engine::new(client, spec),
        asked,
        target,
        registries: source.registries,
        placement: source.placement,
        referrers: arguments.referrers.clone(),
    })
}

/// Refuses a source that is the target, before any request. Only named tags can get another name
/// there: a pattern would select the copies of the run before.
fn same_place_refuse(spec: &SyncSpec, target: &RegistryAddress) -> Result<(), CliError> {
    let is_renamed = |item: &SyncItem| spec.target_tag.is_some() && !item.selector.needs_listing();
    let same = |item: &&SyncItem| !is_renamed(item) && item.is_same_place(&spec.placement, target);
    match spec.items.iter().find(same) {
        Some(item) => Err(CliError::Input(format!(
            "`{}`: with `--to` `{target}` and the placement `{}`, source and target are the \
             same place; give another `--to` or `--placement`",
            item.repository, spec.placement
        ))),
        None => Ok(()),
    }
}

/// Refuses a template that gives all tags of a pattern one name.
fn one_name_refuse(spec: &SyncSpec) -> Result<(), CliError> {
    let Some(template) = spec
        .target_tag
        .as_ref()
        .filter(|template| !template.is_distinct())
    else {
        return Ok(());
    };
    match spec.items.iter().find(|item| item.selector.needs_listing()) {
        Some(item) => Err(CliError::Input(format!(
            "`--target-tag`: `{template}` is the same name for every tag that `{}` selects: add \
             `{{tag}}` to it, or name one tag with `--tag`",
            item.repository
        ))),
        None => Ok(()),
    }
}

async fn show(
    mut events: mpsc::Receiver<Event>,
    display: &Display,
    mut evidence: Option<&mut EvidenceFile>,
) {
    let mut tick = tokio::time::interval(Duration::from_millis(200));
    loop {
        let event = tokio::select! {
            event = events.recv() => event,
            _ = tick.tick() => {
                display.tick();
                continue;
            }
        };
        match event {
            Some(Event::Selected { tags }) => display.selected(tags),
            Some(Event::Warning(text) | Event::Empty(text)) => display.warning(&text),
            Some(Event::Finished(outcome)) => {
                display.finished(&outcome);
                if let Some(evidence) = &mut evidence {
                    evidence.add(&outcome);
                }
            }
            None => return,
        }
    }
}

fn code(end: &RunEnd) -> Result<u8, CliError> {
    if end.cancelled {
        output::talk_line("registrysync: interrupted; run it again to copy the rest");
        return Ok(INTERRUPTED);
    }
    let totals = &end.totals;
    let nothing_worked = totals.copied + totals.updated + totals.skipped == 0;
    match &end.unreachable {
        Some(error) if nothing_worked => Err(CliError::Unreachable(error.clone())),
        _ if totals.is_nothing() => {
            output::talk_line("registrysync: nothing was selected");
            Ok(1)
        }
        _ => Ok(u8::from(totals.failed + totals.blocked > 0)),
    }
}
