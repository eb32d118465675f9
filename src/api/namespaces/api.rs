//! `api`: information about the API.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::Answer;
use crate::api::context::Visitor;
use crate::api::error::ApiError;
use crate::api::error::code;
use crate::api::method::{Method, SessionUse, param};
use crate::api::{Builder, Namespace};
use crate::service::error::shortened;

/// The version of Uyuni's API whose conventions apply; clients compare it as a number.
const API_VERSION: &str = "27";

/// A signature, as introspection shows it.
#[derive(Debug, Serialize, JsonSchema)]
struct MethodInfo {
    /// The method's name.
    name: String,
    /// The parameters' types, including the session key.
    parameters: Vec<String>,
    /// Names of exceptions; always empty.
    exceptions: Vec<String>,
    /// The result's type.
    r#return: String,
}

type CallList = BTreeMap<String, MethodInfo>;

pub(super) fn define(builder: &mut Builder) {
    builder.namespace("api", "ApiHandler", "Information about the API.", |ns| {
        ns.method("getVersion", "Show the version of the API.", [], version)
            .returns("an integer as text")
            .read_only();
        ns.method(
            "systemVersion",
            "Show the version of the server.",
            [],
            system_version,
        )
        .returns("the version")
        .read_only();
        ns.method(
            "productName",
            "Show the name of the product.",
            [],
            product_name,
        )
        .returns("the name")
        .read_only();
        ns.method("getApiNamespaces", "List the namespaces.", [], namespaces)
            .returns("namespaces with their handlers' names")
            .read_only()
            .session_on_json();
        ns.method(
            "getApiCallList",
            "List all methods by namespace.",
            [],
            call_list,
        )
        .returns("namespaces with their methods")
        .read_only()
        .session_on_json();
        let namespace = param("namespace", "namespace, such as `image.store`");
        ns.method(
            "getApiNamespaceCallList",
            "List the methods of a namespace.",
            [namespace],
            namespace_call_list,
        )
        .faults([code::NOT_FOUND])
        .returns("signatures, by name and parameter types")
        .read_only()
        .session_on_json();
    });
}

async fn version(_: Visitor) -> Answer<&'static str> {
    Ok(API_VERSION)
}

async fn system_version(_: Visitor) -> Answer<&'static str> {
    Ok(env!("CARGO_PKG_VERSION"))
}

async fn product_name(_: Visitor) -> Answer<&'static str> {
    Ok(env!("CARGO_PKG_NAME"))
}

async fn namespaces(visitor: Visitor) -> Answer<BTreeMap<&'static str, &'static str>> {
    let namespaces = visitor.catalog().namespaces();
    Ok(namespaces.map(|ns| (ns.name(), ns.handler())).collect())
}

async fn call_list(visitor: Visitor) -> Answer<BTreeMap<&'static str, CallList>> {
    let namespaces = visitor.catalog().namespaces();
    Ok(namespaces.map(|ns| (ns.name(), calls(ns))).collect())
}

async fn namespace_call_list(visitor: Visitor, namespace: String) -> Answer<CallList> {
    match visitor.catalog().namespace(&namespace) {
        Some(namespace) => Ok(calls(namespace)),
        None => Err(ApiError::not_found(format!(
            "no such namespace: `{}`; api.getApiNamespaces lists them",
            shortened(&namespace)
        ))),
    }
}

fn calls(namespace: &Namespace) -> CallList {
    let signatures = namespace.methods().map(|method| {
        let info = info(method);
        let types = info.parameters.join("_");
        let separator = if types.is_empty() { "" } else { "_" };
        let key = format!("{}.{}{separator}{types}", namespace.name(), info.name);
        (key, info)
    });
    signatures.collect()
}

fn info(method: &Method) -> MethodInfo {
    let session = (method.session() == SessionUse::Always).then_some("string");
    let others = method.parameters().iter().map(|p| p.shape.kind().name());
    MethodInfo {
        name: method.name().into(),
        parameters: session
            .into_iter()
            .chain(others)
            .map(str::to_owned)
            .collect(),
        exceptions: Vec::new(),
        r#return: method.result().kind().name().into(),
    }
}
