//! The two backends as one connection type, and how connections are opened.

use super::link::{Address, Link};
use super::meaning::{Meaning, Trouble};
use super::options::ConnectionLimits;
use crate::store::{DbOptions, Error};
use diesel::connection::{
    AnsiTransactionManager, Connection as _, SimpleConnection as _, TransactionManager,
    TransactionManagerStatus,
};
use diesel::{PgConnection, SqliteConnection};
use std::path::{Path, PathBuf};
use std::time::Duration;

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

/// How long an optional write waits.
const SQLITE_IMPATIENT_MS: u32 = 50;

/// `foreign_keys` is per connection and off by default; with WAL, `NORMAL` loses no committed
/// transaction to a crash of the process (<https://sqlite.org/pragma.html#pragma_synchronous>).
/// The log file shrinks to 64 MiB again after a large transaction.
const SQLITE_PRAGMAS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; \
     PRAGMA foreign_keys = ON; PRAGMA journal_size_limit = 67108864;";

/// Our timestamps have no time zone, so the session's zone must be UTC. A process that is suspended
/// during a transaction must not hold its locks forever, so the server ends it.
const POSTGRES_SETTINGS: &str =
    "SET TIME ZONE 'UTC'; SET idle_in_transaction_session_timeout = '15s'";

/// Timeout of a migration's statement, which may have to wait for another node's.
const MIGRATION_LIMIT: Duration = Duration::from_hours(1);
/// Timeout of a check whether the server is alive.
const PING_LIMIT: Duration = Duration::from_secs(1);
/// A connection that received something this recently isn't checked before use.
const FRESH: Duration = Duration::from_secs(1);

impl DbConnection {
    /// Whether other nodes may use the database at the same time.
    pub fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// Runs `body` in a write transaction, all or nothing. On SQLite the write lock is taken at
    /// once (`BEGIN IMMEDIATE`), since a read transaction can't always be upgraded. Inside another
    /// transaction it is a savepoint.
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
                // The first error is the useful one. Diesel marks a connection that can't roll back
                // as broken, and the pool drops it.
                let _ = <Self as TransactionManager<Self>>::rollback_transaction(self);
                Err(error)
            }
        }
    }

    /// `true`: it isn't a savepoint in another transaction.
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

    /// Runs `body`, whose writes don't wait for other writers: optional writes must not delay a
    /// call.
    pub(in crate::store) fn impatiently<T>(
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

/// A connection and its link to PostgreSQL.
pub(super) struct PooledConnection {
    pub(in crate::store) conn: DbConnection,
    /// With a statement timeout.
    link: Option<(Link, Duration)>,
}

impl std::fmt::Debug for PooledConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PooledConnection({:?})", self.link)
    }
}

impl PooledConnection {
    /// Whether it can be used without a check.
    pub(super) fn is_fresh(&self) -> bool {
        // SQLite has no server that could be gone.
        self.link
            .as_ref()
            .is_none_or(|(link, _)| link.is_fresh(FRESH))
    }

    /// Whether the server answers soon. Blocks.
    pub(in crate::store) fn answers(&mut self) -> bool {
        let (Some((link, limit)), DbConnection::Postgres(conn)) = (&self.link, &mut self.conn)
        else {
            return true;
        };
        link.limit_set(PING_LIMIT);
        let answered = conn.batch_execute("SELECT 1").is_ok();
        link.limit_set(*limit);
        answered && !link.is_closed()
    }

    /// Whether it is unusable.
    pub(super) fn has_broken(&mut self) -> bool {
        <DbConnection as TransactionManager<DbConnection>>::is_broken_transaction_manager(
            &mut self.conn,
        ) || self.link.as_ref().is_some_and(|(link, _)| link.is_closed())
    }
}

/// Where a database is; its `Debug` and its errors never show the password.
#[derive(Clone)]
pub(super) enum Target {
    Sqlite {
        path: PathBuf,
        /// The file's identity when it was opened.
        file: Option<FileId>,
    },
    Postgres(Box<Address>, ConnectionLimits),
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown())
    }
}

impl Target {
    /// Reads a URL.
    pub(in crate::store) fn parse(url: &str, options: DbOptions) -> Result<Self, Error> {
        match url.split_once(':') {
            Some(("sqlite", path)) if !path.is_empty() => Ok(Self::Sqlite {
                path: PathBuf::from(path),
                file: None,
            }),
            Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => {
                let address = Address::parse(url, options.password)?;
                Ok(Self::Postgres(Box::new(address), options.limits))
            }
            _ => Err(Error::Url),
        }
    }

