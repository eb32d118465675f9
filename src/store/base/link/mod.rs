//! The link from `libpq` to a PostgreSQL server, through this process.
//!
//! `libpq` has no timeouts for answers, Diesel hides what kind of error it got, and the bundled `libpq`
//! has no TLS. So each connection goes over a socket of this process to a task that forwards the bytes
//! ([`pump`]) and:
//! - speaks TLS with the server if requested (`tls`),
//! - limits every wait: a connection whose answer doesn't come is closed, and `libpq` sees that at
//!   once,
//! - puts the SQLSTATE before each error's message, for [`super::meaning`].
//!
//! `address` says where the server is (a `host`, or several), `passfile` which password `libpq` would
//! use.
//!
//! The socket has a name in Linux's abstract name space; only this process may connect, once. The tasks
//! have their own thread, since `libpq` blocks the calling thread.

mod address;
mod host;
mod passfile;
mod pump;
mod tls;

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener as StdListener};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use diesel::{Connection as _, PgConnection};
use tokio::runtime::{Builder, Handle};

use super::meaning::sqlstate;
use crate::store::Error;
pub(super) use address::Address;
use host::Host;

/// Timeout of connecting: name, TCP, TLS and login.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// A connection's link, as seen from its other end.
#[derive(Clone, Debug)]
pub(super) struct Link(Arc<State>);

/// State shared by a task and the user of its connection.
#[derive(Debug)]
pub(super) struct State {
    /// The connection is over.
    closed: AtomicBool,
    /// How long the server may be silent after a request, in milliseconds.
    limit_ms: AtomicU64,
    /// When the server last sent something.
    heard: Mutex<Instant>,
    /// Why there is no connection.
    failure: Mutex<Option<Failure>>,
}

/// Why a connection can't be established.
#[derive(Debug)]
pub(super) enum Failure {
    /// No answer; this may be temporary.
    Away(String),
    /// It is reachable and refuses.
    Refused(String),
}

impl State {
    fn limit(&self) -> Duration {
        Duration::from_millis(self.limit_ms.load(Ordering::Relaxed))
    }

    fn hear(&self) {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// The first reason is the useful one.
    fn fail(&self, failure: Failure) {
        let mut kept = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get_or_insert(failure);
    }
}

impl Link {
    /// Whether the server sent something within `time`, and the connection is intact as far as
    /// known.
    pub(super) fn is_fresh(&self, time: Duration) -> bool {
        let heard = *self.0.heard.lock().unwrap_or_else(PoisonError::into_inner);
        !self.is_closed() && heard.elapsed() < time
    }

    /// Whether the connection is over.
    pub(super) fn is_closed(&self) -> bool {
        self.0.closed.load(Ordering::Acquire)
    }

    /// Sets how long the server may be silent after a request.
    pub(super) fn limit_set(&self, limit: Duration) {
        let ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        self.0.limit_ms.store(ms, Ordering::Relaxed);
    }

    /// Connects to the first of the hosts that accepts. Blocks.
    pub(super) fn connect(address: &Address) -> Result<(PgConnection, Link), Error> {
        let mut last = None;
        for host in &address.hosts {
            match connect_to(address, host) {
                Ok(connected) => return Ok(connected),
                Err(failure) => last = Some(failure),
            }
        }
        let database = address.shown();
        Err(match last {
            Some(Failure::Refused(reason)) => Error::Refused { database, reason },
            Some(Failure::Away(reason)) => Error::Connect { database, reason },
            None => Error::Url,
        })
    }
}

fn connect_to(address: &Address, host: &Host) -> Result<(PgConnection, Link), Failure> {
    let own = |error: std::io::Error| Failure::Away(error.to_string());
    let (listener, name) = socket().map_err(own)?;
    let state = Arc::new(State {
        closed: AtomicBool::new(false),
        limit_ms: AtomicU64::new(u64::try_from(CONNECT_LIMIT.as_millis()).unwrap_or(u64::MAX)),
        heard: Mutex::new(Instant::now()),
        failure: Mutex::default(),
    });
    // The name stays ours until `libpq` has connected, so it can't reach anyone else.
    let _name = listener.try_clone().map_err(own)?;
    let task = pump::run(listener, address.clone(), host.clone(), Arc::clone(&state));
    runtime().map_err(own)?.spawn(task);
    let connected = PgConnection::establish(&address.conninfo(&name, host));
    connected
        .map(|conn| (conn, Link(Arc::clone(&state))))
        .map_err(|error| {
            let kept = state
                .failure
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            kept.unwrap_or_else(|| {
                let said = error.to_string();
                // The prefix names our own socket.
                let reason = said
                    .rsplit_once(" failed: ")
                    .map_or(&*said, |(_, reason)| reason);
                Failure::Refused(reason.trim().replace('\n', "; "))
            })
        })
}

/// A socket that only this process can find, and its name for `libpq`.
fn socket() -> std::io::Result<(StdListener, String)> {
    let mut random = [0_u8; 16];
    getrandom::fill(&mut random).map_err(|error| std::io::Error::other(error.to_string()))?;
    let name = format!("registrysync-{}", hex::encode(random));
    let address = SocketAddr::from_abstract_name(format!("{name}/.s.PGSQL.5432"))?;
    let listener = StdListener::bind_addr(&address)?;
    listener.set_nonblocking(true)?;
    Ok((listener, format!("@{name}")))
}

/// The thread of all links.
fn runtime() -> std::io::Result<Handle> {
    static RUNTIME: Mutex<Option<Handle>> = Mutex::new(None);
    let mut kept = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = &*kept {
        return Ok(handle.clone());
    }
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    std::thread::Builder::new()
        .name("database-link".to_owned())
        .spawn(move || runtime.block_on(std::future::pending::<()>()))?;
    *kept = Some(handle.clone());
    Ok(handle)
}
