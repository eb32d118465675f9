//! Files that somebody names on the command line or in the configuration.

use std::fmt::Display;
use std::fs;
use std::path::Path;

use secrecy::SecretString;

use super::CliError;
use crate::private_file;

/// What a file holds.
pub(super) fn file_read(path: &Path) -> Result<String, CliError> {
    fs::read_to_string(path).map_err(|error| refused(path, &error))
}

/// The first line of a file, which is a password. It may be a pipe, such as `<(pass show hub)`.
pub(super) fn password_read(path: &Path) -> Result<SecretString, CliError> {
    match file_read(path)?.lines().next() {
        Some(line) if !line.is_empty() => Ok(line.into()),
        _ => Err(refused(
            path,
            &"its first line, which should be the password, is empty",
        )),
    }
}

/// The same of a file that a key of the configuration names. A pipe is refused: one that nobody
/// writes to would keep the start waiting for ever.
pub(super) fn password_of_key(key: &str, path: &Path) -> Result<SecretString, CliError> {
    let is_file = fs::metadata(path).map(|meta| meta.is_file());
    let password = match is_file {
        Ok(true) => password_read(path),
        Ok(false) => Err(refused(path, &"it is no file")),
        Err(error) => Err(refused(path, &error)),
    };
    if private_file::is_open_to_others(path) {
        tracing::warn!(
            "others can read the password file `{}`: make it its owner's (chmod 600)",
            path.display()
        );
    }
    password.map_err(|error| CliError::Input(format!("`{key}`: {error}")))
}

fn refused(path: &Path, why: &dyn Display) -> CliError {
    CliError::Input(format!("`{}`: {why}", path.display()))
}
