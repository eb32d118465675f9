//! The API as `AsciiDoc`: one page per namespace, in the layout of Uyuni's own API pages, and the table
//! of roles.

use std::fmt::Write as _;

use super::anchor::{anchor, method_anchor};
use super::apidoc::guide;
use super::roles;
use crate::api::types::{Kind, Shape};
use crate::api::{Catalog, Method, Namespace, SessionUse};

/// The pages, each with its file name, such as `image.store.adoc`.
pub fn pages(catalog: &Catalog) -> Vec<(String, String)> {
    let others = [
        ("index.adoc".to_owned(), index(catalog)),
        (
            "scripts.adoc".to_owned(),
            guide::scripts(guide::EXAMPLE_SERVER).asciidoc("apidoc-scripts"),
        ),
        ("faq.adoc".to_owned(), guide::faq().asciidoc("apidoc-faq")),
        ("roles.adoc".to_owned(), roles::page(catalog)),
    ];
    let namespaces = catalog.namespaces();
    namespaces
        .map(|namespace| (format!("{}.adoc", namespace.name()), page(namespace)))
        .chain(others)
        .collect()
}

fn index(catalog: &Catalog) -> String {
    let mut page = "[#apidoc-index]\n= API\n\n\
        XML-RPC at `/rpc/api`, and the same methods as JSON over HTTP under `/rhn/manager/api/`.\n\n\
        * xref:scripts.adoc[Scripts]: logging in and calling methods with Python, curl, spacecmd and mgrctl\n\
        * xref:faq.adoc[Questions]: what faults mean, and how values are encoded\n\
        * xref:roles.adoc[Roles]: which roles each method needs\n\n\
        *Available namespaces*\n\n"
        .to_owned();
    for namespace in catalog.namespaces_in_order() {
        let (name, doc) = (namespace.name(), namespace.doc());
        line(&mut page, &format!("* xref:{name}.adoc[{name}]: {doc}"));
    }
    page
}

fn page(namespace: &Namespace) -> String {
    let name = namespace.name();
    let mut page = format!(
        "[#apidoc-{}]\n= {name}\n\n*Available methods*\n\n",
        anchor(name)
    );
    for method in namespace.methods() {
        line(
            &mut page,
            &format!(
                "* <<{},{}>>",
                method_anchor(namespace, method),
                method.name()
            ),
        );
    }
    line(
        &mut page,
        &format!(
            "\n== Description\n\n{}\n\n*Namespace*:\n\n{name}\n",
            namespace.doc()
        ),
    );
    for method in namespace.methods() {
        method_section(&mut page, namespace, method);
    }
    page
}

fn method_section(page: &mut String, namespace: &Namespace, method: &Method) {
    let verb = if method.is_read_only() { "GET" } else { "POST" };
    line(
        page,
        &format!(
            "\n[#{}]\n== Method: {}\n",
            method_anchor(namespace, method),
            method.name()
        ),
    );
    line(
        page,
        &format!("HTTP `{verb}`\n\nDescription:\n\n{}\n", method.doc()),
    );
    if let Some(instead) = method.deprecated_text() {
        line(page, &format!("*Deprecated*: {instead}.\n"));
    }
    let roles: Vec<String> = method
        .needed_roles()
        .iter()
        .map(|role| format!("`{role}`"))
        .collect();
    if !roles.is_empty() {
        let oneself = if method.is_open_to_self() {
            ", except for your own account"
        } else {
            ""
        };
        line(
            page,
            &format!("Needs the role {}{oneself}.\n", roles.join(" or ")),
        );
    }
    line(page, "Parameters:\n");
    if method.session() == SessionUse::Always {
        line(page, &format!("* {}  sessionKey\n", kind_text(Kind::Text)));
    }
    for parameter in method.parameters() {
        let kind = shape_text(&parameter.shape);
        line(
            page,
            &format!("* {kind}  {} - {}\n", parameter.name, parameter.doc),
        );
        members(page, &parameter.shape);
    }
    if method.session() != SessionUse::Always && method.parameters().is_empty() {
        line(page, "None\n");
    }
    let result = method.result();
    let returns = method.returns_doc();
    let dash = if returns.is_empty() { "" } else { " - " };
    line(
        page,
        &format!("Returns:\n\n* {}{dash}{returns}\n", shape_text(result)),
    );
    members(page, result);
    let codes: Vec<String> = method
        .fault_codes()
        .iter()
        .map(|code| format!("`{code}`"))
        .collect();
    line(
        page,
        &format!(
            "Faults: {} (xref:faq.adoc[what they mean])\n",
            codes.join(", ")
        ),
    );
    line(page, "'''");
}

fn members(page: &mut String, shape: &Shape) {
    let members = shape.members();
    for member in &members {
        let optional = if member.required { "" } else { " (optional)" };
        let doc = if member.doc.is_empty() {
            String::new()
        } else {
            format!(" - {}", member.doc)
        };
        line(
            page,
            &format!(
                "** {} `{}`{optional}{doc}",
                kind_text(member.kind),
                member.name
            ),
        );
    }
    if !members.is_empty() {
        page.push('\n');
    }
}

fn kind_text(kind: Kind) -> String {
    format!("[.{kind}]#{kind}#")
}

fn shape_text(shape: &Shape) -> String {
    match shape.item_kind() {
        Some(item) => format!("[.array]#{item} array#"),
        None => kind_text(shape.kind()),
    }
}

/// Writing into a `String` can't fail.
fn line(page: &mut String, text: &str) {
    let _ = writeln!(page, "{text}");
}
