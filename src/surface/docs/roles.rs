//! Who may call what, as a page: a row per method, a column per role.

use std::fmt::Write as _;

use crate::api::{Catalog, Method, Namespace, SessionUse};
use crate::service::Role;

const HEAD: &str = "\
[#apidoc-roles]
= Roles

Which roles may call which method. `org_admin` implies `image_admin`; `satellite_admin` implies neither. Every role is limited to
its own organisation, except `satellite_admin` in `org` and `audit`; `taskomatic` covers the
server's own housekeeping.

A read-only account may call the methods marked in the last column, if its roles allow them.

`yes`: allowed; `own`: only for the caller's own account; `open`: needs no session over XML-RPC.

";

/// The page.
pub(in crate::surface) fn page(catalog: &Catalog) -> String {
    let mut page = HEAD.to_owned();
    page.push_str("[cols=\"3,1,1,1,1,1\",options=\"header\"]\n|===\n");
    page.push_str("| method | no role | image_admin | org_admin | satellite_admin | read-only\n");
    for namespace in catalog.namespaces() {
        // Overloads of one name have the same permissions.
        for method in namespace.by_name().filter_map(<[Method]>::first) {
            row(&mut page, namespace, method);
        }
    }
    page.push_str("|===\n");
    page
}

fn row(page: &mut String, namespace: &Namespace, method: &Method) {
    let columns = [
        None,
        Some(Role::ImageAdmin),
        Some(Role::OrgAdmin),
        Some(Role::SatelliteAdmin),
    ];
    let cells = columns.map(|role| cell(method, role));
    let open = method.session() != SessionUse::Always;
    let reads = if open || method.is_read_only() {
        "yes"
    } else {
        "-"
    };
    // Writing into a `String` can't fail.
    let _ = writeln!(
        page,
        "| `{}.{}` | {} | {reads}",
        namespace.name(),
        method.name(),
        cells.join(" | ")
    );
}

fn cell(method: &Method, held: Option<Role>) -> &'static str {
    let needed = method.needed_roles();
    if method.session() != SessionUse::Always {
        "open"
    } else if needed.is_empty()
        || held.is_some_and(|held| needed.iter().any(|role| held.implies(*role)))
    {
        "yes"
    } else if method.is_open_to_self() {
        "own"
    } else {
        "-"
    }
}
