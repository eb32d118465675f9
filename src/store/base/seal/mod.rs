//! Credentials at rest.
//!
//! - `key`: how they are encrypted, and the file of the key.
//! - `error`: why a credential can't be sealed or opened.

pub(in crate::store) mod error;
pub(in crate::store) mod key;
