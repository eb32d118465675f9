//! A namespace and its methods as shown on a page.

use std::collections::BTreeSet;

use super::{answer, samples};
use crate::api::error::code;
use crate::api::types::{Kind, Member, Shape};
use crate::api::{Catalog, Method, Namespace, SessionUse};
use crate::service::Role;
use crate::surface::docs::anchor::method_anchor;
use crate::surface::docs::overloads::{self, Need, definitions};

/// A piece of text; `code` was between backticks.
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
            methods: hits(namespace).collect(),
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
    /// The text to search, in lower case.
    pub(super) text: String,
}

impl<'a> Hit<'a> {
    fn of(namespace: &'a Namespace, overloads: &'a [Method]) -> Option<Self> {
        let first = overloads.first()?;
        let docs: Vec<&str> = definitions(overloads)
            .filter_map(|signatures| signatures.first())
            .map(Method::doc)
            .collect();
        let full = format!("{}.{} {}", namespace.name(), first.name(), docs.join(" "));
        Some(Self {
            namespace: namespace.name(),
            name: first.name(),
            parameters: overloads::line(overloads),
            anchor: method_anchor(namespace, first),
            doc: pieces(first.doc()),
            text: full.to_lowercase(),
        })
    }

    /// Whether every word of `query` is somewhere; `list_tags` finds `listTags`.
    fn fits(&self, query: &str) -> bool {
        let plain = |text: &str| text.to_lowercase().replace('_', "");
        query
            .split_whitespace()
            .all(|word| self.text.contains(&plain(word)))
    }
}

fn hits(namespace: &Namespace) -> impl Iterator<Item = Hit<'_>> {
    namespace
        .by_name()
        .filter_map(move |overloads| Hit::of(namespace, overloads))
}

/// The methods that match `query`.
pub(super) fn search<'a>(catalog: &'a Catalog, query: &str) -> Vec<Hit<'a>> {
    let all = catalog.namespaces_in_order().flat_map(hits);
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
        let methods = namespace.by_name();
        Self {
            name: namespace.name(),
            doc: pieces(namespace.doc()),
            methods: methods
                .filter_map(|overloads| MethodView::of(namespace, overloads, origin))
                .collect(),
        }
    }
}

/// A method with its overloads.
pub(super) struct MethodView<'a> {
    pub(super) name: &'a str,
    pub(super) anchor: String,
    pub(super) verb: &'static str,
    pub(super) role: Option<String>,
    /// Whether one's own account needs no role.
    pub(super) or_self: bool,
    /// The replacement of a deprecated method.
    pub(super) deprecated: Option<Vec<Piece<'a>>>,
    pub(super) definitions: Vec<DefinitionView<'a>>,
    pub(super) faults: Vec<FaultView>,
}

/// The common part of all signatures of a definition.
pub(super) struct DefinitionView<'a> {
    pub(super) doc: Vec<Piece<'a>>,
    pub(super) signatures: Vec<SignatureView>,
    pub(super) parameters: Vec<ParameterView<'a>>,
    pub(super) result: ValueView<'a>,
    pub(super) python: String,
    pub(super) curl: String,
    /// A sample JSON response.
    pub(super) answer: String,
}

/// One overload.
pub(super) struct SignatureView {
    pub(super) anchor: String,
    /// The names of the parameters, without the session.
    pub(super) names: String,
}

/// A parameter.
pub(super) struct ParameterView<'a> {
    pub(super) need: &'static str,
    pub(super) value: ValueView<'a>,
}

/// A parameter's type, or a result's.
pub(super) struct ValueView<'a> {
    pub(super) name: &'a str,
    pub(super) kind: String,
    pub(super) doc: Vec<Piece<'a>>,
    pub(super) members: Vec<Member>,
}

/// A fault code that a call can return.
pub(super) struct FaultView {
    pub(super) code: i32,
    pub(super) doc: Vec<Piece<'static>>,
}

impl<'a> MethodView<'a> {
    fn of(namespace: &Namespace, overloads: &'a [Method], origin: &str) -> Option<Self> {
        let first = overloads.first()?;
        Some(Self {
            name: first.name(),
            anchor: method_anchor(namespace, first),
            verb: if first.is_read_only() { "GET" } else { "POST" },
            role: one_of(first.needed_roles()),
            or_self: first.is_open_to_self(),
            deprecated: first.deprecated_text().map(pieces),
            definitions: definitions(overloads)
                .filter_map(|signatures| DefinitionView::of(namespace, signatures, origin))
                .collect(),
            faults: faults(overloads),
        })
    }
}

impl<'a> DefinitionView<'a> {
    fn of(namespace: &Namespace, signatures: &'a [Method], origin: &str) -> Option<Self> {
        let sample = overloads::simplest(signatures)?;
        let session = (sample.session() == SessionUse::Always).then(|| ParameterView {
            need: Need::Required.text(),
            value: ValueView {
                name: "sessionKey",
                kind: Kind::Text.to_string(),
                doc: pieces("XML-RPC only; JSON calls use the cookie or a bearer token"),
                members: Vec::new(),
            },
        });
        let named = overloads::parameters(signatures).into_iter();
        let named = named.map(|(p, need)| ParameterView {
            need: need.text(),
            value: ValueView::of(p.name, p.doc, &p.shape),
        });
        Some(Self {
            doc: pieces(sample.doc()),
            signatures: signatures
                .iter()
                .map(|method| SignatureView {
                    anchor: method_anchor(namespace, method),
                    names: distinct_names(method, signatures),
                })
                .collect(),
            parameters: session.into_iter().chain(named).collect(),
            result: ValueView::of("", sample.returns_doc(), sample.result()),
            python: samples::python(namespace, sample, origin),
            curl: samples::curl(namespace, sample, origin),
            answer: answer::answer(namespace, sample),
        })
    }
}

/// The names of the parameters, with their types if another signature has the same names.
fn distinct_names(method: &Method, signatures: &[Method]) -> String {
    let names = method.name_list();
    let same = signatures.iter().filter(|one| one.name_list() == names);
    if same.count() == 1 {
        return names;
    }
    method.typed_names().collect::<Vec<_>>().join(", ")
}

/// `None` if any user may call it.
fn one_of(roles: &[Role]) -> Option<String> {
    let names: Vec<&str> = roles.iter().map(|role| role.as_str()).collect();
    (!names.is_empty()).then(|| names.join(" or "))
}

fn faults(overloads: &[Method]) -> Vec<FaultView> {
    let listed: BTreeSet<i32> = overloads.iter().flat_map(Method::fault_codes).collect();
    let known = code::ALL.iter();
    known
        .filter(|(code, _)| listed.contains(code))
        .map(|(code, doc)| FaultView {
            code: *code,
            doc: pieces(doc),
        })
        .collect()
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
