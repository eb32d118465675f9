//! Authorisation at a registry.
//!
//! - [`authorization`]: none, Basic or Bearer, as the registry's challenge requires; tokens by scope.
//! - [`credentials`]: a user name and a password; `login`: a refused one isn't retried.
//! - `scope`: what a request needs access to; `challenge`: parses `WWW-Authenticate`.
//! - [`mod@file`]: credentials stored by Docker, Podman and skopeo.

pub mod authorization;
pub(in crate::oci) mod challenge;
pub mod credentials;
pub mod file;
pub(in crate::oci) mod login;
pub(in crate::oci) mod scope;
