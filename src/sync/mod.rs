//! What to copy and how, between two registries; knows neither database nor web.
//!
//! How a tag travels: [`input`] names items; [`selection`] lists their tags and selects; `copy` looks at
//! both ends and copies, the cheapest way first; [`outcome`] says what became of it, and [`progress`]
//! tells who listens. [`native`] drives that for a run, [`plan`] without writing.
//!
//! - [`offload`]: work that takes long, such as matching many names, off the runtime's threads.
//! - [`error`]: why a run can't begin.

mod copy;
pub mod error;
pub mod input;
pub mod native;
pub mod offload;
pub mod outcome;
pub mod plan;
pub mod progress;
pub mod selection;

pub use error::SyncError;
pub use input::spec::{OnEmpty, Placement, SyncItem, SyncSpec};
pub use native::{Engine, RunEnd, RunStop};
pub use outcome::{Action, MissingPlatforms, Moved, Status, TagOutcome, Totals};
pub use plan::{Plan, PlanAction};
pub use selection::select::{Selector, SelectorSpec};
