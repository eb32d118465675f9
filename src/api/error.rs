//! The error of a method; the surfaces turn it into a fault or a JSON body.

use std::fmt;

use super::value::BridgeError;
use crate::service::error::listed;
use crate::service::{Cause, Error, Role};

/// Fault codes, as Uyuni's clients know them.
pub mod code {
    /// No such method or session, a read-only account, or an unexpected failure.
    pub const GENERAL: i32 = -1;
    /// A role is missing.
    pub const PERMISSION: i32 = -23;
    /// No such user.
    pub const USER_UNKNOWN: i32 = -213;
    /// No such role.
    pub const ROLE_UNKNOWN: i32 = -2005;
    /// A parameter of an image store was refused.
    pub const BAD_PARAMETER: i32 = 1213;
    /// A value was refused.
    pub const VALIDATION: i32 = 2800;
    /// A struct has unknown members.
    pub const UNKNOWN_KEYS: i32 = 2801;
    /// The server or its database is unavailable.
    pub const UNAVAILABLE: i32 = 2802;
    /// No such organisation.
    pub const ORG_UNKNOWN: i32 = 2850;
    /// Wrong login or password.
    pub const LOGIN: i32 = 2950;
    /// No such image store.
    pub const IMAGE_STORE_NOT_FOUND: i32 = 10010;
    /// The name is taken.
    pub const EXISTS: i32 = 10100;
    /// Not found.
    pub const NOT_FOUND: i32 = 10101;

    /// All codes with their documented meanings. No response has another one.
    pub const ALL: [(i32, &str); 13] = [
        (
            GENERAL,
            "no such method or session, a read-only account, or an unexpected error",
        ),
        (PERMISSION, "the account lacks the role"),
        (USER_UNKNOWN, "no such user"),
        (ROLE_UNKNOWN, "no such role"),
        (BAD_PARAMETER, "a bad parameter of `image.store`"),
        (VALIDATION, "an invalid value; the text names the field"),
        (UNKNOWN_KEYS, "unknown keys in a struct"),
        (UNAVAILABLE, "the server or its database is unavailable"),
        (ORG_UNKNOWN, "no such organisation"),
        (LOGIN, "wrong login or password, or the account is disabled"),
        (IMAGE_STORE_NOT_FOUND, "image store not found"),
        (EXISTS, "already exists"),
        (NOT_FOUND, "not found"),
    ];
}

/// The kind of error, as far as an HTTP status depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The method was called and refused or failed.
    Fault,
    /// No method of that name.
    NoSuchMethod,
    /// The arguments fit no signature, or are invalid.
    BadArguments,
    /// The session is unknown, expired or wrong.
    Session,
    /// The account is read-only, and the method changes something.
    ReadOnlyUser,
}

/// A fault: a code of [`code`] and a text for the user. Contains no secrets, SQL or stack traces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    code: i32,
    message: String,
    kind: FaultKind,
    /// A login that was refused unchecked.
    is_unseen: bool,
    /// Whether it is unknown what was done.
    is_unexpected: bool,
}

impl ApiError {
    fn new(code: i32, kind: FaultKind, message: impl Into<String>) -> ApiError {
        ApiError {
            code,
            message: message.into(),
            kind,
            is_unseen: false,
            is_unexpected: false,
        }
    }

    /// 10101: what doesn't exist, and where it was looked for.
    pub fn not_found(message: impl Into<String>) -> ApiError {
        ApiError::new(code::NOT_FOUND, FaultKind::Fault, message)
    }

    /// 10100: the name is taken.
    pub fn exists(message: impl Into<String>) -> ApiError {
        ApiError::new(code::EXISTS, FaultKind::Fault, message)
    }

    /// 2800: `field` was refused; `message` says why and what to do.
    pub fn validation(field: &str, message: impl fmt::Display) -> ApiError {
        ApiError::new(
            code::VALIDATION,
            FaultKind::Fault,
            format!("`{field}`: {message}"),
        )
    }

    /// 2801: unknown members of a struct.
    pub fn unknown_keys(keys: &[String]) -> ApiError {
        let message = format!("Invalid argument(s): {}", listed(keys));
        ApiError::new(code::UNKNOWN_KEYS, FaultKind::Fault, message)
    }

    /// 1213: a parameter of an image store was refused.
    pub fn bad_parameter(message: impl Into<String>) -> ApiError {
        ApiError::new(code::BAD_PARAMETER, FaultKind::Fault, message)
    }

    /// -23: the caller lacks `role`.
    pub fn permission(role: Role) -> ApiError {
        ApiError::from(Error::Permission(role))
    }

    /// The account is read-only, and `method` changes something.
    pub fn read_only_user(method: &str) -> ApiError {
        let message = format!("The {method} API is not available to read-only API users");
        ApiError::new(code::GENERAL, FaultKind::ReadOnlyUser, message)
    }

