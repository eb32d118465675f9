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

/// What is behind all calls: the dispatcher, as far as a method needs it.
pub(super) trait Backend: fmt::Debug + Send + Sync {
    /// The application.
    fn app(&self) -> &Arc<App>;

    /// The catalogue.
    fn catalog(&self) -> &Catalog;

    /// A call by position; see [`Dispatcher::call_positional`](super::Dispatcher::call_positional).
    fn call_positional(self: Arc<Self>, peer: Peer, name: String, args: Vec<Value>) -> PendingCall;
}

/// The context of a method without a session.
#[derive(Clone, Debug)]
pub struct Visitor {
    backend: Arc<dyn Backend>,
    peer: Peer,
}

impl Visitor {
    pub(super) fn new(backend: Arc<dyn Backend>, peer: Peer) -> Visitor {
        Visitor { backend, peer }
    }

    /// The application.
    pub fn app(&self) -> &Arc<App> {
        self.backend.app()
    }

    /// The catalogue, for introspection.
    pub fn catalog(&self) -> &Catalog {
        self.backend.catalog()
    }

    /// The origin of the call.
    pub fn peer(&self) -> Peer {
        self.peer
    }

    /// Makes a call nested in this one, by position.
    pub(super) fn call(&self, name: String, args: Vec<Value>) -> PendingCall {
        Arc::clone(&self.backend).call_positional(self.peer, name, args)
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
        self.visitor.app()
    }

    /// The catalogue, for introspection.
    pub fn catalog(&self) -> &Catalog {
        self.visitor.catalog()
    }

    /// The origin of the call.
    pub fn peer(&self) -> Peer {
        self.visitor.peer()
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
