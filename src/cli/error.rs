//! Why a command failed, and its exit code.

use crate::node::NodeError;
use crate::oci;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum CliError {
    /// The input is invalid.
    #[error("{0}")]
    Input(String),
    /// Something required is unreachable.
    #[error("{0}")]
    Unreachable(String),
    /// It was attempted, and refused.
    #[error("{0}")]
    Failed(String),
}

impl CliError {
    /// Invalid input.
    pub(super) fn input(error: impl std::fmt::Display) -> Self {
        Self::Input(error.to_string())
    }

    /// The exit code.
    pub(super) fn code(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Input(_) => 2,
            Self::Unreachable(_) => 3,
        }
    }
}

impl From<NodeError> for CliError {
    fn from(error: NodeError) -> Self {
        let text = error.to_string();
        match error {
            NodeError::Input(_) => Self::Input(text),
            NodeError::Unreachable(_) => Self::Unreachable(text),
            NodeError::Task(_) => Self::Failed(text),
        }
    }
}

impl From<oci::Error> for CliError {
    fn from(error: oci::Error) -> Self {
        if error.is_unreachable() {
            Self::Unreachable(error.to_string())
        } else {
            Self::Failed(error.to_string())
        }
    }
}

/// The exit code of an interrupted command.
pub(super) const INTERRUPTED: u8 = 130;
