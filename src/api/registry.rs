//! The registry: every method of every namespace, written once and read by all surfaces.
//!
//! It is built without a database. A definition that can't work panics while it is built, which
//! every test run does.

use std::collections::BTreeMap;

use super::method::{LOGIN_PARAMETER, Method, MethodFn, Param, SessionUse};
use super::types::Kind;

/// All methods.
#[derive(Debug)]
pub struct Registry {
    namespaces: BTreeMap<&'static str, Namespace>,
}

/// The methods of one namespace, by name; several of one name are overloads.
#[derive(Debug)]
pub struct Namespace {
    name: &'static str,
    handler: &'static str,
    doc: &'static str,
    methods: BTreeMap<&'static str, Vec<Method>>,
}

/// Collects namespaces.
#[derive(Debug, Default)]
pub struct Builder {
    namespaces: BTreeMap<&'static str, Namespace>,
}

impl Builder {
    /// Adds the namespace `name` (such as `image.store`), whose handler introspection calls
    /// `handler` (such as `ImageStoreHandler`); `define` adds its methods.
    ///
    /// # Panics
    /// If the namespace is there already, or its definitions can't work: two overloads that can't
    /// be told apart, or overloads that differ in what a surface must know before it picks one.
    pub fn namespace(
        &mut self,
        name: &'static str,
        handler: &'static str,
        doc: &'static str,
        define: impl FnOnce(&mut Namespace),
    ) -> &mut Builder {
        let mut namespace = Namespace {
            name,
            handler,
            doc,
            methods: BTreeMap::new(),
        };
        define(&mut namespace);
        namespace
            .methods
            .values()
            .for_each(|overloads| overloads_check(name, overloads));
        let previous = self.namespaces.insert(name, namespace);
        assert!(
            previous.is_none(),
            "the namespace `{name}` is defined twice"
        );
        self
    }

    /// The finished registry.
    pub fn build(self) -> Registry {
        Registry {
            namespaces: self.namespaces,
        }
    }
}

impl Registry {
    /// A builder without namespaces.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The namespaces, by name.
    pub fn namespaces(&self) -> impl Iterator<Item = &Namespace> {
        self.namespaces.values()
    }

    /// The namespace of that name.
    pub fn namespace(&self, name: &str) -> Option<&Namespace> {
        self.namespaces.get(name)
    }
}

impl Namespace {
    /// Adds a method, or an overload of one. Returns it for the finishing touches.
    pub fn method<Args, F, const N: usize>(
        &mut self,
        name: &'static str,
        doc: &'static str,
        params: [Param; N],
        function: F,
    ) -> &mut Method
    where
        F: MethodFn<Args, N>,
    {
        let overloads = self.methods.entry(name).or_default();
        overloads.push(Method::new(name, doc, params, function));
        let last = overloads.len() - 1;
        &mut overloads[last]
    }

    /// The name, such as `image.store`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The name that introspection gives to the handler.
    pub fn handler(&self) -> &'static str {
        self.handler
    }

    /// One line of documentation.
    pub fn doc(&self) -> &'static str {
        self.doc
    }

    /// Every signature, by method name.
    pub fn methods(&self) -> impl Iterator<Item = &Method> {
        self.methods.values().flatten()
    }

    /// The overloads of a name, given in camelCase or `snake_case`; empty if there are none.
    pub fn overloads(&self, name: &str) -> &[Method] {
        let found = self.methods.get_key_value(name).or_else(|| {
            let found = self.methods.get_key_value(camel_case(name).as_str());
            // Other underscores, such as `list__tags`, are no spelling of it.
            found.filter(|(camel, _)| snake_case(camel) == name)
        });
        found.map_or(&[], |(_, overloads)| overloads)
    }
}

/// `list_tags` as `listTags`; text without underscores stays.
pub fn camel_case(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    let mut upper = false;
    for c in name.chars() {
        match c {
            '_' if !camel.is_empty() => upper = true,
            _ if upper => {
                camel.extend(c.to_uppercase());
                upper = false;
            }
            _ => camel.push(c),
        }
    }
    camel
}

/// `listTags` as `list_tags`.
pub fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_uppercase() {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
    }
    snake
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
