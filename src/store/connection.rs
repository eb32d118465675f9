//! The two backends as one connection type, and the pool's way to make one.

use super::Error;
use super::trouble::Meaning;
use diesel::connection::{
    AnsiTransactionManager, Connection as _, SimpleConnection as _, TransactionManager,
    TransactionManagerStatus,
};
use diesel::r2d2::{ManageConnection, R2D2Connection as _};
use diesel::{PgConnection, SqliteConnection};
use std::path::{Path, PathBuf};

/// A connection to either backend.
#[derive(diesel::MultiConnection)]
#[allow(missing_debug_implementations)] // neither backend's connection has it
pub enum DbConnection {
    /// PostgreSQL: several nodes.
    Postgres(PgConnection),
    /// SQLite: one machine, the embedded default.
    Sqlite(SqliteConnection),
}

/// How long SQLite waits for another writer. Writers hold their transaction for milliseconds.
const SQLITE_BUSY_MS: u32 = 5_000;

/// How long a write waits that may as well be left out.
const SQLITE_IMPATIENT_MS: u32 = 50;

/// `foreign_keys` is per connection and off by default; with WAL, `NORMAL` loses no committed
/// transaction to a crash of the process (<https://sqlite.org/pragma.html#pragma_synchronous>).
/// The log file shrinks to 64 MiB again after a large transaction.
const SQLITE_PRAGMAS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; \
     PRAGMA foreign_keys = ON; PRAGMA journal_size_limit = 67108864;";

/// Timestamps have no zone in our tables, so the session's zone must be UTC.
/// A process that is stopped in the middle of a transaction must not keep its locks from others for
/// ever: the server ends it.
const POSTGRES_SETTINGS: &str =
    "SET TIME ZONE 'UTC'; SET idle_in_transaction_session_timeout = '15s'";

impl DbConnection {
    /// Whether other nodes may use the database at the same time.
    pub fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// Runs `body` in a write transaction: all of it happens, or nothing. On SQLite the write
    /// lock is taken at once (`BEGIN IMMEDIATE`), since a read transaction can't always be
    /// upgraded. Inside another transaction it is a savepoint of that one.
    pub fn write<T, E: From<Error>>(
        &mut self,
        body: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        let outermost = self.begin_write().map_err(Error::from)?;
        match body(self) {
            Ok(value) => match <Self as TransactionManager<Self>>::commit_transaction(self) {
                Ok(()) => Ok(value),
                Err(error) => Err(match Error::from(error) {
                    Error::Lost(reason) if outermost => Error::OutcomeUnknown(reason),
                    other => other,
                }
                .into()),
            },
            Err(error) => {
                // The first error is the one that tells something. A connection that can't
                // roll back is marked broken by Diesel, and the pool drops it.
                let _ = <Self as TransactionManager<Self>>::rollback_transaction(self);
                Err(error)
            }
        }
    }

    /// `true`: it is no savepoint within another one.
    fn begin_write(&mut self) -> diesel::QueryResult<bool> {
        let outermost = on_backend!(self, conn => {
            let status: &TransactionManagerStatus =
                AnsiTransactionManager::transaction_manager_status_mut(conn);
            status.transaction_depth()?.is_none()
        });
        match self {
            Self::Sqlite(conn) if outermost => {
                AnsiTransactionManager::begin_transaction_sql(conn, "BEGIN IMMEDIATE")?;
            }
            _ => <Self as TransactionManager<Self>>::begin_transaction(self)?,
        }
        Ok(outermost)
    }

    /// Runs `body`, whose writes don't wait for other writers: what is nice to have must not hold up
    /// a call.
    pub(super) fn impatiently<T>(
        &mut self,
        body: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let patience = |conn: &mut Self, ms: u32| match conn {
            Self::Sqlite(c) => c.batch_execute(&format!("PRAGMA busy_timeout = {ms}")),
            Self::Postgres(_) => Ok(()),
        };
        patience(self, SQLITE_IMPATIENT_MS)?;
        let result = body(self);
        patience(self, SQLITE_BUSY_MS)?;
        result
    }
}

/// Where a database is; its `Debug` and its errors never show the password.
#[derive(Clone)]
pub(super) enum Target {
    Sqlite(PathBuf),
    Postgres(String),
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown())
    }
}

impl Target {
    pub(super) fn parse(url: &str) -> Result<Self, Error> {
        match url.split_once(':') {
            Some(("sqlite", path)) if !path.is_empty() => Ok(Self::Sqlite(PathBuf::from(path))),
            Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => {
                Ok(Self::Postgres(url.to_owned()))
            }
            _ => Err(Error::Url),
        }
    }

    pub(super) fn connect(&self) -> Result<DbConnection, Error> {
        match self {
            Self::Sqlite(path) => self.sqlite_connect(path).map(DbConnection::Sqlite),
            Self::Postgres(url) => postgres_connect(url)
                .map(DbConnection::Postgres)
                .map_err(|reason| self.unreachable(reason)),
        }
    }

