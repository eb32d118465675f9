//! Calls over HTTP: JSON with named, XML-RPC with positional arguments.

use std::time::Duration;

use cookie::Cookie;
use dxr::Value;
use reqwest::StatusCode;
use reqwest::header::{ALLOW, CONTENT_TYPE, SET_COOKIE};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Map, Value as Json, json};
use url::Url;

use super::{Error, xmlrpc};
use crate::http_client::{Failure, client_builder, failure_of, proxy_of, with_marked_certificates};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// A method that queries a slow registry (`plan` of many repositories) takes minutes.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(30);
/// The time zone of dates on XML-RPC, which have none.
const TIME_ZONE: &str = "registrysync-time-zone";
const COOKIE: &str = "pxt-session-cookie";
/// Bytes of a response: a list of a million tags is a tenth of that.
const ANSWER_LIMIT: usize = 256 << 20;

/// Which server, and how to trust it.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `http://host:port` or `https://host[:port]`, optionally with a path before the API's.
    pub url: String,
    /// Additional trusted certificates, PEM.
    pub ca_certificate: Option<String>,
    /// Accept any certificate.
    pub insecure: bool,
    /// Timeout of a response; default: half an hour.
    pub timeout: Option<Duration>,
}

/// The verb of JSON calls: GET for methods that only read, POST for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// `GET`
    Get,
    /// `POST`
    Post,
}

impl Verb {
    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Get => Self::Post,
            Self::Post => Self::Get,
        }
    }
}

/// The client of one server, with or without a session.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    root: Url,
    key: Option<SecretString>,
}

impl Client {
    /// A client without a session.
    pub fn new(options: &Options) -> Result<Self, Error> {
        let root = address(&options.url)?;
        let mut builder = client_builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(options.timeout.unwrap_or(ANSWER_TIMEOUT))
            .tls_danger_accept_invalid_certs(options.insecure);
        if root.scheme() == "http" {
            // Loading the system's certificates takes tens of milliseconds.
            builder = builder.tls_certs_only([]);
        } else {
            builder = with_marked_certificates(builder);
        }
        if let Some(pem) = options
            .ca_certificate
            .as_ref()
            .filter(|_| root.scheme() != "http")
        {
            let certificates =
                reqwest::Certificate::from_pem_bundle(pem.as_bytes()).map_err(|e| {
                    Error::Options(format!("the CA certificate is not PEM: {}", cause(&e)))
                })?;
            if certificates.is_empty() {
                return Err(Error::Options("the CA file has no certificate".into()));
            }
            builder = builder.tls_certs_merge(certificates);
        }
        Ok(Self {
            http: builder.build().map_err(|e| Error::Options(cause(&e)))?,
            root,
            key: None,
        })
    }

    /// The server's name in error messages and in the session's file name.
    pub fn url(&self) -> &str {
        self.root.as_str().trim_end_matches('/')
    }

    /// Uses an existing session.
    pub fn resume(&mut self, key: SecretString) {
        self.key = Some(key);
    }

    /// Logs in like a browser; returns the session's key.
    pub async fn login(
        &mut self,
        login: &str,
        password: &SecretString,
    ) -> Result<SecretString, Error> {
        let body = json!({"login": login, "password": password.expose_secret()});
        let request = self
            .http
            .post(self.json_url("auth.login"))
            .header(CONTENT_TYPE, "application/json")
            .body(body.to_string());
        let response = request.send().await.map_err(|e| self.unreachable(&e))?;
        let cookies = response.headers().get_all(SET_COOKIE);
        let key = cookies
            .iter()
            .filter_map(|line| Cookie::parse(line.to_str().ok()?).ok())
            .find(|cookie| cookie.name() == COOKIE && is_key(cookie.value()))
            .map(|cookie| SecretString::from(cookie.value()));
        let status = response.status();
        let text = self.text_of(response).await?;
        // A refused login is 401 as well, but has its own message.
        self.json_answer(if status == StatusCode::UNAUTHORIZED && !text.is_empty() {
            (StatusCode::OK, &text)
        } else {
            (status, &text)
        })?;
        let key = key.ok_or_else(|| self.strange("the login returned no session cookie"))?;
        self.key = Some(key.clone());
        Ok(key)
    }

