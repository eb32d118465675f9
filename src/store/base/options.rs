//! Options of a database besides its URL.

use std::time::Duration;

use secrecy::SecretString;

/// Timeouts of PostgreSQL.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// For a call's statement; afterwards the connection is closed. PostgreSQL itself ends the
    /// statement a little earlier.
    pub statement: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> ConnectionLimits {
        ConnectionLimits {
            statement: Duration::from_secs(30),
        }
    }
}

/// Options of a database besides its URL.
#[derive(Clone, Debug, Default)]
pub struct DbOptions {
    /// PostgreSQL's password; overrides one in the URL.
    pub password: Option<SecretString>,
    /// Timeouts of PostgreSQL.
    pub limits: ConnectionLimits,
}
