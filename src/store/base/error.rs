//! What may go wrong in the database layer.

use super::meaning::{Meaning, Trouble};
use crate::store::{Moment, SealError};
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
    /// A part of a PostgreSQL URL can't be read.
    #[error("the database URL: {0}")]
    Address(String),
    /// The database can't be reached at the moment. `database` is the URL without its password.
    #[error("can't connect to the database `{database}`: {reason}")]
    Connect {
        /// The URL without its password.
        database: String,
        /// What the database's client said.
        reason: String,
    },
    /// The database is there and lets nobody in, or can't be opened: waiting doesn't help.
    #[error("can't use the database `{database}`: {reason}")]
    Refused {
        /// The URL without its password.
        database: String,
        /// What the database, or the system, said.
        reason: String,
    },
    /// Every connection is in use.
    #[error("no database connection became free in time: {0}")]
    Busy(String),
    /// The connection broke while it was used.
    #[error("the connection to the database was lost: {0}")]
    Lost(String),
    /// The connection broke while a transaction was being committed: nobody knows what became of it.
    #[error("the connection to the database was lost during a COMMIT: {0}")]
    OutcomeUnknown(String),
    /// The database is there and can't do its work.
    #[error("{0} ({1})")]
    Trouble(Trouble, String),
    /// The database refuses a value: the same statement will never do.
    #[error("the database rejects a value: {0}")]
    Value(String),
    /// A migration of this database is not known to this program.
    #[error(
        "the database has the migration `{version}`, which this version of registrysync doesn't \
         know: use the newer version that created it, or restore a backup"
    )]
    Newer {
        /// The version of the unknown migration.
        version: String,
    },
    /// A migration failed; it was rolled back.
    #[error("can't migrate the database: {0}")]
    Migrate(String),
    /// The copy before a migration couldn't be written.
    #[error("can't back up the database to `{}` before the migration: {reason}", path.display())]
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
    #[error("it is in use, or refers to something that doesn't exist ({0})")]
    Reference(String),
    /// Somebody else changed the row first.
    #[error("it was changed by `{modified_by}` at {modified} UTC: it now has version {version}")]
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
    #[error("the database rejected a statement: {0}")]
    Query(DieselError),
    /// The closure panicked or the runtime ended.
    #[error("a database task ended early")]
    Task,
}

impl Error {
    /// Whether the same may do later, without anybody having changed what was asked for. One that
    /// isn't passing is answered, not tried again. A panic isn't: the same closure would do the same.
    pub fn is_passing(&self) -> bool {
        match self {
            Error::Connect { .. } | Error::Busy(_) | Error::Lost(_) | Error::OutcomeUnknown(_) => {
                true
            }
            Error::Trouble(trouble, _) => *trouble != Trouble::Corrupt,
            _ => false,
        }
    }

    /// Whether starting the process again later may help, without anybody having mended anything.
    pub fn is_healed_by_waiting(&self) -> bool {
        self.is_passing()
            && !matches!(
                self,
                Error::Trouble(Trouble::Full | Trouble::ReadOnly | Trouble::Moved, _)
            )
    }
}

impl From<DieselError> for Error {
    fn from(error: DieselError) -> Self {
        let (kind, info) = match error {
            DieselError::DatabaseError(kind, info) => (kind, info),
            DieselError::BrokenTransactionManager => {
                return Error::Lost("in a transaction".to_owned());
            }
            DieselError::RollbackErrorOnCommit { commit_error, .. } => {
                return Error::from(*commit_error);
            }
            other => return Error::Query(other),
        };
        let said = || info.message().to_owned();
        match kind {
            DatabaseErrorKind::UniqueViolation => Error::Exists(said()),
            DatabaseErrorKind::ForeignKeyViolation => Error::Reference(said()),
            DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand => {
                Error::Lost(said())
            }
            DatabaseErrorKind::SerializationFailure => Error::Trouble(Trouble::Contended, said()),
            DatabaseErrorKind::ReadOnlyTransaction => Error::Trouble(Trouble::ReadOnly, said()),
            DatabaseErrorKind::NotNullViolation | DatabaseErrorKind::CheckViolation => {
                Error::Value(said())
            }
            _ => match Meaning::of(info.message()) {
                Some(Meaning::Trouble(trouble)) => Error::Trouble(trouble, said()),
                Some(Meaning::Lost) => Error::Lost(said()),
                Some(Meaning::Value) => Error::Value(said()),
                None => Error::Query(DieselError::DatabaseError(kind, info)),
            },
        }
    }
}