    /// The body of a response.
    async fn text_of(&self, mut response: reqwest::Response) -> Result<String, Error> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| self.unreachable(&e))? {
            if body.len() + chunk.len() > ANSWER_LIMIT {
                let limit = ANSWER_LIMIT >> 20;
                return Err(self.strange(&format!(
                    "the response is larger than {limit} MiB; use `limit` and `offset` for long lists"
                )));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    /// Ends the session.
    pub async fn logout(&mut self) -> Result<(), Error> {
        let none = Map::new();
        self.call(Verb::Post, "auth.logout", &none).await?;
        self.key = None;
        Ok(())
    }

    /// Calls a method with named arguments.
    pub async fn call(
        &self,
        verb: Verb,
        method: &str,
        args: &Map<String, Json>,
    ) -> Result<Json, Error> {
        let mut url = self.json_url(method);
        let mut body = Map::new();
        for (name, value) in args {
            // Strings, numbers and booleans go to the query as plain text, which the server converts.
            let text = match (verb, value) {
                (Verb::Get, Json::String(text)) => Some(text.clone()),
                (Verb::Get, Json::Number(_) | Json::Bool(_)) => Some(value.to_string()),
                _ => None,
            };
            match text {
                Some(text) => {
                    url.query_pairs_mut().append_pair(name, &text);
                }
                None => {
                    body.insert(name.clone(), value.clone());
                }
            }
        }
        let mut request = match verb {
            Verb::Get => self.http.get(url),
            Verb::Post => self.http.post(url),
        };
        if let Some(key) = &self.key {
            request = request.bearer_auth(key.expose_secret());
        }
        if !body.is_empty() {
            request = request
                .header(CONTENT_TYPE, "application/json")
                .body(Json::Object(body).to_string());
        }
        let response = request.send().await.map_err(|e| self.unreachable(&e))?;
        let status = response.status();
        let other_verb = response.headers().contains_key(ALLOW);
        let text = self.text_of(response).await?;
        match self.json_answer((status, &text)) {
            Err(Error::Call(message)) if status == StatusCode::METHOD_NOT_ALLOWED && other_verb => {
                Err(Error::Verb(message))
            }
            result => result,
        }
    }

    /// Calls a method with positional arguments; the session's key is put first if requested.
    pub async fn call_positional(
        &self,
        method: &str,
        session: bool,
        args: Vec<Value>,
    ) -> Result<Json, Error> {
        let key = match (session, &self.key) {
            (true, Some(key)) => Some(Value::String(key.expose_secret().to_owned())),
            (true, None) => return Err(Error::Session),
            (false, _) => None,
        };
        let params = key.into_iter().chain(args).collect();
        let document = xmlrpc::call(method, params)?;
        let request = self
            .http
            .post(self.below("rpc/api"))
            .header(CONTENT_TYPE, "text/xml; charset=utf-8")
            .body(document);
        let response = request.send().await.map_err(|e| self.unreachable(&e))?;
        let status = response.status();
        let zone = response.headers().get(TIME_ZONE);
        let zone = zone.and_then(|name| name.to_str().ok()?.parse().ok());
        let text = self.text_of(response).await?;
        xmlrpc::answer(&text, zone).map_err(|error| {
            error.unwrap_or_else(|| {
                self.strange(&format!("status {status} and not an XML-RPC answer"))
            })
        })
    }

    fn json_answer(&self, (status, text): (StatusCode, &str)) -> Result<Json, Error> {
        if status == StatusCode::UNAUTHORIZED {
            return Err(Error::Session);
        }
        let Ok(Json::Object(mut answer)) = serde_json::from_str(text) else {
            return Err(self.strange(&format!("status {status} and not a JSON answer")));
        };
        let message = match answer.remove("message") {
            Some(Json::String(message)) => message,
            _ => String::new(),
        };
        match answer.get("success") {
            Some(Json::Bool(true)) => Ok(answer.remove("result").unwrap_or(Json::Null)),
            Some(Json::Bool(false))
                if status == StatusCode::OK || status == StatusCode::FORBIDDEN =>
            {
                Err(Error::Fault {
                    code: answer.get("code").and_then(Json::as_i64),
                    message,
                })
            }
            Some(Json::Bool(false)) => Err(Error::Call(message)),
            _ => Err(self.strange("JSON without `success`")),
        }
    }

    fn json_url(&self, method: &str) -> Url {
        self.below(&format!("rhn/manager/api/{}", method.replace('.', "/")))
    }

    fn below(&self, path: &str) -> Url {
        let mut url = self.root.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path.split('/'));
        }
        url
    }

    fn unreachable(&self, error: &reqwest::Error) -> Error {
        let detail = match failure_of(error) {
            _ if error.is_timeout() => "it didn't answer in time".to_owned(),
            Failure::Untrusted => "the certificate is signed by an authority that isn't trusted here (UnknownIssuer); if it is \
                 the right one, give the authority's certificate (PEM) with `--ca-certificate FILE`, or in the file that \
                 `SSL_CERT_FILE` names"
                .to_owned(),
            Failure::NotTls => {
                "it doesn't speak TLS; if plain http is intended, write `http://`".to_owned()
            }
            Failure::NotHttp => {
                "it doesn't answer in HTTP; if it speaks TLS, write `https://`".to_owned()
            }
            Failure::Tls(reason) => format!("the TLS handshake failed: {reason}"),
            Failure::Unconnected(cause) => match proxy_of(&self.root) {
                Some(proxy) => format!(
                    "can't connect through the proxy `{}` ({cause})",
                    proxy.origin().ascii_serialization()
                ),
                None => cause,
            },
            Failure::Forbidden(cause) | Failure::Unmakeable(cause) | Failure::Broken(cause) => cause,
        };
        Error::Unreachable {
            url: self.url().to_owned(),
            detail,
        }
    }

    fn strange(&self, detail: &str) -> Error {
        Error::Strange {
            url: self.url().to_owned(),
            detail: detail.to_owned(),
        }
    }
}

