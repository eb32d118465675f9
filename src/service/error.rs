//! The error of the use cases: what went wrong in the user's words, by kind.

use super::Role;
use crate::store;

/// Why a use case refused or failed. The text is for the user; it holds no secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A named thing is not there, or is another organisation's.
    #[error("{0}")]
    NotFound(String),
    /// The name is taken.
    #[error("{0}")]
    Exists(String),
    /// A value was refused.
    #[error("`{field}`: {message}")]
    Invalid {
        /// The parameter or member that was refused.
        field: String,
        /// What is wrong with it and what to do.
        message: String,
    },
    /// A value was refused, in words that clients know.
    #[error("{0}")]
    Refused(String),
    /// A single parameter of an image store was refused; Uyuni has fixed texts for these.
    #[error("{0}")]
    BadParameter(String),
    /// Keys of a struct that nothing knows.
    #[error("Invalid argument(s): {}", listed(.0))]
    UnknownKeys(Vec<String>),
    /// No image store of that label.
    #[error("Image Store not found: {0}")]
    ImageStoreNotFound(String),
    /// No account of that login, or it is another organisation's.
    #[error("No such user: {0}")]
    UserUnknown(String),
    /// No role of that name.
    #[error("No such role: {0}; user.listAssignableRoles lists them")]
    RoleUnknown(String),
    /// No such organisation.
    #[error("{0}")]
    OrgUnknown(String),
    /// The caller lacks a role.
    #[error(
        "You do not have permissions to perform this action. \
         You need to have at least a {} role to perform this action", .0.title()
    )]
    Permission(Role),
    /// Wrong login or password; one text for both, so that nothing leaks.
    #[error("Either the password or username is incorrect.")]
    LoginRefused,
    /// A login or a password that no account can have; it wasn't even looked at.
    #[error("Either the password or username is incorrect.")]
    LoginImpossible,
    /// Too many failures; the password wasn't even looked at.
    #[error(
        "Either the password or username is incorrect. Too many logins failed: wait {} seconds \
         and try again", .0.as_secs()
    )]
    LoginLimited(std::time::Duration),
    /// Too many logins wait for their turn; the password wasn't even looked at.
    #[error("Too many logins are in progress: try again in a few seconds")]
    LoginCrowded,
    /// The account is disabled.
    #[error("Your account has been deactivated.")]
    AccountDisabled,
    /// A session that doesn't exist, or no longer.
    #[error("Could not find session with id: {0}")]
    SessionUnknown(String),
    /// A session's id with a wrong secret.
    #[error("Session id: {0} is not valid.")]
    SessionInvalid(i64),
    /// The job runner or the database can't do it now; the text says what to do.
    #[error("{0}")]
    Unavailable(String),
    /// Anything that is no fault of the caller. The reason is in the log only, under this id.
    #[error("an unexpected error; the server's log has the reason under the id {0}")]
    Unexpected(String),
}

impl Error {
    /// A refused value: `field` names the parameter, `message` says why and what to do.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Error {
        Error::Invalid {
            field: field.into(),
            message: message.into(),
        }
    }

    /// Logs a failure, whose reason never reaches the caller.
    pub fn unexpected(source: impl std::fmt::Display) -> Error {
        let mut bits = [0_u8; 8];
        // An id without randomness still names the failure; the log line has its time.
        let _ = getrandom::fill(&mut bits);
        let id = hex::encode(bits);
        tracing::error!(correlation_id = %id, error = %source, "an unexpected error");
        Error::Unexpected(id)
    }

    /// Whether it refuses a login without a look at it. There may be any number of them, so that they
    /// are told of by their number.
    pub fn is_unseen(&self) -> bool {
        matches!(
            self,
            Error::LoginImpossible | Error::LoginLimited(_) | Error::LoginCrowded
        )
    }

    /// Whether the same may do later: it is to be tried again instead of given up.
    pub fn is_passing(&self) -> bool {
        matches!(self, Error::Unavailable(_))
    }
}

/// A name from a request, short enough to repeat in a message.
pub fn shortened(name: &str) -> String {
    const LIMIT: usize = 128;
    match name.char_indices().nth(LIMIT) {
        Some((end, _)) => format!("{}…", name.get(..end).unwrap_or_default()),
        None => name.to_owned(),
    }
}

/// Names or types from a request as a list, short enough to repeat in a message.
pub fn listed<T: AsRef<str>>(items: impl IntoIterator<Item = T>) -> String {
    const LIMIT: usize = 20;
    let mut items = items.into_iter();
    let mut shown: Vec<String> = items
        .by_ref()
        .take(LIMIT)
        .map(|item| shortened(item.as_ref()))
        .collect();
    shown.extend(items.next().map(|_| "…".to_owned()));
    shown.join(", ")
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Error {
        use store::Error as Store;
        let text = match error {
            Store::Busy(_) | Store::Connect { .. } => {
                "the database can't be reached at the moment; try again later".to_owned()
            }
            // Of a statement of its own nobody knows either.
            Store::Lost(_) => "the connection to the database was lost during the call: if it \
                changes something, check whether it did before you retry"
                .to_owned(),
            Store::OutcomeUnknown(_) => "the connection to the database was lost while the change \
                was being committed, and it is unknown whether it was saved: check before you retry"
                .to_owned(),
            Store::Trouble(trouble, _) => trouble.to_string(),
            Store::Value(_) => {
                tracing::warn!(%error, "a value is refused");
                return Error::Refused(
                    "the database can't store one of the values: it has a character that the \
                     database doesn't support, or is too large"
                        .to_owned(),
                );
            }
            // The administrator can mend it, and needs the words.
            Store::Seal(
                seal @ (store::SealError::OtherKey { .. } | store::SealError::Missing { .. }),
            ) => return Error::Refused(seal.to_string()),
            stale @ Store::Stale { .. } => return Error::invalid("version", stale.to_string()),
            other => return Error::unexpected(other),
        };
        tracing::warn!(%error, "the database failed during a call");
        Error::Unavailable(text)
    }
}
