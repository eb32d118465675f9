//! Sync projects: what is copied from where to where.
//!
//! - [`project`]: create, read, update, delete; [`settings`]: their options;
//!   [`lookup`] finds a project by id or label.
//! - [`item`]: the images of a project; [`item_spec`]: their settings; [`repositories`]: which
//!   repositories; [`selector`]: which tags; [`places`]: where each comes from and goes to.
//! - `catalogue`: the repositories of items that name them by pattern.
//! - `pruning`: what is deleted, and kept under another name.
//! - `platforms`: what a choice of platforms means for indexes.
//! - [`forms`]: values of options.

pub(in crate::service) mod catalogue;
pub mod forms;
pub mod item;
pub mod item_spec;
pub mod lookup;
pub mod places;
mod platforms;
pub mod project;
pub(in crate::service) mod pruning;
pub mod repositories;
pub mod selector;
pub mod settings;
