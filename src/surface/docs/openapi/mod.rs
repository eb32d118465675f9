//! The JSON surface as an `OpenAPI` 3.1 document, generated from the catalogue.
//!
//! Paths are relative to the server's root. The overloads of a method share one URL: for GET the query
//! parameters of all of them are listed, for POST their bodies are alternatives.
//!
//! - `schemas`: the shared types, requests and results.
//! - `login`: the routes that aren't calls of methods.
//! - `parts`: recurring parts.

mod login;
mod parts;
mod schemas;

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json, json};

use crate::api::types::Kind;
use crate::api::{Catalog, Method, Namespace, SessionUse};
use crate::surface::docs::overloads::definitions;
use crate::surface::paths::JSON_ROOT;
use crate::surface::requests::cookie;
use parts::{reference, refusal};
use schemas::{Schemas, one_of};

/// The path of the document below the root, and its name in `api-docs/`.
pub const NAME: &str = "openapi.json";

/// The document as text, ending with a line break.
pub fn page(catalog: &Catalog) -> String {
    format!("{:#}\n", document(catalog))
}

/// The document.
pub fn document(catalog: &Catalog) -> Json {
    let mut schemas = Schemas::new();
    let mut paths = Map::new();
    for namespace in catalog.namespaces() {
        for overloads in namespace.by_name() {
            if let [first, ..] = overloads {
                let path = format!("/{}/{}", namespace.name().replace('.', "/"), first.name());
                let operation = operation(&mut schemas, namespace, first, overloads);
                let verb = if first.is_read_only() { "get" } else { "post" };
                paths.insert(path, json!({ verb: operation }));
            }
        }
    }
    paths.extend(login::paths());
    json!({
        "openapi": "3.1.1",
        "info": {
            "title": env!("CARGO_PKG_NAME"),
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": JSON_ROOT}],
        "security": [{"session": []}, {"bearer": []}],
        "tags": tags(catalog),
        "paths": paths,
        "components": {
            "schemas": schemas.into_json(),
            "securitySchemes": {
                "session": {"type": "apiKey", "in": "cookie", "name": cookie::NAME},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
    })
}

const DESCRIPTION: &str = "Copies selected container images between registries. \
    A fault is a response with status 200 and `success` false. \
    In addition to what is listed here, every value may be sent as a string, a single value instead of an \
    array, the parameters of a POST in its query, and names in snake_case.";

fn tags(catalog: &Catalog) -> Vec<Json> {
    let namespaces = catalog.namespaces_in_order();
    namespaces
        .map(|ns| json!({"name": ns.name(), "description": ns.doc()}))
        .collect()
}

/// The operation of `overloads`, of which `first` is one.
fn operation(
    schemas: &mut Schemas,
    namespace: &Namespace,
    first: &Method,
    overloads: &[Method],
) -> Json {
    let mut operation = json!({
        "operationId": format!("{}.{}", namespace.name(), first.name()),
        "tags": [namespace.name()],
        "summary": first.doc(),
        "description": description(overloads),
    });
    let Some(members) = operation.as_object_mut() else {
        return operation;
    };
    if first.deprecated_text().is_some() {
        members.insert("deprecated".into(), true.into());
    }
    if first.session() == SessionUse::Never {
        members.insert("security".into(), json!([]));
    }
    if first.is_read_only() {
        members.insert("parameters".into(), query(schemas, overloads));
    } else if let Some(body) = body(schemas, overloads) {
        members.insert("requestBody".into(), body);
    }
    members.insert("responses".into(), responses(schemas, first, overloads));
    operation
}

fn description(overloads: &[Method]) -> String {
    let lines = definitions(overloads).filter_map(|signatures| {
        let first = signatures.first()?;
        let calls: Vec<String> = signatures
            .iter()
            .map(|method| format!("`{}({})`", method.name(), method.name_list()))
            .collect();
        let roles: Vec<String> = first
            .needed_roles()
            .iter()
            .map(|role| format!("`{role}`"))
            .collect();
        let role = if roles.is_empty() {
            String::new()
        } else {
            format!(" Needs the role {}.", roles.join(" or "))
        };
        let returns = match first.returns_doc() {
            "" => String::new(),
            returns => format!(" Returns {returns}."),
        };
        let deprecated = match first.deprecated_text() {
            Some(instead) => format!(" Deprecated: {instead}."),
            None => String::new(),
        };
        Some(format!(
            "{}: {}{returns}{role}{deprecated}",
            calls.join(", "),
            first.doc()
        ))
    });
    lines.collect::<Vec<_>>().join("\n\n")
}

/// The signatures for calls by name, with the parameters that each requires.
fn by_name(overloads: &[Method]) -> Vec<(&Method, Vec<&'static str>)> {
    let named = overloads.iter();
    named
        .filter_map(|method| Some((method, method.names_required()?)))
        .collect()
}

/// The query parameters of all overloads; those required by all of them are required.
fn query(schemas: &mut Schemas, overloads: &[Method]) -> Json {
    let named = by_name(overloads);
    let mut listed: Map<String, Json> = Map::new();
    for parameter in overloads.iter().flat_map(Method::parameters) {
        if listed.contains_key(parameter.name) {
            continue;
        }
        let required = named
            .iter()
            .all(|(_, needed)| needed.contains(&parameter.name));
        let same = overloads.iter().flat_map(Method::parameters);
        let shapes = same.filter(|p| p.name == parameter.name).map(|p| &p.shape);
        let is_struct = parameter.shape.kind() == Kind::Struct;
        let schema = one_of(shapes.map(|shape| schemas.argument(shape)).collect());
        let mut described = json!({
            "name": parameter.name,
            "in": "query",
            "description": parameter.doc,
            "required": required,
        });
        // In a query a struct is JSON text.
        if is_struct {
            described["content"] = json!({"application/json": {"schema": schema}});
        } else {
            described["schema"] = schema;
        }
        listed.insert(parameter.name.into(), described);
    }
    listed.into_iter().map(|(_, described)| described).collect()
}

/// The body of a POST; `None` if no overload has a parameter.
fn body(schemas: &mut Schemas, overloads: &[Method]) -> Option<Json> {
    if overloads.iter().all(|m| m.parameters().is_empty()) {
        return None;
    }
    let named = by_name(overloads);
    let required = named.iter().all(|(_, needed)| !needed.is_empty());
    let forms = named.into_iter().map(|(method, needed)| {
        let properties: Map<String, Json> = method
            .parameters()
            .iter()
            .map(|p| {
                (
                    p.name.to_owned(),
                    described(schemas.argument(&p.shape), p.doc),
                )
            })
            .collect();
        json!({
            "type": "object",
            "properties": properties,
            "required": needed,
            "additionalProperties": false,
        })
    });
    let schema = one_of(forms.collect());
    Some(json!({"required": required, "content": {"application/json": {"schema": schema}}}))
}

fn described(mut schema: Json, doc: &str) -> Json {
    if let Some(members) = schema.as_object_mut() {
        members.insert("description".into(), doc.into());
    }
    schema
}

fn responses(schemas: &mut Schemas, first: &Method, overloads: &[Method]) -> Json {
    let results = overloads
        .iter()
        .map(|method| schemas.result(method.result()));
    let success = json!({
        "type": "object",
        "properties": {"success": {"const": true}, "result": one_of(results.collect())},
        "required": ["success", "result"],
        "additionalProperties": false,
    });
    let answer = one_of(vec![success, fault(overloads)]);
    let mut responses = json!({
        "200": {
            "description": "the result or fault of the method",
            "content": {"application/json": {"schema": answer}},
        },
        "400": refusal("a parameter is missing, unknown or invalid"),
    });
    if first.session() != SessionUse::Never {
        responses["401"] = json!({"description": "no valid session; the body is empty"});
    }
    if !first.is_read_only() {
        responses["403"] =
            refusal("the account is read-only, or the request came from another site's page");
    }
    responses
}

/// A fault, with the codes that the method returns.
fn fault(overloads: &[Method]) -> Json {
    let codes = overloads.iter().flat_map(Method::fault_codes);
    let codes: BTreeSet<i32> = codes.collect();
    let mut fault = reference("Fault");
    fault["properties"] = json!({"code": {"enum": codes}});
    fault
}
