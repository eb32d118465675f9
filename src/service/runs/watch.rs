//! Events for watchers of a run in progress.
//!
//! However many watch a run, one task checks it once a second and wakes them when it has changed; only
//! then do they read what is new.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::service::paging::PAGE;
use crate::service::{App, Caller, Error};
use crate::store::Db;
use crate::store::runs::log::{LogLine, log_list};
use crate::store::runs::run::{Run, RunStatus, run_get};

/// A run records its progress once a second.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// An event for a watcher.
#[derive(Clone, Debug)]
pub enum RunEvent {
    /// The run, initially and when it has changed.
    Run(Box<Run>),
    /// A line of its log.
    Line(LogLine),
    /// Its final status, after its last line.
    End(RunStatus),
}

/// Wakes watchers, for all watched runs.
#[derive(Clone, Debug, Default)]
pub struct RunWakes(Arc<Mutex<Wakes>>);

/// By organisation and run.
type Wakes = HashMap<(i64, i64), watch::Sender<()>>;

/// One watcher of one run.
#[derive(Debug)]
pub struct RunWatch {
    org: i64,
    id: i64,
    /// The last reported state of the run.
    run: Option<Run>,
    /// The number of the last reported line.
    heard: i64,
    wake: watch::Receiver<()>,
    /// Whether more can be read at once.
    is_behind: bool,
}

impl RunWatch {
    /// Watches the run `id` for `caller`, from the line after `heard` on.
    pub fn new(app: &App, caller: &Caller, id: i64, heard: i64) -> RunWatch {
        let org = caller.org_id();
        RunWatch {
            org,
            id,
            run: None,
            heard,
            wake: app.run_wakes.watch(app.db.clone(), org, id),
            is_behind: false,
        }
    }

    /// New events, in order; [`RunEvent::End`] is the last event ever.
    pub async fn news(&mut self, app: &App) -> Result<Vec<RunEvent>, Error> {
        // Later changes wake again.
        self.wake.borrow_and_update();
        let (org, id, heard) = (self.org, self.id, self.heard);
        // The run first, so that no line of an ended run is missed.
        let read = app.db.call(move |conn| {
            let run = run_get(conn, org, id)?;
            let lines = match &run {
                Some(_) => log_list(conn, org, id, heard, PAGE)?,
                None => Vec::new(),
            };
            Ok::<_, Error>((run, lines))
        });
        let (run, lines) = read.await?;
        let run =
            run.ok_or_else(|| Error::NotFound(format!("there is no run with the id {id}")))?;
        self.heard = lines.last().map_or(heard, |line| line.seq);
        self.is_behind = i64::try_from(lines.len()).is_ok_and(|count| count >= PAGE);
        let status = run.status;
        let mut events = Vec::new();
        if self.run.as_ref() != Some(&run) {
            self.run = Some(run.clone());
            events.push(RunEvent::Run(Box::new(run)));
        }
        events.extend(lines.into_iter().map(RunEvent::Line));
        if !self.is_behind && !matches!(status, RunStatus::Ready | RunStatus::Running) {
            events.push(RunEvent::End(status));
        }
        Ok(events)
    }

    /// Waits until there is something new, or for `longest`.
    pub async fn wait(&mut self, longest: Duration) {
        if self.is_behind {
            return;
        }
        // An error means that the checking task is gone, which a later check finds.
        if let Ok(Err(_)) = tokio::time::timeout(longest, self.wake.changed()).await {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

impl RunWakes {
    fn watch(&self, db: Db, org: i64, id: i64) -> watch::Receiver<()> {
        let mut wakes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = wakes.get(&(org, id)) {
            return sender.subscribe();
        }
        let (sender, receiver) = watch::channel(());
        wakes.insert((org, id), sender);
        let this = self.clone();
        tokio::spawn(async move { this.look(&db, org, id).await });
        receiver
    }

    /// Checks a run for as long as it has watchers.
    async fn look(&self, db: &Db, org: i64, id: i64) {
        let (mut last, mut heard) = (None, 0);
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            if self.is_left(org, id) {
                return;
            }
            let read = db.run(move |conn| {
                let run = run_get(conn, org, id)?;
                Ok((run, log_list(conn, org, id, heard, PAGE)?))
            });
            match read.await {
                Ok((run, lines)) if run != last || !lines.is_empty() => {
                    heard = lines.last().map_or(heard, |line| line.seq);
                    last = run;
                    self.wake(org, id);
                }
                Ok(_) => {}
                // Each watcher sees that itself.
                Err(_) => self.wake(org, id),
            }
        }
    }

    fn wake(&self, org: i64, id: i64) {
        let wakes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = wakes.get(&(org, id)) {
            sender.send_replace(());
        }
    }

    fn is_left(&self, org: i64, id: i64) -> bool {
        let mut wakes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_left = wakes
            .get(&(org, id))
            .is_none_or(|sender| sender.receiver_count() == 0);
        if is_left {
            wakes.remove(&(org, id));
        }
        is_left
    }
}
