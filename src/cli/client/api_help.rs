//! `registrysync api help`: the methods of this program's version, without asking a server.

use crate::api::{Catalog, Method, Namespace};

use crate::cli::error::CliError;
use crate::cli::output::data_line;

pub(in crate::cli) fn show(catalog: &Catalog, words: &[&str]) -> Result<(), CliError> {
    match words {
        [] => {
            for namespace in catalog.namespaces_in_order() {
                data_line(&format!("{:<14} {}", namespace.name(), namespace.doc()));
            }
            Ok(())
        }
        [name] => named(catalog, name),
        _ => Err(CliError::Input("help takes one namespace or method".into())),
    }
}

fn named(catalog: &Catalog, name: &str) -> Result<(), CliError> {
    let name = name.trim_matches('/').replace('/', ".");
    if let Some(namespace) = catalog.namespace(&name) {
        listing(namespace);
        return Ok(());
    }
    let found = catalog.overloads(&name);
    if found.is_empty() {
        return Err(CliError::Input(format!(
            "`{name}` is neither a namespace nor a method; `registrysync api help` lists the namespaces"
        )));
    }
    for method in found {
        details(method);
    }
    Ok(())
}

fn listing(namespace: &Namespace) {
    for method in namespace.methods() {
        data_line(&format!("{}.{}", namespace.name(), method.signature()));
        data_line(&format!("    {}", method.doc()));
    }
}

fn details(method: &Method) {
    let verb = if method.is_read_only() { "GET" } else { "POST" };
    data_line(&format!("{}  ({verb})", method.signature()));
    data_line(&format!("    {}", method.doc()));
    if let Some(instead) = method.deprecated_text() {
        data_line(&format!("    deprecated: {instead}"));
    }
    for parameter in method.parameters() {
        data_line(&format!("    {}: {}", parameter.name, parameter.doc));
        for member in parameter.shape.members() {
            data_line(&format!(
                "        {} ({}): {}",
                member.name, member.kind, member.doc
            ));
        }
    }
    if !method.returns_doc().is_empty() {
        data_line(&format!("    returns {}", method.returns_doc()));
    }
}
