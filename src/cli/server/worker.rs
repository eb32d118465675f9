//! `registrysync worker`: executes the queue of a PostgreSQL database, without an API of its own.

use crate::config::Config;
use crate::node::{Node, until_end};

use super::settings::settings;
use crate::cli::args::NodeArguments;
use crate::cli::error::CliError;
use crate::cli::interrupts::Interrupts;
use crate::cli::logs;
use crate::cli::output::data_line;

pub(in crate::cli) async fn run(arguments: NodeArguments) -> Result<u8, CliError> {
    let config = settings(&arguments, [])?.read().map_err(CliError::input)?;
    logs::start(config.log);
    check(&config)?;
    let node = Node::open(config).await?;
    let interrupts = Interrupts::listen()?;
    let mut tasks = node.start(true).await?;
    data_line("registrysync worker is ready");
    let failed = until_end(interrupts.first(), &mut tasks).await;
    node.end(tasks, failed).await?;
    Ok(0)
}

/// Refuses settings with which it would work separately from the servers.
fn check(config: &Config) -> Result<(), CliError> {
    if config.sqlite_file().is_some() {
        return Err(CliError::Input(format!(
            "`database`: `{}`: a worker shares a PostgreSQL database with its servers, give \
             `--database postgres://…`; on SQLite, `registrysync serve` executes all runs itself",
            config.database
        )));
    }
    if !config.key_file.exists() {
        return Err(CliError::Input(format!(
            "`key_file`: `{}` is missing: copy `secret.key` from a server's data directory and give it with \
             `--key-file`; it decrypts the stores' credentials",
            config.key_file.display()
        )));
    }
    Ok(())
}