    fn sqlite_connect(&self, path: &Path) -> Result<SqliteConnection, Error> {
        sqlite_file_make(path).map_err(|error| self.refused(error.to_string()))?;
        let name = path.to_str();
        let name = name.ok_or_else(|| self.refused("the path is not UTF-8".to_owned()))?;
        let mut conn = SqliteConnection::establish(name).map_err(|error| {
            let said = error.to_string();
            match Meaning::of(&said) {
                Some(Meaning::Trouble(trouble)) => Error::Trouble(trouble, said),
                _ => self.refused(said),
            }
        })?;
        conn.batch_execute(&format!("PRAGMA busy_timeout = {SQLITE_BUSY_MS};"))?;
        conn.batch_execute(SQLITE_PRAGMAS)?;
        Ok(conn)
    }

    /// The file that has the name of an SQLite database at the moment.
    pub(super) fn file(&self) -> Option<FileId> {
        match self {
            Self::Sqlite(path) => FileId::of(path),
            Self::Postgres(_) => None,
        }
    }

    /// It is there, or should be, and waiting doesn't help.
    fn refused(&self, reason: String) -> Error {
        Error::Refused {
            database: self.shown(),
            reason,
        }
    }

    fn unreachable(&self, reason: String) -> Error {
        let reason = match self {
            Self::Sqlite(_) => reason,
            Self::Postgres(url) => hide_passwords(reason, url),
        };
        Error::Connect {
            database: self.shown(),
            reason: reason.trim().replace('\n', "; "),
        }
    }

    /// The URL as it may be shown.
    fn shown(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("sqlite:{}", path.display()),
            Self::Postgres(url) => hide_passwords(url.clone(), url),
        }
    }
}

/// A file, whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    fn of(path: &Path) -> Option<FileId> {
        use std::os::unix::fs::MetadataExt as _;
        let meta = std::fs::metadata(path).ok()?;
        Some(FileId {
            device: meta.dev(),
            inode: meta.ino(),
        })
    }
}

/// Makes the file readable by its owner only: it holds password hashes.
fn sqlite_file_make(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        other => other.map(drop),
    }
}

fn postgres_connect(url: &str) -> Result<PgConnection, String> {
    let mut conn = PgConnection::establish(url).map_err(|error| error.to_string())?;
    conn.batch_execute(POSTGRES_SETTINGS)
        .map_err(|error| error.to_string())?;
    Ok(conn)
}

/// Replaces the passwords of `url` in `text`: the one before the host, also as decoded, and
/// those given as a parameter. The client library repeats parts of a URL that it can't read.
fn hide_passwords(mut text: String, url: &str) -> String {
    let rest = url.split_once("//").map_or(url, |(_, rest)| rest);
    // The last `@`, since a password with an unescaped `@` or `/` is just when errors show it.
    let before_host = rest
        .rsplit_once('@')
        .and_then(|(user, _)| user.split_once(':'))
        .map(|(_, password)| password);
    let parameters = url
        .split(['?', '&'])
        .filter_map(|pair| pair.split_once('='))
        .filter(|(key, _)| matches!(*key, "password" | "sslpassword"))
        .map(|(_, value)| value);
    for secret in before_host.into_iter().chain(parameters) {
        let decoded = percent_encoding::percent_decode_str(secret).decode_utf8_lossy();
        for form in [secret, decoded.as_ref()] {
            if !form.is_empty() {
                text = text.replace(form, "***");
            }
        }
    }
    text
}

/// Makes the pool's connections. Diesel's own manager would hide why a connection failed.
#[derive(Debug)]
pub(super) struct Manager(pub(super) Target);

impl ManageConnection for Manager {
    type Connection = DbConnection;
    type Error = Error;

    fn connect(&self) -> Result<DbConnection, Error> {
        self.0.connect()
    }

    fn is_valid(&self, conn: &mut DbConnection) -> Result<(), Error> {
        match conn {
            DbConnection::Postgres(c) => c.ping().map_err(Error::from),
            // There is no server that could have gone.
            DbConnection::Sqlite(_) => Ok(()),
        }
    }

    fn has_broken(&self, conn: &mut DbConnection) -> bool {
        // A panic in the middle leaves a transaction open.
        std::thread::panicking() || conn.is_broken()
    }
}

#[cfg(test)]
mod tests {
    use super::Target;

    #[test]
    fn passwords_are_not_shown() {
        for (url, secret) in [
            ("postgres://u:s3cret@host/db", "s3cret"),
            ("postgresql://u:p@ss/w@host/db", "p@ss/w"),
            ("postgres://host/db?user=u&password=s3cret", "s3cret"),
            ("postgres://u:a%40b@host/db", "a%40b"),
        ] {
            let target = Target::parse(url).expect("a good URL");
            assert!(!target.shown().contains(secret), "{}", target.shown());
            let error = target.unreachable(format!("invalid port number: \"{secret}\""));
            assert!(!error.to_string().contains(secret), "{error}");
        }
    }

    #[test]
    fn other_schemes_are_refused() {
        for url in [
            "",
            "sqlite:",
            "mysql://h/db",
            "registrysync.db",
            "postgres:db",
        ] {
            assert!(Target::parse(url).is_err(), "{url}");
        }
    }
}
