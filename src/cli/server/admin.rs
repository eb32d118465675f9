//! `registrysync admin`: works on a server's database, on its machine, without a session.

use secrecy::ExposeSecret as _;

use crate::node::Database;
use crate::service::Error;
use crate::service::access::account::password_reset;

use super::serve::app_on;
use super::settings::database_settings;
use crate::cli::args::{AdminCommand, ResetArguments};
use crate::cli::error::CliError;
use crate::cli::file::password_read;
use crate::cli::output::{data_line, talk_line};

pub(in crate::cli) async fn run(command: AdminCommand) -> Result<u8, CliError> {
    match command {
        AdminCommand::ResetPassword(arguments) => reset_password(arguments).await,
    }
}

async fn reset_password(arguments: ResetArguments) -> Result<u8, CliError> {
    let ResetArguments {
        login,
        password_file,
        database,
    } = arguments;
    let given = password_file
        .map(|path| password_read("--password-file", &path))
        .transpose()?;
    let config = database_settings(&database, [])?;
    let config = config.read().map_err(CliError::input)?;
    let database = Database::open(&config).await?;
    let app = app_on(database.db.clone()).await?;
    let reset = password_reset(&app, login.clone(), given).await;
    let made_up = reset.map_err(|error| match error {
        Error::UserUnknown(_) => CliError::Input(format!("there is no account `{login}`")),
        Error::Unavailable { .. } => CliError::Unreachable(error.to_string()),
        error => CliError::Failed(error.to_string()),
    })?;
    if let Some(password) = made_up {
        data_line(password.expose_secret());
    }
    talk_line(&format!(
        "changed the password of `{login}` and ended its sessions"
    ));
    Ok(0)
}
