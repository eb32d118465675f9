//! What may go wrong in the database layer.

use super::meaning::{Meaning, Trouble};
use crate::store::{Moment, SealError};
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use std::path::PathBuf;

/// What is behind an error: for the log, and for whoever looks for a certain one.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// An error of the database layer. Texts name no secret and no statement; each has what caused it as its
/// source.
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
    Lost(#[source] Cause),
    /// The connection broke while a transaction was being committed: nobody knows what became of it.
    #[error("the connection to the database was lost in the middle of a COMMIT: {0}")]
    OutcomeUnknown(#[source] Cause),
    /// The database is there and can't do its work.
    #[error("{0} ({1})")]
    Trouble(Trouble, #[source] Cause),
    /// The database refuses a value: the same statement will never do.
    #[error("the database refuses a value: {0}")]
    Value(#[source] Cause),
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
    Migrate(#[source] Cause),
    /// The copy before a migration couldn't be written.
    #[error("can't back the database up to `{}` before migrating it: {reason}", path.display())]
    Backup {
        /// Where the copy was to stand.
        path: PathBuf,
        /// What went wrong.
        #[source]
        reason: Cause,
    },
    /// The key of the sealed credentials, or a sealed credential.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A row with the same unique value exists.
    #[error("it exists already ({0})")]
    Exists(#[source] Cause),
    /// The row is in use, or a row that it names doesn't exist.
    #[error("it is in use, or names something that doesn't exist ({0})")]
    Reference(#[source] Cause),
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
    Query(#[source] DieselError),
    /// The closure panicked or the runtime ended.
    #[error("a database task ended early: {0}")]
    Task(#[source] Cause),
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
                return Error::Lost("in a transaction".into());
            }
            DieselError::RollbackErrorOnCommit { commit_error, .. } => {
                return Error::from(*commit_error);
            }
            other => return Error::Query(other),
        };
        let meaning = Meaning::of(info.message());
        match kind {
            DatabaseErrorKind::UniqueViolation => Error::Exists(cause(kind, info)),
            DatabaseErrorKind::ForeignKeyViolation => Error::Reference(cause(kind, info)),
            DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand => {
                Error::Lost(cause(kind, info))
            }
            DatabaseErrorKind::SerializationFailure => {
                Error::Trouble(Trouble::Contended, cause(kind, info))
            }
            DatabaseErrorKind::ReadOnlyTransaction => {
                Error::Trouble(Trouble::ReadOnly, cause(kind, info))
            }
            DatabaseErrorKind::NotNullViolation | DatabaseErrorKind::CheckViolation => {
                Error::Value(cause(kind, info))
            }
            _ => match meaning {
                Some(Meaning::Trouble(trouble)) => Error::Trouble(trouble, cause(kind, info)),
                Some(Meaning::Lost) => Error::Lost(cause(kind, info)),
                Some(Meaning::Value) => Error::Value(cause(kind, info)),
                None => Error::Query(DieselError::DatabaseError(kind, info)),
            },
        }
    }
}

fn cause(
    kind: DatabaseErrorKind,
    info: Box<dyn diesel::result::DatabaseErrorInformation + Send + Sync>,
) -> Cause {
    Box::new(DieselError::DatabaseError(kind, info))
}
