//! Who may call a method: by roles, and for read-only accounts.

use dxr::Value;

use crate::api::error::ApiError;
use crate::api::method::{LOGIN_PARAMETER, Method, SessionUse};
use crate::api::value;
use crate::service::Caller;

/// Refuses a caller who may not call `method` with `args`.
pub(super) fn permission_check(
    method: &Method,
    caller: &Caller,
    args: &[Value],
) -> Result<(), ApiError> {
    let roles = method.needed_roles();
    let is_held = roles.iter().any(|role| caller.has_role(*role));
    match roles.first() {
        Some(role) if !is_held && !is_about_self(method, caller, args) => {
            return Err(ApiError::permission(*role));
        }
        _ => {}
    }
    if caller.is_read_only() && !method.is_read_only() && method.session() == SessionUse::Always {
        return Err(ApiError::read_only_user(method.name()));
    }
    Ok(())
}

/// Whether the method is allowed for the caller's own account, and `login` is the caller's.
fn is_about_self(method: &Method, caller: &Caller, args: &[Value]) -> bool {
    let mut pairs = method.parameters().iter().zip(args);
    let login = pairs.find(|(parameter, _)| parameter.name == LOGIN_PARAMETER);
    let login = login.and_then(|(_, arg)| value::from_value::<String>(arg.clone()).ok());
    method.is_open_to_self()
        && login.is_some_and(|login| login.to_uppercase() == caller.login().to_uppercase())
}
