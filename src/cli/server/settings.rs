//! The configuration of `serve`, `worker` and `admin`, from their arguments, the environment and the file.

use std::collections::BTreeMap;

use crate::cli::args::{DatabaseArguments, NodeArguments};
use crate::cli::error::CliError;
use crate::config::Settings;

/// The configuration from the arguments, the environment and the file; `further` are flags of one
/// command only.
pub(in crate::cli) fn settings<const N: usize>(
    arguments: &NodeArguments,
    further: [(&'static str, Option<String>); N],
) -> Result<Settings, CliError> {
    let node = [
        ("worker_slots", arguments.worker_slots.clone()),
        ("time_zone", arguments.time_zone.clone()),
        ("log_level", arguments.log_level.clone()),
        ("log_format", arguments.log_format.clone()),
        ("webhook_url", arguments.webhook_url.clone()),
        ("smtp_url", arguments.smtp_url.clone()),
        ("mail_from", arguments.mail_from.clone()),
        ("mail_to", arguments.mail_to.clone()),
    ];
    database_settings(&arguments.database, node.into_iter().chain(further))
}

/// The same for a command with these arguments and a few `further` flags.
pub(super) fn database_settings(
    arguments: &DatabaseArguments,
    further: impl IntoIterator<Item = (&'static str, Option<String>)>,
) -> Result<Settings, CliError> {
    let flags: BTreeMap<&'static str, String> = [
        ("data_dir", arguments.data_dir.clone()),
        ("database", arguments.database.clone()),
        (
            "database_password_file",
            arguments.database_password_file.clone(),
        ),
        ("key_file", arguments.key_file.clone()),
    ]
    .into_iter()
    .chain(further)
    .filter_map(|(key, value)| Some((key, value?)))
    .collect();
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    Settings::collect(&flags, variable, arguments.config.as_deref()).map_err(CliError::input)
}
