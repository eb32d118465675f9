//! What a method works with besides its arguments.
//!
//! The first parameter of a method's function says whether a session is needed: [`Context`] has a
//! [`Caller`], [`Visitor`] has none.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use dxr::Value;

use super::catalog::Catalog;
use super::reply::PendingCall;
use crate::service::{App, Caller};

/// Where a call came from, as far as the service may use it (rate limits, audit).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The address of the client.
    pub address: IpAddr,
}

/// What a method without session works with.
#[derive(Clone, Debug)]
pub struct Visitor {
    app: Arc<App>,
    catalog: Arc<Catalog>,
    calls: Arc<dyn Calls>,
    peer: Peer,
}

/// What a method that makes calls itself may do.
pub(super) trait Calls: fmt::Debug + Send + Sync {
    /// A call by position; see [`Dispatcher::call_positional`](super::Dispatcher::call_positional).
    fn call_positional(self: Arc<Self>, peer: Peer, name: String, args: Vec<Value>) -> PendingCall;

    /// Whether the method of that name changes nothing.
    fn is_reading(&self, name: &str) -> bool;
}

impl Visitor {
    pub(super) fn new(
        app: Arc<App>,
        catalog: Arc<Catalog>,
        calls: Arc<dyn Calls>,
        peer: Peer,
    ) -> Visitor {
        Visitor {
            app,
            catalog,
            calls,
            peer,
        }
    }

    /// The application.
    pub fn app(&self) -> &Arc<App> {
        &self.app
    }

    /// What there is, for introspection.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Where the call came from.
    pub fn peer(&self) -> Peer {
        self.peer
    }

    /// Makes calls that stand within this one.
    pub(super) fn calls(&self) -> &Arc<dyn Calls> {
        &self.calls
    }
}

/// What a method with session works with.
#[derive(Clone, Debug)]
pub struct Context {
    visitor: Visitor,
    caller: Caller,
}

impl Context {
    pub(super) fn new(visitor: Visitor, caller: Caller) -> Context {
        Context { visitor, caller }
    }

    /// The application.
    pub fn app(&self) -> &Arc<App> {
        &self.visitor.app
    }

    /// What there is, for introspection.
    pub fn catalog(&self) -> &Catalog {
        &self.visitor.catalog
    }

    /// Where the call came from.
    pub fn peer(&self) -> Peer {
        self.visitor.peer
    }

    /// Who calls.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }
}

/// The first parameter of a method's function: [`Context`] or [`Visitor`].
pub trait FirstParameter: Sized + Send + 'static {
    /// Whether a session is needed.
    const SESSION: bool;

    /// Made from what the dispatcher has; `None` if a needed caller is missing.
    fn of(visitor: Visitor, caller: Option<Caller>) -> Option<Self>;
}

impl FirstParameter for Context {
    const SESSION: bool = true;

    fn of(visitor: Visitor, caller: Option<Caller>) -> Option<Context> {
        caller.map(|caller| Context::new(visitor, caller))
    }
}

impl FirstParameter for Visitor {
    const SESSION: bool = false;

    fn of(visitor: Visitor, _: Option<Caller>) -> Option<Visitor> {
        Some(visitor)
    }
}
