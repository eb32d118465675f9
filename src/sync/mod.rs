//! What to copy and how, between two registries; knows neither database nor web.
//!
//! How a tag is processed: [`input`] names items; [`selection`] lists their tags and selects; `copy`
//! compares both ends and copies, the cheapest way first; [`referrers`] follow their images;
//! [`outcome`] is its result, and [`progress`] reports it; [`prune`] deletes what is no longer wanted.
//! [`engine`] drives that for a run, with a `tag_worker` for each tag; [`course`]: how a run is stopped,
//! and how it ended.
//!
//! - [`intents`]: what a run is about to write, for the case that its worker is lost.
//! - [`plan`]: what a run would do, and `planning` makes it; `needs`: what a planned tag needs, and
//!   [`costs`]: what it costs.
//! - [`kept`]: runs of a plan that was kept.
//! - [`evidence`]: what was asked and done, for somebody who checks the target.
//! - [`offload`]: long-running work, such as matching many names, off the runtime's threads.
//! - [`error`]: why a run can't start.

mod copy;
pub mod costs;
pub mod course;
pub mod engine;
pub mod error;
pub mod evidence;
pub mod input;
pub mod intents;
pub mod kept;
mod needs;
pub mod offload;
pub mod outcome;
pub mod plan;
mod planning;
pub mod progress;
pub mod prune;
pub mod referrers;
pub mod selection;
mod tag_worker;

pub use course::{RunEnd, RunStop};
pub use engine::Engine;
pub use error::SyncError;
pub use input::backup_tag::BackupTag;
pub use input::index_mode::IndexMode;
pub use input::placement::Placement;
pub use input::spec::{OnEmpty, SyncItem, SyncSpec};
pub use input::template::TagTemplate;
pub use outcome::{Action, MissingPlatforms, Moved, Status, TagOutcome, Totals};
pub use plan::{Plan, PlanAction};
pub use selection::select::Selector;
pub use selection::selector_spec::SelectorSpec;
