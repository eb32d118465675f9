//! What a run would cost: the requests to both registries, and the pulls that Docker Hub counts.
//!
//! What planning asks, a run asks as well, so that is counted where the requests are sent. What only a
//! run asks is worked out, as if the target had none of the blobs and manifests.

use std::collections::{HashMap, HashSet};

use super::copy::backup::Backup;
use super::copy::ladder::is_asked;
use super::input::spec::SyncItem;
use super::needs::Needs;
use super::selection::candidate::Candidate;
use crate::oci::http::tally::RequestCount;
use crate::oci::{Digest, Endpoint, Repository};

/// Requests to open and to fill an upload.
const UPLOAD: u64 = 2;
/// A referrer is a small manifest with one blob; its manifest was looked up while planning.
const REFERRER_AT_TARGET: u64 = 1 + UPLOAD + 1;

/// The requests of a run; logins aren't counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlanCosts {
    /// Requests to the source.
    pub source_requests: u64,
    /// Requests to the target.
    pub target_requests: u64,
    /// GETs of manifests at the source.
    pub pulls: u64,
}

/// The costs of a plan that is being made.
pub(super) struct CopyCosts {
    /// Clients with the requests that they had sent before.
    sources: Vec<(Endpoint, RequestCount)>,
    target: (Endpoint, RequestCount),
    /// What a run asks besides.
    more: PlanCosts,
    /// What only planning asks, at the source and at the target.
    once: u64,
    target_once: u64,
    /// Numbers of the target repositories.
    places: HashMap<Repository, u32>,
    blobs: HashSet<(u32, Digest)>,
    manifests: HashSet<(u32, Digest)>,
    /// Blobs that some repository of the target has by then.
    known: HashSet<Digest>,
}

impl CopyCosts {
    pub(super) fn begin(target: &Endpoint, items: &[SyncItem]) -> Self {
        let mut sources: Vec<(Endpoint, RequestCount)> = Vec::new();
        for item in items {
            if !sources
                .iter()
                .any(|(known, _)| known.has_same_count(&item.source))
            {
                sources.push((item.source.clone(), item.source.requests()));
            }
        }
        Self {
            sources,
            target: (target.clone(), target.requests()),
            more: PlanCosts::default(),
            once: 0,
            target_once: 0,
            places: HashMap::new(),
            blobs: HashSet::new(),
            manifests: HashSet::new(),
            known: HashSet::new(),
        }
    }

    /// Adds an image that is kept: the last look at both names, and if the other one hasn't it yet, its
    /// read and its write.
    pub(super) fn backup(&mut self, backup: &Backup) {
        self.more.target_requests += if backup.is_kept() { 2 } else { 4 };
    }

    /// Adds a delete: the last two looks at the tag, and the request itself.
    pub(super) fn delete(&mut self) {
        self.more.target_requests += 3;
    }

    /// Requests to the target that only planning makes.
    pub(super) fn only_planned(&mut self, requests: u64) {
        self.target_once += requests;
    }

    /// Adds the copy of a tag, `is_new` if the target doesn't know its repository; returns the bytes of
    /// those of its blobs that weren't counted before.
    pub(super) fn copy(&mut self, candidate: &Candidate, needs: &Needs, is_new: bool) -> u64 {
        let next = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
        let place = *self.places.entry(candidate.target.clone()).or_insert(next);
        // The tag is written, even if the manifest is there under another one.
        self.more.target_requests += 1;
        if let Some(root) = &needs.root {
            self.manifests.insert((place, root.clone()));
        }
        self.once += needs.children.len() as u64;
        for child in &needs.children {
            if self.manifests.insert((place, child.clone())) {
                self.more.source_requests += 1;
                self.more.pulls += 1;
                self.more.target_requests += 1 + u64::from(!is_new);
            }
        }
        let is_own = candidate.from.is_same(&self.target.0);
        let mut fresh: u64 = 0;
        for (digest, size) in &needs.blobs {
            let is_first = self.known.insert(digest.clone());
            if is_first {
                fresh = fresh.saturating_add(*size);
            }
            if !self.blobs.insert((place, digest.clone())) {
                continue;
            }
            if is_first && !is_own {
                self.more.source_requests += 1;
                let is_asked = is_asked(*size, is_new);
                self.more.target_requests += UPLOAD + u64::from(is_asked);
            } else {
                // It is mounted.
                self.more.target_requests += 1;
            }
        }
        fresh
    }

    /// Adds the look at a tag right before it is overwritten.
    pub(super) fn update(&mut self) {
        self.more.target_requests += 1;
    }

    /// Adds referrers.
    pub(super) fn referrers(&mut self, count: u64) {
        self.more.source_requests += 2 * count;
        self.more.target_requests += REFERRER_AT_TARGET * count;
        self.more.pulls += count;
    }

    /// The costs of the run.
    pub(super) fn all(&self) -> PlanCosts {
        let (mut source, mut pulls) = (0, 0);
        for (client, before) in &self.sources {
            let sent = client.requests().since(*before);
            source += sent.all;
            pulls += sent.pulls;
        }
        let (target, before) = &self.target;
        PlanCosts {
            source_requests: source.saturating_sub(self.once) + self.more.source_requests,
            target_requests: target
                .requests()
                .since(*before)
                .all
                .saturating_sub(self.target_once)
                + self.more.target_requests,
            pulls: pulls.saturating_sub(self.once) + self.more.pulls,
        }
    }
}
