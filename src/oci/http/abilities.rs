//! What a host turned out not to support, learnt once.

use std::sync::atomic::{AtomicBool, Ordering};

/// What a host turned out not to support.
#[derive(Default)]
pub(in crate::oci) struct Abilities {
    /// Its response to HEAD of a manifest has no digest, or HEAD is refused.
    pub(in crate::oci) no_head: Lack,
    /// It has no referrers API.
    pub(in crate::oci) no_referrers: Lack,
}

/// One of these.
#[derive(Default)]
pub(in crate::oci) struct Lack(AtomicBool);

impl Lack {
    pub(in crate::oci) fn is_known(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(in crate::oci) fn note(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
