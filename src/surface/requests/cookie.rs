//! The session of a JSON request: a cookie, or a bearer token.

use std::time::Duration;

use axum::http::header::{AUTHORIZATION, COOKIE};
use axum::http::{HeaderMap, HeaderValue};
use cookie::{Cookie, SameSite};

use super::arrival::Origin;

/// The cookie's name.
pub(in crate::surface) const NAME: &str = "pxt-session-cookie";

/// Maximum number of cookies with our name that are checked: each is a database query, and a
/// browser has at most one per path.
const TRIED: usize = 4;

/// The session keys that a request carries.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::surface) enum Carried {
    /// In `Authorization: Bearer`; takes precedence, since it was given on purpose.
    Bearer(String),
    /// In cookies with our name; a browser may send several.
    Cookies(Vec<String>),
}

impl Carried {
    pub(in crate::surface) fn of(headers: &HeaderMap) -> Carried {
        let bearer = headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        if let Some((_, key)) = bearer {
            return Carried::Bearer(key.trim().to_owned());
        }
        let mut keys = Vec::new();
        for line in headers.get_all(COOKIE) {
            // Another site's cookie may have any bytes.
            let line = String::from_utf8_lossy(line.as_bytes());
            let own = Cookie::split_parse(line.as_ref()).filter_map(Result::ok);
            let own = own.filter(|cookie| cookie.name() == NAME);
            keys.extend(own.map(|cookie| cookie.value_trimmed().to_owned()));
        }
        keys.truncate(TRIED);
        Carried::Cookies(keys)
    }

    /// The keys in the order to try them.
    pub(in crate::surface) fn keys(&self) -> &[String] {
        match self {
            Carried::Bearer(key) => std::slice::from_ref(key),
            Carried::Cookies(keys) => keys,
        }
    }
}

/// The `Set-Cookie` header with a session key, valid for `lifetime`; zero deletes the cookie. If users
/// reach the server by https, the cookie is `Secure`.
pub(in crate::surface) fn set(
    key: &str,
    lifetime: Duration,
    origin: &Origin,
) -> Option<HeaderValue> {
    let cookie = Cookie::build((NAME, key))
        .max_age(lifetime.try_into().ok()?)
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(origin.is_secure());
    HeaderValue::from_str(&cookie.to_string()).ok()
}

#[cfg(test)]
mod tests {
    use super::Carried;
    use axum::http::header::{AUTHORIZATION, COOKIE};
    use axum::http::{HeaderMap, HeaderValue};

    #[test]
    fn keys_are_found_among_other_cookies_and_a_bearer_wins() {
        let mut headers = HeaderMap::new();
        assert!(Carried::of(&headers).keys().is_empty());
        headers.append(
            COOKIE,
            HeaderValue::from_static("a=b; pxt-session-cookie=1x2"),
        );
        headers.append(
            COOKIE,
            HeaderValue::from_static("pxt-session-cookie=\"3x4\""),
        );
        assert_eq!(Carried::of(&headers).keys(), ["1x2", "3x4"]);
        let foreign = HeaderValue::from_bytes(b"a=\xe9; pxt-session-cookie=9x9");
        headers.append(COOKIE, foreign.expect("a header"));
        for number in 0..100 {
            let cookie = format!("pxt-session-cookie={number}; pxt-session-cookie=x");
            headers.append(COOKIE, HeaderValue::from_str(&cookie).expect("a header"));
        }
        assert_eq!(Carried::of(&headers).keys(), ["1x2", "3x4", "9x9", "0"]);
        headers.insert(AUTHORIZATION, HeaderValue::from_static("bearer 5x6"));
        assert_eq!(Carried::of(&headers), Carried::Bearer("5x6".into()));
    }
}
