//! What a method works with besides its arguments.
//!
//! The first parameter of a method's function says whether a session is needed: [`Context`] has a
//! [`Caller`], [`Visitor`] has none.

use std::net::IpAddr;
use std::sync::Arc;

use super::dispatch::Dispatcher;
use super::registry::Registry;
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
    registry: Arc<Registry>,
    peer: Peer,
}

impl Visitor {
    pub(super) fn new(app: Arc<App>, registry: Arc<Registry>, peer: Peer) -> Visitor {
        Visitor {
            app,
            registry,
            peer,
        }
    }

    /// The application.
    pub fn app(&self) -> &Arc<App> {
        &self.app
    }

    /// All methods, for introspection.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Where the call came from.
    pub fn peer(&self) -> Peer {
        self.peer
    }

    /// Carries calls that stand within this one.
    pub(super) fn dispatcher(&self) -> Dispatcher {
        Dispatcher::of(Arc::clone(&self.registry), Arc::clone(&self.app))
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

    /// All methods, for introspection.
    pub fn registry(&self) -> &Registry {
        &self.visitor.registry
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
