//! `api`: what there is.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::Answer;
use crate::api::context::Visitor;
use crate::api::error::ApiError;
use crate::api::error::code;
use crate::api::method::{Method, SessionUse, param};
use crate::api::{Builder, Namespace};

/// The version of Uyuni's API whose conventions hold here; clients compare it as a number.
const API_VERSION: &str = "27";

/// A signature, as introspection shows it.
#[derive(Debug, Serialize, JsonSchema)]
struct MethodInfo {
    /// The method's name.
    name: String,
    /// The types of the parameters, the session key's included.
    parameters: Vec<String>,
    /// Names of exceptions; there are none.
    exceptions: Vec<String>,
    /// The type of the result.
    r#return: String,
}

type CallList = BTreeMap<String, MethodInfo>;

pub(super) fn define(builder: &mut Builder) {
    builder.namespace("api", "ApiHandler", "What the API has.", |ns| {
        ns.method(
            "getVersion",
            "The version of the API's conventions.",
            [],
            version,
        )
        .returns("a whole number as text")
        .read_only();
        ns.method(
            "systemVersion",
            "The version of the server.",
            [],
            system_version,
        )
        .returns("the version")
        .read_only();
        ns.method("productName", "The name of the product.", [], product_name)
            .returns("the name")
            .read_only();
        ns.method("getApiNamespaces", "The namespaces.", [], namespaces)
            .returns("each namespace with the name of its handler")
            .read_only()
            .session_on_json();
        ns.method(
            "getApiCallList",
            "Every method, by namespace.",
            [],
            call_list,
        )
        .returns("each namespace with its methods")
        .read_only()
        .session_on_json();
        let namespace = param("namespace", "the namespace, such as `image.store`");
        ns.method(
            "getApiNamespaceCallList",
            "The methods of a namespace.",
            [namespace],
            namespace_call_list,
        )
        .faults([code::NOT_FOUND])
        .returns("each signature, by name and types of parameters")
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
        None => Err(ApiError::not_found(
            "no such namespace; api.getApiNamespaces lists them",
        )),
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
