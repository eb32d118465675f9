//! What may go wrong in the database layer.

use super::{Moment, SealError};
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use std::path::PathBuf;

/// An error of the database layer. Texts name no secret and no statement.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The URL has no known scheme.
    #[error(
        "the database URL must begin with `sqlite:` or `postgres://`, for instance \
         `sqlite:/var/lib/registrysync/registrysync.db`"
    )]
    Url,
    /// The database can't be reached or opened. `database` is the URL without its password.
    #[error("can't connect to the database `{database}`: {reason}")]
    Connect {
        /// The URL without its password.
        database: String,
        /// What the database's client said.
        reason: String,
    },
    /// Every connection is in use, or the database went away.
    #[error("no database connection became free in time: {0}")]
    Busy(String),
    /// The connection broke while it was used.
    #[error("the connection to the database was lost: {0}")]
    Lost(String),
    /// A migration of this database is not known to this program.
    #[error(
        "the database has the migration `{version}`, which this version of registrysync doesn't \
         know: use the newer version that made it, or restore a backup"
    )]
    Newer {
        /// The version of the unknown migration.
        version: String,
    },
    /// A migration failed; it was rolled back.
    #[error("can't migrate the database: {0}")]
    Migrate(String),
    /// The copy before a migration couldn't be written.
    #[error("can't back the database up to `{}` before migrating it: {reason}", path.display())]
    Backup {
        /// Where the copy was to stand.
        path: PathBuf,
        /// What went wrong.
        reason: String,
    },
    /// The key of the sealed credentials, or a sealed credential.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A row with the same unique value exists.
    #[error("it exists already ({0})")]
    Exists(String),
    /// The row is in use, or a row that it names doesn't exist.
    #[error("it is in use, or names something that doesn't exist ({0})")]
    Reference(String),
    /// Somebody else changed the row first.
    #[error("it was changed by `{modified_by}` at {modified} UTC: it has version {version} now")]
    Stale {
        /// The version it has.
        version: i64,
        /// When it was changed last.
        modified: Moment,
        /// By whom.
        modified_by: String,
    },
    /// The run was taken over, ended or deleted: who holds the old fence has to stop.
    #[error("run {run_id} is no longer held under fence {fence}")]
    FenceLost {
        /// The run.
        run_id: i64,
        /// The fence that the writer named.
        fence: i64,
    },
    /// Any other failure of a statement.
    #[error("the database refused a statement: {0}")]
    Query(DieselError),
    /// The closure panicked or the runtime ended.
    #[error("a database task ended early")]
    Task,
}

impl Error {
    /// Whether the same write may succeed later: the database is away, locked, full or the like.
    /// Anything else is refused again, however often it is tried.
    pub fn is_passing(&self) -> bool {
        match self {
            Error::Busy(_) | Error::Connect { .. } | Error::Lost(_) | Error::Task => true,
            Error::Query(DieselError::DatabaseError(kind, info)) => {
                matches!(
                    kind,
                    DatabaseErrorKind::SerializationFailure
                        | DatabaseErrorKind::ReadOnlyTransaction
                        | DatabaseErrorKind::ClosedConnection
                ) || SQLITE_PASSING.contains(&info.message())
            }
            _ => false,
        }
    }
}

/// What SQLite says of conditions that somebody can end; it says so in no other language.
const SQLITE_PASSING: [&str; 6] = [
    "database is locked",
    "database table is locked",
    "database or disk is full",
    "disk I/O error",
    "attempt to write a readonly database",
    "unable to open database file",
];

impl From<DieselError> for Error {
    fn from(error: DieselError) -> Self {
        match error {
            DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, info) => {
                Error::Exists(info.message().to_owned())
            }
            DieselError::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, info) => {
                Error::Reference(info.message().to_owned())
            }
            DieselError::DatabaseError(_, info) if is_lost(info.message()) => {
                Error::Lost(info.message().to_owned())
            }
            DieselError::DatabaseError(DatabaseErrorKind::ClosedConnection, info) => {
                Error::Lost(info.message().to_owned())
            }
            DieselError::BrokenTransactionManager => Error::Lost("in a transaction".to_owned()),
            other => Error::Query(other),
        }
    }
}

/// Whether PostgreSQL, or its client, says that the connection is over. Diesel tells the kind of
/// some of these only.
fn is_lost(message: &str) -> bool {
    const SAID: [&str; 5] = [
        "terminating connection",
        "server closed the connection",
        "no connection to the server",
        "the database system is",
        "SSL connection has been closed",
    ];
    SAID.iter().any(|said| message.contains(said))
}
