//! JSON over HTTP at `/rhn/manager/api`: a method's dots become slashes, parameters are named, and
//! every response is JSON.

use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use dxr::Value;
use serde_json::{Map, Value as Json, json};

use super::encoding::Shared;
use super::{arguments, response};
use crate::api::error::{FaultKind, code};
use crate::api::value::from_json;
use crate::api::{ApiError, SessionUse};
use crate::service::Caller;
use crate::surface::docs::openapi;
use crate::surface::paths::JSON_ROOT;
use crate::surface::requests::arrival::Arrival;
use crate::surface::requests::body::{BodyShare, Sender};
use crate::surface::requests::body_error::BodyError;
use crate::surface::requests::cookie::{self, Carried};
use crate::surface::requests::cross_site::is_foreign;
use crate::surface::state::Surface;

const GET: &str = "GET";
const POST: &str = "POST";

/// Whether a path belongs to the JSON surface.
pub(in crate::surface) fn is_at(path: &str) -> bool {
    let below = path.strip_prefix(JSON_ROOT);
    below.is_some_and(|below| below.is_empty() || below.starts_with('/'))
}

/// A response that isn't a result.
pub(in crate::surface) struct Refusal {
    status: StatusCode,
    body: String,
    /// The correct verb.
    allow: Option<&'static str>,
    /// The code, if it is a fault.
    code: Option<i32>,
}

const JSON_TYPE: [(HeaderName, &str); 1] = [(CONTENT_TYPE, "application/json; charset=utf-8")];

type Outcome = Result<Response, Refusal>;

/// Answers a request.
pub(in crate::surface) async fn call(
    surface: &Surface,
    arrival: &Arrival,
    request: Request,
) -> Response {
    let (parts, content) = request.into_parts();
    let path = parts.uri.path().strip_prefix(JSON_ROOT).unwrap_or_default();
    let path = path.trim_matches('/');
    // A dot in the path would be a second spelling of the method's name; with a slash in front the
    // name is unknown.
    let name = if path.contains('.') {
        format!("/{path}")
    } else {
        path.replace('/', ".")
    };
    let outcome = if path == openapi::NAME {
        surface.intake.discard(content).await;
        document(surface, &parts)
    } else {
        route(surface, arrival, &parts, content, &name).await
    };
    outcome.unwrap_or_else(IntoResponse::into_response)
}

/// The OpenAPI description, which needs no session.
fn document(surface: &Surface, parts: &Parts) -> Outcome {
    method_check(parts, GET, openapi::NAME)?;
    let document = (Extension(Shared), JSON_TYPE, surface.openapi.clone());
    Ok(document.into_response())
}

async fn route(
    surface: &Surface,
    arrival: &Arrival,
    parts: &Parts,
    content: Body,
    name: &str,
) -> Outcome {
    let is_logout = matches!(name, "logout" | "auth.logout");
    if is_foreign(&parts.headers, &arrival.origin) && (parts.method != Method::GET || is_logout) {
        surface.intake.discard(content).await;
        let message = format!(
            "{name}: requests from another site's page are refused (see the headers `Origin` and \
             `Sec-Fetch-Site`)"
        );
        return Err(refusal(StatusCode::FORBIDDEN, &message));
    }
    if matches!(name, "login" | "auth.login") {
        let (given, _held) = given(surface, parts, content, Sender::Stranger, "auth.login").await?;
        return login(surface, arrival, parts, given).await;
    }
    if is_logout {
        // Only `auth.logout` uses the body.
        let verb = if name == "logout" { GET } else { POST };
        let read = given(surface, parts, content, Sender::Stranger, name).await;
        method_check(parts, verb, name)?;
        if name == "auth.logout" {
            read?;
        }
        return logout(surface, arrival, parts).await;
    }
    method_call(surface, arrival, parts, content, name).await
}

/// The named values in a body.
async fn given(
    surface: &Surface,
    parts: &Parts,
    content: Body,
    sender: Sender<'_>,
    name: &str,
) -> Result<(Map<String, Json>, BodyShare), Refusal> {
    let received = surface.intake.read(&parts.headers, content, sender).await;
    let received = received.map_err(|error| body_refusal(name, &error))?;
    let headers = parts.headers.clone();
    let parsed = surface
        .intake
        .parse(received, move |body| arguments::of_body(&headers, body));
    let (given, held) = parsed.await.map_err(|error| fault(&error))?;
    Ok((given.map_err(|why| bad_request(name, &why))?, held))
}

