//! The test environment around the product.
//!
//! - [`registry`]: a whole registry in this process, with scripted faults.
//! - [`docker_registry`]: the distribution's real `docker-registry`, and a way to run one test on both.
//! - [`images`]: images generated from seeds, for either of them.
//! - [`logged`]: the log.
//! - [`answer`]: compares whole answers with the expected ones.
//! - [`contract`]: responses against the served OpenAPI document.
//! - [`queue`]: runs as a worker sees them.
//! - [`build`]: what tests put into the database, made from parts with names.
//! - [`raw`]: a server that responds byte by byte.
//! - [`tools`]: what isn't installed here, and the tests that are skipped for it.
//! - [`postgres`], [`database`]: a PostgreSQL server for all tests, and a database for each.
//! - [`tables`]: all rows of a database, to see that none changed, and to restore them.

pub(crate) mod answer;
pub(crate) mod build;
pub(crate) mod contract;
#[macro_use]
pub(crate) mod database;
pub(crate) mod docker_registry;
pub(crate) mod images;
pub(crate) mod logged;
pub(crate) mod postgres;
pub(crate) mod postgres_proxy;
pub(crate) mod queue;
pub(crate) mod raw;
pub(crate) mod registry;
pub(crate) mod tables;
pub(crate) mod tools;
