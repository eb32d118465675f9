//! Authorisation at a registry.
//!
//! - [`authorization`]: none, Basic or Bearer, as the registry's challenge requires; tokens by scope.
//! - [`credentials`]: a user name and a password; `login`: a refused one isn't retried.
//! - `scope`: what a request needs access to; `challenge`: parses `WWW-Authenticate`.
//! - `tokens`: requests to a token server.
//! - [`mod@file`]: credentials stored by Docker, Podman and skopeo; `helper`: programs that know some.

pub mod authorization;
pub(in crate::oci) mod challenge;
pub mod credentials;
pub mod file;
mod helper;
pub(in crate::oci) mod login;
pub(in crate::oci) mod scope;
mod tokens;
