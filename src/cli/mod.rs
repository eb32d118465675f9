//! The command line: one binary, whose sub-commands are the roles.
//!
//! - [`args`]: what can be said.
//! - `sync` and `list_tags`: the one-shot commands; `source` makes items of their arguments, `output`
//!   prints lines, JSON and bars.
//! - `cron`: what a cron line means.
//! - `serve`: the server; `worker`: one that only works on the queue; `settings`: the configuration of both, which
//!   `config` shows; `interrupts`: the signals that end them; `admin` looks after a server's database without
//!   it; `api_docs` writes the reference pages.
//! - [`client_args`]: what can be said to the commands that talk to a server: `api` calls any method
//!   (`api_help` describes them), `project` (with `project_run` and `project_schedule`), `store` and `workers` are
//!   for people.
//!   `connection` is the session that they share, `table` prints.
//! - `file`: files that arguments name; `complete`: completion in shells; `logs`: the lines of the log, of whichever command.
//!
//! Standard output is data, standard error is talk. Exit codes: 0 fine, 1 done with failures,
//! 2 bad input or configuration, 3 couldn't reach what it needs, 130 interrupted.

mod admin;
mod api;
mod api_docs;
mod api_help;
pub mod args;
pub mod client_args;
mod complete;
mod config;
mod connection;
mod cron;
mod file;
mod interrupts;
mod list_tags;
mod logs;
mod output;
mod project;
mod project_run;
mod project_schedule;
mod serve;
mod settings;
mod source;
mod store;
mod sync;
mod table;
mod worker;
mod workers;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser};

use args::{Arguments, Command};

use crate::config::{LogRules, variable_check};
use crate::node::NodeError;

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

impl From<NodeError> for CliError {
    fn from(error: NodeError) -> Self {
        let text = error.to_string();
        match error {
            NodeError::Input(_) => Self::Input(text),
            NodeError::Unreachable(_) => Self::Unreachable(text),
            NodeError::Task(_) => Self::Failed(text),
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
    // Ends the process when it is a shell that asks what could be typed.
    clap_complete::CompleteEnv::with_factory(Arguments::command)
        .var(complete::VARIABLE)
        .complete();
    let command = Arguments::parse().command;
    // Those that have a configuration read it first: it says what is logged.
    if !matches!(command, Command::Serve(_) | Command::Worker(_)) {
        logs::start(LogRules::default());
    }
    let result = match variables_check(&command) {
        Ok(()) => done(command).await,
        Err(error) => Err(error),
    };
    match result.and_then(|code| output::complete().map(|()| code)) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            output::talk_line(&format!("registrysync: {error}"));
            ExitCode::from(error.code())
        }
    }
}

/// Refuses variables that look like ours, where a command has any: what was meant by them isn't done.
fn variables_check(command: &Command) -> Result<(), CliError> {
    let has_none = matches!(
        command,
        Command::Sync(_)
            | Command::ListTags(_)
            | Command::Cron(_)
            | Command::ApiDocs { .. }
            | Command::Completions(_)
    );
    if has_none {
        return Ok(());
    }
    let mut names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    names.try_for_each(|name| variable_check(&name).map_err(CliError::input))
}

async fn done(command: Command) -> Result<u8, CliError> {
    match command {
        Command::Sync(arguments) => sync::run(*arguments).await,
        Command::ListTags(arguments) => list_tags::run(arguments).await,
        Command::Serve(arguments) => serve::run(arguments).await,
        Command::Worker(arguments) => worker::run(arguments).await,
        Command::Admin(command) => admin::run(command).await,
        Command::Config(arguments) => config::run(&arguments),
        Command::Cron(arguments) => cron::run(&arguments),
        Command::ApiDocs { directory } => api_docs::run(&directory),
        Command::Api(arguments) => api::run(*arguments).await,
        Command::Project(arguments) => project::run(*arguments).await,
        Command::Store(arguments) => store::run(*arguments).await,
        Command::Workers(arguments) => workers::run(*arguments).await,
        Command::Completions(arguments) => complete::run(&arguments),
    }
}
