//! What to copy and how, between two registries; knows neither database nor web.
//!
//! How a tag is processed: [`input`] names items; [`selection`] lists their tags and selects; `copy`
//! compares both ends and copies, the cheapest way first; [`referrers`] follow their images;
//! [`outcome`] is its result, and [`progress`] reports it. [`engine`] drives that for a run, [`plan`] without writing.
//!
//! - `tag_work`: one tag of a run; `needs`: what a planned tag needs, and [`costs`]: what it costs.
//! - [`kept`]: runs of a plan that was kept.
//! - [`evidence`]: what was asked and done, for somebody who checks the target.
//! - [`offload`]: long-running work, such as matching many names, off the runtime's threads.
//! - [`error`]: why a run can't start.

mod copy;
pub mod costs;
pub mod engine;
pub mod error;
pub mod evidence;
pub mod input;
pub mod kept;
mod needs;
pub mod offload;
pub mod outcome;
pub mod plan;
pub mod progress;
pub mod referrers;
pub mod selection;
mod tag_work;

pub use engine::{Engine, RunEnd, RunStop};
pub use error::SyncError;
pub use input::index_mode::IndexMode;
pub use input::placement::Placement;
pub use input::spec::{OnEmpty, SyncItem, SyncSpec};
pub use input::template::TagTemplate;
pub use outcome::{Action, MissingPlatforms, Moved, Status, TagOutcome, Totals};
pub use plan::{Plan, PlanAction};
pub use selection::select::Selector;
pub use selection::selector_spec::SelectorSpec;
