//! What may be said of a database besides its URL.

use std::time::Duration;

use secrecy::SecretString;

/// How long PostgreSQL may take.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// To answer a statement of a call; afterwards the connection is given up. PostgreSQL itself
    /// ends the statement a little earlier.
    pub statement: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> ConnectionLimits {
        ConnectionLimits {
            statement: Duration::from_secs(30),
        }
    }
}

/// What may be said of a database besides its URL.
#[derive(Clone, Debug, Default)]
pub struct DbOptions {
    /// PostgreSQL's password; it comes before one in the URL.
    pub password: Option<SecretString>,
    /// How long PostgreSQL may take.
    pub limits: ConnectionLimits,
}
