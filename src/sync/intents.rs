//! What a run is about to write or delete, kept before the request: a worker that is lost between the
//! request and its result can't report it, so the next one does.

use std::fmt::Debug;

use futures_util::future::BoxFuture;

use super::outcome::TagOutcome;
use super::progress::{Event, Reporter};
use crate::oci::{Endpoint, Reference, Repository};

/// What the reason of such an outcome says.
const DONE: &str = "; an earlier attempt had done it, but couldn't record it";

/// Keeps intents where a later worker finds them. Deletes are kept by
/// [`DeleteGate`](super::prune::gate::DeleteGate).
pub trait Intents: Debug + Send + Sync {
    /// Keeps the outcome that a write will have. Err: why the tag mustn't be written.
    fn keep(&self, expected: TagOutcome) -> BoxFuture<'_, Result<(), String>>;

    /// The outcomes that earlier workers expected at this part's target and didn't report.
    fn left<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Result<Vec<TagOutcome>, String>>;

    /// Discards one that didn't come about.
    fn discard<'a>(&'a self, expected: &'a TagOutcome) -> BoxFuture<'a, Result<(), String>>;
}

impl TagOutcome {
    /// An outcome that was expected and has come about, as a result.
    #[must_use]
    pub fn recovered(mut self) -> Self {
        self.reason += DONE;
        self
    }
}

/// Reports what earlier workers did and couldn't report. What can't be found out is left for the next
/// run.
pub(super) async fn intents_settle(intents: &dyn Intents, target: &Endpoint, reporter: &Reporter) {
    let left = match intents.left(target.host()).await {
        Ok(left) => left,
        Err(error) => return tracing::error!(%error, "can't read what earlier workers left"),
    };
    for expected in left {
        let Ok(repository) = Repository::parse(&expected.target_repository) else {
            continue;
        };
        let Ok(tag) = Reference::parse(&expected.target_tag) else {
            continue;
        };
        let head = target.manifest_head(&repository, &tag).await;
        match head.map(|head| head.map(|head| head.digest)) {
            Ok(digest) if digest == expected.target_digest => {
                if let Some(event) = Event::of_kept(&expected) {
                    reporter.send(event).await;
                }
                reporter.send(Event::Recovered(Box::new(expected))).await;
            }
            Ok(now) => {
                let now = now.map_or("absent".to_owned(), |now| format!("`{now}`"));
                let target = &expected.target;
                let note = format!(
                    "whether an earlier attempt has changed `{target}` isn't known: it is {now}"
                );
                reporter.send(Event::Note(note)).await;
                if let Err(error) = intents.discard(&expected).await {
                    tracing::error!(%error, "can't discard what an earlier worker left");
                }
            }
            Err(error) => tracing::warn!(%error, "can't check what an earlier worker left"),
        }
    }
}
