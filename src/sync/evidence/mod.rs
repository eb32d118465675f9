//! The evidence of a run: what was asked, and what was done with each tag, for somebody who checks the
//! target without us.
//!
//! - [`document`]: what the document says besides its results; [`asked`]: what was asked.
//! - [`record`]: the result of a tag.
//! - [`csv`]: the results as a table.

pub mod asked;
pub mod csv;
pub mod document;
pub mod record;

pub use asked::{Asked, AskedItem, AskedPlan, AskedProject, AskedRegistry};
pub use document::{EvidenceHead, EvidenceTotals, FORMAT};
pub use record::TagRecord;
