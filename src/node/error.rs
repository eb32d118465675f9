//! Why a node can't start or go on.

/// Why a process can't start or go on. The texts are for the operator.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The configuration, or what it names, can't be used.
    #[error("{0}")]
    Input(String),
    /// The database can't be reached.
    #[error("{0}")]
    Unreachable(String),
    /// A task that the process can't do without has ended.
    #[error(transparent)]
    Task(#[from] super::TaskEnded),
}

impl NodeError {
    pub(super) fn input(error: impl std::fmt::Display) -> NodeError {
        NodeError::Input(error.to_string())
    }
}
