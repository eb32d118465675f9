//! The command line: one binary, whose sub-commands are the roles.
//!
//! - [`args`]: what can be typed; `complete`: completion in shells.
//! - `one_shot`: commands that need no server. `server`: the server and its database. [`client`]: commands that
//!   talk to a server.
//! - `output` prints lines, JSON and bars; `logs`: the lines of the log; `interrupts`: the signals that end a
//!   command; `file`: files that arguments name; [`select`]: the selectors.
//! - `error`: why a command ended without doing its work.
//!
//! Standard output is data, standard error is talk. Exit codes: 0 fine, 1 done with failures,
//! 2 bad input or configuration, 3 couldn't reach what it needs, 130 interrupted.

pub mod args;
pub mod client;
mod complete;
mod error;
mod file;
mod interrupts;
mod logs;
mod one_shot;
mod output;
pub mod select;
mod server;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser};

use args::{Arguments, Command};
use error::CliError;

use crate::config::{LogRules, variable_check};

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
        Command::Sync(arguments) => one_shot::sync::run(*arguments).await,
        Command::ListTags(arguments) => one_shot::list_tags::run(arguments).await,
        Command::Serve(arguments) => server::serve::run(arguments).await,
        Command::Worker(arguments) => server::worker::run(arguments).await,
        Command::Admin(command) => server::admin::run(command).await,
        Command::Config(arguments) => server::config::run(&arguments),
        Command::Cron(arguments) => one_shot::cron::run(&arguments),
        Command::ApiDocs { directory } => server::api_docs::run(&directory),
        Command::Api(arguments) => client::api::run(*arguments).await,
        Command::Project(arguments) => client::project::run(*arguments).await,
        Command::Store(arguments) => client::store::run(*arguments).await,
        Command::Workers(arguments) => client::workers::run(*arguments).await,
        Command::Completions(arguments) => complete::run(&arguments),
    }
}
