//! Sync projects: what is copied from where to where.
//!
//! - [`project`]: create, read, update, delete; [`settings`]: their options, with [`referrer_words`];
//!   [`lookup`] finds a project by id or label.
//! - [`item`]: the images of a project; [`item_spec`]: their settings; [`repositories`]: which
//!   repositories; [`selector`]: which tags; [`places`]: where each comes from and goes to.
//! - `catalogue`: the repositories of items that name them by pattern.
//! - `pruning`: what is deleted, and kept under another name.
//! - `platforms`: what a choice of platforms means for indexes.
//! - [`count`]: numbers that can be unset.

pub(in crate::service) mod catalogue;
pub mod count;
pub mod item;
pub mod item_spec;
pub mod lookup;
pub mod places;
mod platforms;
pub mod project;
pub(in crate::service) mod pruning;
pub mod referrer_words;
pub mod repositories;
pub mod selector;
pub mod settings;
