//! Configuration of the server: a flag, else a variable, else the file, else the default.
//!
//! Every key is a variable (`REGISTRYSYNC_DATA_DIR`) and a key of the TOML file (`data_dir`), and the
//! common ones are flags (`--data-dir`). An unknown key in the file is an error with its line.
//!
//! - `keys`: all of them.
//! - `settings`: the given values, and where they come from.
//! - `read`: parses them.

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

/// An error in a configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("configuration file `{path}`: {detail}")]
    File {
        /// The file.
        path: String,
        /// The error, with the line if there is one.
        detail: String,
    },
    /// An unknown variable with our prefix.
    #[error("unknown variable `{name}`{hint}")]
    Variable {
        /// Its name.
        name: String,
        /// A hint at the one that was probably meant, or nothing.
        hint: String,
    },
    /// A key that others need.
    #[error("`{key}` is missing: {detail}")]
    Missing {
        /// The key.
        key: &'static str,
        /// Why it is needed.
        detail: &'static str,
    },
    /// An invalid value.
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
    /// Address and port to listen on.
    pub listen: SocketAddr,
    /// The data directory.
    pub data_dir: PathBuf,
    /// `sqlite:PATH` or `postgres://…`.
    pub database: String,
    /// The file with PostgreSQL's password.
    pub database_password_file: Option<PathBuf>,
    /// The file with the initial password of `admin`.
    pub admin_password_file: Option<PathBuf>,
    /// The key of the sealed credentials.
    pub key_file: PathBuf,
    /// Whether this process executes runs.
    pub runs_worker: bool,
    /// Parts at once.
    pub worker_slots: usize,
    /// Parts at once of one registry host.
    pub host_parts: Option<usize>,
    /// Parts at once of one organisation.
    pub org_parts: Option<usize>,
    /// When a worker is considered lost.
    pub lease: Duration,
    /// How often a part is tried if its worker is lost.
    pub attempts: i64,
    /// How long the tags in progress may take when stopping.
    pub grace: Duration,
    /// The time zone of schedules.
    pub time_zone: Tz,
    /// The rules of schedules.
    pub schedule_rules: ScheduleRules,
    /// How long old runs are kept.
    pub history: HistoryRules,
    /// Connections at once.
    pub connections: usize,
    /// The largest request, in MiB.
    pub request_mib: usize,
    /// The memory for all requests without a session together, in MiB.
    pub strangers_mib: usize,
    /// What is logged, and how.
    pub log: LogRules,
    /// The server's certificate; `None` is plain http.
    pub tls: Option<TlsSource>,
    /// `http(s)://host[:port]` that users connect to.
    pub public_url: Option<String>,
    /// Allowed addresses of image stores' registries.
    pub registries: NetworkPolicy,
    /// Notifications when a project starts failing and when it recovers.
    pub receivers: Receivers,
}

impl Config {
    /// The file of an SQLite database.
    pub fn sqlite_file(&self) -> Option<&Path> {
        self.database.strip_prefix("sqlite:").map(Path::new)
    }
}

/// The server's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsSource {
    /// From these files.
    Files {
        /// Its file.
        certificate: PathBuf,
        /// Its key's file.
        key: PathBuf,
    },
    /// Created in the data directory.
    SelfSigned,
}

/// What is logged, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogRules {
    /// The lowest level that is logged.
    pub level: LogLevel,
    /// The format of a line.
    pub format: LogFormat,
}

/// The level of a log line.
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

/// The format of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// A JSON object.
    Json,
}
