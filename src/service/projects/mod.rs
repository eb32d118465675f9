//! Sync projects: what is copied from where to where.
//!
//! - [`project`]: create, read, update, delete; [`settings`]: their options.
//! - [`item`]: the images of a project; [`places`]: where each comes from and goes to.

pub mod item;
pub mod places;
pub mod project;
pub mod settings;
