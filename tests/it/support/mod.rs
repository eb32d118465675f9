//! What the tests need around the product.
//!
//! - [`registry`]: a whole registry in this process, with scripted faults.
//! - [`docker_registry`]: the distribution's real `docker-registry`, and a way to run one test on both.
//! - [`images`]: images made from seeds, put into either of them.

pub(crate) mod docker_registry;
pub(crate) mod images;
pub(crate) mod registry;
//! What tests stand on: fixtures and servers.

#[macro_use]
pub(crate) mod database;
pub(crate) mod postgres;
