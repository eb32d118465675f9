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
    /// Too many failures; the password wasn't even looked at.
    #[error(
        "Either the password or username is incorrect. Too many logins failed: wait {} seconds \
         and try again", .0.as_secs()
    )]
    LoginLimited(std::time::Duration),
    /// The account is disabled.
    #[error("Your account has been deactivated.")]
    AccountDisabled,
    /// A session that doesn't exist, or no longer.
    #[error("Could not find session with id: {0}")]
    SessionUnknown(String),
    /// A session's id with a wrong secret.
    #[error("Session id: {0} is not valid.")]
    SessionInvalid(i64),
    /// The job runner or the database can't be reached now.
    #[error("{0}")]
    Unavailable(String),
    /// Anything that is no fault of the caller. The text is for the log only.
    #[error("{0}")]
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

    /// A failure to log, whose text never reaches the caller.
    pub fn unexpected(source: impl std::fmt::Display) -> Error {
        Error::Unexpected(source.to_string())
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
        match error {
            store::Error::Busy(_) | store::Error::Connect { .. } => Error::Unavailable(
                "the database can't be reached at the moment; nothing was changed, try again later"
                    .into(),
            ),
            store::Error::Lost(_) => Error::Unavailable(
                "the connection to the database was lost; try again later".into(),
            ),
            // The administrator can mend it, and needs the words.
            store::Error::Seal(
                seal @ (store::SealError::OtherKey { .. } | store::SealError::Missing { .. }),
            ) => Error::Refused(seal.to_string()),
            stale @ store::Error::Stale { .. } => Error::invalid("version", stale.to_string()),
            other => Error::unexpected(other),
        }
    }
}
