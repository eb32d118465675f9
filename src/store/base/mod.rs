//! The connection, and what every table needs.
//!
//! - `db` opens, migrates, and runs a closure on a connection of its `pool`; `options`: its settings.
//! - `link`: the link to PostgreSQL: TLS, timeouts, error codes.
//! - `connection`: the two backends as one; write transactions.
//! - `migrate`: embedded migrations, the refusal of newer databases, the backup before migrating.
//! - [`clock`]: the database's.
//! - `seal`: how credentials are encrypted at rest.
//! - `error`, `meaning`: errors, and what a database's errors mean.
//! - `storable`: text from others made storable; one rejected row doesn't affect its neighbours.
//! - [`channel`]: how processes notify each other, by PostgreSQL's `LISTEN` and `NOTIFY`.
//! - `macros`: one expression for both backends, enums stored as text, columns of totals.

#[macro_use]
mod macros;

pub mod channel;
pub mod clock;
pub(in crate::store) mod connection;
pub(in crate::store) mod db;
pub(in crate::store) mod error;
pub(in crate::store) mod link;
pub(in crate::store) mod meaning;
pub(in crate::store) mod migrate;
pub(in crate::store) mod options;
pub(in crate::store) mod pool;
pub(in crate::store) mod seal;
pub(in crate::store) mod storable;
