//! JSON over HTTP at `/rhn/manager/api`: a method's dots become slashes, its parameters go by
//! name, and every answer is JSON.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{ALLOW, CONTENT_TYPE, HOST, ORIGIN, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use dxr::Value;
use serde_json::{Value as Json, json};

use super::body;
use super::cookie::{self, Carried};
use super::server::Surface;
use crate::api::error::{Sort, code};
use crate::api::value::from_json;
use crate::api::{ApiError, Peer, SessionUse};
use crate::service::Caller;

const GET: &str = "GET";
const POST: &str = "POST";
/// Where the JSON surface lives.
pub(super) const ROOT: &str = "/rhn/manager/api";
/// Row 46: how long a browser keeps the cookie of a fresh login.
const LOGIN_LIFETIME: Duration = Duration::from_hours(1);

/// An answer that isn't a result.
struct Refusal {
    status: StatusCode,
    body: String,
    /// The verb that would be right.
    allow: Option<&'static str>,
}

const JSON_TYPE: [(HeaderName, &str); 1] = [(CONTENT_TYPE, "application/json; charset=utf-8")];

type Outcome = Result<Response, Refusal>;

/// Answers a request.
pub(super) async fn call(
    State(surface): State<Surface>,
    ConnectInfo(address): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let (parts, content) = request.into_parts();
    let peer = Peer {
        address: address.ip(),
    };
    let body = match body::read(&parts.headers, content, surface.limits.body_bytes).await {
        Ok(body) => body,
        Err(error) => return refusal(StatusCode::BAD_REQUEST, &error.to_string()).into_response(),
    };
    route(&surface, peer, &parts, &body)
        .await
        .unwrap_or_else(IntoResponse::into_response)
}

async fn route(surface: &Surface, peer: Peer, parts: &Parts, body: &Bytes) -> Outcome {
    let path = parts
        .uri
        .path()
        .strip_prefix(ROOT)
        .unwrap_or_default()
        .trim_matches('/');
    let name = path.replace('/', ".");
    if parts.method != Method::GET {
        same_site(&parts.headers)?;
    }
    match name.as_str() {
        "login" | "auth.login" => login(surface, peer, parts, body).await,
        "logout" => logout(surface, peer, parts).await,
        "auth.logout" => {
            method_check(parts, POST, "auth.logout")?;
            logout(surface, peer, parts).await
        }
        _ => method_call(surface, peer, parts, body, &name).await,
    }
}

async fn method_call(
    surface: &Surface,
    peer: Peer,
    parts: &Parts,
    body: &Bytes,
    name: &str,
) -> Outcome {
    let dispatcher = &surface.dispatcher;
    let overloads = name
        .rsplit_once('.')
        .and_then(|(namespace, method)| {
            Some(
                dispatcher
                    .registry()
                    .namespace(namespace)?
                    .overloads(method),
            )
        })
        .unwrap_or_default();
    let first = overloads.first();
    let carried = Carried::of(&parts.headers);
    let session = if first.is_some_and(|method| method.session() == SessionUse::Never) {
        None
    } else {
        // Row 45: before anything else is said about the method.
        Some(session(surface, &carried).await?)
    };
    if let Some(method) = first {
        let verb = if method.is_read_only() { GET } else { POST };
        method_check(parts, verb, name)?;
    }
    let args = arguments(&parts.uri, &parts.headers, body, name)?;
    let (key, caller) = session.unzip();
    let lifetime = caller.as_ref().map(Caller::session_duration);
    let reply = dispatcher.call_named(peer, caller, name, args).await;
    let result = reply.and_then(|reply| reply.json());
    let mut response = match result {
        Ok(result) => success(Some(result)),
        Err(error) => fault(&error).into_response(),
    };
    // The session was renewed, so the browser's copy of the key is, too.
    if let (Carried::Cookies(_), Some(key), Some(lifetime)) = (&carried, key, lifetime) {
        cookie_set(&mut response, key, lifetime);
    }
    Ok(response)
}

/// The first key that is valid, with its caller.
async fn session<'a>(
    surface: &Surface,
    carried: &'a Carried,
) -> Result<(&'a str, Caller), Refusal> {
    for key in carried.keys() {
        match surface.dispatcher.session(key).await {
            Ok(caller) => return Ok((key.trim(), caller)),
            Err(error) if error.sort() == Sort::Fault => return Err(fault(&error)),
            Err(_) => {}
        }
    }
    Err(unauthorized())
}

