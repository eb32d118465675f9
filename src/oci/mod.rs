//! The vocabulary and the protocol of registries; knows neither database nor web.
//!
//! Reading order: the pure types first (`digest`, `reference`, `address`, `platform` (with `platform_words`), `manifest`, with
//! `large`), then one registry's HTTP (`client`, with `call`, `refusal`, `auth`, `login`, `challenge`, `transport`, `retry` and
//! `health`; where requests may go: `guard`, with [`policy`] and `reach`), then the operations: `registry_manifest`, `blob`,
//! `upload`, `tag`, `catalog` (both with [`page`] and `entries`), `referrer`,
//! `image`, `ping`. `auth_file` reads the credentials that other tools keep. Every failure is an [`Error`] (`error`).
//!
//! Source: the OCI distribution specification 1.1 and the OCI image specification 1.1.

pub mod address;
pub mod auth;
pub mod auth_file;
pub mod blob;
mod call;
mod catalog;
mod challenge;
pub mod client;
pub mod digest;
mod entries;
pub mod error;
mod guard;
mod health;
pub mod image;
pub(crate) mod large;
mod login;
pub mod manifest;
pub mod page;
pub mod ping;
pub mod platform;
mod platform_words;
pub mod policy;
mod reach;
pub mod reference;
mod referrer;
mod refusal;
pub mod registry_manifest;
mod retry;
mod tag;
mod transport;
pub mod upload;

pub use address::RegistryAddress;
pub use auth::Credentials;
pub use client::{Client, ClientOptions};
pub use digest::Digest;
pub use error::{Error, NameError};
pub use health::SickRules;
pub use manifest::{Descriptor, Manifest};
pub use platform::{Platform, PlatformChoice};
pub use policy::NetworkPolicy;
pub use reference::{Reference, Repository, Tag};
