//! Whether HEAD is supported.

use std::sync::atomic::AtomicBool;

/// Whether a host's response to HEAD of a manifest has a digest; learnt once.
#[derive(Default)]
pub(in crate::oci) struct HeadAbility {
    pub(in crate::oci) missing: AtomicBool,
}