    /// -1: no method of this name; `message` lists the existing ones.
    pub(super) fn no_such_method(message: impl Into<String>) -> ApiError {
        ApiError::new(code::GENERAL, FaultKind::NoSuchMethod, message)
    }

    /// -1: the arguments fit no signature.
    pub(super) fn bad_arguments(message: impl Into<String>) -> ApiError {
        ApiError::new(code::GENERAL, FaultKind::BadArguments, message)
    }

    /// -1: the request isn't a valid call; `message` says why without repeating any of it.
    pub fn malformed(message: impl Into<String>) -> ApiError {
        ApiError::new(code::GENERAL, FaultKind::BadArguments, message)
    }

    /// 2802: temporarily unavailable; `message` says why.
    pub fn unavailable(message: impl Into<String>) -> ApiError {
        ApiError::new(code::UNAVAILABLE, FaultKind::Fault, message)
    }

    /// The argument for `parameter` isn't valid for its type.
    pub(super) fn unreadable(parameter: &str, error: BridgeError) -> ApiError {
        match error {
            BridgeError::UnknownKeys(keys) => ApiError::unknown_keys(&keys),
            other @ BridgeError::Mismatch { .. } => ApiError::new(
                code::VALIDATION,
                FaultKind::BadArguments,
                format!("`{}`: {}", other.place(parameter), other.reason()),
            ),
        }
    }

    /// -1 with a correlation id. `cause` is only logged, under that id.
    pub fn unexpected(cause: impl Into<Cause>) -> ApiError {
        ApiError::from(Error::unexpected(cause))
    }

    /// -1 with a correlation id: the call was executed, but its result can't be returned.
    pub(super) fn unwritable(cause: impl Into<Cause>) -> ApiError {
        let mut error = ApiError::unexpected(cause);
        error.is_unexpected = false;
        error
            .message
            .push_str("; the call was executed, but its result can't be returned");
        error
    }

    /// The same for a call that may have changed something before it failed.
    pub(super) fn of_a_change(mut self) -> ApiError {
        if self.is_unexpected {
            self.message
                .push_str("; it is unknown whether it changed anything: check before you retry");
        }
        self
    }

    /// The fault code.
    pub fn code(&self) -> i32 {
        self.code
    }

    /// The text for the user.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Whether it is about a login that was refused unchecked.
    pub(super) fn is_unseen(&self) -> bool {
        self.is_unseen
    }

    /// The kind of error.
    pub fn kind(&self) -> FaultKind {
        self.kind
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl std::error::Error for ApiError {}

impl From<Error> for ApiError {
    fn from(error: Error) -> ApiError {
        let (code, kind) = match &error {
            Error::NotFound(_) => (code::NOT_FOUND, FaultKind::Fault),
            Error::Exists(_) => (code::EXISTS, FaultKind::Fault),
            Error::Invalid { .. } | Error::Refused(_) => (code::VALIDATION, FaultKind::Fault),
            Error::BadParameter(_) => (code::BAD_PARAMETER, FaultKind::Fault),
            Error::UnknownKeys(_) => (code::UNKNOWN_KEYS, FaultKind::Fault),
            Error::ImageStoreNotFound(_) => (code::IMAGE_STORE_NOT_FOUND, FaultKind::Fault),
            Error::UserUnknown(_) => (code::USER_UNKNOWN, FaultKind::Fault),
            Error::RoleUnknown(_) => (code::ROLE_UNKNOWN, FaultKind::Fault),
            Error::OrgUnknown(_) => (code::ORG_UNKNOWN, FaultKind::Fault),
            Error::Permission(_) => (code::PERMISSION, FaultKind::Fault),
            Error::LoginRefused
            | Error::LoginImpossible
            | Error::LoginLimited(_)
            | Error::LoginCrowded
            | Error::AccountDisabled => (code::LOGIN, FaultKind::Fault),
            Error::SessionUnknown(_) | Error::SessionInvalid(_) => {
                (code::GENERAL, FaultKind::Session)
            }
            Error::Unavailable { .. } => (code::UNAVAILABLE, FaultKind::Fault),
            Error::Unexpected { .. } => {
                // Uyuni's text, which its clients look for.
                let message = format!("unhandled internal exception: {error}");
                return ApiError {
                    is_unexpected: true,
                    ..ApiError::new(code::GENERAL, FaultKind::Fault, message)
                };
            }
        };
        ApiError {
            is_unseen: error.is_unseen(),
            ..ApiError::new(code, kind, error.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ApiError, code};

    #[test]
    fn an_answer_that_cant_be_written_is_of_a_call_that_was_carried_out() {
        let error = ApiError::unwritable("a secret reason").of_a_change();
        assert_eq!(error.code(), code::GENERAL);
        let text = error.message();
        assert!(text.contains("the call was executed"), "{text}");
        assert!(text.contains("under the id"), "{text}");
        assert!(!text.contains("secret"), "{text}");
        // It is known.
        assert!(!text.contains("is unknown"), "{text}");
    }
}