    /// A connection for calls, whose statements take a few seconds at most. Blocks.
    pub(super) fn connect(&self) -> Result<PooledConnection, Error> {
        let limit = match self {
            Self::Sqlite { .. } => Duration::ZERO,
            Self::Postgres(_, limits) => limits.statement,
        };
        self.connect_with(limit)
    }

    /// A connection for migrations. Blocks.
    pub(super) fn connect_patiently(&self) -> Result<PooledConnection, Error> {
        self.connect_with(MIGRATION_LIMIT)
    }

    fn connect_with(&self, limit: Duration) -> Result<PooledConnection, Error> {
        match self {
            Self::Sqlite { path, .. } => Ok(PooledConnection {
                conn: DbConnection::Sqlite(self.sqlite_connect(path)?),
                link: None,
            }),
            Self::Postgres(address, _) => {
                let (mut conn, link) = Link::connect(address)?;
                // The server times out before we do, and reports it.
                let ms = (limit * 9 / 10).as_millis();
                conn.batch_execute(&format!(
                    "{POSTGRES_SETTINGS}; SET statement_timeout = {ms}"
                ))?;
                link.limit_set(limit);
                Ok(PooledConnection {
                    conn: DbConnection::Postgres(conn),
                    link: Some((link, limit)),
                })
            }
        }
    }

    fn sqlite_connect(&self, path: &Path) -> Result<SqliteConnection, Error> {
        sqlite_file_make(path).map_err(|error| self.refused(error.to_string()))?;
        let name = path.to_str();
        let name = name.ok_or_else(|| self.refused("the path is not UTF-8".to_owned()))?;
        let mut conn = SqliteConnection::establish(name).map_err(|error| {
            let said = error.to_string();
            match Meaning::of(&said) {
                Some(Meaning::Trouble(trouble)) => Error::Trouble(trouble, Box::new(error)),
                _ => self.refused(said),
            }
        })?;
        conn.batch_execute(&format!("PRAGMA busy_timeout = {SQLITE_BUSY_MS};"))?;
        conn.batch_execute(SQLITE_PRAGMAS)?;
        Ok(conn)
    }

    /// It exists or should exist, and waiting doesn't help.
    fn refused(&self, reason: String) -> Error {
        Error::Refused {
            database: self.shown(),
            reason,
        }
    }

    /// Records which file the database is, for [`Target::check`].
    pub(super) fn remember(&mut self) {
        if let Self::Sqlite { path, file } = self {
            *file = FileId::of(path);
        }
    }

    /// Err if the file was moved, removed or replaced since it was opened: writes to the open file
    /// would be invisible to anyone who opens it by name.
    pub(in crate::store) fn check(&self) -> Result<(), Error> {
        match self {
            Self::Sqlite { path, file } if *file != FileId::of(path) => Err(Error::Trouble(
                Trouble::Moved,
                path.display().to_string().into(),
            )),
            _ => Ok(()),
        }
    }

    /// Whether it is reached over a network, where responses may get lost.
    pub(super) fn has_server(&self) -> bool {
        matches!(self, Self::Postgres(..))
    }

    /// Connection timeout. SQLite only waits for other programs' locks.
    pub(super) fn patience(&self) -> Duration {
        match self {
            Self::Sqlite { .. } => Duration::from_secs(15),
            Self::Postgres(..) => Duration::ZERO,
        }
    }

    /// The URL without secrets.
    fn shown(&self) -> String {
        match self {
            Self::Sqlite { path, .. } => format!("sqlite:{}", path.display()),
            Self::Postgres(address, _) => address.shown(),
        }
    }
}

/// A file, whatever its name.
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

/// Makes the file readable only by its owner, since it has password hashes.
pub(super) fn sqlite_file_make(path: &Path) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        other => other.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::{DbOptions, Target};

    #[test]
    fn other_schemes_are_refused() {
        for url in [
            "",
            "sqlite:",
            "mysql://h/db",
            "registrysync.db",
            "postgres:db",
        ] {
            assert!(Target::parse(url, DbOptions::default()).is_err(), "{url}");
        }
    }
}
