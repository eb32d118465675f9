//! `auth`: log in and out.

use super::Answer;
use crate::api::Builder;
use crate::api::context::Visitor;
use crate::api::error::code;
use crate::api::method::{Param, param};
use crate::api::value::Done;
use crate::service::Caller;
use crate::service::access::account;
use crate::service::access::session::{SessionKey, session_end, session_peek};
use crate::service::stores::settings::Password;

const LOGIN: Param = param("login", "the login name");
const PASSWORD: Param = param("password", "the password");
const KEY: Param = param("sessionKey", "the session key");

pub(super) fn define(builder: &mut Builder) {
    builder.namespace("auth", "AuthHandler", "Log in and out.", |ns| {
        let duration = param(
            "duration",
            "seconds that the session lasts after each call; default: 3600",
        );
        let params = [LOGIN, PASSWORD, duration.optional()];
        ns.method("login", "Log in.", params, login)
            .faults([code::LOGIN])
            .returns("the session key, the first parameter of other methods");
        ns.method("logout", "End the session.", [KEY], logout)
            .returns("1 always");
        ns.method(
            "isSessionKeyValid",
            "Check a session key.",
            [KEY],
            is_session_key_valid,
        )
        .returns("whether it is valid; the check doesn't renew it")
        .session_on_json();
        let token = param("token", "a session key");
        ns.method(
            "checkAuthToken",
            "Check whether a session key belongs to an account.",
            [LOGIN, token],
            check_token,
        )
        .returns("1 if it is a valid key of that login, otherwise 0")
        .session_on_json();
    });
}

async fn login(
    visitor: Visitor,
    login: String,
    password: Password,
    duration: Option<i64>,
) -> Answer<String> {
    let address = visitor.peer().address;
    let key = account::login(visitor.app(), address, login, password.0, duration).await?;
    Ok(key.expose())
}

async fn logout(visitor: Visitor, key: String) -> Answer<Done> {
    if let Some(key) = SessionKey::parse(&key) {
        session_end(visitor.app(), &key).await?;
    }
    Ok(Done)
}

async fn is_session_key_valid(visitor: Visitor, key: String) -> Answer<bool> {
    Ok(session_peek(visitor.app(), &key).await?.is_some())
}

async fn check_token(visitor: Visitor, login: String, token: String) -> Answer<i32> {
    let caller = session_peek(visitor.app(), &token).await?;
    let same = |caller: Caller| caller.login().to_uppercase() == login.to_uppercase();
    Ok(caller.is_some_and(same).into())
}
