//! What a run is about to write or delete, kept before the request: a worker that is lost between the
//! request and its result can't report it, so the next one does.

use std::fmt::Debug;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;

use super::outcome::TagOutcome;
use super::progress::{Event, Reporter};
use crate::oci::{self, Digest, Endpoint, Reference, Repository};

/// What the reason of such an outcome says.
const DONE: &str = "; an earlier attempt had done it, but couldn't record it";

/// Keeps intents where a later worker finds them. Deletes are kept by
/// [`DeleteGate`](super::prune::gate::DeleteGate).
pub trait Intents: Debug + Send + Sync {
    /// Keeps the outcome that a write will have; returns the one of the tag that was kept before. Err: why
    /// the tag mustn't be written.
    fn keep(&self, expected: TagOutcome) -> BoxFuture<'_, Result<Option<TagOutcome>, String>>;

    /// The outcomes that earlier workers expected at this part's target and didn't report.
    fn left<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Result<Vec<LeftIntent>, String>>;

    /// Discards one that didn't come about.
    fn discard<'a>(&'a self, expected: &'a TagOutcome) -> BoxFuture<'a, Result<(), String>>;
}

/// What an earlier worker was about to do.
#[derive(Clone, Debug)]
pub struct LeftIntent {
    /// The outcome.
    pub expected: TagOutcome,
    /// Whether its request may still be carried out: a registry may work on it for a while.
    pub is_recent: bool,
}

impl TagOutcome {
    /// An outcome that was expected and has come about, as a result.
    #[must_use]
    pub fn recovered(mut self) -> Self {
        self.reason += DONE;
        self
    }
}

/// Tags looked at once.
const LOOKS: usize = 8;

/// Reports what earlier workers did and couldn't report, and returns it. What can't be found out is left
/// for the next run.
pub(super) async fn intents_settle(
    intents: &dyn Intents,
    target: &Endpoint,
    reporter: &Reporter,
) -> Vec<TagOutcome> {
    let mut recovered = Vec::new();
    let left = match intents.left(target.host()).await {
        Ok(left) => left,
        Err(error) => {
            tracing::error!(%error, "can't read what earlier workers left");
            return recovered;
        }
    };
    let looks = left.into_iter().map(|left| async move {
        let now = tag_now(target, &left.expected).await;
        (left, now)
    });
    let mut looks = futures_util::stream::iter(looks).buffer_unordered(LOOKS);
    while let Some((left, now)) = looks.next().await {
        let LeftIntent {
            expected,
            is_recent,
        } = left;
        match now {
            Some(Ok(now)) if now == expected.target_digest => {
                if let Some(event) = Event::of_kept(&expected) {
                    reporter.send(event).await;
                }
                let event = Event::Recovered(Box::new(expected.clone()));
                reporter.send(event).await;
                recovered.push(expected);
            }
            Some(Ok(now)) if now == expected.previous_digest && is_recent => {}
            Some(Ok(now)) => {
                if now != expected.previous_digest {
                    let warning = unknown(&expected, now.as_ref());
                    reporter.send(Event::Warning(warning)).await;
                }
                if let Err(error) = intents.discard(&expected).await {
                    tracing::error!(%error, "can't discard what an earlier worker left");
                }
            }
            Some(Err(error)) => {
                tracing::warn!(%error, "can't check what an earlier worker left");
                if error.is_unreachable() {
                    break;
                }
            }
            None => {}
        }
    }
    recovered
}

/// What the tag of an outcome is; `None`: its name can't be used.
async fn tag_now(
    target: &Endpoint,
    expected: &TagOutcome,
) -> Option<Result<Option<Digest>, oci::Error>> {
    let repository = Repository::parse(&expected.target_repository).ok()?;
    let tag = Reference::parse(&expected.target_tag).ok()?;
    let head = target.manifest_head(&repository, &tag).await;
    Some(head.map(|head| head.map(|head| head.digest)))
}

/// The warning about a tag that somebody else has changed since.
fn unknown(expected: &TagOutcome, now: Option<&Digest>) -> String {
    let named = |digest: Option<&Digest>| match digest {
        Some(digest) => format!("`{digest}`"),
        None => "absent".to_owned(),
    };
    let (was, wanted) = (&expected.previous_digest, &expected.target_digest);
    format!(
        "whether an earlier attempt has changed `{}` isn't known: it was {}, it was to be {}, and it is {} now",
        expected.target,
        named(was.as_ref()),
        named(wanted.as_ref()),
        named(now)
    )
}
