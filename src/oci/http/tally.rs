//! How many requests a registry got from a client, for plans that say what a run costs.

use std::sync::atomic::{AtomicU64, Ordering};

use http::Method;
use url::Url;

/// A number of requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestCount {
    /// All of them; without logins, and without those to other hosts to which it redirects.
    pub all: u64,
    /// GETs of manifests, which Docker Hub counts.
    pub pulls: u64,
}

impl RequestCount {
    /// The requests since an earlier count.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            all: self.all.saturating_sub(before.all),
            pulls: self.pulls.saturating_sub(before.pulls),
        }
    }
}

/// Counts them.
#[derive(Debug, Default)]
pub(in crate::oci) struct Tally {
    all: AtomicU64,
    pulls: AtomicU64,
}

impl Tally {
    /// Counts a request to the registry itself.
    pub(super) fn note(&self, method: &Method, url: &Url) {
        self.all.fetch_add(1, Ordering::Relaxed);
        if *method == Method::GET && url.path().contains("/manifests/") {
            self.pulls.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(in crate::oci) fn count(&self) -> RequestCount {
        RequestCount {
            all: self.all.load(Ordering::Relaxed),
            pulls: self.pulls.load(Ordering::Relaxed),
        }
    }
}
