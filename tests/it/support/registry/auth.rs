//! Access control: anonymous, Basic, or a bearer token for exactly the scope; and the token server.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Mutex,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::Response,
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::{
    Shared,
    routes::{Route, error, json_answer},
};

/// What a registry requires.
#[derive(Clone, Debug)]
pub(crate) enum Auth {
    None,
    Basic { user: String, password: String },
    Token(TokenAuth),
}

/// How tokens are issued and checked. A registry with this also serves `/token`.
#[derive(Clone, Debug)]
pub(crate) struct TokenAuth {
    /// The realm in challenges; without one, the registry's own `/token`.
    pub(crate) realm: Option<String>,
    pub(crate) service: String,
    /// User and password with access to everything.
    pub(crate) account: Option<(String, String)>,
    /// Anonymous callers get `pull`.
    pub(crate) anonymous_pull: bool,
    /// A token's lifetime in seconds, sent to the client; without it 60, not sent.
    pub(crate) expires_in: Option<u64>,
    pub(crate) field: TokenField,
    /// A token is refused after this many uses.
    pub(crate) uses: Option<usize>,
    /// Repositories for which only these actions are granted.
    pub(crate) grants: BTreeMap<String, Vec<String>>,
    /// What POST accepts with `grant_type=refresh_token`.
    pub(crate) refresh_token: Option<String>,
}

impl Default for TokenAuth {
    fn default() -> Self {
        Self {
            realm: None,
            service: "test-registry".to_owned(),
            account: None,
            anonymous_pull: true,
            expires_in: Some(300),
            field: TokenField::Token,
            uses: None,
            grants: BTreeMap::new(),
            refresh_token: None,
        }
    }
}

/// The member of the response that has the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenField {
    Token,
    AccessToken,
    /// `token` empty, `access_token` full.
    Both,
    Neither,
}

/// A request to the token server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TokenRequest {
    pub(crate) method: String,
    pub(crate) account: Option<String>,
    pub(crate) scopes: Vec<String>,
}

/// The state of the token server.
#[derive(Default)]
pub(crate) struct TokenBook {
    requests: Mutex<Vec<TokenRequest>>,
    used: Mutex<HashMap<String, usize>>,
}

impl TokenBook {
    pub(crate) fn requests(&self) -> Vec<TokenRequest> {
        self.requests.lock().unwrap().clone()
    }

    /// Records a request and returns its number, which makes its token unique.
    fn note(&self, request: TokenRequest) -> usize {
        let mut requests = self.requests.lock().unwrap();
        requests.push(request);
        requests.len()
    }

    /// Counts a use of the token, unless it is used up.
    fn used_up(&self, token: &str, uses: Option<usize>) -> bool {
        let mut counts = self.used.lock().unwrap();
        let count = counts.entry(token.to_owned()).or_default();
        *count += 1;
        uses.is_some_and(|uses| *count > uses)
    }
}

/// `type:name:action,action`
struct Scope(String, String, Vec<String>);

impl Scope {
    fn parse(text: &str) -> Option<Self> {
        let (rest, actions) = text.rsplit_once(':')?;
        let (kind, name) = rest.split_once(':')?;
        let actions = actions.split(',').filter(|action| !action.is_empty());
        let actions = actions.map(str::to_owned).collect();
        Some(Self(kind.to_owned(), name.to_owned(), actions))
    }

    fn covers(&self, wanted: &Scope) -> bool {
        (&self.0, &self.1) == (&wanted.0, &wanted.1)
            && wanted.2.iter().all(|action| self.2.contains(action))
    }
}

/// The scopes that a request needs, as named in a challenge.
fn scopes_needed(route: &Route, method: &Method, query: Option<&str>) -> Vec<String> {
    let repository = match route {
        Route::Base | Route::Token | Route::Storage(_) | Route::Other => return Vec::new(),
        Route::Catalog => return vec!["registry:catalog:*".to_owned()],
        Route::TagList(repository)
        | Route::Manifest(repository, _)
        | Route::Blob(repository, _)
        | Route::UploadStart(repository)
        | Route::Upload(repository, _)
        | Route::Referrers(repository, _) => repository,
    };
    let upload = matches!(route, Route::UploadStart(_) | Route::Upload(..));
    let actions = match *method {
        Method::GET | Method::HEAD if !upload => "pull",
        Method::DELETE if !upload => "delete",
        _ => "pull,push",
    };
    let mut scopes = vec![format!("repository:{repository}:{actions}")];
    if matches!(route, Route::UploadStart(_))
        && let Some(from) = parameter(query, "from")
    {
        scopes.push(format!("repository:{from}:pull"));
    }
    scopes
}

/// The first value of a query parameter, decoded.
pub(crate) fn parameter(query: Option<&str>, name: &str) -> Option<String> {
    let mut pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    pairs.find_map(|(key, value)| (key == name).then(|| value.into_owned()))
}

