//! Authorisation at a registry.
//!
//! - [`authorization`]: none, Basic or Bearer, as the registry's challenge demands; tokens by scope.
//! - [`credentials`]: a user name and a password; `login`: a refused one isn't tried again.
//! - `scope`: what a request wants to do; `challenge`: reads `WWW-Authenticate`.
//! - [`mod@file`]: credentials that Docker, Podman and skopeo keep in files.

pub mod authorization;
pub(in crate::oci) mod challenge;
pub mod credentials;
pub mod file;
pub(in crate::oci) mod login;
pub(in crate::oci) mod scope;
