//! The evidence of a run.

use schemars::JsonSchema;

use super::Run;
use crate::api::List;
use crate::api::reply::{IntoReply, Reply};
use crate::sync::evidence::{EvidenceHead, TagRecord};

/// The evidence of a run.
#[derive(JsonSchema)]
pub(in crate::api::namespaces::registrysync) struct Evidence {
    #[schemars(flatten)]
    pub(in crate::api::namespaces::registrysync) head: EvidenceHead<Run>,
    /// The result of each tag, in the order in which they finished.
    pub(in crate::api::namespaces::registrysync) results: List<TagRecord>,
}

impl IntoReply for Evidence {
    fn into_reply(self) -> Reply {
        self.results.below(self.head, "results")
    }
}
