//! `registrysync config`: shows the configuration, and where each value comes from.

use super::serve::settings;
use crate::cli::args::ConfigArguments;
use crate::cli::error::CliError;
use crate::cli::output::data_line;

pub(in crate::cli) fn run(arguments: &ConfigArguments) -> Result<u8, CliError> {
    let settings = settings(&arguments.server)?;
    settings.read().map_err(CliError::input)?;
    if !arguments.all {
        for (key, value, origin) in settings.shown() {
            data_line(&format!("{key} = {value:?}  # {origin}"));
        }
        return Ok(0);
    }
    for (at, key) in settings.all().into_iter().enumerate() {
        if at > 0 {
            data_line("");
        }
        data_line(&format!("# {}", key.about));
        let default = key.default.as_deref().unwrap_or("none");
        data_line(&format!("# default: {default}"));
        match key.value {
            Some((value, origin)) => data_line(&format!("{} = {value:?}  # {origin}", key.name)),
            None if key.is_switch => data_line(&format!("# {} = true", key.name)),
            None => data_line(&format!("# {} = \"\"", key.name)),
        }
    }
    Ok(0)
}
