//! `registrysync sync`: one run, or its plan, without a server.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::oci::RegistryAddress;
use crate::sync::input::referrer_choice::ReferrerChoice;
use crate::sync::input::spec::{KnownTags, LostTags, MAX_PARALLEL};
use crate::sync::progress::{Event, Reporter};
use crate::sync::{Engine, RunEnd, SyncItem, SyncSpec};
use crate::time_zone::today;

use super::evidence::{EvidenceFile, asked_of};
use super::source::{Source, client};
use crate::cli::args::SyncArguments;
use crate::cli::error::{CliError, INTERRUPTED};
use crate::cli::interrupts::interrupted;
use crate::cli::output::{self, Display};

/// Number of events buffered for the screen before the engine waits.
const EVENTS: usize = 256;

pub(in crate::cli) async fn run(arguments: SyncArguments) -> Result<u8, CliError> {
    let referrers = ReferrerChoice::parse(&arguments.referrers).map_err(|error| {
        CliError::Input(format!(
            "`--referrers`: `{}`: {}",
            error.value, error.reason
        ))
    })?;
    let source = Source::read(&arguments)?;
    let target = client(&arguments.to, &arguments.trust, arguments.max_names)?;
    let asked = asked_of(&source, target.address(), &arguments);
    let spec = SyncSpec {
        items: source.items,
        placement: source.placement,
        target_tag: arguments.target_tag.clone(),
        date: today(),
        index: arguments.index,
        max_parallel: MAX_PARALLEL,
        known: KnownTags::new(),
        lost: LostTags::new(),
        only: None,
        referrers,
        backup_tag: arguments.backup_tag.clone(),
        // Nothing is recorded here that could be deleted.
        prune: None,
    };
    same_place_refuse(&spec, target.address())?;
    one_name_refuse(&spec)?;
    let engine = Engine::new(target, spec);
    if arguments.dry_run {
        return plan(&engine, arguments.json).await;
    }
    let begin = |path: &PathBuf| EvidenceFile::begin(path, asked);
    let mut evidence = arguments.evidence.as_ref().map(begin).transpose()?;
    let start = Instant::now();
    let (sender, receiver) = mpsc::channel(EVENTS);
    let reporter = Reporter::new(sender);
    let display = Display::new(arguments.json, arguments.quiet, reporter.bytes());
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

async fn plan(engine: &Engine, json: bool) -> Result<u8, CliError> {
    let plan = tokio::select! {
        plan = engine.plan() => plan,
        () = interrupted() => return Ok(INTERRUPTED),
    };
    output::plan(&plan, json);
    match &plan.unreachable {
        Some(error) if plan.copy + plan.update + plan.skip == 0 => {
            Err(CliError::Unreachable(error.clone()))
        }
        _ => {
            let is_nothing = plan.actions.is_empty() && plan.empty > 0;
            Ok(u8::from(plan.blocked > 0 || is_nothing))
        }
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
            Some(Event::Note(_) | Event::Forgotten { .. }) => {}
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
