//! The registry: every method of every namespace, written once and read by all surfaces.
//!
//! It is built without a database. An invalid definition panics during the build, which every test run
//! does.

use std::collections::BTreeMap;
use std::fmt;

use dxr::Value;

use super::catalog::{Catalog, Namespace};
use super::context::Visitor;
use super::error::ApiError;
use super::function::{Function, MethodFn};
use super::method::{Definition, LOGIN_PARAMETER, Method, Param, SessionUse};
use super::reply::PendingCall;
use super::types::Kind;
use crate::service::Caller;

/// All methods, with the functions behind them.
pub struct Registry {
    catalog: Catalog,
    functions: Vec<Box<Function>>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.catalog.fmt(f)
    }
}

/// Collects namespaces.
#[derive(Default)]
pub struct Builder {
    catalog: Catalog,
    functions: Vec<Box<Function>>,
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.catalog.fmt(f)
    }
}

/// Collects the methods of one namespace.
pub struct NamespaceBuilder<'b> {
    definitions: Vec<Definition>,
    functions: &'b mut Vec<Box<Function>>,
}

impl fmt::Debug for NamespaceBuilder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.definitions.fmt(f)
    }
}

impl Builder {
    /// Adds the namespace `name` (such as `image.store`), whose handler is called `handler` (such
    /// as `ImageStoreHandler`) in introspection; `define` adds its methods. Namespaces are shown in
    /// the order in which they are added.
    ///
    /// # Panics
    /// If the namespace is there already, or its definitions can't work: two overloads that can't
    /// be told apart, or overloads that differ in what a surface must know before it picks one.
    pub fn namespace(
        &mut self,
        name: &'static str,
        handler: &'static str,
        doc: &'static str,
        define: impl FnOnce(&mut NamespaceBuilder<'_>),
    ) -> &mut Builder {
        let mut builder = NamespaceBuilder {
            definitions: Vec::new(),
            functions: &mut self.functions,
        };
        define(&mut builder);
        let mut methods: BTreeMap<&'static str, Vec<Method>> = BTreeMap::new();
        for method in builder
            .definitions
            .into_iter()
            .flat_map(Definition::methods)
        {
            methods.entry(method.name()).or_default().push(method);
        }
        for overloads in methods.values() {
            overloads_check(name, overloads);
        }
        let namespace = Namespace {
            name,
            handler,
            doc,
            methods,
        };
        let previous = self.catalog.namespaces.insert(name, namespace);
        assert!(
            previous.is_none(),
            "the namespace `{name}` is defined twice"
        );
        self.catalog.order.push(name);
        self
    }

    /// The finished registry.
    pub fn build(self) -> Registry {
        Registry {
            catalog: self.catalog,
            functions: self.functions,
        }
    }
}

impl NamespaceBuilder<'_> {
    /// Adds a method, or an overload of one, and returns it for further settings.
    pub fn method<Args, F, const N: usize>(
        &mut self,
        name: &'static str,
        doc: &'static str,
        params: [Param; N],
        function: F,
    ) -> &mut Definition
    where
        F: MethodFn<Args, N>,
    {
        let params = params.into_iter().zip(F::arguments()).collect();
        let place = self.functions.len();
        let definition = Definition::new(name, doc, params, F::result(), F::SESSION, place);
        self.functions
            .push(Box::new(move |names, visitor, caller, args| {
                function.call(names, visitor, caller, args)
            }));
        self.definitions.push(definition);
        let last = self.definitions.len() - 1;
        &mut self.definitions[last]
    }
}

impl Registry {
    /// A builder without namespaces.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The catalogue, without the functions.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Calls a method of this registry, without any checks.
    pub(super) fn call(
        &self,
        method: &Method,
        visitor: Visitor,
        caller: Option<Caller>,
        args: Vec<Value>,
    ) -> PendingCall {
        if let Some(function) = self.functions.get(method.function()) {
            return function(method.names(), visitor, caller, method.placed(args));
        }
        let error = ApiError::unexpected("a method of another registry");
        Box::pin(std::future::ready(Err(error)))
    }
}

fn overloads_check(namespace: &str, overloads: &[Method]) {
    for (index, one) in overloads.iter().enumerate() {
        let needs_session = one.session() == SessionUse::Always;
        assert!(
            needs_session || one.needed_roles().is_empty(),
            "`{namespace}`: {one:?} asks for a role, but not for a session"
        );
        let mut parameters = one.parameters().iter();
        assert!(
            !one.is_open_to_self() || parameters.any(|p| p.name == LOGIN_PARAMETER),
            "`{namespace}`: {one:?} is open to oneself, but has no `{LOGIN_PARAMETER}`"
        );
        for other in &overloads[index + 1..] {
            assert!(
                one.is_read_only() == other.is_read_only()
                    && one.session() == other.session()
                    && one.needed_roles() == other.needed_roles(),
                "`{namespace}`: the overloads of `{}` differ in read-only, session or roles",
                one.name()
            );
            assert!(
                by_position(one) != by_position(other) && by_name(one) != by_name(other),
                "`{namespace}`: {one:?} and {other:?} can't be told apart"
            );
        }
    }
}

fn by_position(method: &Method) -> Vec<Kind> {
    method.parameters().iter().map(|p| p.shape.kind()).collect()
}

fn by_name(method: &Method) -> BTreeMap<&'static str, Kind> {
    method
        .parameters()
        .iter()
        .map(|p| (p.name, p.shape.kind()))
        .collect()
}
