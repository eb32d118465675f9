//! Sync projects: what is copied from where to where.
//!
//! - [`project`]: create, read, update, delete; [`settings`]: their options, with [`referrer_words`];
//!   [`lookup`] finds a project
//!   by id or label.
//! - [`item`]: the images of a project; [`item_spec`]: their settings; [`selector`]: which tags;
//!   [`places`]: where each comes from and goes to.
//! - `pruning`: what is deleted, and kept under another name.
//! - `platforms`: what a choice of platforms means for indexes.
//! - [`count`]: numbers that can be unset.

pub mod count;
pub mod item;
pub mod item_spec;
pub mod lookup;
pub mod places;
mod platforms;
pub mod project;
pub(in crate::service) mod pruning;
pub mod referrer_words;
pub mod selector;
pub mod settings;
