//! The JSON surface as an `OpenAPI` 3.1 document, made from the registry.
//!
//! Paths are relative to the server's root. The overloads of a method share one URL: on GET the
//! query parameters of all of them are listed, on POST their bodies are alternatives.
//!
//! - `schemas`: the shared types, requests and results.
//! - `login`: the routes that aren't calls of methods.
//! - `parts`: what occurs again and again.

mod login;
mod parts;
mod schemas;

use serde_json::{Map, Value as Json, json};

use crate::api::types::Kind;
use crate::api::{Method, Namespace, Registry, SessionUse};
use crate::surface::paths::JSON_ROOT;
use crate::surface::requests::cookie;
use parts::{reference, refusal};
use schemas::{Schemas, one_of};

/// Where the document is served, below the root, and its name in `api-docs/`.
pub const NAME: &str = "openapi.json";

/// The document as text, with a line end.
pub fn page(registry: &Registry) -> String {
    format!("{:#}\n", document(registry))
}

/// The document.
pub fn document(registry: &Registry) -> Json {
    let mut schemas = Schemas::new();
    let mut paths = Map::new();
    for namespace in registry.namespaces() {
        let methods: Vec<&Method> = namespace.methods().collect();
        for overloads in methods.chunk_by(|a, b| a.name() == b.name()) {
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
        "tags": tags(registry),
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
    A method's fault is an answer with status 200 and `success` false. \
    Beyond what is listed here every value may be given as text, a single value may stand for an \
    array of it, the parameters of a POST may stand in its query, and names may be in snake_case.";

fn tags(registry: &Registry) -> Vec<Json> {
    let namespaces = registry.namespaces();
    namespaces
        .map(|ns| json!({"name": ns.name(), "description": ns.doc()}))
        .collect()
}

/// What `overloads`, of which `first` is one, do at their URL.
fn operation(
    schemas: &mut Schemas,
    namespace: &Namespace,
    first: &Method,
    overloads: &[&Method],
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

fn description(overloads: &[&Method]) -> String {
    let lines = overloads.iter().map(|method| {
        let roles: Vec<String> = method
            .needed_roles()
            .iter()
            .map(|role| format!("`{role}`"))
            .collect();
        let role = if roles.is_empty() {
            String::new()
        } else {
            format!(" Needs the role {}.", roles.join(" or "))
        };
        let returns = match method.returns_doc() {
            "" => String::new(),
            returns => format!(" Returns {returns}."),
        };
        let names: Vec<&str> = method.parameters().iter().map(|p| p.name).collect();
        format!(
            "`{}({})`: {}{returns}{role}",
            method.name(),
            names.join(", "),
            method.doc()
        )
    });
    lines.collect::<Vec<_>>().join("\n\n")
}

/// The query parameters of all overloads; one that stands in each of them is required.
fn query(schemas: &mut Schemas, overloads: &[&Method]) -> Json {
    let mut listed: Map<String, Json> = Map::new();
    for parameter in overloads.iter().flat_map(|method| method.parameters()) {
        if listed.contains_key(parameter.name) {
            continue;
        }
        let of_name =
            |method: &&&Method| method.parameters().iter().any(|p| p.name == parameter.name);
        let required = overloads.iter().filter(of_name).count() == overloads.len();
        let same = overloads.iter().flat_map(|method| method.parameters());
        let shapes = same.filter(|p| p.name == parameter.name).map(|p| &p.shape);
        let is_struct = parameter.shape.kind() == Kind::Struct;
        let schema = one_of(shapes.map(|shape| schemas.argument(shape)).collect());
        let mut described = json!({
            "name": parameter.name,
            "in": "query",
            "description": parameter.doc,
            "required": required,
        });
        // A struct is JSON text on the query line.
        if is_struct {
            described["content"] = json!({"application/json": {"schema": schema}});
        } else {
            described["schema"] = schema;
        }
        listed.insert(parameter.name.into(), described);
    }
    listed.into_iter().map(|(_, described)| described).collect()
}

/// The body of a POST; `None` where no overload has a parameter.
fn body(schemas: &mut Schemas, overloads: &[&Method]) -> Option<Json> {
    let required = overloads.iter().all(|m| !m.parameters().is_empty());
    if overloads.iter().all(|m| m.parameters().is_empty()) {
        return None;
    }
    let forms = overloads.iter().map(|method| {
        let names: Vec<&str> = method.parameters().iter().map(|p| p.name).collect();
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
            "required": names,
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

fn responses(schemas: &mut Schemas, first: &Method, overloads: &[&Method]) -> Json {
    let results = overloads
        .iter()
        .map(|method| schemas.result(method.result()));
    let success = json!({
        "type": "object",
        "properties": {"success": {"const": true}, "result": one_of(results.collect())},
        "required": ["success", "result"],
        "additionalProperties": false,
    });
    let answer = one_of(vec![success, reference("Fault")]);
    let mut responses = json!({
        "200": {
            "description": "the result, or the fault of the method",
            "content": {"application/json": {"schema": answer}},
        },
        "400": refusal("a parameter is missing, unknown, or can't be read"),
    });
    if first.session() != SessionUse::Never {
        responses["401"] = json!({"description": "no valid session; the body is empty"});
    }
    if !first.is_read_only() {
        responses["403"] = refusal("the account may only read, or another site's page sent this");
    }
    responses
}
