//! What a request wants to do at a registry.

use crate::oci::types::reference::Repository;

/// What a request wants to do; decides which token it needs.
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
    /// Write a repository and read another one of the same registry.
    Mount {
        /// Where the blob is wanted.
        to: Repository,
        /// Where it is.
        from: Repository,
    },
}

impl Scope {
    /// As a token server is asked for it.
    pub(super) fn texts(&self) -> Vec<String> {
        match self {
            Self::Base => vec![],
            Self::Catalog => vec!["registry:catalog:*".into()],
            Self::Pull(repository) => vec![format!("repository:{repository}:pull")],
            Self::Push(repository) => vec![format!("repository:{repository}:pull,push")],
            Self::Mount { to, from } => vec![
                format!("repository:{to}:pull,push"),
                format!("repository:{from}:pull"),
            ],
        }
    }
}
