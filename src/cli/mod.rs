//! The command line: one binary, with the roles as sub-commands.
//!
//! - [`args`]: the arguments; [`sync_args`]: those of `sync` and `plan`; [`trust`]: how to connect to
//!   registries; `complete`: shell completion.
//! - `one_shot`: commands that need no server. `server`: the server and its database. [`client`]:
//!   commands that talk to a server.
//! - `output` prints lines, JSON and progress bars; `logs`: the log; `interrupts`: the signals that end
//!   a command; `file`: files named by arguments; `result_file`: those that a command writes; `values`:
//!   other values of arguments; [`select`]: the selectors.
//! - `error`: why a command failed.
//!
//! Standard output is for data, standard error for messages. Exit codes: 0 success, 1 done with
//! failures, 2 bad input or configuration, 3 something required is unreachable, 130 interrupted.

pub mod args;
pub mod client;
mod complete;
mod error;
mod file;
mod interrupts;
mod logs;
mod one_shot;
mod output;
mod result_file;
pub mod select;
mod server;
pub mod sync_args;
pub mod trust;
mod values;

use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory as _, Parser};

use args::{Arguments, Command};
use error::CliError;
use one_shot::waiting::telling;

use crate::config::{LogRules, variable_check};

/// Parses the arguments and executes them.
pub async fn run() -> ExitCode {
    // Ends the process if a shell has requested completions.
    clap_complete::CompleteEnv::with_factory(Arguments::command)
        .var(complete::VARIABLE)
        .complete();
    let arguments = Arguments::try_parse();
    let Arguments { command } = arguments.unwrap_or_else(|error| with_tip(error).exit());
    // Commands with a configuration read it first, since it sets the log level.
    if !matches!(command, Command::Serve(_) | Command::Worker(_)) {
        logs::start(LogRules::default());
    }
    let result = match variables_check(&command) {
        Ok(()) => done(command).await,
        Err(error) => Err(error),
    };
    match result.and_then(|code| output::stdout_check().map(|()| code)) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            output::talk_line(&format!("registrysync: {error}"));
            ExitCode::from(error.code())
        }
    }
}

/// A word too many is taken as a file, which isn't what clap's message says.
fn with_tip(mut error: clap::Error) -> clap::Error {
    const TIP: &str = "a word without a flag is taken as FILE: give each value a flag of its own (`--tag 1.0 --tag 1.1`), \
                       and `--referrers` its types after `=`";
    let args = [ContextKind::PriorArg, ContextKind::InvalidArg].map(|kind| error.get(kind));
    let is_of_file = args.into_iter().flatten().any(|arg| match arg {
        ContextValue::String(name) => name == "[FILE]",
        ContextValue::Strings(names) => names.iter().any(|name| name == "[FILE]"),
        _ => false,
    });
    if is_of_file && error.kind() == ErrorKind::ArgumentConflict {
        let tip = ContextValue::StyledStrs(vec![TIP.into()]);
        error.insert(ContextKind::Suggested, tip);
    }
    error
}

/// Refuses unknown variables with our prefix for commands that use any: their intent would be
/// ignored.
fn variables_check(command: &Command) -> Result<(), CliError> {
    let has_none = matches!(
        command,
        Command::Sync(_)
            | Command::Plan(_)
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
        Command::Plan(arguments) => telling(one_shot::plan::run(*arguments)).await,
        Command::ListTags(arguments) => telling(one_shot::list_tags::run(arguments)).await,
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
