//! Whether HEAD can be used.

use std::sync::atomic::AtomicBool;

/// Whether a host answers HEAD of a manifest with a digest; learnt once.
#[derive(Default)]
pub(in crate::oci) struct HeadAbility {
    pub(in crate::oci) missing: AtomicBool,
}