async fn login(surface: &Surface, peer: Peer, parts: &Parts, body: &Bytes) -> Outcome {
    const USAGE: &str =
        "auth.login takes a JSON body with `login` (or `username`) and `password`, both text";
    method_check(parts, POST, "auth.login")?;
    let mut args = body_arguments(&parts.headers, body, "auth.login")?;
    let name = args.remove("login").or_else(|| args.remove("username"));
    let (Some(name), Some(password)) = (name, args.remove("password")) else {
        return Err(refusal(StatusCode::BAD_REQUEST, USAGE));
    };
    if let Some(extra) = args.keys().next() {
        let message = format!("`{extra}` is no parameter of auth.login; {USAGE}");
        return Err(refusal(StatusCode::BAD_REQUEST, &message));
    }
    let args = vec![from_json(name), from_json(password)];
    let reply = surface
        .dispatcher
        .call_positional(peer, "auth.login", args)
        .await;
    match reply.and_then(|reply| reply.value()) {
        Ok(Value::String(key)) => {
            let mut response = success(None);
            cookie_set(&mut response, &key, LOGIN_LIFETIME);
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

async fn logout(surface: &Surface, peer: Peer, parts: &Parts) -> Outcome {
    for key in Carried::of(&parts.headers).keys() {
        let args = vec![Value::String(key.clone())];
        match surface
            .dispatcher
            .call_positional(peer, "auth.logout", args)
            .await
        {
            Err(error) if error.sort() == Sort::Fault => return Err(fault(&error)),
            // A key that is dead already is logged out (row 25a).
            _ => {}
        }
    }
    let mut response = success(None);
    cookie_set(&mut response, "", Duration::ZERO);
    Ok(response)
}

fn method_check(parts: &Parts, verb: &'static str, name: &str) -> Result<(), Refusal> {
    if parts.method == verb || (parts.method == Method::HEAD && verb == GET) {
        return Ok(());
    }
    let message = format!("{name} takes {verb}, not {}", parts.method);
    Err(Refusal {
        allow: Some(verb),
        ..refusal(StatusCode::METHOD_NOT_ALLOWED, &message)
    })
}

/// Refuses what another site's page made the browser send (row 48). Scripts send no `Origin`.
fn same_site(headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(origin) = headers.get(ORIGIN) else {
        return Ok(());
    };
    let origin = origin
        .to_str()
        .ok()
        .and_then(|origin| origin.split_once("://"))
        .map(|(_, host)| host);
    let ours = [HOST, HeaderName::from_static("x-forwarded-host")];
    let mut hosts = ours
        .iter()
        .filter_map(|name| headers.get(name)?.to_str().ok());
    if hosts.any(|host| Some(host) == origin) {
        return Ok(());
    }
    Err(refusal(
        StatusCode::FORBIDDEN,
        "a request from another site's page is refused (see the `Origin` header)",
    ))
}

/// Query and body merged; the body wins (rows 42 to 44).
fn arguments(
    uri: &Uri,
    headers: &HeaderMap,
    body: &Bytes,
    name: &str,
) -> Result<BTreeMap<String, Value>, Refusal> {
    let mut args: BTreeMap<String, Value> = BTreeMap::new();
    for (key, text) in url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
        let text = Value::String(text.into_owned());
        match args.get_mut(key.as_ref()) {
            None => {
                args.insert(key.into_owned(), text);
            }
            Some(Value::Array(items)) => items.push(text),
            Some(first) => *first = Value::Array(vec![first.clone(), text]),
        }
    }
    let members = body_arguments(headers, body, name)?;
    args.extend(
        members
            .into_iter()
            .map(|(name, member)| (name, from_json(member))),
    );
    Ok(args)
}

fn body_arguments(
    headers: &HeaderMap,
    body: &Bytes,
    name: &str,
) -> Result<serde_json::Map<String, Json>, Refusal> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(serde_json::Map::new());
    }
    let problem = match serde_json::from_slice(body) {
        Ok(Json::Null) => return Ok(serde_json::Map::new()),
        Ok(Json::Object(members)) => return Ok(members),
        Ok(_) => "it is JSON, but no object".to_owned(),
        Err(error) => format!(
            "it is no JSON (line {}, column {})",
            error.line(),
            error.column()
        ),
    };
    let form = headers
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/x-www-form"));
    let hint = if form {
        "; form fields aren't accepted"
    } else {
        ""
    };
    let message = format!(
        "the body of {name} can't be read: {problem}{hint}; send one JSON object with the parameters by name"
    );
    Err(refusal(StatusCode::BAD_REQUEST, &message))
}

fn success(result: Option<Json>) -> Response {
    let mut body = serde_json::Map::from_iter([("success".to_owned(), Json::Bool(true))]);
    body.extend(result.map(|result| ("result".to_owned(), result)));
    (JSON_TYPE, Json::Object(body).to_string()).into_response()
}

fn refusal(status: StatusCode, message: &str) -> Refusal {
    Refusal {
        status,
        body: json!({"success": false, "message": message}).to_string(),
        allow: None,
    }
}

/// Row 45: without a valid session the answer has no body at all.
fn unauthorized() -> Refusal {
    Refusal {
        status: StatusCode::UNAUTHORIZED,
        body: String::new(),
        allow: None,
    }
}

fn fault(error: &ApiError) -> Refusal {
    match error.sort() {
        Sort::Fault => {
            let body = json!({"success": false, "message": error.message(), "code": error.code()});
            Refusal {
                body: body.to_string(),
                ..refusal(StatusCode::OK, "")
            }
        }
        Sort::Session => unauthorized(),
        Sort::NoSuchMethod => refusal(StatusCode::NOT_FOUND, error.message()),
        Sort::BadArguments => refusal(StatusCode::BAD_REQUEST, error.message()),
        Sort::ReadOnlyUser => refusal(
            StatusCode::FORBIDDEN,
            "The method is not available to read-only API users",
        ),
    }
}

fn cookie_set(response: &mut Response, key: &str, lifetime: Duration) {
    if let Some(cookie) = cookie::set(key, lifetime) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status, JSON_TYPE, self.body).into_response();
        if let Some(verb) = self.allow {
            response
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static(verb));
        }
        response
    }
}
