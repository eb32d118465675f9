//! The requests that delete the tags of one place: by tag, or by digest where a registry has only that.
//! By digest every tag of a manifest goes, so nothing else may need it.

use super::decide::Doomed;
use super::delete_request::Requested;
use super::deleter::{Deleter, Stopped, Way, overwritten};
use super::neighbours::{Neighbours, by_digest, names};
use super::place::tag_digest;
use crate::oci::{Digest, Error, Reference, Tag};
use crate::sync::outcome::{Status, TagOutcome};

/// What a tag is right before it is deleted.
enum Now {
    Same(Doomed),
    Gone(Doomed),
    Other,
}

impl Deleter<'_> {
    /// Deletes these tags, and tells what became of each.
    pub(in crate::sync) async fn delete(&self, doomed: Vec<Doomed>) -> Result<(), Stopped> {
        let mut left = doomed.into_iter();
        while self.ways.get() == Way::Tag {
            let Some(doomed) = left.next() else {
                return Ok(());
            };
            let Ok(tag) = Tag::parse(&doomed.written.tag) else {
                continue;
            };
            let Some(doomed) = self.same(doomed).await? else {
                continue;
            };
            let by_digest = match self.request(&Reference::Tag(tag), vec![doomed]).await? {
                Requested::Deleted(group) => {
                    for doomed in &group {
                        self.done(doomed);
                    }
                    continue;
                }
                Requested::Nothing => continue,
                Requested::Unknown(group) => self.known_still(group).await?,
                Requested::Refused { group, error, .. }
                    if error.is_unsupported() || error.status() == Some(400) =>
                {
                    group
                }
                Requested::Refused {
                    group,
                    error,
                    is_sent,
                } => {
                    self.failed(group, &error, is_sent)?;
                    continue;
                }
            };
            if !by_digest.is_empty() {
                self.ways.note(Way::Digest);
                return self
                    .by_digest(by_digest.into_iter().chain(left).collect())
                    .await;
            }
        }
        self.by_digest(left.collect()).await
    }

    /// Those that are there although the registry says that they aren't; somebody else has deleted the
    /// others.
    async fn known_still(&self, group: Vec<Doomed>) -> Result<Vec<Doomed>, Stopped> {
        let mut there = Vec::new();
        for doomed in group {
            there.extend(self.same(doomed).await?);
        }
        Ok(there)
    }

    async fn by_digest(&self, doomed: Vec<Doomed>) -> Result<(), Stopped> {
        if self.ways.get() == Way::None || doomed.is_empty() {
            return Ok(());
        }
        let (target, repository) = (self.target, &self.known.repository);
        let all = (self.present, &self.known.pinned);
        let looked = Neighbours::look(target, repository, all, self.parallel).await;
        let mut neighbours = match looked {
            Ok(neighbours) => neighbours,
            Err(error) => return Err(self.unchecked("nothing", &error)),
        };
        let mut groups = by_digest(doomed);
        while !groups.is_empty() {
            if !self.is_as_seen(&mut neighbours).await? {
                continue;
            }
            let Some((digest, group)) = neighbours.free_take(&mut groups) else {
                break;
            };
            self.group(&digest, group, &mut neighbours).await?;
        }
        for (digest, group) in groups {
            self.stay(&digest, &group, &neighbours);
        }
        Ok(())
    }

    /// Whether the repository has no other tags than those that were looked at; new ones are looked at.
    async fn is_as_seen(&self, neighbours: &mut Neighbours) -> Result<bool, Stopped> {
        let (target, repository) = (self.target, &self.known.repository);
        match neighbours.news(target, repository, self.parallel).await {
            Ok(are_new) => Ok(!are_new),
            Err(error) => Err(self.unchecked("nothing more", &error)),
        }
    }

    fn unchecked(&self, what: &str, error: &Error) -> Stopped {
        let place = &self.known.place;
        self.warn(format!(
            "`{place}`: {what} is deleted by digest, since its other tags can't be checked: {error}"
        ));
        Stopped
    }

    /// One manifest with all its tags.
    async fn group(
        &self,
        digest: &Digest,
        group: Vec<Doomed>,
        neighbours: &mut Neighbours,
    ) -> Result<(), Stopped> {
        let mut ready = Vec::new();
        for doomed in group {
            let tag = doomed.written.tag.clone();
            match self.now(doomed).await? {
                Now::Same(doomed) => ready.push(doomed),
                Now::Gone(doomed) => {
                    neighbours.forget(&tag);
                    self.gone(doomed);
                }
                // It may need any manifest now.
                Now::Other => return Err(Stopped),
            }
        }
        if ready.is_empty() {
            return Ok(());
        }
        let tags: Vec<String> = ready
            .iter()
            .map(|doomed| doomed.written.tag.clone())
            .collect();
        match self
            .request(&Reference::Digest(digest.clone()), ready)
            .await?
        {
            Requested::Nothing => {}
            Requested::Deleted(group) => {
                for doomed in &group {
                    self.done(doomed);
                }
            }
            Requested::Unknown(group) => {
                for doomed in self.known_still(group).await? {
                    self.still_there(&doomed);
                }
                return Ok(());
            }
            Requested::Refused { error, .. } if error.is_unsupported() => {
                if self.ways.note(Way::None) {
                    let host = self.target.host();
                    self.warn(format!(
                        "`{host}` doesn't delete, so nothing more is tried there in this run: {error}"
                    ));
                }
                return Err(Stopped);
            }
            Requested::Refused {
                group,
                error,
                is_sent,
            } => return self.failed(group, &error, is_sent),
        }
        for tag in &tags {
            neighbours.forget(tag);
        }
        Ok(())
    }

    /// The tag if it is what was recorded.
    async fn same(&self, doomed: Doomed) -> Result<Option<Doomed>, Stopped> {
        Ok(match self.now(doomed).await? {
            Now::Same(doomed) => Some(doomed),
            Now::Gone(doomed) => {
                self.gone(doomed);
                None
            }
            Now::Other => None,
        })
    }

    /// Whether the tag still is what was recorded.
    async fn now(&self, doomed: Doomed) -> Result<Now, Stopped> {
        let tag = &doomed.written.tag;
        match tag_digest(self.target, &self.known.repository, tag).await {
            Ok(Some(digest)) if digest == doomed.written.digest => Ok(Now::Same(doomed)),
            Ok(Some(_)) => {
                self.warn(overwritten(&self.known.place, tag));
                Ok(Now::Other)
            }
            Ok(None) => Ok(Now::Gone(doomed)),
            Err(error) => {
                self.failed(vec![doomed], &error, false)?;
                Err(Stopped)
            }
        }
    }

    fn stay(&self, digest: &Digest, group: &[Doomed], neighbours: &Neighbours) {
        let Some(holder) = neighbours.holder(digest, &names(group)) else {
            return;
        };
        let why = format!("{holder}, and the registry deletes only whole images");
        for doomed in group {
            self.tell(self.known.blocked(doomed, &why));
        }
    }

    fn still_there(&self, doomed: &Doomed) {
        let host = self.target.host();
        let error = format!("`{host}` says that there is no such image, but still has the tag");
        self.tell(TagOutcome {
            status: Status::Failed,
            error: Some(error),
            ..self.known.outcome(doomed)
        });
    }
}
