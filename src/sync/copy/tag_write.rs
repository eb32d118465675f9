//! Writes a tag, once all that it needs is at the target. Right before each request the tag is looked at,
//! and the run's right to write is checked: what somebody else wrote meanwhile stays.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::time::Instant;

use super::backup::Backup;
use super::compare::Comparison;
use super::manifest_writes::{FRESH, PAUSE, ROUNDS, TagTurn, is_passing, tag_turn};
use super::target_tags::TargetTags;
use crate::oci::registry::manifest::ManifestHead;
use crate::oci::{self, Endpoint, Manifest};
use crate::sync::error::SyncError;
use crate::sync::intents::Intents;
use crate::sync::outcome::TagOutcome;
use crate::sync::progress::{Event, Reporter};
use crate::sync::selection::candidate::Candidate;

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
    /// Whether its intent was kept.
    pub(in crate::sync) is_kept: AtomicBool,
    /// Whether a request was sent that the target may have carried out.
    pub(in crate::sync) is_sent: AtomicBool,
    /// Whether somebody else has written the same meanwhile.
    pub(in crate::sync) is_foreign: AtomicBool,
}

/// What the tag is right before it is written.
enum Now {
    AsCompared,
    /// As it is to be: an earlier request had its effect after all, or somebody else was faster.
    Written,
}

impl TagWrite<'_> {
    pub(in crate::sync) async fn write(&self) -> Result<(), SyncError> {
        let written = self.tries().await;
        let is_foreign = self.is_foreign.load(Ordering::Relaxed);
        if (written.is_err() || is_foreign) && !self.is_sent.load(Ordering::Relaxed) {
            self.discard().await;
        }
        written
    }

    async fn tries(&self) -> Result<(), SyncError> {
        if let Some(backup) = self.backup {
            // Nothing is kept for a tag that isn't overwritten.
            let (repository, tag) = (&self.candidate.target, &self.candidate.target_reference);
            let head = self.target.manifest_head(repository, tag).await;
            if let Now::Written = self.judge(head.map_err(SyncError::Target)?)? {
                return Ok(());
            }
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
        if self.comparison.present.is_none() && self.tags.lacks_now(repository, tag) {
            return Ok(Now::AsCompared);
        }
        let head = turn.requests.head(repository, tag).await;
        self.judge(head.map_err(SyncError::Target)?)
    }

    fn judge(&self, now: Option<ManifestHead>) -> Result<Now, SyncError> {
        let was = self.comparison.present.as_ref();
        let now = now.map(|head| head.digest);
        if now.as_ref() == was {
            return Ok(Now::AsCompared);
        }
        if now.as_ref() == Some(&self.manifest.digest) {
            let is_own = self.is_sent.load(Ordering::Relaxed);
            self.is_foreign.store(!is_own, Ordering::Relaxed);
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
        let is_first = !self.is_kept.fetch_or(true, Ordering::Relaxed);
        if let Some(earlier) = earlier.filter(|_| is_first) {
            self.earlier(earlier).await;
        }
        Ok(())
    }

    /// What an earlier attempt was about to do, and couldn't be looked at.
    async fn earlier(&self, earlier: TagOutcome) {
        let (was, wanted) = (&self.expected.previous_digest, &self.expected.target_digest);
        if earlier.target_digest == *was && earlier.previous_digest != *was {
            // The tag is as that one would have left it.
            let recovered = Event::Recovered(Box::new(earlier));
            self.reporter.send(recovered).await;
        } else if earlier.target_digest == *wanted && earlier.previous_digest == *was {
            // Its request may still be carried out.
            self.is_sent.store(true, Ordering::Relaxed);
        }
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
