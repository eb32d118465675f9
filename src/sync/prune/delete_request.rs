//! The requests that delete: each comes right after the gate and a look at its tags, and is sent once. A
//! retry goes through both again: somebody else may have written the tag meanwhile.

use tokio::time::Instant;

use super::decide::Doomed;
use super::deleter::{Deleter, Stopped, overwritten};
use crate::oci::registry::turn::Turn;
use crate::oci::{Digest, Error, Reference, Tag};
use crate::sync::copy::manifest_writes::{FRESH, ROUNDS};

/// What came of a request.
pub(super) enum Requested {
    /// These are deleted.
    Deleted(Vec<Doomed>),
    /// The registry says that there is no such tag or image; these were there a moment ago.
    Unknown(Vec<Doomed>),
    /// It refuses, or gives no answer; `is_sent` if it may have deleted them all the same.
    Refused {
        group: Vec<Doomed>,
        error: Error,
        is_sent: bool,
    },
    /// None of them was left to delete.
    Nothing,
}

impl Deleter<'_> {
    /// Deletes `reference`, which these tags have. A tag of an image that somebody has overwritten stops
    /// the place, since it may need any image now.
    pub(super) async fn request(
        &self,
        reference: &Reference,
        mut group: Vec<Doomed>,
    ) -> Result<Requested, Stopped> {
        let mut attempts = self.target.attempts();
        let mut is_sent = false;
        loop {
            let turn = match self.target.turn().await {
                Ok(turn) => turn,
                Err(error) => {
                    let is_sent = false;
                    return Ok(Requested::Refused {
                        group,
                        error,
                        is_sent,
                    });
                }
            };
            let (left, answer) = self.once(&turn, reference, group, is_sent).await?;
            drop(turn);
            group = left;
            let error = match answer {
                _ if group.is_empty() => return Ok(Requested::Nothing),
                Ok(true) => return Ok(Requested::Deleted(group)),
                Ok(false) => {
                    self.discard(&group, is_sent).await;
                    return Ok(Requested::Unknown(group));
                }
                Err(error) => error,
            };
            is_sent |= error.is_unsure();
            if !self.target.retries(&mut attempts, &error).await {
                self.discard(&group, is_sent).await;
                return Ok(Requested::Refused {
                    group,
                    error,
                    is_sent,
                });
            }
        }
    }

    /// The tags that were left, and the answer to the request for them.
    async fn once(
        &self,
        turn: &Turn,
        reference: &Reference,
        mut group: Vec<Doomed>,
        is_sent: bool,
    ) -> Result<(Vec<Doomed>, Result<bool, Error>), Stopped> {
        let repository = &self.known.repository;
        let mut round = 1;
        loop {
            let begun = Instant::now();
            for doomed in &group {
                if let Err(stopped) = self.gate(doomed).await {
                    self.discard(&group, is_sent).await;
                    return Err(stopped);
                }
            }
            group = self.still_same(turn, reference, group, is_sent).await?;
            if group.is_empty() {
                return Ok((group, Ok(false)));
            }
            let until = (round < ROUNDS).then(|| begun + FRESH);
            match turn.delete(repository, reference, until).await {
                Ok(Some(is_found)) => return Ok((group, Ok(is_found))),
                // Something took too long, so what was seen may have changed.
                Ok(None) => round += 1,
                Err(error) => return Ok((group, Err(error))),
            }
        }
    }

    /// Those that still are what was recorded.
    async fn still_same(
        &self,
        turn: &Turn,
        reference: &Reference,
        group: Vec<Doomed>,
        is_sent: bool,
    ) -> Result<Vec<Doomed>, Stopped> {
        let mut same = Vec::new();
        let mut rest = group.into_iter();
        while let Some(doomed) = rest.next() {
            let seen = match self.tag_digest(turn, &doomed).await {
                Ok(Some(digest)) if digest == doomed.written.digest => {
                    same.push(doomed);
                    continue;
                }
                // An earlier request had its effect after all.
                Ok(None) if is_sent => {
                    self.done(&doomed);
                    continue;
                }
                Ok(None) => {
                    self.discard(std::slice::from_ref(&doomed), false).await;
                    self.gone(doomed);
                    continue;
                }
                Ok(Some(_)) => None,
                Err(error) => Some(error),
            };
            self.discard(&same, is_sent).await;
            self.discard(std::slice::from_ref(&doomed), is_sent).await;
            self.discard(rest.as_slice(), is_sent).await;
            if let Some(error) = seen {
                self.failed(vec![doomed], &error, is_sent)?;
            } else {
                self.warn(overwritten(&self.known.place, &doomed.written.tag));
                if matches!(reference, Reference::Tag(_)) {
                    return Ok(Vec::new());
                }
            }
            // It may need any manifest now.
            return Err(Stopped);
        }
        Ok(same)
    }

    async fn tag_digest(&self, turn: &Turn, doomed: &Doomed) -> Result<Option<Digest>, Error> {
        let Ok(tag) = Tag::parse(&doomed.written.tag) else {
            return Ok(None);
        };
        let head = turn
            .head(&self.known.repository, &Reference::Tag(tag))
            .await?;
        Ok(head.map(|head| head.digest))
    }

    /// Nothing was sent, so nothing can come about.
    async fn discard(&self, group: &[Doomed], is_sent: bool) {
        let Some(intents) = self.halt.intents.as_ref().filter(|_| !is_sent) else {
            return;
        };
        for doomed in group {
            if let Err(error) = intents.discard(&self.known.outcome(doomed)).await {
                tracing::warn!(%error, "can't discard what wasn't deleted");
            }
        }
    }
}