async fn method_call(
    surface: &Surface,
    arrival: &Arrival,
    parts: &Parts,
    content: Body,
    name: &str,
) -> Outcome {
    let dispatcher = &surface.dispatcher;
    let first = dispatcher.catalog().overloads(name).first();
    let carried = Carried::of(&parts.headers);
    let mut sender = Sender::Stranger;
    let mut known = None;
    if first.is_none_or(|method| method.session() != SessionUse::Never) {
        // Row 45: the session is checked before the response says anything about the method.
        match session(surface, &carried).await {
            Ok(session) => {
                arrival.visit.known();
                known = Some(session);
            }
            Err(refusal) => {
                surface.intake.discard(content).await;
                return Err(refusal);
            }
        }
        sender = Sender::Known;
    }
    if let Some(method) = first {
        let verb = if method.is_read_only() { GET } else { POST };
        if let Err(refusal) = method_check(parts, verb, name) {
            surface.intake.discard(content).await;
            return Err(refusal);
        }
    }
    let (given, held) = given(surface, parts, content, sender, name).await?;
    let args = arguments::merged(&parts.uri, given);
    let (key, caller) = known.unzip();
    let lifetime = caller.as_ref().map(Caller::session_duration);
    let reply = tokio::select! {
        reply = dispatcher.call_named(arrival.peer(), caller, name, args) => reply,
        () = held.evicted() => return Err(body_refusal(name, &BodyError::Crowded)),
    };
    let answered = match reply {
        Ok(reply) => response::json(reply, held).await,
        Err(error) => Err(error),
    };
    let mut response = match answered {
        Ok(body) => (JSON_TYPE, body).into_response(),
        // Row 46b: the log names the method.
        Err(error)
            if error.kind() == FaultKind::BadArguments && error.code() == code::VALIDATION =>
        {
            bad_request(name, error.message()).into_response()
        }
        Err(error) => fault(&error).into_response(),
    };
    // The call renewed the session, so renew the browser's cookie too.
    if let (Carried::Cookies(_), Some(key), Some(lifetime)) = (&carried, key, lifetime) {
        cookie_set(&mut response, arrival, key, lifetime);
    }
    Ok(response)
}

/// The first valid key, with its caller.
pub(in crate::surface) async fn session<'a>(
    surface: &Surface,
    carried: &'a Carried,
) -> Result<(&'a str, Caller), Refusal> {
    for key in carried.keys() {
        match surface.dispatcher.session(key).await {
            Ok(caller) => return Ok((key.trim(), caller)),
            Err(error) if error.kind() == FaultKind::Fault => return Err(fault(&error)),
            Err(_) => {}
        }
    }
    Err(unauthorized())
}

async fn login(
    surface: &Surface,
    arrival: &Arrival,
    parts: &Parts,
    mut given: Map<String, Json>,
) -> Outcome {
    const NAME: &str = "auth.login";
    method_check(parts, POST, NAME)?;
    let login = given.remove("login").or_else(|| given.remove("username"));
    let args = [login, given.remove("password"), given.remove("duration")];
    let [
        Some(Json::String(login)),
        Some(Json::String(password)),
        duration,
    ] = args
    else {
        return Err(login_usage(
            "`login` and `password` are required, as strings",
        ));
    };
    if let Some(extra) = given.keys().next() {
        return Err(login_usage(&format!("`{extra}` is not a parameter")));
    }
    let mut args = vec![Value::String(login), Value::String(password)];
    args.extend(duration.filter(|given| !given.is_null()).map(from_json));
    let dispatcher = &surface.dispatcher;
    let reply = dispatcher.call_positional(arrival.peer(), NAME, args).await;
    let result = match reply {
        Ok(reply) => reply.json().await,
        Err(error) => Err(error),
    };
    match result {
        Ok(Json::String(key)) => {
            let caller = dispatcher
                .session(&key)
                .await
                .map_err(|error| fault(&error))?;
            let mut response = success();
            cookie_set(&mut response, arrival, &key, caller.session_duration());
            Ok(response)
        }
        Ok(_) => Err(fault(&ApiError::unexpected(
            "auth.login didn't return text",
        ))),
        Err(error) if error.code() == code::LOGIN => {
            Err(refusal(StatusCode::UNAUTHORIZED, error.message()))
        }
        Err(error) => Err(fault(&error)),
    }
}

