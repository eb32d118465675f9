//! `access`: the permissions that exist.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Answer, PAGE};
use crate::api::{Builder, Context, Namespace};
use crate::service::paging::Slice;

/// A namespace in one mode.
#[derive(Debug, Serialize, JsonSchema)]
#[expect(clippy::struct_field_names, reason = "the members are Uyuni's")]
struct Access {
    /// Such as `image.store`.
    namespace: &'static str,
    /// R: methods that only read; W: methods that change something.
    access_mode: &'static str,
    description: &'static str,
}

pub(super) fn define(builder: &mut Builder) {
    builder.namespace(
        "access",
        "AccessHandler",
        "The permissions that exist.",
        |ns| {
            ns.method("listNamespaces", "List the namespaces.", PAGE, list)
                .returns("namespaces, one entry for each mode")
                .read_only();
        },
    );
}

async fn list(context: Context, limit: Option<i32>, offset: Option<i32>) -> Answer<Vec<Access>> {
    let slice = Slice::optional(limit, offset)?;
    let modes = |ns: &'static str, doc: &'static str, known: &Namespace| {
        [("R", true), ("W", false)]
            .into_iter()
            .filter(|(_, read_only)| known.methods().any(|m| m.is_read_only() == *read_only))
            .map(|(access_mode, _)| Access {
                namespace: ns,
                access_mode,
                description: doc,
            })
            .collect::<Vec<_>>()
    };
    let namespaces = context.catalog().namespaces();
    Ok(slice.of(namespaces.flat_map(|ns| modes(ns.name(), ns.doc(), ns))))
}
