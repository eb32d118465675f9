//! `registrysync sync`: one run without a server, of a selection or of a saved plan.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::oci::Endpoint;
use crate::sync::intents::Intents;
use crate::sync::progress::{Event, Reporter};
use crate::sync::{RunEnd, RunStop};

use super::evidence::EvidenceFile;
use super::job::job;
use super::open_writes::{OpenWrites, Settled};
use super::waiting::{Teller, telling_if};

use super::{plan, plan_file};
use crate::cli::error::{CliError, INTERRUPTED};
use crate::cli::interrupts::interrupted;
use crate::cli::output::{self, Display};
use crate::cli::result_file::STDOUT;
use crate::cli::sync_args::SyncArguments;

/// Number of events buffered for the screen before the engine waits.
const EVENTS: usize = 256;

pub(in crate::cli) async fn run(arguments: SyncArguments) -> Result<u8, CliError> {
    let copy = &arguments.copy;
    let is_out_taken = arguments.evidence.as_deref() == Some(Path::new(STDOUT));
    if is_out_taken && copy.json {
        return Err(CliError::Input(
            "`--evidence`: `-` is standard output, where `--json` prints the tags; give a file"
                .into(),
        ));
    }
    let (engine, asked, target) = if let Some(path) = &arguments.plan {
        plan_file::engine(path, &copy.trust)?
    } else {
        let is_told = !arguments.quiet;
        let job = telling_if(is_told, job(copy)).await?;
        if arguments.dry_run {
            let planned = plan::show(&job, copy.json);
            return Ok(telling_if(is_told, planned).await?.0);
        }
        (job.engine, job.asked, job.target)
    };
    let begin = |path: &PathBuf| EvidenceFile::begin(path, arguments.evidence_format, asked);
    let mut evidence = arguments.evidence.as_ref().map(begin).transpose()?;
    let start = Instant::now();
    let (sender, receiver) = mpsc::channel(EVENTS);
    let reporter = Reporter::new(sender);
    let display = Display::new(copy.json, arguments.quiet, reporter.bytes());
    let display = if is_out_taken {
        display.beside()
    } else {
        display
    };
    let cancel = CancellationToken::new();
    let on_signal = cancel.clone();
    let signal = tokio::spawn(async move {
        interrupted().await;
        on_signal.cancel();
    });
    let writes = Arc::new(OpenWrites::default());
    let intents: Arc<dyn Intents> = writes.clone();
    let stop = RunStop {
        cancel,
        intents: Some(intents),
        ..RunStop::default()
    };
    let (mut end, ()) = tokio::join!(
        engine.run(reporter, stop),
        show(receiver, &display, (evidence.as_mut(), writes.as_ref()))
    );
    signal.abort();
    if end.cancelled {
        let settled = writes.settle(&Endpoint::from(target)).await;
        settled_tell(settled, &display, evidence.as_mut(), &mut end);
    }
    display.totals(&end.totals, start.elapsed());
    if let Some(evidence) = evidence
        && let Err(unwritten) = evidence.finish(&end)
    {
        return Ok(unwritten.tell());
    }
    code(&end)
}

/// Counts and reports what became of tags that were being written.
fn settled_tell(
    settled: Vec<Settled>,
    display: &Display,
    mut evidence: Option<&mut EvidenceFile>,
    end: &mut RunEnd,
) {
    for settled in settled {
        match settled {
            Settled::Written(outcome) => {
                end.totals.add(&outcome);
                display.finished(&outcome);
                if let Some(evidence) = &mut evidence {
                    evidence.add(&outcome);
                }
            }
            Settled::Unknown(warning) => {
                end.totals.warnings += 1;
                display.warning(&warning);
            }
        }
    }
}

async fn show(
    mut events: mpsc::Receiver<Event>,
    display: &Display,
    (mut evidence, writes): (Option<&mut EvidenceFile>, &OpenWrites),
) {
    let mut teller = Teller::default();
    let mut tick = tokio::time::interval(Duration::from_millis(200));
    loop {
        let event = tokio::select! {
            event = events.recv() => event,
            _ = tick.tick() => {
                display.tick();
                for line in teller.news() {
                    display.waiting(&line);
                }
                continue;
            }
        };
        match event {
            Some(Event::Note(_) | Event::Forgotten { .. } | Event::Recovered(_)) => {}
            Some(Event::Selected { tags }) => display.selected(tags),
            Some(Event::Warning(text) | Event::Empty(text)) => display.warning(&text),
            Some(Event::Finished(outcome)) => {
                writes.reported(&outcome);
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
