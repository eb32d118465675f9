//! Why a call has no result.

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address or certificate is invalid.
    #[error("{0}")]
    Options(String),
    /// The server is unreachable.
    #[error("can't reach `{url}`: {detail}")]
    Unreachable {
        /// The server.
        url: String,
        /// The reason, as text.
        detail: String,
    },
    /// There is no session, or it has ended.
    #[error("there is no valid session")]
    Session,
    /// The server doesn't accept the call: name, parameters or their values.
    #[error("{0}")]
    Call(String),
    /// The other verb is needed.
    #[error("{0}")]
    Verb(String),
    /// The method returned a fault.
    #[error("{message}{}", code.map_or(String::new(), |code| format!(" (fault {code})")))]
    Fault {
        /// The fault's code, if there is one.
        code: Option<i64>,
        /// The server's words.
        message: String,
    },
    /// The peer isn't such a server, or is broken.
    #[error("`{url}` doesn't answer like a registrysync server: {detail}")]
    Strange {
        /// The server.
        url: String,
        /// What was received instead.
        detail: String,
    },
}