/// Whether a text has the form of a session key.
fn is_key(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn address(text: &str) -> Result<Url, Error> {
    let refused = |detail: &str| {
        Error::Options(format!(
            "`--url`: {detail}; write it as `http://host:8080` or `https://host`"
        ))
    };
    let url = Url::parse(text).map_err(|e| refused(&e.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(refused("it isn't an http or https address"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refused(
            "a user or password in the address can be read by others",
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(refused("it has a query or a fragment"));
    }
    Ok(url)
}

/// The innermost cause, which is the useful one.
fn cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::{Client, Options};

    fn client(url: &str) -> Result<Client, super::Error> {
        Client::new(&Options {
            url: url.into(),
            ..Options::default()
        })
    }

    #[test]
    fn addresses_take_the_apis_paths() {
        for (url, shown, method) in [
            (
                "http://a:8080",
                "http://a:8080",
                "http://a:8080/rhn/manager/api/x/y",
            ),
            ("http://a/", "http://a", "http://a/rhn/manager/api/x/y"),
            (
                "https://a/mirror/",
                "https://a/mirror",
                "https://a/mirror/rhn/manager/api/x/y",
            ),
        ] {
            let client = client(url).unwrap();
            assert_eq!(client.url(), shown);
            assert_eq!(client.json_url("x.y").as_str(), method);
        }
    }

    #[test]
    fn addresses_that_mean_something_else_are_refused() {
        for url in [
            "a:8080",
            "ftp://a",
            "http://u:secret@a",
            "http://a/?x=1",
            "",
        ] {
            let error = client(url).unwrap_err().to_string();
            assert!(
                error.contains("--url") && !error.contains("secret"),
                "{error}"
            );
        }
    }
}
