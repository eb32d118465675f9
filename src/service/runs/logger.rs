//! What work in the background tells its log.

use tokio::sync::mpsc::Sender;

use crate::store::runs::log::{LogLevel, NewLogLine};

/// The log of a run under way.
#[derive(Clone, Debug)]
pub struct RunLogger(Sender<NewLogLine>);

impl RunLogger {
    /// One whose lines go to `lines`.
    pub fn new(lines: Sender<NewLogLine>) -> RunLogger {
        RunLogger(lines)
    }

    /// Writes a line; waits where many wait already.
    pub async fn line(&self, level: LogLevel, message: String) {
        // Nobody listens any more when the run was lost.
        let _ = self.0.send(NewLogLine::now(level, message)).await;
    }
}
