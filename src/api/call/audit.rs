//! What the audit trail records of a call: who, from where, which method, about what, and the outcome.
//! Only the first argument, and never a secret.

use std::net::IpAddr;
use std::sync::Arc;

use dxr::Value;

use crate::api::context::Visitor;
use crate::api::error::ApiError;
use crate::api::method::{Method, Parameter};
use crate::api::reply::{CallResult, PendingCall};
use crate::api::types::Kind;
use crate::api::value::from_value;
use crate::service::trail::audit::{Actor, Record, TEXT_LIMIT, actor_find, audit_record};
use crate::service::{App, Caller, Error};

/// For login and logout the session key identifies the caller.
const SESSION_KEY: &str = "sessionKey";

/// The record of a call in progress.
pub(super) struct AuditRecord {
    app: Arc<App>,
    actor: Actor,
    address: IpAddr,
    method: String,
    object: String,
}

impl AuditRecord {
    /// For a call of `method`; `None` if it isn't recorded, since it changes nothing.
    pub(in crate::api) fn of(
        namespace: &str,
        method: &Method,
        visitor: &Visitor,
        caller: Option<&Caller>,
        args: &[Value],
    ) -> Option<AuditRecord> {
        if !method.is_audited() {
            return None;
        }
        let first = method.parameters().first().zip(args.first());
        let text = first.and_then(|(_, arg)| text(arg));
        let key = first.is_some_and(|(parameter, _)| parameter.name == SESSION_KEY);
        let actor = match (caller, text.clone().unwrap_or_default()) {
            (Some(caller), _) => Actor::Caller(caller.clone()),
            (None, text) if key => Actor::Key(text),
            (None, text) => Actor::Login(text),
        };
        let named = first.is_some_and(|(parameter, _)| is_name(parameter));
        Some(AuditRecord {
            app: Arc::clone(visitor.app()),
            actor,
            address: visitor.peer().address,
            method: format!("{namespace}.{}", method.name()),
            object: text.filter(|_| named).unwrap_or_default(),
        })
    }

    /// Executes `call` and records its outcome. If the record can't be written, the call still
    /// counts, and the problem is logged.
    pub(super) async fn wrap(self, call: PendingCall) -> CallResult {
        let method = self.method.clone();
        // A logout ends the session that identifies the caller; refused callers needn't be
        // identified.
        let (before, after) = match self.actor {
            actor @ Actor::Key(_) => (Some(actor_find(&self.app, actor).await), None),
            actor => (None, Some(actor)),
        };
        let answer = call.await;
        if answer.as_ref().is_err_and(ApiError::is_unseen) {
            return answer;
        }
        let who = match (before, after) {
            (Some(who), _) => who,
            (None, Some(actor)) => actor_find(&self.app, actor).await,
            (None, None) => Ok(None),
        };
        let outcome = match &answer {
            Ok(_) => "ok".to_owned(),
            Err(error) => error.code().to_string(),
        };
        let record = Record {
            address: self.address,
            method: self.method,
            object: self.object,
            outcome,
        };
        if let Err(error) = write(&self.app, who, record).await {
            tracing::error!(method, %error, "a call can't be written to the audit trail");
        }
        answer
    }
}

/// The argument as text, truncated to what is stored.
fn text(arg: &Value) -> Option<String> {
    match arg {
        Value::String(text) => Some(text.chars().take(TEXT_LIMIT + 1).collect()),
        Value::Array(_) | Value::Struct(_) => None,
        other => from_value::<String>(other.clone()).ok(),
    }
}

type Who = Result<Option<(String, Option<i64>)>, Error>;

async fn write(app: &App, who: Who, record: Record) -> Result<(), Error> {
    match who? {
        Some((login, org_id)) => audit_record(app, login, org_id, record).await,
        // A key without a session: nothing was changed.
        None => Ok(()),
    }
}

/// Whether a parameter names what a call affects.
fn is_name(parameter: &Parameter) -> bool {
    let format = parameter.shape.schema().get("format");
    matches!(parameter.shape.kind(), Kind::Text | Kind::Int)
        && parameter.name != SESSION_KEY
        && format.is_none_or(|format| format != "password")
}
