//! A namespace and its methods as a page shows them.

use super::samples;
use crate::api::types::{Kind, Member, Shape};
use crate::api::{Method, Namespace, Registry, SessionUse};
use crate::service::Role;
use crate::surface::docs::anchor::method_anchor;

/// A piece of text; `code` stood between backticks.
pub(super) struct Piece<'a> {
    pub(super) code: bool,
    pub(super) text: &'a str,
}

/// Text with `code` in backticks, in pieces.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let parts = text.split('`').enumerate();
    parts
        .map(|(index, text)| Piece {
            code: index % 2 == 1,
            text,
        })
        .filter(|piece| !piece.text.is_empty())
        .collect()
}

/// A namespace in the index.
pub(super) struct Entry<'a> {
    pub(super) name: &'a str,
    pub(super) doc: Vec<Piece<'a>>,
    pub(super) methods: Vec<Hit<'a>>,
}

impl<'a> Entry<'a> {
    pub(super) fn of(namespace: &'a Namespace) -> Self {
        Self {
            name: namespace.name(),
            doc: pieces(namespace.doc()),
            methods: namespace
                .methods()
                .map(|method| Hit::of(namespace, method))
                .collect(),
        }
    }
}

/// A method in a list.
pub(super) struct Hit<'a> {
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
    pub(super) parameters: String,
    pub(super) anchor: String,
    pub(super) doc: Vec<Piece<'a>>,
    /// What a search looks through, in lower case.
    pub(super) text: String,
}

impl<'a> Hit<'a> {
    fn of(namespace: &'a Namespace, method: &'a Method) -> Self {
        let full = format!("{}.{} {}", namespace.name(), method.name(), method.doc());
        Self {
            namespace: namespace.name(),
            name: method.name(),
            parameters: names(method),
            anchor: method_anchor(namespace, method),
            doc: pieces(method.doc()),
            text: full.to_lowercase(),
        }
    }

    /// Whether every word of `query` is somewhere; `list_tags` finds `listTags`.
    fn fits(&self, query: &str) -> bool {
        let plain = |text: &str| text.to_lowercase().replace('_', "");
        query
            .split_whitespace()
            .all(|word| self.text.contains(&plain(word)))
    }
}

fn names(method: &Method) -> String {
    let names: Vec<&str> = method.parameters().iter().map(|p| p.name).collect();
    names.join(", ")
}

/// The methods that `query` means.
pub(super) fn search<'a>(registry: &'a Registry, query: &str) -> Vec<Hit<'a>> {
    let all = registry.namespaces().flat_map(|namespace| {
        namespace
            .methods()
            .map(move |method| Hit::of(namespace, method))
    });
    all.filter(|hit| hit.fits(query)).collect()
}

/// A namespace's page.
pub(super) struct NamespaceView<'a> {
    pub(super) name: &'a str,
    pub(super) doc: Vec<Piece<'a>>,
    pub(super) methods: Vec<MethodView<'a>>,
}

impl<'a> NamespaceView<'a> {
    /// `origin` is the server's address, for the samples.
    pub(super) fn of(namespace: &'a Namespace, origin: &str) -> Self {
        Self {
            name: namespace.name(),
            doc: pieces(namespace.doc()),
            methods: methods(namespace, origin),
        }
    }
}

fn methods<'a>(namespace: &'a Namespace, origin: &str) -> Vec<MethodView<'a>> {
    let mut methods: Vec<MethodView<'a>> = Vec::new();
    for method in namespace.methods() {
        let is_first = methods.last().is_none_or(|last| last.name != method.name());
        methods.push(MethodView {
            is_first,
            ..MethodView::of(namespace, method, origin)
        });
    }
    methods
}

/// One signature.
pub(super) struct MethodView<'a> {
    pub(super) name: &'a str,
    /// The names of the parameters, without the session.
    pub(super) names: String,
    /// The first of its name; the others are its overloads.
    pub(super) is_first: bool,
    pub(super) anchor: String,
    pub(super) verb: &'static str,
    pub(super) doc: Vec<Piece<'a>>,
    pub(super) role: Option<String>,
    /// Whether one's own account needs no role.
    pub(super) or_self: bool,
    pub(super) parameters: Vec<ValueView<'a>>,
    pub(super) result: ValueView<'a>,
    pub(super) python: String,
    pub(super) curl: String,
}

/// A parameter or a result.
pub(super) struct ValueView<'a> {
    pub(super) name: &'a str,
    pub(super) kind: String,
    pub(super) doc: Vec<Piece<'a>>,
    pub(super) members: Vec<Member>,
}

impl<'a> MethodView<'a> {
    fn of(namespace: &Namespace, method: &'a Method, origin: &str) -> Self {
        let session = (method.session() == SessionUse::Always).then(|| ValueView {
            name: "sessionKey",
            kind: Kind::Text.to_string(),
            doc: pieces("on XML-RPC; on JSON the cookie or the bearer token"),
            members: Vec::new(),
        });
        let named = method.parameters().iter();
        let named = named.map(|p| ValueView::of(p.name, p.doc, &p.shape));
        Self {
            name: method.name(),
            names: names(method),
            is_first: true,
            anchor: method_anchor(namespace, method),
            verb: if method.is_read_only() { "GET" } else { "POST" },
            doc: pieces(method.doc()),
            role: one_of(method.needed_roles()),
            or_self: method.is_open_to_self(),
            parameters: session.into_iter().chain(named).collect(),
            result: ValueView::of("", method.returns_doc(), method.result()),
            python: samples::python(namespace, method, origin),
            curl: samples::curl(namespace, method, origin),
        }
    }
}

/// `None` where any user may call it.
fn one_of(roles: &[Role]) -> Option<String> {
    let names: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
    (!names.is_empty()).then(|| names.join(" or "))
}

impl<'a> ValueView<'a> {
    fn of(name: &'a str, doc: &'a str, shape: &Shape) -> Self {
        Self {
            name,
            kind: match shape.item_kind() {
                Some(item) => format!("array of {item}"),
                None => shape.kind().to_string(),
            },
            doc: pieces(doc),
            members: shape.members(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::pieces;

    #[test]
    fn backticks_mark_code() {
        let shown: Vec<(bool, &str)> = pieces("such as `a` or `b`")
            .iter()
            .map(|piece| (piece.code, piece.text))
            .collect();
        assert_eq!(
            shown,
            [
                (false, "such as "),
                (true, "a"),
                (false, " or "),
                (true, "b")
            ]
        );
    }
}
