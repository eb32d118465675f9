//! Errors of the database layer.

use super::meaning::{Meaning, Trouble};
use crate::store::{Moment, SealError};
use diesel::result::{DatabaseErrorKind, Error as DieselError};
use std::path::PathBuf;

/// What caused an error.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

/// An error of the database layer. Messages contain no secrets and no statements; each error has its cause as its
/// source.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The URL has no known scheme.
    #[error(
        "`database` must begin with `sqlite:` or `postgres://`, for instance \
         `sqlite:/var/lib/registrysync/registrysync.db`"
    )]
    Url,
    /// A part of a PostgreSQL URL is invalid.
    #[error("`database`: {0}")]
    Address(String),
    /// The database is temporarily unreachable. `database` is the URL without its password.
    #[error("can't connect to the database `{database}`: {reason}")]
    Connect {
        /// The URL without its password.
        database: String,
        /// The client library's message.
        reason: String,
    },
    /// The database refuses the login or can't be opened: waiting doesn't help.
    #[error("can't use the database `{database}`: {reason}")]
    Refused {
        /// The URL without its password.
        database: String,
        /// The message of the database or the system.
        reason: String,
    },
    /// Every connection is in use.
    #[error("no database connection became free in time: {0}")]
    Busy(String),
    /// The connection was lost during use.
    #[error("the connection to the database was lost: {0}")]
    Lost(#[source] Cause),
    /// The connection was lost during a commit, whose outcome is unknown.
    #[error("the connection to the database was lost during a COMMIT: {0}")]
    OutcomeUnknown(#[source] Cause),
    /// The database is reachable but can't do its work.
    #[error("{0} ({1})")]
    Trouble(Trouble, #[source] Cause),
    /// The database rejects a value; retrying doesn't help.
    #[error("the database rejects a value: {0}")]
    Value(#[source] Cause),
    /// The database has a migration that this program doesn't know.
    #[error(
        "the database has the migration `{version}`, which this version of registrysync doesn't \
         know: use the newer version that created it, or restore a backup"
    )]
    Newer {
        /// The version of the unknown migration.
        version: String,
    },
    /// A migration failed and was rolled back.
    #[error("can't migrate the database: {0}")]
    Migrate(#[source] Cause),
    /// The backup before a migration failed.
    #[error("can't back up the database to `{}` before the migration: {reason}", path.display())]
    Backup {
        /// The path of the backup.
        path: PathBuf,
        /// What went wrong.
        #[source]
        reason: Cause,
    },
    /// An error of the key or of a sealed credential.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// A row with the same unique value exists.
    #[error("it already exists ({0})")]
    Exists(#[source] Cause),
    /// The row is in use, or refers to a row that doesn't exist.
    #[error("it is in use, or refers to something that doesn't exist ({0})")]
    Reference(#[source] Cause),
    /// The row was changed concurrently.
    #[error(
        "`{modified_by}` changed it at {}; it is now at version {version}: read it again",
        .modified.format("%Y-%m-%dT%H:%M:%SZ")
    )]
    Stale {
        /// Its current version.
        version: i64,
        /// When it was last changed.
        modified: Moment,
        /// By whom.
        modified_by: String,
    },
    /// The run was taken over, ended or deleted: holders of the old fence must stop.
    #[error("run {run_id} is no longer held under fence {fence}")]
    FenceLost {
        /// The run.
        run_id: i64,
        /// The writer's fence.
        fence: i64,
    },
    /// Any other failure of a statement.
    #[error("the database rejected a statement: {0}")]
    Query(#[source] DieselError),
    /// The closure panicked or the runtime ended.
    #[error("a database task ended early: {0}")]
    Task(#[source] Cause),
}

impl Error {
    /// Whether a retry may succeed without any change. Other errors are returned instead of
    /// retried. A panic isn't retried, since the same closure would panic again.
    pub fn is_passing(&self) -> bool {
        match self {
            Error::Connect { .. } | Error::Busy(_) | Error::Lost(_) | Error::OutcomeUnknown(_) => {
                true
            }
            Error::Trouble(trouble, _) => *trouble != Trouble::Corrupt,
            _ => false,
        }
    }

    /// Whether restarting the process later may help, without any repair.
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
