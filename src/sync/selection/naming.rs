//! The names of the candidates' tags at the target.

use futures_util::StreamExt;

use super::candidate::Candidate;
use super::finding::Candidates;
use crate::oci::types::referrer_tag::ReferrerTag;
use crate::oci::{Endpoint, NameError, Reference};
use crate::sync::input::spec::SyncSpec;
use crate::sync::input::template::TagTemplate;
use crate::sync::outcome::{Action, Status, TagOutcome};

impl Candidates {
    /// Gives each candidate its tag at the target; blocks those that would be copied onto themselves.
    /// A name with the image's digest needs that digest first.
    pub(super) async fn name_targets(&mut self, target: &Endpoint, spec: &SyncSpec) {
        if let Some(template) = &spec.target_tag {
            let named = std::mem::take(&mut self.all)
                .into_iter()
                .map(|candidate| async {
                    match renamed(candidate, template, spec).await {
                        Ok(candidate) => Ok(candidate),
                        Err((candidate, error)) => Err(TagOutcome {
                            status: Status::Failed,
                            error: Some(error),
                            ..candidate.outcome(target, Action::Copy, candidate.selected_by.clone())
                        }),
                    }
                });
            let mut named = futures_util::stream::iter(named).buffered(spec.max_parallel.max(1));
            while let Some(candidate) = named.next().await {
                match candidate {
                    Ok(candidate) => self.all.push(candidate),
                    Err(failed) => self.failed.push(failed),
                }
            }
        }
        for candidate in &mut self.all {
            if candidate.is_at_target(target) {
                let place = &candidate.target;
                let reason = format!("source and target are the same place, `{place}`");
                candidate.blocked = Some(reason);
            }
        }
    }
}

async fn renamed(
    mut candidate: Candidate,
    template: &TagTemplate,
    spec: &SyncSpec,
) -> Result<Candidate, (Candidate, String)> {
    let tag = match &candidate.reference {
        // A tag that holds referrers is found by its name only.
        Reference::Tag(tag) if !candidate.is_of_referrers() => tag,
        _ => return Ok(candidate),
    };
    if template.needs_digest() {
        match candidate.source_digest().await {
            Ok(Some(digest)) => candidate.digest = Some(digest),
            Ok(None) => {
                let error = candidate.not_found().to_string();
                return Err((candidate, error));
            }
            Err(error) => return Err((candidate, error.to_string())),
        }
    }
    match template.tag(tag.as_str(), spec.date, candidate.digest.as_ref()) {
        Ok(tag) if ReferrerTag::parse(tag.as_str()).is_some() => {
            let error =
                format!("its target tag would be `{tag}`, a name for signatures and the like");
            Err((candidate, error))
        }
        Ok(tag) => {
            candidate.target_reference = Reference::Tag(tag);
            Ok(candidate)
        }
        Err(error) => {
            let NameError { value, reason, .. } = error;
            Err((
                candidate,
                format!("its target tag would be `{value}`: {reason}"),
            ))
        }
    }
}
