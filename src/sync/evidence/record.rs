//! The result of one tag, as the API and the evidence show it.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use crate::oci::Digest;
use crate::sync::outcome::TagOutcome;

/// The result of one tag of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "RunResult")]
pub struct TagRecord {
    /// The source repository, as the item names it.
    pub repository: String,
    /// The tag or digest; "" for a repository whose tags couldn't be listed.
    pub tag: String,
    /// `host/repository:tag` at the source; omitted in results of an older version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// `host/repository:tag` at the target.
    pub target: String,
    /// The chosen platforms; empty for all.
    pub platforms: Vec<String>,
    /// copy, update, skip, delete or blocked.
    pub action: String,
    /// done, failed or blocked.
    pub status: String,
    /// Why it was selected or deleted, and why this action; omitted in results of an older version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Digest at the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_digest: Option<String>,
    /// Digest at the target, afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_digest: Option<String>,
    /// Digest at the target that was overwritten or deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_digest: Option<String>,
    /// Bytes sent to the target.
    #[serde(serialize_with = "decimal")]
    #[schemars(schema_with = "decimal_schema")]
    pub bytes: u64,
    /// Blobs sent.
    pub blobs_copied: u64,
    /// Blobs mounted from another repository of the target.
    pub blobs_mounted: u64,
    /// How long it took.
    pub duration_ms: u64,
    /// Why it failed or is blocked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl From<&TagOutcome> for TagRecord {
    fn from(outcome: &TagOutcome) -> Self {
        let digest = |digest: &Option<Digest>| digest.as_ref().map(ToString::to_string);
        Self {
            repository: outcome.repository.clone(),
            tag: outcome.tag.clone(),
            source: Some(outcome.source.clone()),
            target: outcome.target.clone(),
            platforms: platforms_list(&outcome.platforms),
            action: outcome.action.as_str().to_owned(),
            status: outcome.status.as_str().to_owned(),
            reason: Some(outcome.reason.clone()),
            source_digest: digest(&outcome.source_digest),
            target_digest: digest(&outcome.target_digest),
            previous_digest: digest(&outcome.previous_digest),
            bytes: outcome.moved.bytes,
            blobs_copied: outcome.moved.blobs_copied,
            blobs_mounted: outcome.moved.blobs_mounted,
            duration_ms: u64::try_from(outcome.duration.as_millis()).unwrap_or(u64::MAX),
            error: outcome.told_error().map(str::to_owned),
        }
    }
}

/// From the form of [`platforms_text`](crate::sync::input::index_mode::platforms_text).
pub fn platforms_list(text: &str) -> Vec<String> {
    let names = text.split(',').filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

/// A number of bytes may not fit an integer of XML-RPC.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands the field by reference"
)]
pub(super) fn decimal<S: Serializer>(bytes: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(bytes)
}

pub(super) fn decimal_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "pattern": "^[0-9]+$"})
}
