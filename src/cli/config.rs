//! `registrysync config`: what the configuration is, and where each value comes from.

use super::CliError;
use super::args::ServeArguments;
use super::output::data_line;
use super::serve::settings;

pub(super) fn run(arguments: &ServeArguments) -> Result<u8, CliError> {
    let settings = settings(arguments)?;
    settings.read().map_err(CliError::input)?;
    for (key, value, origin) in settings.shown() {
        data_line(&format!("{key} = {value:?}  # {origin}"));
    }
    Ok(0)
}
