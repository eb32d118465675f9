//! From a stored project to what the engine works on.
//!
//! - [`parts`]: how a run is divided; [`catalogue`]: the repositories that patterns match.
//! - [`load`]: what a run or a plan works on, with its `items` and what it has `written`; `project`: the
//!   stored form; `client`: the clients of registries.

pub mod catalogue;
pub(in crate::service) mod client;
mod items;
pub mod load;
pub mod parts;
mod project;
mod written;
