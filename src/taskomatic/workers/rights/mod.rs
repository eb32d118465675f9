//! What a worker may do at a target, as the database has it.
//!
//! - `index_leases`: one server at a time writes an index of referrers.
//! - `delete_gate`: whether a run may still delete.
//! - `write_intents`: what is about to be written or deleted, for the case that the worker is lost.

pub(in crate::taskomatic) mod delete_gate;
pub(in crate::taskomatic) mod index_leases;
pub(in crate::taskomatic) mod write_intents;
