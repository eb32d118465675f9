//! The deletes of a kept plan: decided as those of any other run, and none that the plan hasn't.

use std::collections::{HashMap, HashSet};

use chrono::NaiveDateTime;

use crate::oci::{Digest, Endpoint};
use crate::sync::prune::decide::left;
use crate::sync::prune::settings::{Prune, PruneKind, WrittenTag};
use crate::sync::prune::source_tag::is_at_source;

/// A delete that a plan says, in one target repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptDelete {
    /// The tag.
    pub tag: String,
    /// What it had.
    pub digest: Digest,
    /// Why it goes.
    pub reason: String,
}

/// The deletes of a plan in one target repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlannedDeletes {
    /// Them.
    pub all: Vec<KeptDelete>,
    /// Images that the plan has by digest, without a tag.
    pub pinned: HashSet<Digest>,
    /// When the plan was made.
    pub made: NaiveDateTime,
}

/// What a run of a plan may delete in one place.
pub(in crate::sync) struct KeptDeletes {
    /// The rules, with the records of the planned tags only.
    pub(in crate::sync) rules: Prune,
    /// The plan's reasons, by tag.
    pub(in crate::sync) reasons: HashMap<String, String>,
    /// Tags that stay, as text.
    pub(in crate::sync) warnings: Vec<String>,
    /// Why nothing may go.
    pub(in crate::sync) trouble: Option<String>,
}

/// Compares the plan's deletes of `place` (`host/repository`) with what the project wrote, and with
/// what `source` has now.
pub(in crate::sync) async fn kept_deletes(
    (planned, made): (Vec<KeptDelete>, NaiveDateTime),
    rules: &Prune,
    place: &str,
    source: &Endpoint,
) -> KeptDeletes {
    let records = rules.written.get(place).map_or(&[][..], Vec::as_slice);
    let records: HashMap<&str, &WrittenTag> = records
        .iter()
        .map(|written| (written.tag.as_str(), written))
        .collect();
    let mut kept = KeptDeletes {
        // The plan has already chosen, and left out what is retained.
        rules: Prune {
            kind: PruneKind::Selected,
            retain: 0,
            by_pattern: false,
            written: HashMap::new(),
            ..rules.clone()
        },
        reasons: HashMap::new(),
        warnings: Vec::new(),
        trouble: None,
    };
    let mut doomed = Vec::new();
    for delete in planned {
        // Without a record it was already deleted.
        let Some(written) = records.get(delete.tag.as_str()) else {
            continue;
        };
        if written.digest != delete.digest {
            let KeptDelete { tag, digest, .. } = delete;
            let now = &written.digest;
            kept.warnings.push(format!(
                "`{place}:{tag}` isn't deleted: the project has written it since the plan; it was `{digest}`, now it is `{now}`"
            ));
            continue;
        }
        if written.written_at > made {
            let tag = delete.tag;
            kept.warnings.push(format!(
                "`{place}:{tag}` isn't deleted: the project has written it again since the plan"
            ));
            continue;
        }
        if delete.reason == left(written) {
            match is_at_source(written, source).await {
                Ok(false) => {}
                Ok(true) => {
                    let (tag, origin) = (&delete.tag, &written.source);
                    let name = &written.source_tag;
                    kept.warnings.push(format!(
                        "`{place}:{tag}` isn't deleted: `{origin}:{name}` is back since the plan"
                    ));
                    continue;
                }
                Err(error) => {
                    kept.trouble.get_or_insert(error);
                }
            }
        }
        kept.reasons.insert(delete.tag, delete.reason);
        doomed.push((*written).clone());
    }
    kept.rules.written.insert(place.to_owned(), doomed);
    kept
}
