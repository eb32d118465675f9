//! Files named on the command line or in the configuration.

use std::fmt::Display;
use std::fs;
use std::path::Path;

use secrecy::SecretString;

use super::error::CliError;
use crate::private_file;

/// The content of the file that `flag` names.
pub(super) fn file_read(flag: &str, path: &Path) -> Result<String, CliError> {
    fs::read_to_string(path).map_err(|error| refused(flag, path, &error))
}

/// The first line of the file that `flag` names, which is a password. The file may be a pipe, such as
/// `<(pass show hub)`.
pub(super) fn password_read(flag: &str, path: &Path) -> Result<SecretString, CliError> {
    private_file::password_read(path).map_err(|error| refused(flag, path, &error))
}

fn refused(flag: &str, path: &Path, why: &dyn Display) -> CliError {
    CliError::Input(format!("`{flag}`: `{}`: {why}", path.display()))
}
