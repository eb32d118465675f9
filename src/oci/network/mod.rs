//! Where requests may go.
//!
//! - [`policy`]: the operator's lists of hosts and addresses, and what is refused without any.
//! - `guard`: where a registry may send us: redirects, token servers, upload locations.
//! - `reach`: from where an address can be reached: this machine, a private network, anywhere.

pub(in crate::oci) mod guard;
pub mod policy;
pub(in crate::oci) mod reach;
