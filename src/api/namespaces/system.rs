//! `system`: introspection, and several calls in one, for generic XML-RPC tools.

use std::sync::Arc;

use dxr::Value;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use tokio::sync::{Semaphore, mpsc};
use tracing::Instrument as _;

use super::Answer;
use crate::api::context::Visitor;
use crate::api::error::ApiError;
use crate::api::error::code;
use crate::api::method::{Method, Param, SessionUse, param};
use crate::api::reply::{CallResult, Called, IntoReply, Reply};
use crate::api::value::Raw;
use crate::api::{Builder, Namespace};
use crate::service::error::shortened;

/// More calls in one would occupy a connection for too long.
const CALLS_LIMIT: usize = 100;
const MULTICALL: &str = "system.multicall";
const LOGIN: &str = "auth.login";
const NAME: Param = param("methodName", "method, such as `auth.login`");

pub(super) fn define(builder: &mut Builder) {
    let doc = "Introspection for generic XML-RPC tools.";
    builder.namespace("system", "SystemHandler", doc, |ns| {
        ns.method("listMethods", "List the names of all methods.", [], names)
            .returns("names including the namespace, sorted")
            .read_only()
            .session_on_json();
        ns.method(
            "methodSignature",
            "Show the types of a method.",
            [NAME],
            signatures,
        )
        .faults([code::NOT_FOUND])
        .returns("signatures: the result type, then the parameter types")
        .read_only()
        .session_on_json();
        ns.method("methodHelp", "Describe a method.", [NAME], help)
            .faults([code::NOT_FOUND])
            .returns("what it does, its parameters and its result")
            .read_only()
            .session_on_json();
        let calls = param(
            "calls",
            "structs of `methodName` and `params`, at most 100; a multicall or login is refused",
        );
        ns.method(
            "multicall",
            "Make several calls in sequence. A call that fails doesn't stop the others.",
            [calls],
            multicall,
        )
        .returns(
            "for each call an array with its result, or a struct with `faultCode` and `faultString`",
        )
        .session_on_json();
    });
}

async fn names(visitor: Visitor) -> Answer<Vec<String>> {
    let namespaces = visitor.catalog().namespaces();
    let names = namespaces.flat_map(|ns| ns.methods().map(|method| full_name(ns, method)));
    let mut names: Vec<String> = names.collect();
    names.sort();
    names.dedup();
    Ok(names)
}

fn full_name(namespace: &Namespace, method: &Method) -> String {
    format!("{}.{}", namespace.name(), method.name())
}

fn overloads<'v>(visitor: &'v Visitor, name: &str) -> Answer<&'v [Method]> {
    match visitor.catalog().overloads(name.trim()) {
        [] => Err(ApiError::not_found(format!(
            "no such method: `{}`; system.listMethods lists them",
            shortened(name.trim())
        ))),
        overloads => Ok(overloads),
    }
}

async fn signatures(visitor: Visitor, name: String) -> Answer<Vec<Vec<String>>> {
    let all = overloads(&visitor, &name)?.iter().map(|method| {
        let session = (method.session() == SessionUse::Always).then_some("string");
        let others = method.parameters().iter().map(|p| p.shape.kind().name());
        let types = std::iter::once(method.result().kind().name()).chain(session);
        types.chain(others).map(str::to_owned).collect()
    });
    Ok(all.collect())
}

async fn help(visitor: Visitor, name: String) -> Answer<String> {
    let all = overloads(&visitor, &name)?.iter().map(|method| {
        let mut text = format!("{}\n{}", method.signature(), method.doc());
        if let Some(instead) = method.deprecated_text() {
            text.extend(["\n  deprecated: ", instead]);
        }
        for parameter in method.parameters() {
            text.extend(["\n  ", parameter.name, ": ", parameter.doc]);
        }
        match method.returns_doc() {
            "" => text,
            returns => format!("{text}\n  returns {returns}"),
        }
    });
    Ok(all.collect::<Vec<_>>().join("\n\n"))
}