fn login_usage(problem: &str) -> Refusal {
    let message = format!(
        "{problem}; it takes a JSON body with `login` (or `username`) and `password`, both \
         strings, and optionally `duration`, an int"
    );
    bad_request("auth.login", &message)
}

async fn logout(surface: &Surface, arrival: &Arrival, parts: &Parts) -> Outcome {
    for key in Carried::of(&parts.headers).keys() {
        let args = vec![Value::String(key.clone())];
        match surface
            .dispatcher
            .call_positional(arrival.peer(), "auth.logout", args)
            .await
        {
            Err(error) if error.kind() == FaultKind::Fault => return Err(fault(&error)),
            // An ended session counts as logged out (row 25a).
            _ => {}
        }
    }
    let mut response = success();
    cookie_set(&mut response, arrival, "", Duration::ZERO);
    Ok(response)
}

fn method_check(parts: &Parts, verb: &'static str, name: &str) -> Result<(), Refusal> {
    if parts.method == verb || (parts.method == Method::HEAD && verb == GET) {
        return Ok(());
    }
    let message = format!("{name} requires {verb}, not {}", parts.method);
    Err(Refusal {
        allow: Some(verb),
        ..refusal(StatusCode::METHOD_NOT_ALLOWED, &message)
    })
}

/// The response of a method without a result.
fn success() -> Response {
    (JSON_TYPE, json!({"success": true}).to_string()).into_response()
}

fn refusal(status: StatusCode, message: &str) -> Refusal {
    Refusal {
        status,
        body: json!({"success": false, "message": message}).to_string(),
        allow: None,
        code: None,
    }
}

fn body_refusal(name: &str, error: &BodyError) -> Refusal {
    match error {
        BodyError::Session(error) => fault(error),
        BodyError::Crowded => refusal(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()),
        _ => bad_request(name, &error.to_string()),
    }
}

/// Row 46b: names the method.
fn bad_request(name: &str, message: &str) -> Refusal {
    refusal(StatusCode::BAD_REQUEST, &format!("{name}: {message}"))
}

/// Row 45: without a valid session the response has no body at all.
fn unauthorized() -> Refusal {
    Refusal {
        status: StatusCode::UNAUTHORIZED,
        body: String::new(),
        allow: None,
        code: None,
    }
}

pub(in crate::surface) fn fault(error: &ApiError) -> Refusal {
    match error.kind() {
        FaultKind::Fault => {
            let body = json!({"success": false, "message": error.message(), "code": error.code()});
            Refusal {
                body: body.to_string(),
                code: Some(error.code()),
                ..refusal(StatusCode::OK, "")
            }
        }
        FaultKind::Session => unauthorized(),
        FaultKind::NoSuchMethod => refusal(StatusCode::NOT_FOUND, error.message()),
        FaultKind::BadArguments => refusal(StatusCode::BAD_REQUEST, error.message()),
        FaultKind::ReadOnlyUser => refusal(
            StatusCode::FORBIDDEN,
            "The method is not available to read-only API users",
        ),
    }
}

fn cookie_set(response: &mut Response, arrival: &Arrival, key: &str, lifetime: Duration) {
    if let Some(cookie) = cookie::set(key, lifetime, &arrival.origin) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
}

impl Refusal {
    /// At the start of an event stream: 404 for a run that doesn't exist, 503 for a temporary problem.
    pub(super) fn for_streams(mut self) -> Response {
        let is_away = self.code == Some(code::UNAVAILABLE);
        if self.status == StatusCode::OK {
            self.status = match self.code {
                Some(code::NOT_FOUND | code::PERMISSION) => StatusCode::NOT_FOUND,
                _ => StatusCode::SERVICE_UNAVAILABLE,
            };
        }
        let mut response = self.into_response();
        if is_away {
            let soon = HeaderValue::from_static("5");
            response.headers_mut().insert(RETRY_AFTER, soon);
        }
        response
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = if self.body.is_empty() {
            self.status.into_response()
        } else {
            (self.status, JSON_TYPE, self.body).into_response()
        };
        if let Some(verb) = self.allow {
            response
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static(verb));
        }
        response
    }
}
