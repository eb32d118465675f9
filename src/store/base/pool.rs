//! Open connections, and the queue for them.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connection::{PooledConnection, Target};
use crate::store::{DbConnection, Error};

/// Maximum number of connections. Statements are short; more would only queue at the disk.
const PLACES: usize = 8;
/// One more, for what must not wait behind calls, such as renewing leases.
const URGENT_PLACES: usize = 1;
/// How long a caller waits before it gets [`Error::Busy`].
const TURN_WAIT: Duration = Duration::from_secs(15);
/// The same if the database was unreachable at the last check; also the timeout of a new
/// connection.
const AWAY_WAIT: Duration = Duration::from_millis(1900);
/// After waiting this long, a caller has the database checked: all connections may be in statements
/// that are never answered.
const TURN_SOON: Duration = Duration::from_millis(500);
/// How long the result of a check is valid.
const ASKED_HOLDS: Duration = Duration::from_secs(1);

/// The connections of one process to one database.
#[derive(Debug)]
pub(super) struct Pool {
    pub(in crate::store) target: Target,
    idle: Mutex<Vec<PooledConnection>>,
    turns: Arc<Semaphore>,
    urgent: Arc<Semaphore>,
    /// The database didn't answer the last check.
    away: AtomicBool,
    /// When the database was last checked for waiting callers.
    asked: tokio::sync::Mutex<Option<Instant>>,
}

/// A connection in use; it returns to the pool on drop, unless it is broken.
pub(super) struct Taken {
    /// `None` only during drop.
    place: Option<PooledConnection>,
    pool: Arc<Pool>,
    _turn: OwnedSemaphorePermit,
}

impl Pool {
    pub(in crate::store) fn new(target: Target) -> Arc<Pool> {
        Arc::new(Pool {
            target,
            idle: Mutex::default(),
            turns: Arc::new(Semaphore::new(PLACES)),
            urgent: Arc::new(Semaphore::new(URGENT_PLACES)),
            away: AtomicBool::new(false),
            asked: tokio::sync::Mutex::default(),
        })
    }

    /// A connection that works as far as known; `urgent` ones don't queue.
    pub(in crate::store) async fn take(self: &Arc<Pool>, urgent: bool) -> Result<Taken, Error> {
        self.target.check()?;
        let turns = Arc::clone(if urgent { &self.urgent } else { &self.turns });
        let (begun, away) = (Instant::now(), self.away.load(Ordering::Relaxed));
        let turn = self.turn(turns, away).await?;
        let (pool, idle) = (Arc::clone(self), self.idle_take());
        let taken = move |place| Taken {
            place: Some(place),
            pool,
            _turn: turn,
        };
        if let Some(place) = idle {
            if place.is_fresh() {
                return Ok(taken(place));
            }
            self.idle_put(place);
        }
        // Continues even if nobody waits any more: the next caller gets the connection.
        let pool = Arc::clone(self);
        let connecting = tokio::task::spawn_blocking(move || Ok(taken(pool.place()?)));
        let mut patience = AWAY_WAIT.max(self.target.patience());
        if away {
            patience = patience.saturating_sub(begun.elapsed());
        }
        if let Ok(connected) = tokio::time::timeout(patience, connecting).await {
            return connected.map_err(|failure| Error::Task(Box::new(failure)))?;
        }
        self.away.store(true, Ordering::Relaxed);
        Err(Error::Busy("the database doesn't answer".to_owned()))
    }

    async fn turn(
        self: &Arc<Pool>,
        turns: Arc<Semaphore>,
        away: bool,
    ) -> Result<OwnedSemaphorePermit, Error> {
        let (begun, mut turn) = (Instant::now(), pin!(turns.acquire_owned()));
        let wait = if away { AWAY_WAIT } else { TURN_WAIT };
        loop {
            let left = wait.saturating_sub(begun.elapsed());
            let soon = if away { left } else { TURN_SOON.min(left) };
            if let Ok(turn) = tokio::time::timeout(soon, &mut turn).await {
                return turn.map_err(|closed| Error::Task(Box::new(closed)));
            }
            if begun.elapsed() >= wait {
                return Err(Error::Busy("all connections are in use".to_owned()));
            }
            tokio::select! {
                biased;
                turn = &mut turn => return turn.map_err(|closed| Error::Task(Box::new(closed))),
                is_there = self.is_there() => if !is_there {
                    return Err(Error::Busy("the database doesn't answer".to_owned()));
                },
            }
        }
    }

    /// Whether the database accepts a new connection. One check serves all waiting callers.
    async fn is_there(self: &Arc<Pool>) -> bool {
        if !self.target.has_server() {
            return true;
        }
        let mut asked = self.asked.lock().await;
        if asked.is_none_or(|asked| asked.elapsed() > ASKED_HOLDS) {
            let pool = Arc::clone(self);
            let connecting = tokio::task::spawn_blocking(move || pool.target.connect().is_ok());
            let answer = tokio::time::timeout(AWAY_WAIT.saturating_sub(TURN_SOON), connecting);
            let is_there = matches!(answer.await, Ok(Ok(true)));
            self.away.store(!is_there, Ordering::Relaxed);
            *asked = Some(Instant::now());
        }
        !self.away.load(Ordering::Relaxed)
    }

    /// An idle connection that answers, or a new one. Blocks.
    fn place(&self) -> Result<PooledConnection, Error> {
        while let Some(mut place) = self.idle_take() {
            if place.is_fresh() || place.answers() {
                return Ok(place);
            }
            // Connections that were idle as long are likely dead, too; checking each takes too
            // long.
            let (fresh, _stale): (Vec<_>, Vec<_>) =
                self.idle().drain(..).partition(PooledConnection::is_fresh);
            self.idle().extend(fresh);
        }
        let connected = self.target.connect();
        self.away.store(connected.is_err(), Ordering::Relaxed);
        connected
    }

    fn idle_take(&self) -> Option<PooledConnection> {
        self.idle().pop()
    }

    fn idle_put(&self, place: PooledConnection) {
        self.idle().push(place);
    }

    fn idle(&self) -> MutexGuard<'_, Vec<PooledConnection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// The connection.
    pub(in crate::store) fn conn(&mut self) -> Result<&mut DbConnection, Error> {
        self.place
            .as_mut()
            .map(|place| &mut place.conn)
            .ok_or_else(|| Error::Task("its connection is gone".into()))
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let Some(mut place) = self.place.take() else {
            return;
        };
        // A panic may leave a transaction open.
        if std::thread::panicking() || place.has_broken() {
            return;
        }
        self.pool.away.store(false, Ordering::Relaxed);
        self.pool.idle_put(place);
    }
}
