//! What to copy and how, between two registries; knows neither database nor web.
//!
//! How a tag travels: a [`spec`] names items; `candidate` lists and selects (with [`select`]);
//! `compare` looks at both ends; `ladder` copies, the cheapest way first (with `once` and `writes`, so
//! that one thing has one writer); [`outcome`] says what became of it, and [`progress`] tells whoever listens. [`native`] drives that for a run, [`plan`]
//! without writing.
//!
//! - [`semver`], [`natural`], [`pattern`]: how tags compare and match; [`aside`]: where; `tag_name`: what may stand in a
//!   list of tags.
//! - `lacking`: items without a chosen platform; `unreachable`: registries that a run has given up.
//! - [`skopeo_yaml`]: the `skopeo sync` source file, over a tree of `yaml`.
//! - `error`: why a run can't begin.

pub mod aside;
mod candidate;
mod compare;
pub mod error;
mod lacking;
mod ladder;
pub mod native;
pub mod natural;
mod once;
pub mod outcome;
pub mod pattern;
pub mod plan;
pub mod progress;
pub mod select;
pub mod semver;
pub mod skopeo_yaml;
pub mod spec;
mod tag_name;
mod unreachable;
mod writes;
mod yaml;

pub use error::SyncError;
pub use native::{Engine, Halt, RunEnd};
pub use outcome::{Action, Lack, Moved, Status, TagOutcome, Totals};
pub use plan::{Plan, PlanAction};
pub use select::{Selector, SelectorSpec};
pub use spec::{OnEmpty, Placement, SyncItem, SyncSpec};
