//! The only way to a method's function: permission, audit trail, and how a call ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dxr::Value;
use tracing::Instrument as _;

use super::audit::AuditRecord;
use super::permission::permission_check;
use super::underway;
use crate::api::context::Visitor;
use crate::api::method::Method;
use crate::api::registry::Registry;
use crate::api::reply::{CallResult, PendingCall};
use crate::service::Caller;

/// Numbers the calls of this process, for its log.
static CALLS: AtomicU64 = AtomicU64::new(1);

/// Checks that `caller` may call `method`, calls it, and records calls that change something in the
/// audit trail.
pub(in crate::api) async fn invoke(
    registry: &Registry,
    namespace: &str,
    method: &Method,
    visitor: Visitor,
    caller: Option<Caller>,
    args: Vec<Value>,
) -> CallResult {
    // Every line logged during the call names it.
    let span = tracing::info_span!(
        "call",
        id = CALLS.fetch_add(1, Ordering::Relaxed),
        method = %format_args!("{namespace}.{}", method.name()),
        caller = caller.as_ref().map(Caller::login),
    );
    let checked = async {
        let record = AuditRecord::of(namespace, method, &visitor, caller.as_ref(), &args);
        let permitted = match &caller {
            Some(caller) => permission_check(method, caller, &args),
            None => Ok(()),
        };
        let reading = method.is_read_only().then(|| {
            let caller = caller.clone();
            (Arc::clone(visitor.app()), caller)
        });
        let call: PendingCall = match permitted {
            Ok(()) => registry.call(method, visitor, caller, args),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        };
        match (reading, record) {
            (Some((app, caller)), _) => underway::reading(call, app, caller).await,
            // Boxed, or every call that reads would reserve the memory.
            (None, Some(record)) => {
                let call = Box::pin(underway::spawn_detached(call));
                Box::pin(underway::changing(record.wrap(call))).await
            }
            (None, None) => Box::pin(underway::changing(call)).await,
        }
    };
    let result = checked.instrument(span).await;
    if let Err(error) = &result {
        // Tests run with this, which keeps the documented fault codes correct.
        debug_assert!(
            method.fault_codes().contains(&error.code()),
            "`{namespace}.{}` doesn't list the fault code {}: {error}",
            method.name(),
            error.code()
        );
    }
    result
}
