//! The error of the use cases, by kind, in the user's terms.

use super::Role;
use crate::store::{self, Cause};
use crate::text::harmless;

/// Why a use case refused or failed. The text is for the user and contains no secret; the cause is the error's
/// source, for the log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A named object doesn't exist, or belongs to another organisation.
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
    /// A value was refused, with a text that clients know.
    #[error("{0}")]
    Refused(String),
    /// A single parameter of an image store was refused; Uyuni has fixed texts for these.
    #[error("{0}")]
    BadParameter(String),
    /// Unknown keys of a struct.
    #[error("Invalid argument(s): {}", listed(.0))]
    UnknownKeys(Vec<String>),
    /// No image store with that label.
    #[error("Image Store not found: {0}")]
    ImageStoreNotFound(String),
    /// No account with that login, or it belongs to another organisation.
    #[error("No such user: {0}")]
    UserUnknown(String),
    /// No role with that name.
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
    /// Wrong login or password; the same text for both, so that nothing leaks.
    #[error("Either the password or username is incorrect.")]
    LoginRefused,
    /// A login or password that no account can have; it wasn't checked.
    #[error("Either the password or username is incorrect.")]
    LoginImpossible,
    /// Too many failures; the password wasn't checked.
    #[error(
        "Either the password or username is incorrect. Too many logins failed: wait {} seconds \
         and try again", .0.as_secs()
    )]
    LoginLimited(std::time::Duration),
    /// Too many logins are waiting; the password wasn't checked.
    #[error("Too many logins are in progress: try again in a few seconds")]
    LoginCrowded,
    /// The account is disabled.
    #[error("Your account has been deactivated.")]
    AccountDisabled,
    /// A session that doesn't exist or has ended.
    #[error("Could not find session with id: {0}")]
    SessionUnknown(String),
    /// A session's id with a wrong secret.
    #[error("Session id: {0} is not valid.")]
    SessionInvalid(i64),
    /// The database is unavailable; the text says what to do.
    #[error("{message}")]
    Unavailable {
        /// The text for the caller.
        message: String,
        /// Why.
        #[source]
        cause: Cause,
    },
    /// Anything that isn't the caller's fault. The cause is only in the log, under this id.
    #[error("an unexpected error; the server's log has the reason under the id {id}")]
    Unexpected {
        /// The id in the log.
        id: String,
        /// Why.
        #[source]
        cause: Cause,
    },
}

impl Error {
    /// A refused value: `field` names the parameter, `message` says why and what to do.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Error {
        Error::Invalid {
            field: field.into(),
            message: message.into(),
        }
    }

    /// Logs a failure, whose cause never reaches the caller.
    pub fn unexpected(cause: impl Into<Cause>) -> Error {
        let cause = cause.into();
        let mut bits = [0_u8; 8];
        // Without randomness the failure still has an id; the log line has its time.
        let _ = getrandom::fill(&mut bits);
        let id = hex::encode(bits);
        tracing::error!(correlation_id = %id, error = %cause, "an unexpected error");
        Error::Unexpected { id, cause }
    }

    /// Whether a login was refused unchecked. There may be any number of these, so only their count
    /// is logged.
    pub fn is_unseen(&self) -> bool {
        matches!(
            self,
            Error::LoginImpossible | Error::LoginLimited(_) | Error::LoginCrowded
        )
    }

    /// Whether a retry may succeed later.
    pub fn is_passing(&self) -> bool {
        matches!(self, Error::Unavailable { .. })
    }
}

/// A name from a request, shortened and sanitised for a message.
pub fn shortened(name: &str) -> String {
    harmless(name, 128)
}

/// Names or types from a request as a list, shortened for a message.
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
        let text = match &error {
            Store::Busy(_) | Store::Connect { .. } => {
                "the database can't be reached at the moment; try again later".to_owned()
            }
            // The outcome of a single statement is unknown as well.
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
            // The administrator can fix it, and needs the text.
            Store::Seal(
                seal @ (store::SealError::OtherKey { .. } | store::SealError::Missing { .. }),
            ) => return Error::Refused(seal.to_string()),
            stale @ Store::Stale { .. } => return Error::invalid("version", stale.to_string()),
            _ => return Error::unexpected(error),
        };
        tracing::warn!(%error, "the database failed during a call");
        Error::Unavailable {
            message: text,
            cause: Box::new(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::Error;
    use crate::store;

    #[test]
    fn an_error_keeps_its_cause_and_doesnt_show_it() {
        let lost = store::Error::Lost("server closed the connection at 10.0.0.7".into());
        for error in [
            Error::from(lost),
            Error::unexpected("a secret at 10.0.0.7"),
            Error::from(store::Error::Task("a panic at 10.0.0.7".into())),
        ] {
            assert!(!error.to_string().contains("10.0.0.7"), "{error}");
            let mut cause = error.source();
            let mut texts = Vec::new();
            while let Some(error) = cause {
                texts.push(error.to_string());
                cause = error.source();
            }
            assert!(
                texts.iter().any(|text| text.contains("10.0.0.7")),
                "{texts:?}"
            );
        }
    }
}
