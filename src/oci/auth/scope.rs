//! What a request needs access to at a registry.

use crate::oci::types::reference::Repository;

/// What a request needs access to; determines its token.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::oci) enum Scope {
    /// Nothing in particular: `/v2/`.
    Base,
    /// List the repositories.
    Catalog,
    /// Read a repository.
    Pull(Repository),
    /// Read and write a repository.
    Push(Repository),
    /// Delete in a repository.
    Delete(Repository),
    /// Write a repository and read another one of the same registry.
    Mount {
        /// The repository that needs the blob.
        to: Repository,
        /// Where it is.
        from: Repository,
    },
}

impl Scope {
    /// As sent to the token server.
    pub(super) fn texts(&self) -> Vec<String> {
        match self {
            Self::Base => vec![],
            Self::Catalog => vec!["registry:catalog:*".into()],
            Self::Pull(repository) => vec![format!("repository:{repository}:pull")],
            Self::Push(repository) => vec![format!("repository:{repository}:pull,push")],
            // Some registries ask for the right to push, others for one of its own.
            Self::Delete(repository) => vec![format!("repository:{repository}:pull,push,delete")],
            Self::Mount { to, from } => vec![
                format!("repository:{to}:pull,push"),
                format!("repository:{from}:pull"),
            ],
        }
    }
}
