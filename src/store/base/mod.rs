//! The connection, and what every table needs.
//!
//! - `db` opens, migrates, and runs a closure on a connection of its `pool`; `options`: what is said of one.
//! - `link`: the way to PostgreSQL: TLS, limits on every wait, codes of errors.
//! - `connection`: the two backends as one; write transactions.
//! - `migrate`: embedded migrations, the refusal of a newer database, the backup before.
//! - [`clock`]: the database's.
//! - `seal`: how credentials are encrypted at rest.
//! - `error`, `meaning`: what may go wrong, and what a database means by its errors.
//! - `storable`: foreign text as it is stored; one refused row doesn't lose its neighbours.
//! - [`channel`]: how processes notify each other, by PostgreSQL's `LISTEN` and `NOTIFY`.
//! - `macros`: enums that are kept as text.

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
