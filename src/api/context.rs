//! What a method works with besides its arguments.
//!
//! The first parameter of a method's function determines whether a session is needed: [`Context`] has a
//! [`Caller`], [`Visitor`] has none.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use dxr::Value;

use super::catalog::Catalog;
use super::reply::PendingCall;
use crate::service::{App, Caller};

/// The origin of a call, as far as the service may use it (rate limits, audit).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The address of the client.
    pub address: IpAddr,
}

/// The context of a method without a session.
#[derive(Clone, Debug)]
pub struct Visitor {
    app: Arc<App>,
    catalog: Arc<Catalog>,
    calls: Arc<dyn Calls>,
    peer: Peer,
}

/// The capabilities of a method that makes calls itself.
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

    /// The catalogue, for introspection.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The origin of the call.
    pub fn peer(&self) -> Peer {
        self.peer
    }

    /// Makes calls nested in this one.
    pub(super) fn calls(&self) -> &Arc<dyn Calls> {
        &self.calls
    }
}

/// The context of a method with a session.
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

    /// The catalogue, for introspection.
    pub fn catalog(&self) -> &Catalog {
        &self.visitor.catalog
    }

    /// The origin of the call.
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

    /// Made from what the dispatcher has; `None` if a required caller is missing.
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
