//! Authorisation at a registry.
//!
//! - [`authorization`]: none, Basic or Bearer, as the registry's challenge demands; tokens by scope.
//! - `challenge`: reads `WWW-Authenticate`.
//! - `login`: a refused login isn't tried again.
//! - [`mod@file`]: credentials that Docker, Podman and skopeo keep in files.

pub mod authorization;
pub(in crate::oci) mod challenge;
pub mod file;
pub(in crate::oci) mod login;
