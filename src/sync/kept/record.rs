//! An action of a plan, as it is kept: text that is checked again when it is read.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::deletes::KeptDelete;
use super::digests::PlannedDigests;
use super::part::KeptAction;
use crate::oci::{Digest, Endpoint, NameError, PlatformChoice, Reference, Repository};
use crate::sync::plan::PlanAction;

/// An action of a plan. Actions that this version doesn't know can be read and shown all the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)] // as in `PlanAction`
pub struct ActionRecord {
    pub repository: String,
    pub tag: String,
    pub source: String,
    pub target: String,
    pub target_repository: String,
    pub target_tag: String,
    pub action: String,
    pub reason: String,
    /// The chosen platforms, joined by commas; "" for all.
    pub platforms: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_digest: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_digest: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl From<PlanAction> for ActionRecord {
    fn from(action: PlanAction) -> Self {
        let word = action.word().to_owned();
        Self {
            repository: action.repository,
            tag: action.tag,
            source: action.source,
            target: action.target,
            target_repository: action.target_repository,
            target_tag: action.target_tag,
            action: word,
            reason: action.reason,
            platforms: action.platforms,
            source_digest: action.source_digest.map(String::from),
            digest: action.digest.map(String::from),
            previous_digest: action.previous_digest.map(String::from),
            size: action.size,
            error: action.error,
        }
    }
}

impl ActionRecord {
    /// Whether a run of the plan copies it.
    pub fn is_copy(&self) -> bool {
        matches!(self.action.as_str(), "copy" | "update")
    }

    /// What a run deletes for it. Err: it can't be read, and why.
    pub fn delete(self) -> Result<KeptDelete, NameError> {
        let had = self.previous_digest.as_deref();
        let missing = || NameError::new("previous_digest", "", "a delete needs one");
        Ok(KeptDelete {
            digest: Digest::parse(had.ok_or_else(missing)?)?,
            tag: self.target_tag,
            reason: self.reason,
        })
    }

    /// What a run copies for it, from `from`. Err: it can't be read, and why.
    pub fn read(&self, from: &Endpoint) -> Result<KeptAction, NameError> {
        let repository = Repository::parse(&self.repository)?;
        let digest = |name: &'static str, text: &Option<String>| match text {
            Some(text) => Digest::parse(text),
            None => Err(NameError::new(name, "", "a copy needs one")),
        };
        let previous = self.previous_digest.as_deref().map(Digest::parse);
        let platforms = self.platforms.split(',').filter(|name| !name.is_empty());
        Ok(KeptAction {
            source: from.address().resolve(&repository)?,
            from: from.clone(),
            repository,
            reference: Reference::parse(&self.tag)?,
            target: Repository::parse(&self.target_repository)?,
            target_reference: Reference::parse(&self.target_tag)?,
            platforms: platforms
                .map(PlatformChoice::parse_stored)
                .collect::<Result<_, _>>()?,
            digests: PlannedDigests {
                source: digest("source_digest", &self.source_digest)?,
                target: digest("digest", &self.digest)?,
                previous: previous.transpose()?,
            },
        })
    }
}
