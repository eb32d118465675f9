//! Writes a tag, once all that it needs is at the target. Right before each request the tag is looked at,
//! and the run's right to write is checked: what somebody else wrote meanwhile stays.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::backup::Backup;
use super::compare::Comparison;
use super::manifest_writes::{PAUSE, TagTurn, is_passing, tag_turn};
use super::target_tags::TargetTags;
use crate::oci::{self, Endpoint, Manifest};
use crate::sync::error::SyncError;
use crate::sync::intents::Intents;
use crate::sync::outcome::TagOutcome;
use crate::sync::progress::{Event, Reporter};
use crate::sync::selection::candidate::Candidate;

/// How long a look and the right to write are relied on. Shorter than any lease.
pub(in crate::sync) const FRESH: Duration = Duration::from_secs(5);
/// How often both are tried before a request is sent later than that: a registry may be that slow.
pub(in crate::sync) const ROUNDS: usize = 3;

/// One tag to write.
pub(in crate::sync) struct TagWrite<'a> {
    pub(in crate::sync) target: &'a Endpoint,
    pub(in crate::sync) tags: &'a TargetTags,
    pub(in crate::sync) intents: Option<&'a dyn Intents>,
    pub(in crate::sync) reporter: &'a Reporter,
    pub(in crate::sync) candidate: &'a Candidate,
    pub(in crate::sync) comparison: &'a Comparison,
    pub(in crate::sync) backup: Option<&'a Backup>,
    pub(in crate::sync) manifest: &'a Manifest,
    /// Its outcome if that succeeds.
    pub(in crate::sync) expected: TagOutcome,
    /// Whether all that the manifest refers to is there, so that a complaint about that passes.
    pub(in crate::sync) is_whole: bool,
    /// Whether a request was sent that the target may have carried out.
    pub(in crate::sync) is_sent: AtomicBool,
}

/// What the tag is right before it is written.
enum Now {
    AsCompared,
    /// An earlier request had its effect after all.
    Written,
}

impl TagWrite<'_> {
    pub(in crate::sync) async fn write(&self) -> Result<(), SyncError> {
        let written = self.tries().await;
        if written.is_err() && !self.is_sent.load(Ordering::Relaxed) {
            self.discard().await;
        }
        written
    }

    async fn tries(&self) -> Result<(), SyncError> {
        if let Some(backup) = self.backup {
            self.keep().await?;
            backup.keep(self.target, self.candidate).await?;
        }
        let target = self.target;
        let mut attempts = target.attempts();
        let mut may_pass = self.is_whole;
        loop {
            let Some(error) = self.request().await? else {
                return Ok(());
            };
            if may_pass && is_passing(&error) {
                tracing::debug!(%error, "the target reports missing blobs or manifests; retrying");
                may_pass = false;
                tokio::time::sleep(PAUSE).await;
            } else if !target.retries(&mut attempts, &error).await {
                return self.end(error).await;
            }
        }
    }

    /// One request. Some: why it failed.
    async fn request(&self) -> Result<Option<oci::Error>, SyncError> {
        let Candidate {
            target: repository,
            target_reference: reference,
            ..
        } = self.candidate;
        self.tags.renew(repository).await;
        let turn = tag_turn(self.target, repository, self.manifest).await;
        let turn = turn.map_err(SyncError::Target)?;
        for round in 1.. {
            let begun = Instant::now();
            self.keep().await?;
            if let Now::Written = self.look(&turn).await? {
                break;
            }
            let until = (round < ROUNDS).then(|| begun + FRESH);
            let put = turn
                .requests
                .put(repository, reference, self.manifest, until);
            match put.await {
                Ok(Some(_)) => break,
                // Something took too long, so what was seen may have changed.
                Ok(None) => {}
                Err(error) => {
                    self.is_sent.fetch_or(error.is_unsure(), Ordering::Relaxed);
                    return Ok(Some(error));
                }
            }
        }
        Ok(None)
    }

    /// Whether the tag still is what was compared.
    async fn look(&self, turn: &TagTurn) -> Result<Now, SyncError> {
        let (repository, tag) = (&self.candidate.target, &self.candidate.target_reference);
        let was = self.comparison.present.as_ref();
        if was.is_none() && self.tags.lacks_now(repository, tag) {
            return Ok(Now::AsCompared);
        }
        let head = turn.requests.head(repository, tag).await;
        let now = head.map_err(SyncError::Target)?.map(|head| head.digest);
        if now.as_ref() == was {
            return Ok(Now::AsCompared);
        }
        if self.is_sent.load(Ordering::Relaxed) && now.as_ref() == Some(&self.manifest.digest) {
            return Ok(Now::Written);
        }
        let place = self.candidate.place(self.target);
        Err(SyncError::moved(place, was, now.as_ref()))
    }

    /// Keeps the expected outcome, if this run still may write.
    async fn keep(&self) -> Result<(), SyncError> {
        let Some(intents) = self.intents() else {
            return Ok(());
        };
        let expected = match self.backup {
            Some(backup) => backup.with(self.expected.clone()),
            None => self.expected.clone(),
        };
        let earlier = intents.keep(expected).await.map_err(SyncError::Intent)?;
        if let Some(earlier) = earlier {
            let recovered = Event::Recovered(Box::new(earlier));
            self.reporter.send(recovered).await;
        }
        Ok(())
    }

    /// Nothing was sent, so nothing can come about.
    async fn discard(&self) {
        let Some(intents) = self.intents() else {
            return;
        };
        if let Err(error) = intents.discard(&self.expected).await {
            tracing::warn!(%error, "can't discard what wasn't written");
        }
    }

    /// Without one for a repair, which changes no digest.
    fn intents(&self) -> Option<&dyn Intents> {
        let is_change = self.expected.previous_digest != self.expected.target_digest;
        self.intents.filter(|_| is_change)
    }

    /// The last request failed. Without a clear answer, what is there counts.
    async fn end(&self, error: oci::Error) -> Result<(), SyncError> {
        if error.is_unsure() && !error.is_unreachable() && !self.comparison.is_lost {
            let (repository, tag) = (&self.candidate.target, &self.candidate.target_reference);
            let head = self.target.manifest_head(repository, tag).await;
            if head.is_ok_and(|head| head.is_some_and(|head| head.digest == self.manifest.digest)) {
                return Ok(());
            }
        }
        Err(SyncError::Write(error))
    }
}
