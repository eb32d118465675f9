//! What the document says besides its results.

use schemars::JsonSchema;
use serde::Serialize;

use super::asked::Asked;
use super::record::{decimal, decimal_schema};
use crate::sync::outcome::Totals;

/// The version of the document's form. Further members don't change it.
pub const FORMAT: i32 = 1;

/// The members of the document besides `results`. `R` says which run it is.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct EvidenceHead<R> {
    /// Version of the document's form.
    pub format: i32,
    /// Version of registrysync that wrote the document.
    pub version: &'static str,
    /// Whether the run has ended, without being interrupted, and every selected tag has its result.
    pub complete: bool,
    /// The run.
    pub run: R,
    /// What was asked; omitted if the run hasn't started, or an older version started it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<Asked>,
    /// The sums over all tags.
    pub totals: EvidenceTotals,
}

impl<R> EvidenceHead<R> {
    /// Of this version.
    pub fn new(run: R, asked: Option<Asked>, totals: EvidenceTotals, complete: bool) -> Self {
        Self {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION"),
            complete,
            run,
            asked,
            totals,
        }
    }
}

/// The sums over all tags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct EvidenceTotals {
    /// Selected tags.
    pub selected: u64,
    /// Tags that were new at the target.
    pub copied: u64,
    /// Overwritten tags.
    pub updated: u64,
    /// Tags with nothing to do.
    pub skipped: u64,
    /// Deleted tags.
    pub deleted: u64,
    /// Tags that a rule forbade.
    pub blocked: u64,
    /// Tags that failed.
    pub failed: u64,
    /// Warnings; the log has them.
    pub warnings: u64,
    /// Bytes sent to the target.
    #[serde(serialize_with = "decimal")]
    #[schemars(schema_with = "decimal_schema")]
    pub bytes: u64,
    /// Blobs sent.
    pub blobs_copied: u64,
    /// Blobs mounted from another repository of the target.
    pub blobs_mounted: u64,
}

impl From<&Totals> for EvidenceTotals {
    fn from(totals: &Totals) -> Self {
        Self {
            selected: totals.selected,
            copied: totals.copied,
            updated: totals.updated,
            skipped: totals.skipped,
            deleted: totals.deleted,
            blocked: totals.blocked,
            failed: totals.failed,
            warnings: totals.warnings,
            bytes: totals.moved.bytes,
            blobs_copied: totals.moved.blobs_copied,
            blobs_mounted: totals.moved.blobs_mounted,
        }
    }
}
