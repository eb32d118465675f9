//! The catalogue: all methods, without the functions behind them. Surfaces describe it, and
//! introspection methods use it.

use std::collections::BTreeMap;

use super::method::Method;

/// All methods, by namespace.
#[derive(Debug, Default)]
pub struct Catalog {
    pub(super) namespaces: BTreeMap<&'static str, Namespace>,
    /// In the order of definition, which is the order of use.
    pub(super) order: Vec<&'static str>,
}

/// The methods of one namespace, by name; several of one name are overloads.
#[derive(Debug)]
pub struct Namespace {
    pub(super) name: &'static str,
    pub(super) handler: &'static str,
    pub(super) doc: &'static str,
    pub(super) methods: BTreeMap<&'static str, Vec<Method>>,
}

impl Catalog {
    /// The namespaces, by name.
    pub fn namespaces(&self) -> impl Iterator<Item = &Namespace> {
        self.namespaces.values()
    }

    /// The namespaces, most useful first.
    pub fn namespaces_in_order(&self) -> impl Iterator<Item = &Namespace> {
        self.order
            .iter()
            .filter_map(|name| self.namespaces.get(name))
    }

    /// The overloads of a method by its full name, such as `image.store.create`; empty if there are none.
    pub fn overloads(&self, name: &str) -> &[Method] {
        let found = name.rsplit_once('.');
        found
            .and_then(|(namespace, method)| Some(self.namespace(namespace)?.overloads(method)))
            .unwrap_or_default()
    }

    /// The namespace of that name.
    pub fn namespace(&self, name: &str) -> Option<&Namespace> {
        self.namespaces.get(name)
    }
}

impl Namespace {
    /// The name, such as `image.store`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The handler's name in introspection.
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

    /// The overloads of each method, by name.
    pub fn by_name(&self) -> impl Iterator<Item = &[Method]> {
        self.methods.values().map(Vec::as_slice)
    }

    /// The overloads of a name, given in camelCase or `snake_case`; empty if there are none.
    pub fn overloads(&self, name: &str) -> &[Method] {
        let found = self.methods.get_key_value(name).or_else(|| {
            let found = self.methods.get_key_value(camel_case(name).as_str());
            // Other underscores, such as in `list__tags`, aren't accepted.
            found.filter(|(camel, _)| snake_case(camel) == name)
        });
        found.map_or(&[], |(_, overloads)| overloads)
    }
}

/// `list_tags` as `listTags`; text without underscores is unchanged.
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
