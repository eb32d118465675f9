//! The signals that ask a process to end.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::error::{CliError, INTERRUPTED};

/// Ctrl-C, SIGTERM and SIGHUP, handled from creation on.
pub(super) struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Interrupts {
    /// Installs the handlers. Must be called before the process is announced: a signal without a
    /// handler kills it at any point.
    pub(super) fn listen() -> Result<Self, CliError> {
        let listen = |kind| {
            signal(kind).map_err(|e| CliError::Failed(format!("can't listen for signals: {e}")))
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            // The terminal was closed.
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    /// Resolves at the first signal. Another Ctrl-C or SIGTERM then ends the process at once;
    /// repeated SIGHUPs of a closed terminal don't count.
    pub(super) async fn first(mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
        tokio::spawn(async move {
            tokio::select! {
                _ = self.interrupt.recv() => {}
                _ = self.terminate.recv() => {}
            }
            super::output::talk_line("registrysync: second signal: exiting immediately");
            std::process::exit(INTERRUPTED.into());
        });
    }
}

/// Resolves when the user, or the system, asks the process to end.
pub(super) async fn interrupted() {
    match Interrupts::listen() {
        Ok(interrupts) => interrupts.first().await,
        Err(error) => {
            tracing::warn!(%error, "Ctrl-C will end the process immediately");
            std::future::pending::<()>().await;
        }
    }
}
