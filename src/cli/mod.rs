//! The command line: one binary, whose sub-commands are the roles.
//!
//! - [`args`]: what can be said; [`sync`] and [`list_tags`]: the one-shot commands;
//! - `source`: from arguments to items; `output`: lines, JSON and bars.
//!
//! Standard output is data, standard error is talk. Exit codes: 0 fine, 1 done with failures,
//! 2 bad input or configuration, 3 couldn't reach what it needs, 130 interrupted.

pub mod args;
mod list_tags;
mod output;
mod source;
mod sync;

use std::process::ExitCode;

use clap::Parser;

use args::{Arguments, Command};

/// Why a command ended without doing its work.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// What was said can't be done.
    #[error("{0}")]
    Input(String),
    /// Something that it needs can't be reached.
    #[error("{0}")]
    Unreachable(String),
    /// It was tried, and refused.
    #[error("{0}")]
    Failed(String),
}

impl CliError {
    fn input(error: impl std::fmt::Display) -> Self {
        Self::Input(error.to_string())
    }

    fn code(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Input(_) => 2,
            Self::Unreachable(_) => 3,
        }
    }
}

impl From<crate::oci::Error> for CliError {
    fn from(error: crate::oci::Error) -> Self {
        if error.is_unreachable() {
            Self::Unreachable(error.to_string())
        } else {
            Self::Failed(error.to_string())
        }
    }
}

/// The exit code of a command that was interrupted.
const INTERRUPTED: u8 = 130;

/// Reads the arguments and does what they say.
pub async fn run() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Sync(arguments) => sync::run(*arguments).await,
        Command::ListTags(arguments) => list_tags::run(arguments).await,
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("registrysync: {error}");
            ExitCode::from(error.code())
        }
    }
}

/// Resolves when the user, or the system, wants the process to end.
async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        let _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
