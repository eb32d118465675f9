//! The clock of schedules: the database's, which all nodes share. Tests replace it to simulate clock
//! jumps.

use std::fmt;
use std::sync::Arc;

use crate::store::base::clock::clock;
use crate::store::{DbConnection, Error, Moment};

type Read = dyn Fn(&mut DbConnection) -> Result<Moment, Error> + Send + Sync;

/// A clock; clones are the same clock.
#[derive(Clone)]
pub struct Clock(Arc<Read>);

impl Clock {
    /// The database's.
    pub fn database() -> Self {
        Self(Arc::new(clock))
    }

    /// One that returns the time of `read`.
    pub fn from_fn(read: impl Fn() -> Moment + Send + Sync + 'static) -> Self {
        Self(Arc::new(move |_| Ok(read())))
    }

    /// The time.
    pub fn now(&self, conn: &mut DbConnection) -> Result<Moment, Error> {
        (self.0)(conn)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
