//! Why a call has no result.

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address, or what is said of its certificate, can't be used.
    #[error("{0}")]
    Options(String),
    /// There is no conversation.
    #[error("can't reach `{url}`: {detail}")]
    Unreachable {
        /// The server.
        url: String,
        /// The reason, in words.
        detail: String,
    },
    /// There is no session, or it has ended.
    #[error("there is no valid session")]
    Session,
    /// The call is none that the server knows: name, parameters or their values.
    #[error("{0}")]
    Call(String),
    /// The other verb is right.
    #[error("{0}")]
    Verb(String),
    /// The method answered with a fault.
    #[error("{message}{}", code.map_or(String::new(), |code| format!(" (fault {code})")))]
    Fault {
        /// The fault's number, where there is one.
        code: Option<i64>,
        /// The server's words.
        message: String,
    },
    /// What answers is no such server, or is broken.
    #[error("`{url}` doesn't answer like a registrysync server: {detail}")]
    Strange {
        /// The server.
        url: String,
        /// What came instead.
        detail: String,
    },
}