/// Accepts a request, or returns the 401.
pub(super) fn check(
    shared: &Shared,
    route: &Route,
    method: &Method,
    query: Option<&str>,
    headers: &HeaderMap,
) -> Result<(), Box<Response>> {
    if matches!(route, Route::Token | Route::Storage(_)) {
        return Ok(());
    }
    let given = headers.get(header::AUTHORIZATION);
    let given = given.and_then(|value| value.to_str().ok());
    match &shared.config.auth {
        Auth::None => Ok(()),
        Auth::Basic { user, password } => {
            if given.and_then(basic) == Some((user.clone(), password.clone())) {
                return Ok(());
            }
            Err(Box::new(unauthorized("Basic realm=\"test-registry\"")))
        }
        Auth::Token(auth) => {
            let needed = scopes_needed(route, method, query);
            let token = given.and_then(|value| value.strip_prefix("Bearer "));
            let Err(problem) = token_check(shared, auth, token, &needed) else {
                return Ok(());
            };
            let own = || format!("{}/token", shared.url());
            let realm = auth.realm.clone().unwrap_or_else(own);
            let service = &auth.service;
            let scope = match needed.join(" ") {
                none if none.is_empty() => none,
                scopes => format!(",scope=\"{scopes}\""),
            };
            Err(Box::new(unauthorized(&format!(
                "Bearer realm=\"{realm}\",service=\"{service}\"{scope}{problem}"
            ))))
        }
    }
}

fn unauthorized(challenge: &str) -> Response {
    let mut response = error(
        StatusCode::UNAUTHORIZED,
        "UNAUTHORIZED",
        "authentication required",
    );
    let value = HeaderValue::from_str(challenge).expect("a challenge");
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, value);
    response
}

/// User and password of an `Authorization: Basic`.
fn basic(value: &str) -> Option<(String, String)> {
    let bytes = STANDARD.decode(value.strip_prefix("Basic ")?).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

/// Checks a token; the error is for the challenge.
fn token_check(
    shared: &Shared,
    auth: &TokenAuth,
    token: Option<&str>,
    needed: &[String],
) -> Result<(), &'static str> {
    let token = token.ok_or("")?;
    let invalid = ",error=\"invalid_token\"";
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| invalid)?;
    let claims: Value = serde_json::from_slice(&bytes).map_err(|_| invalid)?;
    let expires = claims["expires"].as_u64().ok_or(invalid)?;
    if now().as_secs() >= expires || shared.tokens.used_up(token, auth.uses) {
        return Err(invalid);
    }
    let access = claims["access"].as_array().cloned().unwrap_or_default();
    let access: Vec<_> = (access
        .iter()
        .filter_map(Value::as_str)
        .filter_map(Scope::parse))
    .collect();
    let wanted = needed.iter().filter_map(|scope| Scope::parse(scope));
    for wanted in wanted {
        if !access.iter().any(|have| have.covers(&wanted)) {
            return Err(",error=\"insufficient_scope\"");
        }
    }
    Ok(())
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

/// Answers `/token`: GET with Basic, or POST with an `OAuth2` form.
pub(super) fn token_answer(
    shared: &Shared,
    method: &Method,
    headers: &HeaderMap,
    parameters: &str,
) -> Response {
    let Auth::Token(auth) = &shared.config.auth else {
        return error(StatusCode::NOT_FOUND, "NOT_FOUND", "no token server here");
    };
    let all = |name: &str| -> Vec<String> {
        let pairs = form_urlencoded::parse(parameters.as_bytes());
        let values = pairs.filter(|(key, _)| key == name).map(|(_, value)| value);
        values
            .flat_map(|value| value.split(' ').map(str::to_owned).collect::<Vec<_>>())
            .collect()
    };
    let given = if *method == Method::POST {
        let field = |name| parameter(Some(parameters), name);
        field("username").zip(field("password"))
    } else {
        let value = headers.get(header::AUTHORIZATION);
        value.and_then(|value| basic(value.to_str().ok()?))
    };
    let scopes: Vec<String> = all("scope").into_iter().filter(|s| !s.is_empty()).collect();
    let number = shared.tokens.note(TokenRequest {
        method: method.to_string(),
        account: given.clone().map(|(user, _)| user),
        scopes: scopes.clone(),
    });
    if all("service") != [auth.service.clone()] {
        return error(
            StatusCode::BAD_REQUEST,
            "UNSUPPORTED",
            "another service's token",
        );
    }
    let refresh = parameter(Some(parameters), "refresh_token");
    let trusted = (given.is_some() && given == auth.account)
        || (refresh.is_some() && refresh == auth.refresh_token);
    let anonymous = given.is_none() && refresh.is_none() && auth.anonymous_pull;
    if !trusted && !anonymous {
        return unauthorized("Basic realm=\"test-registry tokens\"");
    }
    json_answer(StatusCode::OK, &token_json(auth, number, &scopes, trusted))
}

fn token_json(auth: &TokenAuth, number: usize, scopes: &[String], trusted: bool) -> Value {
    let granted = scopes.iter().filter_map(|scope| Scope::parse(scope));
    let granted: Vec<String> = granted
        .map(|Scope(kind, name, mut actions)| {
            actions.retain(|action| {
                let most = auth.grants.get(&name);
                (trusted || action == "pull") && most.is_none_or(|most| most.contains(action))
            });
            format!("{kind}:{name}:{}", actions.join(","))
        })
        .collect();
    let expires = now()
        .as_secs()
        .saturating_add(auth.expires_in.unwrap_or(60));
    let claims = json!({ "number": number, "expires": expires, "access": granted });
    let token = URL_SAFE_NO_PAD.encode(claims.to_string());
    let mut answer = match auth.field {
        TokenField::Token => json!({ "token": token }),
        TokenField::AccessToken => json!({ "access_token": token }),
        TokenField::Both => json!({ "token": "", "access_token": token }),
        TokenField::Neither => json!({}),
    };
    if let Some(seconds) = auth.expires_in {
        answer["expires_in"] = seconds.into();
    }
    answer
}
