//! The vocabulary and the protocol of registries; knows neither database nor web.
//!
//! - [`types`]: names, digests, platforms, manifests.
//! - [`http`]: HTTP with one registry; [`auth`]: authorisation; [`network`]: which addresses requests
//!   may reach.
//! - [`registry`]: the operations: tags, manifests, blobs, uploads.
//! - [`endpoint`]: sources and targets of images, as the engine sees them.
//! - [`error`]: every failure is an [`Error`].
//!
//! Source: the OCI distribution specification 1.1 and the OCI image specification 1.1.

pub mod auth;
pub mod endpoint;
pub mod error;
pub mod http;
pub mod network;
pub mod registry;
pub mod types;

pub use auth::credentials::Credentials;
pub use endpoint::Endpoint;
pub use error::Error;
pub use http::client::Client;
pub use http::health::HealthRules;
pub use http::options::ClientOptions;
pub use network::policy::NetworkPolicy;
pub use types::address::RegistryAddress;
pub use types::digest::Digest;
pub use types::manifest::{Descriptor, Manifest};
pub use types::name_error::NameError;
pub use types::platform::{Platform, PlatformChoice};
pub use types::reference::{Reference, Repository, Tag};
