//! One writer for each index of referrers at a time, over all processes that share a registry.

use std::fmt::Debug;
use std::time::Duration;

use futures_util::future::BoxFuture;

/// The longest time that an index is being written. A lease has to last longer.
pub const WRITE_TIME: Duration = Duration::from_mins(5);

/// Grants leases, so that two nodes don't overwrite each other's entries.
pub trait IndexLeases: Debug + Send + Sync {
    /// Waits for the lease of `place`, which is held until the result is dropped. Err: why it can't
    /// be had, as text.
    fn take<'a>(&'a self, place: &'a str) -> BoxFuture<'a, Result<Box<dyn Held>, String>>;
}

/// A lease that is held; it ends on drop.
pub trait Held: Send + Sync {}
