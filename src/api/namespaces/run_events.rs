//! A run's events, in the same form as the results of `registrysync.getRun` and
//! `registrysync.getRunLog`.

use std::time::Duration;

use super::registrysync::{LogLine, Run};
use crate::api::reply::Content;
use crate::api::value::Wire;
use crate::api::{ApiError, Dispatcher};
use crate::service::{Caller, Role, RunEvent, RunWatch};

/// News for a watcher.
#[derive(Clone, Debug)]
pub enum RunNews {
    /// Like `getRun`, in JSON.
    Run(String),
    /// Like `getRunLog`, in JSON, with its number.
    Line(i64, String),
    /// The final status.
    End(&'static str),
}

/// One watcher of one run.
#[derive(Debug)]
pub struct RunWatcher {
    dispatcher: Dispatcher,
    watch: RunWatch,
}

impl RunWatcher {
    /// Watches the run `id`, from the line after `heard` on. Needs the role of `getRun`.
    pub fn new(
        dispatcher: &Dispatcher,
        caller: &Caller,
        id: i32,
        heard: i64,
    ) -> Result<RunWatcher, ApiError> {
        RunWatcher::admit(caller)?;
        Ok(RunWatcher {
            dispatcher: dispatcher.clone(),
            watch: RunWatch::new(dispatcher.app(), caller, id.into(), heard),
        })
    }

    /// Whether the caller may watch.
    pub fn admit(caller: &Caller) -> Result<(), ApiError> {
        if caller.has_role(Role::ImageAdmin) {
            return Ok(());
        }
        Err(ApiError::permission(Role::ImageAdmin))
    }

    /// New events; [`RunNews::End`] is the last.
    pub async fn news(&mut self) -> Result<Vec<RunNews>, ApiError> {
        let events = self.watch.news(self.dispatcher.app()).await?;
        let news = events.into_iter().map(|event| match event {
            RunEvent::Run(run) => json(&Run::from(*run)).map(RunNews::Run),
            RunEvent::Line(line) => {
                let seq = line.seq;
                let line = json(&LogLine::from(line));
                line.map(|line| RunNews::Line(seq, line))
            }
            RunEvent::End(status) => Ok(RunNews::End(status.as_str())),
        });
        news.collect()
    }

    /// Waits until there is something new, or for `longest`.
    pub async fn wait(&mut self, longest: Duration) {
        self.watch.wait(longest).await;
    }
}

fn json(content: &impl Content) -> Result<String, ApiError> {
    let mut out = Vec::new();
    content.write(Wire::Json, &mut out)?;
    String::from_utf8(out).map_err(ApiError::unexpected)
}
