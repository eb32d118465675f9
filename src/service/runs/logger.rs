//! The log of background work.

use tokio::sync::mpsc::Sender;

use crate::store::runs::log::{LogLevel, NewLogLine};

/// The log of a run in progress.
#[derive(Clone, Debug)]
pub struct RunLogger(Sender<NewLogLine>);

impl RunLogger {
    /// One that sends its lines to `lines`.
    pub fn new(lines: Sender<NewLogLine>) -> RunLogger {
        RunLogger(lines)
    }

    /// Writes a line; waits if too many are pending.
    pub async fn line(&self, level: LogLevel, message: String) {
        // Nothing receives any more if the run was lost.
        let _ = self.0.send(NewLogLine::now(level, message)).await;
    }
}
