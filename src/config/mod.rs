//! Configuration of the server: a flag, else a variable, else the file, else the default.
//!
//! Every key is a variable (`REGISTRYSYNC_DATA_DIR`) and a key of the TOML file (`data_dir`), and the
//! usual ones are flags (`--data-dir`). An unknown key in the file is an error with its line.
//!
//! - `keys`: all of them.
//! - `settings`: what was given for each, and where.
//! - `read`: what that means.

mod keys;
mod read;
mod settings;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono_tz::Tz;

use crate::notify::Receivers;
use crate::oci::NetworkPolicy;
use crate::service::ScheduleRules;
use crate::taskomatic::HistoryRules;

pub use keys::{KEYS, Key, OTHER_VARIABLES, PREFIX, variable_check};
pub use settings::{Settings, ShownKey, ValueSource};

/// What is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("configuration file `{path}`: {detail}")]
    File {
        /// The file.
        path: String,
        /// What is wrong, with the line where there is one.
        detail: String,
    },
    /// A variable that looks like one of ours, and isn't.
    #[error("unknown variable `{name}`{hint}")]
    Variable {
        /// Its name.
        name: String,
        /// The one that was probably meant, in words, or nothing.
        hint: String,
    },
    /// A value can't be used.
    #[error("`{key}`: `{value}` (from the {origin}): {detail}")]
    Value {
        /// The key.
        key: &'static str,
        /// The value, secrets hidden.
        value: String,
        /// Where it comes from.
        origin: ValueSource,
        /// What is wrong.
        detail: String,
    },
}

/// The configuration of a server.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where connections are accepted.
    pub listen: SocketAddr,
    /// The directory of everything that is kept.
    pub data_dir: PathBuf,
    /// `sqlite:PATH` or `postgres://…`.
    pub database: String,
    /// The file with PostgreSQL's password.
    pub database_password_file: Option<PathBuf>,
    /// The file with the first password of `admin`.
    pub admin_password_file: Option<PathBuf>,
    /// The key of the sealed credentials.
    pub key_file: PathBuf,
    /// Whether this process does runs.
    pub runs_worker: bool,
    /// Parts at once.
    pub worker_slots: usize,
    /// Parts at once of one registry host.
    pub host_parts: Option<usize>,
    /// Parts at once of one organisation.
    pub org_parts: Option<usize>,
    /// When a worker counts as gone.
    pub lease: Duration,
    /// Times that a part is tried whose workers are lost.
    pub attempts: i64,
    /// How long the tags under way may take at the end.
    pub grace: Duration,
    /// The zone of schedules.
    pub time_zone: Tz,
    /// What schedules must keep to.
    pub schedule_rules: ScheduleRules,
    /// What of old runs is kept.
    pub history: HistoryRules,
    /// Connections at once.
    pub connections: usize,
    /// The largest request, in MiB.
    pub request_mib: usize,
    /// What all requests without a session may take together, in MiB.
    pub strangers_mib: usize,
    /// What is logged, and how.
    pub log: LogRules,
    /// Where the server's certificate comes from; `None` is plain http.
    pub tls: Option<TlsSource>,
    /// `http(s)://host[:port]` that users call the server by.
    pub public_url: Option<String>,
    /// Where the registries of image stores may be.
    pub registries: NetworkPolicy,
    /// Who is told when a project begins to fail, and when it works again.
    pub receivers: Receivers,
}

impl Config {
    /// The file of an SQLite database.
    pub fn sqlite_file(&self) -> Option<&Path> {
        self.database.strip_prefix("sqlite:").map(Path::new)
    }
}

/// Where the server's certificate comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsSource {
    /// From these files.
    Files {
        /// Its file.
        certificate: PathBuf,
        /// Its key's file.
        key: PathBuf,
    },
    /// Made in the data directory.
    SelfSigned,
}

/// What is logged, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogRules {
    /// The least important lines that are written.
    pub level: LogLevel,
    /// What a line is like.
    pub format: LogFormat,
}

/// How important a line of the log is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogLevel {
    /// Something doesn't work.
    Error,
    /// Something may not work.
    Warn,
    /// What happens.
    #[default]
    Info,
    /// How it happens.
    Debug,
    /// Every step.
    Trace,
}

/// What a line of the log is like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// A JSON object.
    Json,
}
