//! Why a node can't start or continue.

/// Why a process can't start or continue. The texts are for the operator.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The configuration, or a file it names, is unusable.
    #[error("{0}")]
    Input(String),
    /// The database is unreachable.
    #[error("{0}")]
    Unreachable(String),
    /// An essential task has ended.
    #[error(transparent)]
    Task(#[from] super::TaskEnded),
}

impl NodeError {
    pub(super) fn input(error: impl std::fmt::Display) -> NodeError {
        NodeError::Input(error.to_string())
    }
}
