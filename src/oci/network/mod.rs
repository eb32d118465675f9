//! Which addresses requests may reach.
//!
//! - [`policy`]: the operator's lists of hosts and addresses, and the default without any.
//! - `guard`: where a registry may point us: redirects, token servers, upload locations.
//! - `reach`: from where an address is reachable: this machine, a private network, anywhere.

pub(in crate::oci) mod guard;
pub mod policy;
pub(in crate::oci) mod reach;