async fn multicall(visitor: Visitor, calls: Vec<InnerCall>) -> Answer<Outcomes> {
    if calls.len() > CALLS_LIMIT {
        return Err(ApiError::validation(
            "calls",
            format!("{} calls; send at most {CALLS_LIMIT} at once", calls.len()),
        ));
    }
    let (sender, outcomes) = mpsc::channel(1);
    tokio::spawn(calls_make(visitor, calls, sender).in_current_span());
    Ok(Outcomes(outcomes))
}

/// Makes calls in sequence, each once the outcome of the previous one was written. If nobody reads
/// the outcomes any more, calls that change something are made anyway.
async fn calls_make(visitor: Visitor, calls: Vec<InnerCall>, sender: mpsc::Sender<Called>) {
    let turns = Arc::new(Semaphore::new(1));
    for (index, InnerCall(Raw(call))) in calls.into_iter().enumerate() {
        let turn = tokio::select! {
            turn = Arc::clone(&turns).acquire_owned() => turn.ok(),
            () = sender.closed() => None,
        };
        let call = parts(call);
        let is_reading = call.as_ref().is_ok_and(|(name, _)| {
            let overloads = visitor.catalog().overloads(name);
            !overloads.is_empty() && overloads.iter().all(Method::is_read_only)
        });
        if is_reading && sender.is_closed() {
            continue;
        }
        let made = inner(&visitor, index, call);
        let outcome = if is_reading {
            tokio::select! {
                outcome = made => outcome,
                () = sender.closed() => continue,
            }
        } else {
            made.await
        };
        if let Some(turn) = turn {
            // If nobody reads it, there is nothing to report.
            let _ = sender.send(Called { outcome, turn }).await;
        }
    }
}

async fn inner(
    visitor: &Visitor,
    index: usize,
    call: Result<(String, Vec<Value>), &'static str>,
) -> CallResult {
    let refused = |reason| ApiError::validation(&format!("calls[{index}]"), reason);
    let (name, params) = call.map_err(refused)?;
    match name.as_str() {
        MULTICALL => return Err(refused("a multicall inside a multicall is refused")),
        // Each failure is delayed, and all others would be kept meanwhile.
        LOGIN => {
            return Err(refused(
                "a login inside a multicall is refused; call auth.login separately",
            ));
        }
        _ => {}
    }
    visitor.call(name, params).await
}

/// The name and the arguments of a nested call.
fn parts(call: Value) -> Result<(String, Vec<Value>), &'static str> {
    const EXPECTED: &str =
        "expected a struct with just `methodName`, a string, and `params`, an array";
    let Value::Struct(mut members) = call else {
        return Err(EXPECTED);
    };
    let name = members.remove("methodName");
    let params = members.remove("params");
    match (name, params, members.is_empty()) {
        (Some(Value::String(name)), Some(Value::Array(params)), true) => {
            Ok((name.trim().to_owned(), params))
        }
        (Some(Value::String(name)), None, true) => Ok((name.trim().to_owned(), Vec::new())),
        _ => Err(EXPECTED),
    }
}

/// One call. An error in it is its own fault, so it is parsed later.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct InnerCall(Raw);

impl JsonSchema for InnerCall {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "InnerCall".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "properties": {
                "methodName": {"type": "string"},
                "params": {"type": "array", "items": {}, "description": "the session key first"},
            },
            "required": ["methodName"],
            "additionalProperties": false,
        })
    }
}

/// The outcome of each call: an array with its result, or its fault.
struct Outcomes(mpsc::Receiver<Called>);

impl IntoReply for Outcomes {
    fn into_reply(self) -> Reply {
        Reply::Calls(self.0)
    }
}

impl JsonSchema for Outcomes {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        Vec::<Outcome>::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Vec::<Outcome>::json_schema(generator)
    }
}

/// The description of one of them.
enum Outcome {}

impl JsonSchema for Outcome {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "CallOutcome".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "oneOf": [
                {"type": "array", "items": {}, "minItems": 1, "maxItems": 1},
                {
                    "type": "object",
                    "properties": {
                        "faultCode": {"type": "integer"},
                        "faultString": {"type": "string"},
                    },
                    "required": ["faultCode", "faultString"],
                },
            ],
        })
    }
}
